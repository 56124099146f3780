"""The report: a page whole, escaped and self-contained; every number in JSON and CSV; tables that fit."""

import csv
import dataclasses
import html.parser
import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

import fastgrad
from fastgrad.report import findings, terminal
from fastgrad.report import survey as report
from fastgrad.sweeps import networks, remedies, study
from fastgrad.sweeps import run as sweeps

SPEED = [
    {
        "kernel": "tanh",
        "size": 65536,
        "dtype": "float32",
        "ns_per_element": 0.5,
        "peer": "NumPy [fast]",
        "peer_ns_per_element": 2.5,
        "ratio": 5.0,
    }
]
MACHINE = {"processor": "A <b>processor</b> & co", "cores": "2"}
COMMAND = "fastgrad run --out '<script>alert(1)</script>'"
# A name that is HTML, ends strings and code, is long without a space, and turns what follows it around.
HOSTILE = f"<img src=x onerror=alert(1)></script><script>alert(1)</script> & \"'`b` {'w' * 300} \u05d0\u05d1 \u202eabc"
SHOWN = HOSTILE.replace(
    "\u202e", "\\u202e"
)  # of a character that turns the rest of a sentence around a page says which it is


def remedies_of(results):
    return remedies.diagnoses(results, list(sweeps.run_study(remedies.needed(results))))


@pytest.fixture(scope="module")
def found():
    cells = study.grid(
        ["sigmoid", "leaky_relu"], ["xavier_normal", "he_normal"], [3, 12],
        width=16, batch=8, seeds=(0, 1), data="normal",
    )  # fmt: skip
    results = list(sweeps.run_study(cells))
    return report.Report(results, MACHINE, SPEED, COMMAND, remedies_of(results))


@pytest.fixture(scope="module")
def whole(found):
    return report.to_html(found)


@pytest.fixture(scope="module")
def page(whole):
    return without_scripts(whole)


def without_scripts(page):
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


class Outline(html.parser.HTMLParser):
    """Open tags, whether they close in order, attributes and text."""

    VOID = ("meta", "img", "source", "br", "input")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def well_formed(outline, tables):
    """What every page of ours is: tags that close, names that are there once, tables that can be read aloud."""
    assert outline.open == []
    identifiers = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for _, attributes in outline.tags:
        assert attributes.get("aria-labelledby", identifiers[0]) in identifiers
    assert all("scope" in attributes for attributes in outline.of("th"))
    assert len(outline.of("table")) == len(outline.of("caption")) == tables
    assert len(outline.of("h1")) == 1


class Tables(html.parser.HTMLParser):
    """{caption: (columns, [(group, cells), ...])}; a row with one cell is the group's name."""

    def __init__(self, text):
        super().__init__()
        self.found, self._cells, self._text = {}, None, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self._rows, self._group = [], ""
        elif tag == "tr":
            self._cells = []
        elif tag in ("caption", "th", "td"):
            self._text = ""

    def handle_data(self, data):
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag):
        if tag == "caption":
            self._caption, self._text = self._text, None
        elif tag in ("th", "td"):
            self._cells.append(self._text)
            self._text = None
        elif tag == "tr" and len(self._cells) == 1:
            (self._group,) = self._cells
        elif tag == "tr":
            self._rows.append((self._group, self._cells))
        elif tag == "table":
            (_, columns), *rows = self._rows
            self.found[self._caption] = columns, rows

    def records(self, caption):
        columns, rows = next(table for name, table in self.found.items() if name.startswith(caption))
        return [{"group": group, **dict(zip(columns, row, strict=True))} for group, row in rows]


def test_page_is_well_formed_and_names_its_parts(page):
    outline = Outline(page)
    well_formed(outline, tables=5)
    assert outline.of("html") == [{"lang": "en"}]
    links = [attributes["href"] for attributes in outline.of("a") if attributes["href"].startswith("#")]
    assert links == ["#causes", "#changes", "#speed", "#made"]


def test_page_needs_no_network(page):
    outline = Outline(page)
    sources = [value for _, a in outline.tags for key, value in a.items() if key in ("src", "srcset", "href")]
    assert sources
    assert all(re.match(r"#[a-z]+$|[a-z]+\.[a-z]+$", source) for source in sources)
    assert not any(key.startswith("on") for _, attributes in outline.tags for key in attributes)
    assert "default-src 'none'" in page


