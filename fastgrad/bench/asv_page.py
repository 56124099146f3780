"""``asv publish``, and then every library that its page would load from elsewhere lies in the page's own folder."""

# Design: - The page of asv 0.6.6 loads ten files from CDNs and is an error message where one does not answer. They are
#           in fastgrad/report/web/asv, from npm, with their licences. Five are the very bytes that asv asks for, by its
#           own digests; flot and stupidtable are minified for the CDN only, and npm has the second in 1.1.3 alone.
#         - A URL that is not in the table is an error, never left in: a page that half works offline is found
#           out on the day the network fails.
#         - asv begins by deleting the folder it publishes into. It gets a new one beside ``out``, which takes the
#           place of ``out`` when it is whole, and only if nothing but an earlier page stands there.
#         - asv is a process of its own: it changes the working directory and starts workers.

import json
import os
import re
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

LIBRARY_FOLDER = "vendor"  # inside the page's folder
NARROW = f"""<meta name="viewport" content="width=device-width, initial-scale=1">
    <link href="{LIBRARY_FOLDER}/narrow.css" rel="stylesheet" type="text/css">"""


class Library(NamedTuple):
    """A file of fastgrad/report/web/asv, the npm package it is from, and the URL it stands in for."""

    file: str
    package: str
    url: str


CDNJS, JSDELIVR = "https://cdnjs.cloudflare.com/ajax/libs", "https://cdn.jsdelivr.net/npm"
LIBRARIES = (
    Library("jquery.min.js", "jquery 3.3.1", "https://code.jquery.com/jquery-3.3.1.min.js"),
    Library("jquery.flot.js", "flot 0.8.3", f"{CDNJS}/flot/0.8.3/jquery.flot.min.js"),
    Library("jquery.flot.time.js", "flot 0.8.3", f"{CDNJS}/flot/0.8.3/jquery.flot.time.min.js"),
    Library("jquery.flot.selection.js", "flot 0.8.3", f"{CDNJS}/flot/0.8.3/jquery.flot.selection.min.js"),
    Library("jquery.flot.categories.js", "flot 0.8.3", f"{CDNJS}/flot/0.8.3/jquery.flot.categories.min.js"),
    Library(
        "jquery.flot.orderBars.js",
        "flot-orderbars 1.0.0",
        f"{JSDELIVR}/flot-orderbars@1.0.0/js/jquery.flot.orderBars.js",
    ),
    Library("stupidtable.min.js", "stupid-table-plugin 1.1.3", f"{CDNJS}/stupidtable/1.0.1/stupidtable.min.js"),
    Library("md5.min.js", "blueimp-md5 2.19.0", f"{CDNJS}/blueimp-md5/2.19.0/js/md5.min.js"),
    Library("bootstrap.min.js", "bootstrap 3.1.1", f"{JSDELIVR}/bootstrap@3.1.1/dist/js/bootstrap.min.js"),
    Library("bootstrap.min.css", "bootstrap 3.1.1", f"{JSDELIVR}/bootstrap@3.1.1/dist/css/bootstrap.min.css"),
)

LIBRARY_OF = {library.url: library for library in LIBRARIES}

ELSEWHERE = r"""\s*["']?((?:https?:)?//[^"'\s>)]+)"""
TAG = re.compile(r"<(?!a\b)\w[^>]*>")  # a link to follow loads nothing
LOADS = {
    ".html": re.compile(r"\b(?:src|href|data|srcset)\s*=" + ELSEWHERE),
    ".css": re.compile(r"(?:\burl\(|@import\b)" + ELSEWHERE),
    ".js": re.compile(r"\b(?:from|import|import\(|importScripts\()(?=\s*[\"'])" + ELSEWHERE),
}
# A digest is of the file at the CDN, and the others are about asking another site.
FOREIGN_ATTRIBUTES = re.compile(r"""\s(?:integrity|crossorigin|referrerpolicy)\s*=\s*(?:"[^"]*"|'[^']*')""")
NOT_ON_BRANCH = re.compile(r"Couldn't find (\w+) in branches")


def publish(config: str | os.PathLike = "asv.conf.json", out: str | os.PathLike | None = None) -> dict[str, Any]:
    """Publish what asv measured as a page that needs no network.

    Parameters
    ----------
    config : path
        asv's configuration.
    out : path, optional
        The page's folder: new, empty or an earlier page, which is replaced. The configuration's ``html_dir`` if not
        given.

    Returns
    -------
    dict
        ``page``, the path of its index.html; ``benchmarks``, how many it shows; ``regressions``, as `regressions` gives
        them; ``left_out``, the commits that have results but are on no branch of the configuration.

    Raises
    ------
    ImportError
        If asv is not installed.
    OSError
        If the folder cannot be written.
    ValueError
        If there is no configuration, it is wrong, there are no results, asv fails, its page asks for a library that
        is not in ``LIBRARIES``, or the folder has files in it that are no part of a page.
    """
    config = Path(config)
    if not config.is_file():
        raise ValueError(f"there is no configuration of asv at {config}; --config says where it is")
    config = config.resolve()
    settings = _settings(config)
    _need_results(config.parent / settings.results_dir)
    out = (config.parent / settings.html_dir if out is None else Path(out)).resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        page = Path(scratch, "page")
        printed = _run_asv(config, page)
        left_out = sorted(set(NOT_ON_BRANCH.findall(printed)))
        benchmarks = _only_measured(page)
        make_self_contained(page)
        _replace(out, page, Path(scratch, "old"))
    return {
        "page": str(out / "index.html"),
        "benchmarks": benchmarks,
        "regressions": regressions(out),
        "left_out": left_out,
    }


