"""The page of the history: it names the planted commit and no other, and loads nothing."""

# Design: - The history is made up (asv_history.py), asv's classes read it, and what the page then says is compared with
#           what was planted. Our own asv.conf.json is used, so its thresholds are tested too.
#         - ``faults`` is what a reader with a browser would complain of; saboteurs must make it complain.

import csv
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import click.testing
import pytest
from test_report import Outline, Tables, well_formed

pytest.importorskip("asv")
if shutil.which("git") is None:
    pytest.skip("git is not installed", allow_module_level=True)
from asv_history import ACTIVATIONS, COMMITS, DECAY, SPEED, ZEROS, git, write_history

from fastgrad.bench import history as histories
from fastgrad.bench import history_page
from fastgrad.cli import commands

# asv forks to call git, of which JAX warns wherever a test before this one has loaded it.
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")
STEPS = {
    "speed": ((SPEED, ACTIVATIONS[0]), 13, 1.10),
    "the other speed": ((SPEED, ACTIVATIONS[1]), 6, 1.08),
    "decay": ((DECAY, None), 9, 0.003),
    "growth": ((DECAY, None), 9, -0.003),
    "a false zero": ((ZEROS, None), 4, 1),
}
FACTORS = {"decay": 10**0.003, "growth": 10**-0.003, "a false zero": float("inf")}  # of the others the step itself
CHANGES = {
    "decay": r"\+0\.00(29|3)\d*",
    "growth": r"-0\.00(29|3)\d*",
    "a false zero": "from 0",
}


