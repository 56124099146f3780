"""The page of a sweep: whole, escaped, and in a browser: no errors, no requests, filters that filter."""

import json
import re

import pytest
from test_report import HOSTILE, SHOWN, Outline, Tables, lost_and_slope, well_formed

import fastgrad
from fastgrad import theory
from fastgrad.report import page as pages
from fastgrad.sweeps import plan, study
from fastgrad.sweeps.cell import Cell
from fastgrad.sweeps.rows import Failure, StoreError
from fastgrad.sweeps.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A sweep with phase diagrams, several widths, failures, and labels that look like HTML."""
    path = tmp_path_factory.mktemp("pages") / "a.db"
    fastgrad.sweep(
        path,
        [
            {
                "activation": ["tanh", "elu"], "init": ["xavier_normal", "he_normal"], "gain": [0.8, 1.0, 1.5],
                "bias_std": [0.0, 0.3], "depth": [4, 12], "width": 16, "batch": 8, "data": "normal", "seeds": 2,
            },
            {
                "activation": "sigmoid", "init": "torch_linear",
                "depth": 30, "width": 8, "batch": 8, "data": "normal", "seeds": 2,
            },
        ],
        workers=1,
    )  # fmt: skip
    with Store(path, writable=True) as file:
        bad = Failure(Cell("relu", "he_normal", 7, data="normal"), HOSTILE)
        file.add([], [bad], {"code": "x", "processor": HOSTILE})
    return path


@pytest.fixture(scope="module")
def folder(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("pages") / "report"
    assert pages.write_folder([store], out, f"fastgrad report '{HOSTILE}'") == out / "index.html"
    return out


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def without_scripts(page):
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def test_page_is_well_formed_and_names_its_parts(without_scripts):
    outline = Outline(without_scripts)
    well_formed(outline, tables=6)


def test_page_says_what_was_measured(store, without_scripts):
    words = " ".join(Outline(without_scripts).words)
    with Store(store) as file:
        results = list(file.results())
    assert f"{len(results)} cells" in words
    assert "1 failed" in words
    for result in results:
        if result.cell.depth in (12, 30):
            assert f"{result.decades_per_layer:z.3f}" in words
            assert result.evidence in words


def test_a_network_of_several_cells_has_one_figure_everywhere(tmp_path):
    """Its curve, band and evidence were those of the first cell, in tables of the means over all."""
    fastgrad.sweep(tmp_path / "a.db", activation="tanh", init="torch_linear", depth=12, width=32, batch=8,
                   data="normal", seeds=[[0, 1], [2, 3], [4, 5]], workers=1)  # fmt: skip
    page = pages.write_folder([tmp_path / "a.db"], tmp_path / "out").read_text(encoding="utf-8")
    tables = Tables(re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    (shown,), (told,) = tables.records("The deepest network of each row; means"), tables.records("The deepest of each")
    assert told["seeds"] == "6 of 6"
    lost, slope = lost_and_slope(told["evidence"])
    assert f"{slope:z.3f}" == shown["decades per layer"]
    assert (
        f"{lost:z.1f}"
        == shown["decades lost"]
        == tables.found["Decades of delta lost, by number of hidden layers"][1][0][1][1]
    )
    (curve,) = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))["charts"]
    one = study.measure_cell(Cell("tanh", "torch_linear", 12, 32, 8, "normal", seeds=tuple(range(6))))
    assert f"{one.decades_per_layer:z.3f}" == shown["decades per layer"]
    assert shown["in band"] == one.in_band == "yes"
    for name, values in {
        "measured": one.log10_delta_ratio, "theory": one.predicted_ratio,
        **dict(zip(("residual", "low", "high"), one.residual, strict=True)),
    }.items():  # fmt: skip
        assert curve["lines"][0][name] == pytest.approx(values, rel=2e-5, abs=2e-6)


def test_each_store_is_opened_once_and_the_report_measures_and_predicts_nothing(store, folder, tmp_path, monkeypatch):
    fastgrad.sweep(tmp_path / "b.db", activation="relu", depth=[3, 9], width=8, batch=4, data="normal",
                   seeds=[[0, 1], [2, 3]], workers=1)  # fmt: skip
    opened, real = [], Store.__init__
    monkeypatch.setattr(Store, "__init__", lambda self, path, *more: opened.append(path) or real(self, path, *more))
    for module, name in ((study, "measure_cell"), (study, "measure"), (theory, "predict")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("the report does not measure"))
    page = pages.write_folder([store, tmp_path / "b.db"], tmp_path / "out").read_text(encoding="utf-8")
    assert opened == [store, tmp_path / "b.db"]
    assert "relu" in page


def test_page_escapes_what_it_is_given(without_scripts):
    words = "".join(Outline(without_scripts).words)
    assert words.count(SHOWN) == 3  # the failure, the processor, the command
    assert "<img" not in without_scripts
    assert "<script>alert" not in without_scripts


def test_folder_has_every_cell(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["cells.csv", "index.html", "sweep.json"]
    data = json.loads((folder / "sweep.json").read_text(), parse_constant=pytest.fail)
    assert len(data["networks"]) == 2 * 4 * 2 * 2 + 1
    assert data["failures"][0]["error"] == HOSTILE
    page = (folder / "index.html").read_text(encoding="utf-8")
    charts = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1))["charts"]
    lines = [line for chart in charts if chart["kind"] == "profile" for line in chart["lines"]]
    layers = [network["log10_delta"] for network in data["networks"] if network["log10_delta"]]
    assert sorted(line["measured"][0] for line in lines) == pytest.approx(
        sorted(one[0] - one[-1] for one in layers), rel=1e-5
    )
    assert len((folder / "cells.csv").read_text().splitlines()) == 1 + 2 * 4 * 2 * 2 + 1


def test_many_networks_are_cut_to_some_and_the_page_says_so(tmp_path):
    fastgrad.sweep(
        tmp_path / "a.db", activation="relu", init="normal", std={"start": 0.1, "stop": 1.0, "num": 40},
        depth=2, width=4, batch=4, data="normal", seeds=1, workers=1,
    )  # fmt: skip
    page = pages.write_folder([tmp_path / "a.db"], tmp_path / "out").read_text(encoding="utf-8")
    assert "Shown are 24 of 40 networks" in page
    assert page.count('data-filter="name"') == 24
    assert "normal(std=0.1)" in page
    assert "normal(std=1)" in page


def test_nothing_to_show_and_no_store(tmp_path):
    with Store(tmp_path / "a.db", writable=True):
        pass
    with pytest.raises(ValueError, match="there is nothing to show"):
        pages.write_folder([tmp_path / "a.db"], tmp_path / "out")
    with pytest.raises(StoreError, match="there is no store"):
        pages.write_folder([tmp_path / "none.db"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_failures_make_a_page_all_the_same(tmp_path):
    with Store(tmp_path / "a.db", writable=True) as file:
        file.add([], [Failure(Cell("relu", "he_normal", 7, data="normal"), "ValueError: no")], {})
    page = pages.write_folder([tmp_path / "a.db"], tmp_path / "out").read_text(encoding="utf-8")
    assert "No cell could be measured" in page


def test_numbers_that_are_not_finite_make_a_page(tmp_path):
    grid = plan.grid(init="normal", std=0.0, depth=[1, 3], width=4, batch=4, data="normal", seeds=1)
    with Store(tmp_path / "a.db", writable=True) as file:
        file.add([study.measure_cell(cell) for cell in grid], [], {})
    page = pages.write_folder([tmp_path / "a.db"], tmp_path / "out").read_text(encoding="utf-8")
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1)
    assert json.loads(data, parse_constant=pytest.fail)["charts"]


@pytest.fixture
def opened(browser, folder):
    """A function that opens the page at a width and in a scheme, and the log of what it did wrong."""
    contexts, log = [], []

    def open_page(width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: log.append((message.type, message.text)))
        tab.on("pageerror", lambda error: log.append(("error", str(error))))
        tab.on("dialog", lambda dialog: log.append(("dialog", dialog.message)))
        tab.on("request", lambda request: log.append(("request", request.url)))
        url = (folder / "index.html").as_uri()
        tab.goto(url)
        tab.wait_for_selector("#profiles svg")
        log.remove(("request", url))
        return tab

    yield open_page, log
    for context in contexts:
        context.close()


def test_of_many_lines_eight_are_drawn_each_with_its_own_colour_and_name(browser, tmp_path):
    fastgrad.sweep(
        tmp_path / "a.db", activation="relu", init="normal", std={"start": 0.1, "stop": 1.0, "num": 19},
        depth=3, width=4, batch=4, data="normal", seeds=1, workers=1,
    )  # fmt: skip
    page = pages.write_folder([tmp_path / "a.db"], tmp_path / "out")
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(page.as_uri())
    chart = tab.locator("#profiles figure svg").first
    names = chart.locator("text:text-matches('^normal\\\\(std=')").all_text_contents()
    assert len(names) == len(set(names)) == 8
    assert {"normal(std=0.1)", "normal(std=1)"} & set(names)
    strokes = "els => els.map(el => el.getAttribute('stroke')).filter(s => s && s.startsWith('var(--line'))"
    measured = chart.locator("g[aria-label=line] path").evaluate_all(strokes)
    assert sorted(measured) == [f"var(--line{i})" for i in range(8)]
    tab.locator('[data-none="name"]').click()
    tab.locator('input[value="normal(std=0.15)"]').check()
    assert chart.locator("text:text-matches('^normal\\\\(std=')").all_text_contents() == ["normal(std=0.15)"]
    tab.close()


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_without_errors_or_requests(opened, width, scheme):
    open_page, log = opened
    tab = open_page(width, scheme)
    assert tab.locator("#diagrams > figure").count() == 2
    assert tab.locator("#depth-maps > figure").count() == 2
    assert tab.locator("#profiles > figure").count() == 3
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.locator("#diagrams rect").count() >= 2 * 8
    assert log == []


def test_filters_filter_tables_and_charts(opened):
    open_page, log = opened
    tab = open_page()
    rows = tab.locator("table.heat tr[data-name]:visible")
    total = rows.count()
    assert tab.locator("#status").inner_text() == f"{total} of {total} rows are shown."
    tab.locator('input[value="elu"]').uncheck()
    left = rows.count()
    assert 0 < left < total
    assert tab.locator("#status").inner_text() == f"{left} of {total} rows are shown."
    assert tab.locator("#diagrams > figure:visible").count() == 1
    assert tab.locator('tbody[data-group="elu"]:visible').count() == 0
    tab.locator('[data-none="name"]').click()
    assert rows.count() == 0
    assert tab.locator("#profiles > figure:visible").count() == 0
    tab.locator('[data-all="name"]').focus()
    tab.keyboard.press("Enter")
    assert rows.count() == left
    tab.locator('input[data-filter="name"]').first.focus()
    tab.keyboard.press("Space")
    assert rows.count() < left
    assert log == []


def test_charts_have_names_and_controls_are_reached_by_keyboard(opened):
    open_page, _ = opened
    tab = open_page()
    for chart in tab.locator("figure svg[role=img]").all():
        assert len(chart.get_attribute("aria-label")) > 30
    reached = set()
    for _ in range(40):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.tagName"))
    assert {"BUTTON", "INPUT"} <= reached


def test_a_script_from_elsewhere_does_not_run(opened):
    open_page, log = opened
    tab = open_page()
    tab.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.bad = 1'}))"
    )
    assert tab.evaluate("window.bad") is None
    tab.evaluate("fetch('https://example.com').catch(() => 0)")
    assert all("Content Security Policy" in text for kind, text in log if kind == "error")
    assert any(kind == "error" for kind, _ in log)


def test_paper_is_light_narrow_and_without_controls(opened):
    open_page, _ = opened
    tab = open_page(794, "dark")
    tab.emulate_media(media="print")
    assert not tab.locator(".filters").is_visible()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.evaluate("document.documentElement.scrollWidth") <= 794
