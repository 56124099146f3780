"""What the pages share: one template, style sheet and chart script, sections, figures, the key, heat maps."""

# Design: - Tables are HTML from here: they are read aloud, printed and found by a search without a script. Charts are
#           Observable Plot's, drawn by page.js from JSON in the page.
#         - Everything is in the page, so it can be mailed. Its policy names the scripts by their digests and allows
#           nothing else: no request, no other script, whatever a label holds.

import base64
import hashlib
import json
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources

import fastgrad
from fastgrad._validation import plain
from fastgrad.report import palette
from fastgrad.report.findings import by_depth, init_label
from fastgrad.report.palette import BINS, decade_bin
from fastgrad.report.tables import TURNING, escape, number

SCRIPTS = ("d3.min.js", "plot.umd.min.js", "page.js")


def bundled(name: str) -> str:
    """The text of a file in ``fastgrad/report/web``."""
    return resources.files("fastgrad.report").joinpath("web", name).read_text(encoding="utf-8")


class Page:
    """A page in the making: its charts, as page.js draws them, are numbered as their figures are made."""

    def __init__(self):
        self._charts = []

    def figure(self, kind: str, title: str, alternative: str, caption: str = "", **chart) -> str:
        """A chart with its title and what to see in it.

        Parameters
        ----------
        kind : str
            The function of page.js that draws it.
        title, alternative, caption : str
            ``alternative`` is what is read aloud in place of the picture.
        **chart
            What that function takes.
        """
        self._charts.append({"kind": kind, "alternative": ". ".join(filter(None, (title, alternative)))} | chart)
        below = f"<figcaption>{prose(caption)}</figcaption>" if caption else ""
        head = f"<h3>{escape(title)}</h3>" if title else ""
        return f'<figure data-chart="{len(self._charts) - 1}">{head}<div></div>{below}</figure>'

    def write(
        self, name: str, headline: str, lead: str, sections: Iterable[str], files: Sequence[str], picture: str = "",
        **data,
    ) -> str:  # fmt: skip
        """The page: ``lead``, ``sections`` and ``picture`` are HTML, ``data`` is for page.js, the rest is text.

        The picture, a figure, stands beside headline and lead, or between them on a narrow screen.
        """
        scripts = [bundled(script) for script in SCRIPTS]
        text = json.dumps(
            plain(data | {"charts": self._charts}), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        text = text.translate({code: f"\\{shown}" for code, shown in TURNING.items()})
        links = ", ".join(f'<a href="{escape(file)}">{escape(file)}</a>' for file in files)
        return string.Template(bundled("page.html")).substitute(
            title=escape(f"fastgrad: {headline}"),
            name=escape(name),
            headline=escape(headline),
            picture=picture,
            pictured="pictured" if picture else "",
            lead=lead,
            policy=digests(scripts),
            style=f"{bundled('page.css')}\n{palette.css()}",
            body="\n".join(filter(None, sections)),
            files=f"Every number: {links}." if files else "",
            data=text.replace("<", "\\u003c"),
            libraries="\n".join(f"<script>{script}</script>" for script in scripts[:-1]),
            script=scripts[-1],
            version=escape(fastgrad.__version__),
        )


def digests(scripts: Iterable[str]) -> str:
    """What a Content-Security-Policy calls these scripts by, so that a page runs them and no other."""
    hashes = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes)


def prose(text: str) -> str:
    """Text as HTML; what stands in backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def section(identifier: str, title: str, *parts: str, note: str = "", commands: Iterable[str] = ()) -> str:
    """A section of HTML parts; ``note`` says what it is about, ``commands``, but for "", what makes it alone: text."""
    head = f'<section aria-labelledby="{identifier}"><h2 id="{identifier}">{escape(title)}</h2>'
    codes = "; ".join(f"<code>{escape(command)}</code>" for command in commands if command)
    below = f'<p class="made">This section alone: {codes}</p>' if codes else ""
    return head + paragraph(note) + "".join(parts) + below + "</section>"


def paragraph(text: str, kind: str = "note") -> str:
    """A paragraph of text; nothing for none."""
    return f'<p class="{kind}">{prose(text)}</p>' if text else ""


def scroll(table: str, label: str, kind: str = "") -> str:
    """A table that can be moved sideways where it is wider than the screen; ``label`` is the id of its heading."""
    classes = f"scroll {kind}".rstrip()
    return f'<div class="{classes}" tabindex="0" role="group" aria-labelledby="{label}">{table}</div>'


def folded(summary: str, *parts: str) -> str:
    """Parts that are shown when asked for, and on paper."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def charts(*figures: str, identifier: str = "") -> str:
    """Figures side by side, as many as there is room for."""
    name = f' id="{identifier}"' if identifier else ""
    return f'<div class="charts"{name}>{"".join(figures)}</div>'


def contents(titles: dict[str, str]) -> str:
    """Links to the sections: ``{id: title}``."""
    items = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in titles.items())
    return f'<nav aria-label="Sections"><ul>{items}</ul></nav>'


def definitions(kind: str, terms: Mapping[str, str]) -> str:
    """Terms and what they are, as a list of class ``kind``: "terms" or "facts"."""
    items = "".join(f"<div><dt>{escape(term)}</dt> <dd>{escape(text)}</dd></div>" for term, text in terms.items())
    return f'<dl class="{kind}">{items}</dl>'


def made_section(command: str, machine: Mapping[str, str]) -> str:
    """The end of every page: the command, if there was one, and the facts of the machine."""
    by = f"By <code>{escape(command)}</code>, on" if command else "On"
    note = f'<p class="note">{by} this machine:</p>'
    return section("made", "How this was made", note, definitions("facts", machine))


def key() -> str:
    """What the colours of decades mean."""
    items = "".join(f'<li><span class="bin{i}"></span>{escape(name)}</li>' for i, (_, name, *_) in enumerate(BINS))
    return f'<ul class="key">{items}</ul>'


def choices(kind: str, legend: str, labels: Sequence[str], *, single: bool = False) -> str:
    """Boxes that filter the page by ``kind``; with ``single`` one is chosen, the last."""
    buttons = "".join(f'<button type="button" data-{word}="{kind}">{word}</button>' for word in ("all", "none"))
    inputs = "".join(
        f'<label><input type="{"radio" if single else "checkbox"}" name="{kind}" data-filter="{kind}" '
        f'value="{escape(label)}"{"" if single and label != labels[-1] else " checked"}> {escape(label)}</label>'
        for label in labels
    )
    return f"<fieldset><legend>{escape(legend)}</legend>{'' if single else buttons}{inputs}</fieldset>"


def html_matrix(caption: str, columns: Sequence[str], rows: dict[str, Sequence[tuple[float, str] | None]]) -> str:
    """A table of colours: ``{name: [(decades lost, text), ...]}``, a cell for each column, None where there is none."""
    head = "".join(f'<th scope="col" class="number">{escape(column)}</th>' for column in columns)
    body = ""
    for name, cells in rows.items():
        filled = "".join(
            "<td></td>" if cell is None else f'<td class="bin{decade_bin(cell[0])}">{escape(cell[1])}</td>'
            for cell in cells
        )
        body += f'<tr data-name="{escape(name)}"><th scope="row">{escape(name)}</th>{filled}</tr>'
    return (
        f'<table class="heat"><caption>{escape(caption)}</caption><thead><tr><th scope="col">network</th>{head}</tr>'
        f'</thead><tbody data-group="">{body}</tbody></table>'
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
