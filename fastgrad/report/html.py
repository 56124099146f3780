"""What the pages share: their templates and scripts, the key of colours, and the heat map."""

import base64
import hashlib
import string
from collections.abc import Iterable
from html import escape
from importlib import resources

from fastgrad.report.findings import by_depth, init_label
from fastgrad.report.palette import BINS, decade_bin
from fastgrad.report.tables import number


def bundled(name: str) -> str:
    """The text of a file in ``fastgrad/report/web``."""
    return resources.files("fastgrad.report").joinpath("web", name).read_text(encoding="utf-8")


def digests(scripts: Iterable[str]) -> str:
    """What a Content-Security-Policy calls these scripts by, so that a page runs them and no other."""
    hashes = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes)


def fill(name: str, **parts: str) -> str:
    """A page of ``fastgrad/report/web`` with its style, the key of colours, and these parts, which are HTML."""
    return string.Template(bundled(name)).substitute(
        style=bundled("page.css"),
        bin_styles="\n".join(f".bin{i} {{ background: {b}; color: {f}; }}" for i, (_, _, b, f) in enumerate(BINS)),
        key="".join(f'<li><span class="bin{i}"></span>{escape(name)}</li>' for i, (_, name, *_) in enumerate(BINS)),
        **parts,
    )


def html_heatmap(results, name=init_label):
    """Decades lost as a table of colours: a row for each name in each activation, a column for each depth."""
    depths, groups = by_depth(results, name)
    head = "".join(f'<th scope="col" class="number">{depth}</th>' for depth in depths)
    bodies = []
    for phi, rows in groups.items():
        body = f'<tr><th scope="rowgroup" colspan="{len(depths) + 1}">{escape(phi)}</th></tr>'
        for init, found in rows.items():
            cells = "".join(_html_heat(found.get(depth)) for depth in depths)
            body += f'<tr data-name="{escape(init)}"><th scope="row">{escape(init)}</th>{cells}</tr>'
        bodies.append(f'<tbody data-group="{escape(phi)}">{body}</tbody>')
    return (
        '<table class="heat"><caption>Decades of delta lost, by number of hidden layers</caption>'
        f'<thead><tr><th scope="col">network</th>{head}</tr></thead>{"".join(bodies)}</table>'
    )


def _html_heat(result):
    if result is None:
        return "<td></td>"
    return f'<td class="bin{decade_bin(result.decades_lost)}">{number(result.decades_lost, 1)}</td>'