def test_page_begins_with_the_finding_and_ends_with_the_machine(found, page):
    """Words are defined before they are used; what the machine is comes last."""
    words = " ".join(Outline(page).words)
    order = [findings.opening(found.results), "the derivative of the loss", "is a factor of ten",
             "fewer than two decades", "Causes: activation", "Time per element", MACHINE["processor"]]  # fmt: skip
    words = words[words.index("fastgrad: how gradients vanish") :]
    places = [words.index(text) for text in order]
    assert places == sorted(places)
    assert "the first of 12 hidden layers receives one part in" in words


def test_shares_in_words():
    told = {0.0: "100 %", 0.05: "89 %", 2.4: "one part in 251", 41.7: "one part in 10⁴²", float("inf"): "nothing",
            -1.0: "10 times the size"}  # fmt: skip
    assert {lost: findings.share(lost) for lost in told} == told


def test_page_escapes_what_it_is_given(page):
    words = "".join(Outline(page).words)
    assert MACHINE["processor"] in words
    assert COMMAND in words
    assert "<script" not in page
    assert "<b>" not in page


def test_page_says_what_was_found(found, page):
    words = " ".join(Outline(page).words)
    assert findings.opening(found.results) in words
    assert findings.summary(found.results) in words
    for result in found.results:
        assert f"{result.decades_per_layer:z.3f}" in words
        assert f"{result.predicted_decades_per_layer:z.3f}" in words
        assert result.evidence in words
    assert "NumPy [fast]" in words
    assert "$" not in page


def test_page_adapts_to_dark_narrow_and_paper(page):
    assert "@media screen and (prefers-color-scheme: dark)" in page
    assert 'name="viewport"' in page
    assert "@media print" in page
    outline = Outline(page)
    assert page.count('<div class="scroll"') == len(outline.of("table"))


def test_json_is_strict_and_whole(found):
    def refuse(constant):
        raise AssertionError(constant)

    data = json.loads(report.to_json(found), parse_constant=refuse)
    assert set(data) == {"fastgrad", "command", "machine", "headline", "cells", "remedies", "consequences", "phases",
                         "speed"}  # fmt: skip
    assert [study.CellResult.from_dict(cell) for cell in data["cells"]] == found.results
    assert data["fastgrad"] == fastgrad.__version__
    assert data["speed"] == SPEED


def test_csv_has_a_row_per_cell(found):
    rows = list(csv.DictReader(io.StringIO(report.to_csv(found.results))))
    assert len(rows) == len(found.results)
    for row, result in zip(rows, found.results, strict=True):
        assert None not in row
        assert float(row["decades_per_layer"]) == result.decades_per_layer
        assert float(row["half_life"]) == result.half_life
        assert (row["activation"], int(row["depth"])) == (result.cell.activation.label, result.cell.depth)
        assert row["float32_zero_layer"] == ""


def printed(found, **options):
    buffer = io.StringIO()
    terminal.print_report(found, Console(file=buffer, width=terminal.TERMINAL_WIDTH, **options))
    return buffer.getvalue()


def test_terminal_fits_and_is_plain_when_it_is_not_a_terminal(found):
    text = printed(found)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    for result in networks.deepest(found.results):
        assert f"{result.decades_lost:z.1f}" in text
        assert f"{result.decades_per_layer:z.3f} ± {result.decades_per_layer_reach:.3f}" in text
        assert result.verdict in text
    assert "NumPy [fast]" in text


def test_the_widest_numbers_fit_the_terminal(found):
    wide = [
        replace(r, decades_per_layer=-10.123, decades_per_layer_low=-10.223, decades_per_layer_high=-10.023)
        for r in found.results
    ]
    text = printed(replace(found, results=wide))
    assert "-10.123 ± 0.100" in text
    assert max(map(len, text.splitlines())) <= 100