def _settings(config):
    """asv's own reading of its configuration."""
    try:
        from asv.config import Config
        from asv.util import UserError
    except ImportError:
        raise ImportError("publishing needs asv: pip install 'fastgrad[asv]'") from None
    try:
        return Config.load(str(config))
    except (UserError, ValueError) as error:
        raise ValueError(f"{config} is no configuration of asv: {_one_line(error)}") from error


def _need_results(folder):
    if not any(path.name != "machine.json" for path in folder.glob("*/*.json")):
        raise ValueError(f"there are no results in {folder} yet: run asv run first")


def _run_asv(config, page):
    """What asv prints while it publishes into a new folder."""
    command = [sys.executable, "-m", "asv", "publish", "--config", str(config), "--html-dir", str(page)]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if run.returncode:
        said = run.stdout.strip()
        # the last line of a traceback, the whole of a message
        raise ValueError(f"asv publish failed: {_one_line(said.splitlines()[-1] if 'Traceback' in said else said)}")
    return run.stdout


def _only_measured(page):
    """Take benchmarks without a result off the page, which would ask in vain for their graphs; how many are left."""
    from asv.util import sanitize_filename

    path = page / "index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    summaries = page / "graphs" / "summary"
    found = {
        name: benchmark
        for name, benchmark in index["benchmarks"].items()
        if (summaries / f"{sanitize_filename(name)}.json").is_file()
    }
    if not found:
        branches = ", ".join(index["params"]["branch"])
        raise ValueError(f"asv has results, but none of a commit on {branches}: nothing to publish")
    path.write_text(json.dumps(index | {"benchmarks": found}, separators=(",", ":")), encoding="utf-8")
    return len(found)


def _one_line(text):
    return " ".join(str(text).split())


def _replace(out, page, old):
    """Move ``page`` to ``out``, and what is there to ``old``."""
    if out.exists():
        foreign = sorted({path.name for path in out.iterdir()} - {path.name for path in page.iterdir()})
        if foreign:
            raise ValueError(f"{out} is not replaced: it has {foreign[0]!r} in it, which is no part of a page")
        out.rename(old)
    page.rename(out)


def make_self_contained(folder: str | os.PathLike) -> None:
    """Put the libraries into a folder that asv published and let its pages load them; again: nothing to do.

    Raises
    ------
    ValueError
        If a page, a style sheet or a script loads something else from elsewhere. The folder is as it was.
    """
    folder = Path(folder)
    replaced = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix in LOADS):
        text = path.read_text(encoding="utf-8")
        for url in loads(text, path.suffix):
            if path.suffix != ".html" or url not in LIBRARY_OF:
                raise ValueError(
                    f"the page of this asv loads {url}, which fastgrad does not have: pip install 'fastgrad[asv]' "
                    "installs an asv whose libraries it has"
                )
        if path.suffix == ".html":
            replaced[path] = _for_narrow_screens(TAG.sub(lambda tag: _local(tag[0]), text))
    (folder / LIBRARY_FOLDER).mkdir(exist_ok=True)
    for file in resources.files("fastgrad.report").joinpath("web", "asv").iterdir():
        (folder / LIBRARY_FOLDER / file.name).write_bytes(file.read_bytes())
    for path, text in replaced.items():
        path.write_text(text, encoding="utf-8")


def loads(text: str, suffix: str) -> list[str]:
    """The URLs off this machine that a page, style sheet or script loads by itself."""
    parts = TAG.findall(text) if suffix == ".html" else [text]
    return [url for part in parts for url in LOADS[suffix].findall(part)]


def _local(tag):
    """An HTML tag that loads the copy of a library, if it loads a library."""
    for url in loads(tag, ".html"):
        tag = FOREIGN_ATTRIBUTES.sub("", tag.replace(url, f"{LIBRARY_FOLDER}/{LIBRARY_OF[url].file}"))
    return tag


def _for_narrow_screens(text):
    return text if NARROW in text else text.replace("</head>", f"  {NARROW}\n  </head>", 1)


def regressions(folder: str | os.PathLike) -> list[dict[str, Any]]:
    """The regressions that a published page lists.

    Returns
    -------
    list of dict
        ``benchmark`` with its parameters; ``commit`` that made it worse; ``since``, the last commit known to be
        good if there are others between the two, else None; the values ``before`` and ``after``; and their ratio
        ``factor``.
    """
    index, found = (
        json.loads(Path(folder, name).read_text(encoding="utf-8")) for name in ("index.json", "regressions.json")
    )
    commit = index["revision_to_hash"]
    return [
        {
            "benchmark": name,
            "commit": commit[str(last)],
            "since": None if first is None else commit[str(first)],
            "before": before,
            "after": after,
            "factor": after / before,
        }
        for name, _, _, _, _, _, jumps in found["regressions"]
        for first, last, before, after in jumps
    ]
