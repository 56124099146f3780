"""A number as text, and a table of text, which the terminal, Markdown and pages show alike."""

# Design: - Every number that a table shows becomes text here. What is absent (None, or NaN where there was nothing to
#           measure) is "none" or, where a column is mostly empty, "". Infinity is "inf". There is no "-0.0".
#         - Sentences of the diagnosis, which stands below the report, format their numbers in place.

import math
from dataclasses import dataclass


def number(value: float | None, digits: int = 3, absent: str = "none") -> str:
    """With so many decimals: ``0.013``, ``-2.0``; ``absent`` for None and NaN."""
    return absent if value is None or math.isnan(value) else f"{value:z.{digits}f}"


def significant(value: float | None, absent: str = "none") -> str:
    """With three digits: ``0.00123``, ``12.3``, ``1234``; ``absent`` for None and NaN."""
    if value is None or math.isnan(value):
        return absent
    return f"{value:.0f}" if 999.5 <= abs(value) < 1e6 else f"{value:.3g}"


def percent(share: float | None, digits: int = 0, absent: str = "none") -> str:
    """A share of 1: ``37%``; ``absent`` for None and NaN."""
    return absent if share is None or math.isnan(share) else f"{share:.{digits}%}"


def count(value: int) -> str:
    """How many: ``65,536``."""
    return f"{value:,}"


def interval(low: float, high: float, digits: int = 3) -> str:
    """Both ends: ``0.012 to 0.014``; "none" unless both are finite."""
    ends = number(low, digits), number(high, digits)
    return " to ".join(ends) if math.isfinite(low) and math.isfinite(high) else "none"


def plus_minus(value: float, reach: float, digits: int = 3) -> str:
    """A mean and half its interval: ``0.013 ± 0.001``; the mean alone if the interval is not finite."""
    half = f" ± {number(reach, digits)}" if math.isfinite(reach) else ""
    return number(value, digits) + half


@dataclass(frozen=True)
class Table:
    """A title, the columns' names, and rows of text in groups: {name of the group: [row, ...]}."""

    title: str
    columns: tuple[str, ...]
    groups: dict[str, list[tuple[str, ...]]]


def markdown(table: Table) -> str:
    """The table in Markdown; the groups' names, if there are any, are the first column."""
    named = any(table.groups)
    head = (*(("",) if named else ()), *table.columns)
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for group, rows in table.groups.items():
        for index, row in enumerate(rows):
            lines.append((*((group if index == 0 else "",) if named else ()), *row))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