def test_many_depths_and_no_slope_fit_the_terminal(found):
    many = [replace(r, cell=replace(r.cell, depth=100 + depth)) for r in found.results[:3] for depth in range(20)]
    text = printed(replace(found, results=many))
    assert max(map(len, text.splitlines())) <= 100
    assert all(f" {100 + depth}" in text for depth in range(20))
    nan, infinite = float("nan"), float("inf")
    flat = replace(
        found.results[0],
        decades_per_layer=nan,
        decades_per_layer_low=-infinite,
        decades_per_layer_high=infinite,
    )
    assert "nan" not in printed(replace(found, results=[flat]))


def test_terminal_colours_only_a_terminal_that_wants_them(found, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = printed(found, force_terminal=True, color_system="truecolor")
    assert "\x1b[38;2;" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[38;2;" not in printed(found, force_terminal=True)


def test_few_networks_show_their_evidence(found):
    few = replace(found, results=found.results[:2])
    text = " ".join(printed(few).split())
    assert found.results[0].evidence in text
    assert found.results[0].evidence not in " ".join(printed(found).split())


def test_a_grid_with_holes_and_infinities_is_shown(found):
    holes = [*found.results[:3], replace(found.results[3], decades_lost=float("inf"), half_life=float("inf"))]
    torn = replace(found, results=holes, speed=[])
    assert "inf" in printed(torn)
    assert Outline(without_scripts(report.to_html(torn))).open == []
    assert 'id="speed"' not in report.to_html(torn)


def test_folder_holds_everything_the_page_links_to(found, tmp_path):
    page = report.write_folder(found, tmp_path)
    assert page == tmp_path / "index.html"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"index.html", "results.json", "cells.csv"}
    links = [a["href"] for a in Outline(without_scripts(page.read_text(encoding="utf-8"))).of("a")]
    assert {link for link in links if not link.startswith("#")} == names - {"index.html"}


def test_every_deepest_network_that_is_not_healthy_has_its_remedy_shown(found, page):
    ill = [result for result in networks.deepest(found.results) if result.verdict != "healthy"]
    assert ill
    assert [result for result, _ in found.remedies] == ill
    data = json.loads(report.to_json(found))
    for shown, (result, diagnosis) in zip(data["remedies"], found.remedies, strict=True):
        assert shown["network"] == result.cell.label
        assert abs(shown["remedy"]["decades_lost_after"]) < 2
        assert diagnosis.remedy.change in page
    assert 'id="changes"' not in report.to_html(dataclasses.replace(found, remedies=()))


@pytest.fixture(scope="module")
def survey():
    """Networks whose slope is not their total over the layers (tanh), and whose cures are on the page too."""
    cells = study.grid(["tanh", "relu"], ["xavier_normal", "he_normal", "torch_linear"], [5, 40],
                       width=32, batch=16, seeds=range(5))  # fmt: skip
    results = list(sweeps.run_study(cells))
    return report.Report(results, MACHINE, [], COMMAND, remedies_of(results))


def lost_and_slope(evidence):
    """(decades lost, decades per layer) that a sentence tells."""
    verb, lost, slope = re.search(r"delta (\w+) by ([\d.]+) decades .*?, (-?[\d.]+) per layer", evidence).groups()
    sign = {"falls": 1, "grows": -1}[verb]
    return sign * float(lost), sign * float(slope)


def test_one_network_has_one_figure_in_every_table_of_the_page(survey):
    """It had two slopes (a line's and the ends'), and three sets of seeds (all, one, and the remedies' own)."""
    tables = Tables(without_scripts(report.to_html(survey)))
    columns, rows = tables.found["Decades of delta lost, by number of hidden layers"]
    heat = {(phi, row[0], depth): lost for phi, row in rows for depth, lost in zip(columns[1:], row[1:], strict=True)}
    cells = {(r["group"], r["network"], r["depth"]): r for r in tables.records("Decades of delta, mean over seeds")}
    assert {key: row["decades lost"] for key, row in cells.items()} == heat
    for row in tables.records("The commonest verdict"):
        cell = cells[row["group"], row["network"], row["depth"]]
        lost, slope = lost_and_slope(row["evidence"])
        assert f"{slope:z.3f}" == cell["decades per layer"]
        assert abs(lost - float(cell["decades lost"])) <= 0.0501  # one has a digit more
    cured = tables.records("Decades of delta before and after")
    assert len(cured) == 3
    for row in cured:
        assert row["lost"] == heat[row["group"], row["network"], row["depth"]]
        assert row["then lost"] == heat[row["group"], row["remedy"], row["depth"]]
        assert row["in band"] == cells[row["group"], row["remedy"], row["depth"]]["in band"]
        assert row["other cures"]


def test_one_network_has_one_figure_in_json_and_csv(survey):
    data = json.loads(report.to_json(survey))
    cells = {(c["cell"]["activation"], c["cell"]["init"], c["cell"]["depth"]): c for c in data["cells"]}
    rows = csv.DictReader(io.StringIO(report.to_csv(survey.results)))
    for row, cell in zip(rows, cells.values(), strict=True):
        for name in ("decades_per_layer", "predicted_decades_per_layer_low", "predicted_decades_per_layer_high"):
            assert float(row[name]) == cell[name]
        assert row["in_band"] == cell["in_band"]
    known = 0
    for found, (result, _) in zip(data["remedies"], survey.remedies, strict=True):
        phi = result.cell.activation.name
        assert found["decades_lost"] == cells[phi, result.cell.init.name, 40]["decades_lost"]
        for cause in found["causes"]:
            if cause["kind"] == "init" and (same := cells.get((phi, cause["change"], 40))):
                known += 1
                assert (cause["decades_lost_after"], cause["in_band"]) == (same["decades_lost"], same["in_band"])
                assert cause["verdict_after"] == same["verdict"]
    assert known >= 4


def terminal_tables(text):
    """{title: [[cell, ...], ...]} of what :func:`printed` gives; cells are two spaces apart."""
    parts = re.split(r"\n\n(\S.*)\n", text)
    return {
        title: [re.split(r" {2,}", line.strip()) for line in table.splitlines()]
        for title, table in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_one_network_has_one_figure_in_every_table_of_the_terminal(survey):
    tables = {
        title.split()[0] + " " + title.split()[-1]: rows for title, rows in terminal_tables(printed(survey)).items()
    }
    heat, slopes, remedies = (tables[name] for name in ("Decades first", "Decades layer", "Remedies lost"))
    lost, phi = {}, None
    for row in heat[2:]:
        phi = row[0] if len(row) == 1 else phi
        lost |= {(phi, row[0]): row[-1]} if len(row) > 1 else {}
    shown = [row for row in slopes[2:] if len(row) > 1]
    assert [row[2].split(" ± ")[0] for row in shown] == [f"{r.decades_per_layer:z.3f}" for r in survey.results]
    assert [row[4] for row in shown] == [r.in_band for r in survey.results]
    for row in remedies[2:]:
        phi = row[0] if len(row) == 1 else phi
        if len(row) > 1:
            assert row[3] == lost[phi, row[2]]


def test_an_ordinary_survey_fits_80_columns():
    """Five activations and the usual initialisers, deep enough for float32 to give zeros and theory to say nothing."""
    cells = study.grid(fastgrad.ACTIVATIONS, ["xavier_normal", "torch_linear"], [100], width=8, batch=4, seeds=(0, 1))
    results = list(sweeps.run_study(cells))
    survey = report.Report(results, {}, [], "", remedies_of(results))
    text = printed(survey)
    tables = [line for rows in text.split("\n\n")[1:] for line in rows.splitlines()[1:] if "  " in line or "─" in line]
    assert any("beyond" in line for line in tables)
    assert max(len(line.rstrip()) for line in tables) <= 80


def test_what_is_beyond_the_theory_is_said_where_it_is_and_only_there(survey):
    """Depth 40 at width 32: no table marked it."""
    for text in (printed(survey), without_scripts(report.to_html(survey))):
        assert "depth/width is above 0.5" in " ".join(text.split())
    shallow = replace(survey, results=[r for r in survey.results if r.cell.depth == 5], remedies=())
    for text in (printed(shallow), without_scripts(report.to_html(shallow))):
        assert "depth/width" not in " ".join(text.split())
    assert {r.in_band for r in survey.results if r.cell.depth == 40} == {"beyond"}
    assert {r.in_band for r in shallow.results} <= {"yes", "no"}
