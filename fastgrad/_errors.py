"""The one way this package says that a name is unknown, or that a package is missing."""

import difflib
from collections.abc import Iterable


def unknown(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """A ValueError that names the nearest match: ``raise unknown("activation", "rleu", names)``."""
    names = list(known)
    near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return ValueError(f"unknown {kind} {name!r}{hint} known: {', '.join(names)}")


def known(kind: str, name: str, names: Iterable[str]) -> str:
    """``name``, if it is one of ``names``; otherwise the ValueError of :func:`unknown`."""
    if name not in names:
        raise unknown(kind, name, names)
    return name


def missing(what: str, package: str, extra: str) -> ImportError:
    """An ImportError that says how to get it: ``raise missing("a picture", "matplotlib", "plot") from error``."""
    return ImportError(f"{what} needs {package}: pip install 'fastgrad[{extra}]'")