def command(*arguments):
    result = click.testing.CliRunner().invoke(commands, ["publish", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """A history with the first of STEPS, and the hashes of its commits."""
    folder = tmp_path_factory.mktemp("asv") / "project"
    series, at, factor = STEPS["speed"]
    return folder, write_history(folder, {series: (at, factor)})


@pytest.fixture(scope="module")
def page(history, tmp_path_factory):
    """The folder that our command publishes it into."""
    out = tmp_path_factory.mktemp("page") / "html"
    code, printed, err = command("--config", history[0] / "asv.conf.json", "--out", out)
    assert (code, err) == (0, "")
    assert str(out / "index.html") in printed
    return out


def text_of(page):
    return (page / "index.html").read_text(encoding="utf-8")


def without_scripts(page):
    return re.sub(r"<script.*?</script>", "", text_of(page), flags=re.DOTALL)


# What the page says.


@pytest.mark.parametrize("planted", STEPS)
def test_the_planted_commit_is_the_regression_and_the_only_one(planted, tmp_path):
    (benchmark, parameter), at, size = STEPS[planted]
    commits = write_history(tmp_path / "a", {(benchmark, parameter): (at, size)}, seed=at)
    (found,) = history_page.publish(tmp_path / "a" / "asv.conf.json")["regressions"]
    assert found["commit"] == commits[at]
    assert found["since"] is None
    assert found["benchmark"] == benchmark + (f"({parameter})" if parameter else "")
    factor = FACTORS.get(planted, size)
    assert found["factor"] == factor or abs(found["factor"] / factor - 1) <= 0.01  # medians of values within 1 %
    assert re.fullmatch(CHANGES.get(planted, r"1\.\d+ times"), found["change"])


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_improvements_are_no_regressions(seed, tmp_path):
    faster = {(SPEED, ACTIVATIONS[0]): (11, 0.8), (DECAY, None): (5, 0.0005)} if seed else {}
    write_history(tmp_path / "a", faster, seed=seed)
    code, printed, _ = command("--config", tmp_path / "a" / "asv.conf.json")
    assert code == 0
    assert "Regressions: 0, benchmarks: 3." in printed


def test_a_commit_without_results_before_the_step_makes_a_range(tmp_path):
    commits = write_history(tmp_path / "a", {(DECAY, None): (9, 0.003)})
    (result,) = (tmp_path / "a").glob(f".asv/results/*/{commits[8][:8]}*")
    result.unlink()
    found = history_page.publish(tmp_path / "a" / "asv.conf.json")["regressions"]
    assert [(row["since"], row["commit"]) for row in found] == [(commits[7], commits[9])]


def test_every_number_is_there_once(history, page):
    with open(page / "history.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COMMITS * (len(ACTIVATIONS) + 2)  # none of what has no result
    assert {row["benchmark"] for row in rows} == {SPEED, DECAY, ZEROS}
    assert {row["commit"] for row in rows} == set(history[1])
    (result,) = (history[0] / ".asv" / "results").glob(f"*/{history[1][3][:8]}*")
    measured = json.loads(result.read_text())["results"][SPEED][0]
    assert [
        float(row["value"]) for row in rows if (row["benchmark"], row["commit"]) == (SPEED, history[1][3])
    ] == measured
    series = json.loads((page / "history.json").read_text())["series"]
    assert [value for one in series for value in one["values"].values()] == [float(row["value"]) for row in rows]
    drawn = json.loads(re.search(r'id="data">(.*?)</script>', text_of(page), re.DOTALL)[1])
    assert sum(len(line["values"]) for chart in drawn["charts"] for line in chart["lines"]) == len(rows) - COMMITS
    assert "No number of these has moved: Errors.track_false_zeros." in text_of(page)


def test_the_tables_say_what_the_charts_show(history, page):
    tables = Tables(without_scripts(page))
    (row,) = tables.records("The largest first")
    planted = history[1][STEPS["speed"][1]]
    assert row["benchmark"] == f"{SPEED}({ACTIVATIONS[0]})"
    assert row["commit"] == planted[:8]
    assert re.fullmatch(r"1\.(09|1)\d* times", row["change"])
    slower, same = tables.records(f"{SPEED}, seconds")
    assert (slower["parameters"], same["parameters"]) == ("activation tanh", "activation relu")
    assert float(slower["latest over best"]) > 1.09
    assert float(same["latest over best"]) < 1.03
    assert slower["commits"] == same["commits"] == str(COMMITS)


def test_two_machines_have_a_chart_and_regressions_of_their_own(history, tmp_path):
    folder = Path(shutil.copytree(history[0], tmp_path / "a"))
    results = folder / ".asv" / "results"
    shutil.copytree(results / "quiet", results / "other")
    for path in (results / "other").iterdir():
        path.write_text(path.read_text().replace('"quiet"', '"other"'))
    found = histories.read(folder / "asv.conf.json")
    assert {series.environment for series in found.series} == {"machine other", "machine quiet"}
    assert len(found.regressions) == 2
    page = Path(history_page.publish(folder / "asv.conf.json")["page"]).parent
    assert len(Tables(without_scripts(page)).found) == 1 + 6


def test_an_axis_is_logarithmic_where_its_numbers_lie_apart(history):
    found = histories.read(history[0] / "asv.conf.json")
    one = next(series for series in found.series if series.benchmark == SPEED)

    def log(*factors):
        lines = [replace(one, values={at: value * factor for at, value in one.values.items()}) for factor in factors]
        return history_page._chart(found, lines)["log"]

    assert (log(1), log(1, 8), log(1, 11), log(1, -11)) == (False, False, True, False)


def test_of_many_lines_those_with_a_regression_are_drawn(history):
    found = histories.read(history[0] / "asv.conf.json")
    worse, same = (one for one in found.series if one.benchmark == SPEED)
    page = history_page.Page()
    history_page._figure(page, found, "time_value", [same] * 12 + [worse])
    (chart,) = page._charts
    assert len(chart["lines"]) == history_page.MOST
    assert chart["lines"][0]["name"] == worse.parameters
    assert len(chart["regressions"]) == 1


def test_results_of_another_branch_are_left_out_and_it_is_said(history, tmp_path):
    folder = Path(shutil.copytree(history[0], tmp_path / "a"))
    git(folder, "branch", "side")
    git(folder, "reset", "--quiet", "--hard", "main~2")
    code, printed, err = command("--config", folder / "asv.conf.json", "--json")
    assert code == 0
    assert json.loads(printed)["left_out"] == sorted(commit[:8] for commit in history[1][-2:])
    assert err.startswith("fastgrad: 2 results are left out: their commits are on no branch of ")


# What it is made of.


HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(1)</script> & \"'"


def test_the_page_is_well_formed_and_names_its_parts(page):
    outline = Outline(without_scripts(page))
    well_formed(outline, tables=4)


def test_it_names_no_address_and_only_its_own_files(page):
    tags = re.findall(r"<\w[^>]*>", without_scripts(page))
    links = re.findall(r'(?:src|href)="([^"]+)"', "".join(tags))
    assert [link for link in links if not link.startswith("#")] == ["history.json", "history.csv"]
    assert {link[1:] for link in links if link.startswith("#")} <= set(re.findall(r'<h2 id="([^"]+)"', text_of(page)))
    assert sorted(path.name for path in page.iterdir()) == ["history.csv", "history.json", "index.html"]


@pytest.fixture(scope="module")
def hostile(history, tmp_path_factory):
    """A page on which every name is hostile."""
    found = histories.read(history[0] / "asv.conf.json")
    names = {"benchmark": HOSTILE, "parameters": HOSTILE, "unit": HOSTILE, "environment": HOSTILE}
    series = [
        replace(one, **names, regressions=tuple(replace(step, benchmark=HOSTILE) for step in one.regressions))
        for one in found.series
    ]
    folder = tmp_path_factory.mktemp("hostile")
    spoiled = replace(found, project=HOSTILE, branches=(HOSTILE,), series=tuple(series))
    (folder / "index.html").write_text(history_page.to_html(spoiled), encoding="utf-8")
    return folder


def test_what_a_name_holds_is_text(hostile):
    outline = Outline(without_scripts(hostile))
    assert "".join(outline.words).count(HOSTILE) >= 8
    assert outline.of("img") == []
    assert text_of(hostile).count("</script>") == 4


def test_again_over_the_same_folder_changes_nothing_and_other_files_stay(history, page, tmp_path):
    folder = Path(shutil.copytree(page, tmp_path / "html"))
    (folder / "CNAME").write_text("example.org")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert command("--config", history[0] / "asv.conf.json", "--out", folder)[0] == 0
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


# Wrong calls.


def edited(folder, **settings):
    path = folder / "asv.conf.json"
    text = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.M)
    path.write_text(json.dumps(json.loads(text) | settings))


def no_results(folder):
    shutil.rmtree(folder / ".asv")


def no_list(folder):
    (folder / ".asv" / "results" / "benchmarks.json").unlink()


def main_without_results(folder):
    git(folder, "branch", "-m", "main", "side")
    git(folder, "checkout", "--quiet", "--orphan", "main")
    git(folder, "commit", "--quiet", "--allow-empty", "-mAlone")


WRONG = {
    "no results": (no_results, "there are no results in", "run asv run first"),
    "no list of benchmarks": (no_list, "asv cannot read its results:", "benchmarks.json missing!"),
    "results of other branches": (main_without_results, "but none of a commit on main"),
    "no such branch": (lambda folder: edited(folder, branches=["mian"]), "asv cannot read the repository:", "mian"),
    "not JSON": (lambda folder: (folder / "asv.conf.json").write_text("{"), "is no configuration of asv: "),
    "no repository": (lambda folder: edited(folder, repo=""), "is no configuration of asv: No repo specified"),
    "a file in the way": (lambda folder: (folder / ".asv" / "html").write_text(""), "--out: cannot write"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_history(wrong, history, tmp_path):
    folder = Path(shutil.copytree(history[0], tmp_path / "a"))
    spoil, *fragments = WRONG[wrong]
    shutil.rmtree(folder / ".asv" / "html", ignore_errors=True)
    spoil(folder)
    code, printed, err = command("--config", folder / "asv.conf.json")
    assert (code, printed) == (2, "")
    assert len(err.splitlines()) == 1
    assert [fragment for fragment in fragments if fragment not in err] == []
    assert not (folder / ".asv" / "html").is_dir()


def test_a_folder_that_cannot_be_made(history):
    code, _, err = command("--config", history[0] / "asv.conf.json", "--out", "/proc/fastgrad/page")
    assert code == 2
    assert re.fullmatch(r"fastgrad: --out: cannot write /proc/fastgrad: .+\n", err)


def test_without_asv(history, monkeypatch):
    monkeypatch.setitem(sys.modules, "asv.config", None)
    code, _, err = command("--config", history[0] / "asv.conf.json")
    assert (code, err) == (2, "fastgrad: publishing needs asv: pip install 'fastgrad[asv]'\n")


# In a browser.


@pytest.fixture
def faults(browser):
    """A function that opens a page at a width, waits for its charts and says what is wrong with it."""

    def look(folder, width=1280, scheme="light"):
        context, found = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme), []
        tab, url = context.new_page(), (folder / "index.html").as_uri()
        tab.on("console", lambda note: found.append(f"{note.type}: {note.text}"))
        tab.on("pageerror", lambda error: found.append(f"error: {error}"))
        tab.on("dialog", lambda dialog: found.append(f"dialog: {dialog.message}"))
        tab.on("request", lambda request: request.url == url or found.append(f"request: {request.url}"))
        tab.goto(url)
        charts = tab.locator("[data-chart] svg[role=img]")
        points = [chart.locator("g[aria-label=dot] circle").count() for chart in charts.all()]
        if points != [COMMITS, 2 * COMMITS + 1]:  # the zeros have never moved  # a ring around the regression
            found.append(f"points: {points}")
        found += [f"no name: {chart}" for chart in charts.all() if len(chart.get_attribute("aria-label")) < 30]
        if tab.evaluate("document.documentElement.scrollWidth") > width:
            found.append("wider than the screen")
        context.close()
        return found

    return look


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_all_charts_are_drawn_without_errors_or_requests(width, scheme, faults, page):
    assert faults(page, width, scheme) == []


def test_hostile_names_do_nothing(faults, hostile):
    assert [fault for fault in faults(hostile) if not fault.startswith("points:")] == []


SABOTEURS = {
    "a script from elsewhere": ("</head>", '<script src="https://cdn.example/a.js"></script></head>', "error: "),
    "a changed script": ("// The charts and filters of a page.", "// The charts.", "error: "),
    "no numbers": ('"values":[[0,', '"valeus":[[0,', "error: "),
    "a regression without its ring": ('"regressions":[[', '"regressions":[],"unused":[[', "points: "),
    "no library": ("d3.range", "d4.range", "error: "),
}


@pytest.mark.parametrize("spoiled", SABOTEURS)
def test_saboteurs_are_seen(spoiled, faults, page, tmp_path):
    old, new, said = SABOTEURS[spoiled]
    text = text_of(page)
    assert old in text
    (tmp_path / "index.html").write_text(text.replace(old, new), encoding="utf-8")
    assert [fault for fault in faults(tmp_path) if fault.startswith(said)] != []
