"""The pages of `run`, `consequences` and `train`: whole, escaped, and drawn in a browser without errors or requests."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import click.testing
import pytest
from test_readme import run_examples
from test_report import HOSTILE, SHOWN, Outline, Tables, well_formed, without_scripts

import fastgrad
from fastgrad import datasets
from fastgrad.cli import commands
from fastgrad.learning import repair
from fastgrad.report import consequences_page, palette, survey, train_page
from fastgrad.report.training import TRENDS
from fastgrad.sweeps import phases, plan, remedies, study, trainings
from fastgrad.sweeps import run as sweeps
from fastgrad.sweeps.consequences import cases, consequences

WEB = Path(survey.__file__).parent / "web"
MACHINE = {"processor": HOSTILE, "cores": "2"}
INITS = ["xavier_normal", "he_normal", "torch_linear"]


@pytest.fixture(scope="module")
def trained():
    some = cases(["sigmoid", "tanh", "relu"], INITS, 2, depth=8, width=16, epochs=8)
    return consequences(trainings.train(some, workers=2))


@pytest.fixture(scope="module")
def report(trained):
    cells = study.grid(["sigmoid", "relu", "leaky_relu"], INITS, [3, 12], width=16, batch=8, seeds=(0, 1))
    results = list(sweeps.run_study(cells))
    tried = list(sweeps.run_study(remedies.needed(results)))
    around = plan.grid(activation="tanh", init="xavier_normal", gain=[0.5, 1.0, 1.5], bias_std=[0.0, 0.3], depth=5,
                       width=16, batch=8, seeds=1)  # fmt: skip
    diagrams = phases.diagrams(map(study.measure_cell, around))
    return survey.Report(
        results, MACHINE, [], f"fastgrad run {HOSTILE}", remedies.diagnoses(results, tried), trained,
        diagrams,
    )  # fmt: skip


@pytest.fixture(scope="module")
def repaired():
    X, y = datasets.load("digits")
    net = fastgrad.MLP([64, *[16] * 12, 10], "sigmoid", "xavier_normal")
    found = repair.repair(net, X, y, epochs=8, test=0.2)
    assert found.changes
    return replace(found, changes=(replace(found.changes[0], what=HOSTILE), *found.changes[1:]))


@pytest.fixture(scope="module")
def folders(report, trained, repaired, tmp_path_factory):
    """The folder of each page, by the command that makes it."""
    made = {name: tmp_path_factory.mktemp(name) for name in ("run", "consequences", "train")}
    survey.write_folder(report, made["run"])
    consequences_page.write_folder(trained, made["consequences"], f"fastgrad consequences {HOSTILE}", MACHINE)
    train_page.write_folder(repaired, "{}", made["train"], f"fastgrad train {HOSTILE}", MACHINE)
    return made


def page_of(folder):
    return without_scripts((folder / "index.html").read_text(encoding="utf-8"))


def data_of(folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1], parse_constant=pytest.fail)


PAGES = {"run": 7, "consequences": 3, "train": 3}  # tables of each


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed_and_names_files_that_are_there(name, folders):
    outline = Outline(page_of(folders[name]))
    well_formed(outline, tables=PAGES[name])
    links = {attributes["href"] for attributes in outline.of("a")}
    there = {path.name for path in folders[name].iterdir()}
    identifiers = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    assert {link for link in links if not link.startswith("#")} == there - {"index.html"}
    assert {link[1:] for link in links if link.startswith("#")} <= identifiers


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_is_given_is_text(name, folders):
    outline = Outline(page_of(folders[name]))
    assert "".join(outline.words).count(SHOWN) >= 2  # the command, the processor
    assert outline.of("img") == []
    assert (folders[name] / "index.html").read_text(encoding="utf-8").count("</script>") == 4


def test_the_repairs_name_is_escaped_in_tables_titles_and_charts(folders):
    page = page_of(folders["train"])
    assert "".join(Outline(page).words).count(SHOWN) >= 6
    assert "\u202e" not in (folders["train"] / "index.html").read_text(encoding="utf-8")
    assert any(
        SHOWN in line["name"] for chart in data_of(folders["train"])["charts"] for line in chart.get("lines", ())
    )


def test_run_shows_causes_consequences_detection_remedies_and_where_you_are(report, folders):
    page = page_of(folders["run"])
    order = [page.index(f'id="{name}"') for name in
             ("causes", "consequences", "detection", "remedies", "changes", "phases", "made")]  # fmt: skip
    assert order == sorted(order)
    for command in ("decay", "consequences", "train", "sweep"):
        assert f"This section alone: <code>fastgrad {command} " in page
    kinds = [chart["kind"] for chart in data_of(folders["run"])["charts"]]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "depths": 3, "profile": 4, "scatter": 1, "heat": 4, "curves": 4 + 3 + 4, "phase": 1,
    }  # fmt: skip


def test_docs_survey_says_where_each_part_of_the_subject_is_measured(folders):
    """Its commands are commands; its places are headings, titles, columns and labels of the page."""
    text = (Path(__file__).parent.parent / "docs" / "survey.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ((?:cause|consequence|detection|remedy|use): .*?) \| `(?:python -m )?fastgrad (.*?)` \| (.*) \|$",
        text,
        re.MULTILINE,
    )
    assert [part.split(":")[0] for part, *_ in rows].count("use") == 3
    assert len(rows) == 16
    charts = json.dumps(data_of(folders["run"]))
    words = " ".join([*Outline(page_of(folders["run"])).words, charts, (WEB / "page.js").read_text(encoding="utf-8")])
    for part, command, place in rows:
        group, arguments = commands, command.split()
        while hasattr(group, "commands"):
            group = group.commands[arguments.pop(0)]
        group.make_context("fastgrad", arguments)
        named = re.findall(r"\*\*(.*?)\*\*", place)
        assert named or place.startswith("none: "), part
        assert set(named) <= set(survey.SECTIONS.values()) | {"Speed"}, part
        for label in re.findall(r'"(.*?)"', place):
            assert label in words, (part, label)
    assert run_examples("docs/survey.md") >= 6


def test_the_tables_of_run_are_the_numbers_of_the_trainings(trained, folders):
    tables = Tables(page_of(folders["run"]))
    rows = tables.records("Target: a test accuracy of")
    assert [row["test acc."] for row in rows] == [f"{kind.test_accuracy:.3f}" for kind in trained.kinds]
    assert [row["decades lost"] for row in rows] == [f"{kind.decades_lost:z.1f}" for kind in trained.kinds]
    columns, rows = tables.found["Decades lost before training over 8 hidden layers, and test accuracy after it"]
    cells = {(row[0], rule): cell for _, row in rows for rule, cell in zip(columns[1:], row[1:], strict=True)}
    for kind in trained.kinds:
        told = f"{kind.decades_lost:z.1f}, {kind.test_accuracy:.0%}"
        assert cells[kind.activation.name, kind.init.name] == told
    (scatter,) = [chart for chart in data_of(folders["run"])["charts"] if chart["kind"] == "scatter"]
    assert [point["y"] for point in scatter["points"]] == pytest.approx(
        [k.test_accuracy for k in trained.kinds], rel=1e-5
    )
    assert f"network: {trained.rank_correlation:z.2f} (p = " in page_of(folders["run"])


def test_the_commands_of_detection_and_remedies_train_the_networks_that_are_shown(trained, folders):
    """But for the order in which BLAS adds on several threads; what is unusual in a training is an option."""
    shown = {f"{one.case.activation.name} {one.case.init.name}": one.history.loss for one in trained.shown}
    typed = re.findall(r"fastgrad train [^<]+", page_of(folders["consequences"]))
    assert len(typed) == 3
    assert typed[-1].endswith("--repair --out repair")
    for command in typed[:2]:
        words = command.split()[1:]
        assert words[-2:] in (["--out", "vanishing"], ["--out", "healthy"])
        found = click.testing.CliRunner().invoke(commands, [*words[:-2], "--json"])
        assert json.loads(found.stdout)["rows"][0]["loss"] == pytest.approx(shown[f"{words[2]} {words[4]}"], rel=1e-5)
    odd = consequences(trainings.train(cases(["elu"], ["he_normal"], 1, depth=2, width=8, epochs=2, batch=64,
                                             optimizer="sgd", learning_rate=0.05, data="wine")))  # fmt: skip
    told = consequences_page.consequences_command(odd).split()
    made = click.testing.CliRunner().invoke(commands, [*told[1:-2], "-a", "elu", "-i", "he_normal", "--json"])
    assert json.loads(made.stdout)["kinds"][0]["loss"] == pytest.approx(odd.kinds[0].loss, rel=1e-5)


def test_what_stands_beside_a_page_has_every_number_of_its_charts(report, trained, folders):
    there = {path.name for path in folders["run"].iterdir()}
    assert there == {"index.html", "results.json", "cells.csv", "consequences.csv", "phases.csv"}
    found = json.loads((folders["run"] / "results.json").read_text(), parse_constant=pytest.fail)
    (diagram,) = (chart for chart in data_of(folders["run"])["charts"] if chart["kind"] == "phase")
    names = "weight_variance", "bias_variance", "decades_per_layer", "predicted"
    assert [[point[name] for name in names] for point in found["phases"]] == [
        pytest.approx(point, rel=1e-5) for point in diagram["points"]
    ]
    assert len((folders["run"] / "phases.csv").read_text().splitlines()) == 1 + len(found["phases"])
    assert len((folders["run"] / "consequences.csv").read_text().splitlines()) == 1 + len(trained.kinds)
    readings = found["consequences"]["readings"]
    for name in ("log10_delta", "log10_update_ratio"):
        assert [list(map(float, r[name])) for r in readings] == [
            pytest.approx(getattr(reading, name).tolist(), rel=1e-12)
            for one in trained.shown for reading in one.history.readings
        ]  # fmt: skip


def test_a_history_and_consequences_report_into_a_folder_as_a_sweep_does(trained, faults, tmp_path):
    X, y = (array[:300] for array in datasets.load("digits"))
    learned = fastgrad.fit(fastgrad.MLP([64, 8, 8, 10], "tanh"), X, y, epochs=3, test=0.2)
    values = fastgrad.MLP([64, 8, 1], "tanh", "xavier_normal", loss="mse")
    fitted = fastgrad.fit(values, X, X[:, 10:11] / 10, epochs=3, validation=0.2)
    said = {}
    for name, found in {"a/labels": learned, "a/values": fitted, "a/consequences": trained}.items():
        page = found.report(tmp_path / name)  # makes the folder
        assert page == tmp_path / name / "index.html"
        well_formed(Outline(page_of(page.parent)), tables={"a/consequences": 3}.get(name, 2))
        assert faults(page.parent) == []
        assert sorted(path.suffix for path in page.parent.iterdir()) == [".csv", ".html", ".json"]
        said[name] = [chart.get("y") for chart in data_of(page.parent)["charts"] if chart["kind"] == "curves"]
    assert said["a/labels"][:2] == ["loss, nats", "accuracy"]
    assert said["a/values"][:2] == ["loss, targets' unit squared", "log10 of update / weight"]
    rows = json.loads((tmp_path / "a/labels/training.json").read_text())["rows"]
    assert rows[0]["loss"] == learned.loss
    assert f"After 3 epochs: healthy, the loss {TRENDS[learned.trend.kind]}" in page_of(tmp_path / "a/labels")
    text = (tmp_path / "a/consequences/consequences.json").read_text()
    assert json.loads(text)["rank_correlation"] == trained.rank_correlation


def test_a_logarithmic_axis_names_no_power_twice_and_one_depth_is_no_choice(browser, tmp_path):
    """Over three decades there were two ticks for each power of ten, at the half one too."""
    cells = study.grid(["tanh"], ["torch_linear"], [10], width=16, batch=8, seeds=(0,))
    page = survey.write_folder(survey.Report(list(sweeps.run_study(cells)), {}, [], ""), tmp_path)
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(page.as_uri())
    for chart in tab.locator("[data-chart]").all():
        ticks = chart.locator("svg").first.locator("g[aria-label='y-axis tick label'] text").all_text_contents()
        assert len(ticks) == len(set(ticks)) >= 3
    assert tab.locator("input").count() == 0
    tab.close()


def test_sigmoids_diagram_has_room_for_the_known_initialisations_though_its_critical_line_is_far(browser, tmp_path):
    """On a linear axis to 144 those at 1 and 2 were one diamond."""
    around = plan.grid(activation="sigmoid", init="xavier_normal", gain=[0.5, 6.0, 12.0], bias_std=[0.0, 0.3], depth=3,
                       width=8, batch=4, seeds=1)  # fmt: skip
    found = list(map(study.measure_cell, around))
    page = survey.write_folder(survey.Report(found, {}, [], "", diagrams=phases.diagrams(found)), tmp_path)
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(page.as_uri())
    chart = tab.locator("#phases ~ .charts svg").last
    places = sorted(box["x"] for box in (one.bounding_box() for one in chart.locator("g[aria-label=dot] path").all()))
    assert len(places) == 4
    assert all(right - left >= 8 for left, right in pairwise(places))
    tab.close()


def test_a_layer_that_steps_do_not_move_is_drawn_at_the_lower_edge(browser, tmp_path):
    """Sixteen decades below, Adam's steps are lost in the weights' last digit: log10 of 0, which was no line at all."""
    some = cases(["sigmoid", "tanh"], ["torch_linear", "he_normal"], 1, depth=20, width=16, epochs=2)
    page = consequences(trainings.train(some, workers=2)).report(tmp_path)
    charts = data_of(tmp_path)["charts"]
    index = next(i for i, chart in enumerate(charts) if chart.get("y", "").startswith("log10 of update"))
    assert charts[index]["lines"][0]["y"] == ["-inf"] * len(charts[index]["lines"][0]["x"])
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(page.as_uri())
    chart = tab.locator(f'[data-chart="{index}"] svg')
    lines = chart.locator("g[aria-label=line] path").all()
    assert [line.get_attribute("stroke") for line in lines] == [f"var(--line{i})" for i in range(3)]
    names = [chart.locator(f"text='layer {layer}'").bounding_box()["y"] for layer in (21, 11, 1)]
    assert names == sorted(names)
    tab.close()


def test_consequences_are_one_line_a_frame_and_a_picture(trained):
    correlation = f"rank correlation {trained.rank_correlation:.2f}"
    assert repr(trained).startswith(f"<Consequences of 18 trainings of 9 kinds of network: {correlation} (p = ")
    pytest.importorskip("pandas")
    assert trained.frame["test_accuracy"].tolist() == [kind.test_accuracy for kind in trained.kinds]
    pytest.importorskip("matplotlib")
    (ax,) = trained.plot().axes
    points = [bar.lines[0].get_xydata()[0].tolist() for bar in ax.containers]
    assert points == [[kind.decades_lost, kind.test_accuracy] for kind in trained.kinds]
    assert f"{trained.rank_correlation:.2f}" in ax.get_title(loc="left")
    assert trained._repr_html_().startswith("<svg")


def test_no_line_of_a_chart_has_anothers_colour(folders):
    for name in PAGES:
        for chart in data_of(folders[name])["charts"]:
            shown = [
                line for line in chart.get("lines", ()) if line.get("depth") in (None, 12) or chart["kind"] == "depths"
            ]
            assert len(shown) <= len(palette.LINES)
            names = {line["name"]: line.get("colour", index) for index, line in enumerate(shown)}
            assert len(set(names.values())) == len(names), chart["kind"]


def test_no_activation_of_the_scatter_has_anothers_colour_and_no_initialisation_its_sign(folders):
    (scatter,) = [chart for chart in data_of(folders["run"])["charts"] if chart["kind"] == "scatter"]
    for name, look in (("activation", "colour"), ("init", "symbol")):
        looks = {(point[name], point[look]) for point in scatter["points"]}
        assert len(looks) == len(dict(looks)) == len({seen for _, seen in looks}) == 3


def test_training_is_shown_with_its_numbers(repaired, folders):
    charts = data_of(folders["train"])["charts"]
    losses, accuracies = (next(c for c in charts if c.get("y", "").startswith(name)) for name in ("loss", "accuracy"))
    first = repaired.attempts[0].history
    assert losses["lines"][0]["y"] == pytest.approx(first.loss, rel=1e-5)
    assert accuracies["lines"][1]["y"] == pytest.approx(first.epoch_test_accuracy, rel=1e-5)
    heats = [chart for chart in charts if chart["kind"] == "heat"]
    assert len(heats) == len(repaired.attempts)
    assert len({chart["reach"] for chart in heats}) == 1
    lost = first.readings[0].log10_delta[-2] - first.readings[0].log10_delta[0]
    assert float(heats[0]["rows"][0]["values"][0]) == pytest.approx(lost, rel=1e-5)
    page = page_of(folders["train"])
    places = [page.index(f'id="{name}"') for name in ("progress", "gradients", "verdict", "repair", "made")]
    assert places == sorted(places)
    rows = (folders["train"] / "training.csv").read_text().splitlines()
    assert len(rows) == 1 + sum(attempt.history.epochs for attempt in repaired.attempts)


@pytest.fixture
def faults(browser):
    """A function that opens a page and says what is wrong with it; the page is looked at by ``look(tab)`` as well."""

    def open_page(folder: Path, width=1280, scheme="light", look=lambda tab: None):
        context, found = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme), []
        tab, url = context.new_page(), (folder / "index.html").as_uri()
        tab.on("console", lambda note: found.append(f"{note.type}: {note.text}"))
        tab.on("pageerror", lambda error: found.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: found.append(f"dialog: {dialog.message}"))
        tab.on("request", lambda request: request.url == url or found.append(f"request: {request.url}"))
        tab.goto(url)
        for place in tab.locator("[data-chart]:visible").all():
            if place.locator("svg[role=img]").count() != 1:
                found.append(f"no picture: {place.inner_text()[:60]}")
            if place.locator("path[d], rect, circle").count() < 2:
                found.append(f"empty: {place.inner_text()[:60]}")
        if tab.evaluate("document.documentElement.scrollWidth") > width:
            found.append("wider than the screen")
        look(tab)
        context.close()
        return found

    return open_page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280, 1920])
@pytest.mark.parametrize("name", PAGES)
def test_charts_are_drawn_without_errors_or_requests(name, width, scheme, faults, folders):
    assert faults(folders[name], width, scheme) == []


@pytest.mark.parametrize(
    ("name", "width", "scheme"), [("run", 1280, "light"), ("run", 375, "dark"), ("train", 1280, "dark")]
)
def test_axe_finds_nothing_and_controls_are_large_and_reached_by_keyboard(name, width, scheme, faults, folders):
    """Contrast, names, landmarks, sizes of targets: what axe-core finds with every table unfolded."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def look(tab):
        tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        options = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
        found = axe.run(tab, options=options).response["violations"]
        assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found] == []
        controls = tab.locator("nav a, summary, .filters label, .filters button").all()
        assert len(controls) >= 6
        assert all(control.bounding_box()["height"] >= 24 for control in controls)
        order = tab.evaluate("[...document.querySelectorAll('a, summary, button, input, [tabindex]')].length")
        reached = set()
        for _ in range(order + 2):
            tab.keyboard.press("Tab")
            reached.add(tab.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
        groups = tab.locator("input[type=radio]").count()  # of radio buttons the chosen one is reached
        assert len(reached) >= order - max(0, groups - 1)

    assert faults(folders[name], width, scheme, look) == []


@pytest.mark.parametrize("width", [375, 1280])
def test_the_first_screen_of_run_holds_the_sentence_the_picture_and_what_delta_is(width, browser, folders):
    tab = browser.new_page(viewport={"width": width, "height": 800})
    tab.goto((folders["run"] / "index.html").as_uri())
    for part in (".headline", ".opening figure svg", ".opening dl.terms div:first-child"):
        box = tab.locator(part).bounding_box()
        assert 0 <= box["y"] < box["y"] + box["height"] <= 800, part
    assert tab.locator(".opening dl.terms div:first-child").inner_text().startswith("Delta is the gradient")
    before = tab.locator(".opening figure").inner_html()
    tab.locator('input[value="3"]').check()
    assert tab.locator(".opening figure").inner_html() == before  # it is of the deepest, whatever is chosen below
    tab.close()


def test_a_tap_tells_the_numbers_as_a_mouse_does(browser, folders):
    context = browser.new_context(viewport={"width": 375, "height": 800}, has_touch=True)
    tab = context.new_page()
    tab.goto((folders["run"] / "index.html").as_uri())
    told_by = {"profile": "theory", "depths": "decades, theory", "scatter": "lost, test accuracy", "curves": "epoch ",
               "heat": "decades below", "phase": "decades per layer"}  # fmt: skip
    for kind, told in told_by.items():
        charts = data_of(folders["run"])["charts"]
        index = next(i for i, chart in enumerate(charts) if chart["kind"] == kind and chart.get("residuals") != 0)
        for chart in tab.locator(f'[data-chart="{index}"] svg[viewBox]').all()[-1 if kind == "heat" else 0 :]:
            chart.scroll_into_view_if_needed()
            box = chart.bounding_box()
            tab.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tips = tab.locator(f'[data-chart="{index}"] g[aria-label=tip] text').all_text_contents()
        assert tips, kind
        assert told in " ".join(tips), (kind, tips)
    context.close()


def test_a_chart_says_where_the_least_numbers_of_float32_and_float64_lie(faults, folders):
    def look(tab):
        for chart in tab.locator('[data-chart]:has-text("layer: input → output"):has-text("theory")').all():
            for dtype in ("float32", "float64"):
                assert len(chart.locator(f"text=/{dtype}'s least number/").all()) == 1

    charts = [chart for chart in data_of(folders["run"])["charts"] if chart["kind"] == "profile"]
    assert all([name for name, _ in chart["floors"]] == ["float32's least number", "float64's least number"]
               for chart in charts)  # fmt: skip
    assert faults(folders["run"], look=look) == []


def test_the_depth_that_is_chosen_is_drawn_with_its_names(faults, folders):
    def look(tab):
        chart = tab.locator('[data-chart]:has-text("sigmoid"):has-text("theory, decades")').first
        assert "12" in chart.inner_text()
        before = chart.inner_html()
        tab.locator('input[value="3"]').check()
        assert chart.inner_html() != before
        box = chart.locator("svg").first.bounding_box()
        for init in INITS:  # each at the left end of its line, where the input is
            label = chart.locator(f'text="{init}"')
            assert label.count() == 1
            assert label.bounding_box()["x"] + label.bounding_box()["width"] < box["x"] + 0.4 * box["width"]
        ticks = chart.locator("svg").first.locator("g[aria-label='x-axis tick label'] text").all_text_contents()
        assert list(map(int, ticks)) == sorted(map(int, ticks))
        assert len(ticks) >= 2

    assert faults(folders["run"], look=look) == []


def test_pages_of_what_has_no_slope_no_delta_no_epoch_or_many_names_are_drawn(faults, tmp_path):
    stds = [fastgrad.initializer("normal", std=std) for std in (0.0, 0.01, *(0.1 * i for i in range(1, 12)))]
    kinds = {"shallow": ([1], ["he_normal"]), "none": ([3, 5], stds[:1]), "many": ([4, 60], stds)}
    for name, (depths, inits) in kinds.items():
        cells = study.grid(["relu"], inits, depths, width=8, batch=4, data="normal", seeds=(0,))
        (tmp_path / name).mkdir()
        survey.write_folder(survey.Report(list(sweeps.run_study(cells)), {}, [], ""), tmp_path / name)
    X, y = (array[:200] for array in datasets.load("digits"))
    options = {"epochs": 2, "test": 0.2, "optimizer": "sgd", "learning_rate": 1e30}
    diverged = repair.attempt(fastgrad.MLP([64, 8, 8, 10]), X, y, **options)
    assert diverged.history.epochs == 0
    (tmp_path / "diverged").mkdir()
    train_page.write_folder(repair.Repair((diverged,)), "{}", tmp_path / "diverged", "", {})
    for folder in tmp_path.iterdir():
        assert [fault for fault in faults(folder) if not fault.startswith("empty: ")] == [], folder.name


def test_tiles_take_the_colours_of_the_scheme_and_of_paper(browser, folders):
    tab = browser.new_page(color_scheme="dark")
    tab.goto((folders["run"] / "index.html").as_uri())
    seen = []
    for media in ({}, {"media": "print"}, {"media": "screen", "color_scheme": "light"}):
        tab.emulate_media(**media)
        tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        tiles = tab.locator("#consequences ~ * [aria-label=rect] rect, #detection ~ * [aria-label=rect] rect")
        seen.append(tiles.first.get_attribute("fill"))
    tab.close()
    assert seen[0] != seen[1] == seen[2]


def test_in_the_dark_the_worst_stands_out_and_the_healthy_recedes():
    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    def contrast(one, other):
        light, dark = sorted((luminance(one), luminance(other)), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    for paper, bins in (("#ffffff", [(back, ink) for _, _, back, ink in palette.BINS]), ("#15191e", palette.DARK)):
        from_paper = [contrast(paper, back) for back, _ in bins]
        healthy = palette.decade_bin(0.0)
        assert from_paper[healthy] == min(from_paper)
        assert from_paper[healthy:] == sorted(from_paper[healthy:])
        assert from_paper[: healthy + 1] == sorted(from_paper[: healthy + 1], reverse=True)
        assert all(contrast(back, ink) >= 4.5 for back, ink in bins)
    for paper, lines in (("#ffffff", palette.LINES), ("#15191e", palette.DARK_LINES)):
        assert all(contrast(paper, colour) >= 4.5 for colour in lines)
        assert len(set(lines)) == len(lines) == 8
