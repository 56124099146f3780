"""The page of the history: it names the planted commit and no other, and loads nothing from elsewhere."""

# Design: - The history is made up (asv_history.py), asv itself reads it, and what the page then says is compared with
#           what was planted. Our own asv.conf.json is used, so its thresholds are tested too.
#         - ``faults`` is what a reader with a browser would complain of; saboteurs must make it complain.

import base64
import hashlib
import importlib.util
import json
import re
import shutil
import sys
from importlib import resources
from pathlib import Path

import click.testing
import pytest

pytest.importorskip("asv")
if shutil.which("git") is None:
    pytest.skip("git is not installed", allow_module_level=True)
from asv_history import ACTIVATIONS, DECAY, SPEED, git, write_history
from asv_reader import Reader, read, served

from fastgrad.bench import asv_page
from fastgrad.cli import commands

ASV_PAGE = Path(importlib.util.find_spec("asv").origin).parent / "www"
OURS = resources.files("fastgrad.report").joinpath("web", "asv")
STEPS = {
    "speed": ((SPEED, ACTIVATIONS[0]), 13, 1.10),
    "the other speed": ((SPEED, ACTIVATIONS[1]), 6, 1.08),
    "decay": ((DECAY, None), 9, 1.004),
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


@pytest.fixture
def copied(page, tmp_path):
    return Path(shutil.copytree(page, tmp_path / "html"))


# What the page says.


@pytest.mark.parametrize("planted", STEPS)
def test_the_planted_commit_is_the_regression_and_the_only_one(planted, tmp_path):
    (benchmark, parameter), at, factor = STEPS[planted]
    commits = write_history(tmp_path / "a", {(benchmark, parameter): (at, factor)}, seed=at)
    code, printed, _ = command("--config", tmp_path / "a" / "asv.conf.json", "--json")
    (found,) = json.loads(printed)["regressions"]
    assert code == 0
    assert found["commit"] == commits[at]
    assert found["since"] is None
    assert found["benchmark"] == benchmark + (f"({parameter})" if parameter else "")
    assert abs(found["factor"] / factor - 1) <= 0.01  # medians of values within 1 %


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_improvements_are_no_regressions(seed, tmp_path):
    faster = {(SPEED, ACTIVATIONS[0]): (11, 0.8), (DECAY, None): (5, 0.99)} if seed else {}
    write_history(tmp_path / "a", faster, seed=seed)
    code, printed, _ = command("--config", tmp_path / "a" / "asv.conf.json")
    assert code == 0
    assert "Regressions: 0, benchmarks: 2." in printed


def test_a_commit_without_results_before_the_step_makes_a_range(tmp_path):
    commits = write_history(tmp_path / "a", {(DECAY, None): (9, 1.004)})
    (result,) = (tmp_path / "a").glob(f".asv/results/*/{commits[8][:8]}*")
    result.unlink()
    found = asv_page.publish(tmp_path / "a" / "asv.conf.json")["regressions"]
    assert [(row["since"], row["commit"]) for row in found] == [(commits[7], commits[9])]


def test_what_has_no_result_is_not_on_the_page(page):
    assert set(json.loads((page / "index.json").read_text())["benchmarks"]) == {SPEED, DECAY}


def test_results_of_another_branch_are_left_out_and_it_is_said(history, tmp_path):
    folder = Path(shutil.copytree(history[0], tmp_path / "a"))
    git(folder, "branch", "side")
    git(folder, "reset", "--quiet", "--hard", "main~2")
    code, printed, err = command("--config", folder / "asv.conf.json", "--json")
    assert code == 0
    assert json.loads(printed)["left_out"] == sorted(commit[:8] for commit in history[1][-2:])
    assert err.startswith("fastgrad: 2 results are left out: their commits are on no branch of ")


# What it loads.


def elsewhere(folder):
    """Addresses in what loads by itself; not those of the library code, which are in comments and namespaces."""
    for path in folder.rglob("*"):
        text = path.read_text(encoding="utf-8") if path.suffix in (".html", ".css", ".js") else ""
        if path.suffix == ".html":
            text = re.sub(r"<a\s[^>]*>", "", text)
        elif path.suffix == ".js":
            text = re.sub(r"/\*.*?\*/|^\s*//.*?$", "", text, flags=re.DOTALL | re.MULTILINE)
        else:
            text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        yield from (f"{path.name}: {url}" for url in re.findall(r"https?://[^\s\"'<>)]+", text))


def test_no_address_of_another_machine_is_left(page):
    assert list(elsewhere(page)) == []
    assert "integrity=" not in (page / "index.html").read_text()


def test_every_file_that_the_page_names_is_there(page):
    text = (page / "index.html").read_text()
    named = re.findall(r'<(?:script|link|img)\b[^>]*?(?:src|href)="([^"]+)"', text)
    assert len(named) >= 20
    assert [name for name in named if not (page / name).is_file()] == []
    assert (page / "vendor" / "LICENSES.txt").is_file()


def test_again_over_the_same_folder_changes_nothing(history, page):
    def files():
        return {p.relative_to(page): p.read_bytes() for p in page.rglob("*") if p.is_file() and p.name != "info.json"}

    before = files()
    asv_page.make_self_contained(page)
    assert files() == before
    (page / "graphs" / "stale.json").write_text("[]")
    assert command("--config", history[0] / "asv.conf.json", "--out", page)[0] == 0
    after = files()
    assert {path: text for path, text in after.items() if path.name != "index.json"} == {
        path: text for path, text in before.items() if path.name != "index.json"
    }  # index.json holds sets in any order
    assert [path.name for path in page.parent.iterdir()] == [page.name]


NEWER = {
    "index.html": '<script src="https://cdn.example/chart.js"></script>',
    "error.html": "<link rel=stylesheet href=//cdn.example/new.css>",
    "asv.css": "@import url('https://cdn.example/font.css');",
    "regressions.css": "a { background: url(https://cdn.example/a.png) }",
    "asv.js": 'import chart from "https://cdn.example/chart.mjs";',
}


@pytest.mark.parametrize("name", NEWER)
def test_what_a_newer_asv_may_load_is_an_error(name, copied):
    with (copied / name).open("a") as file:
        file.write(NEWER[name])
    before = (copied / "index.html").read_bytes()
    with pytest.raises(ValueError, match=r"loads \S*//cdn.example/\S+, which fastgrad does not have"):
        asv_page.make_self_contained(copied)
    assert (copied / "index.html").read_bytes() == before


# Where the libraries are from.

SHA256 = {
    "bootstrap.min.js": "898d05a17f2cfc5120ddcdba47a885c378c0b466f30f0700e502757e24b403a1",
    "jquery.flot.categories.js": "6e81664b28ea795c734906f4aa15614640a75ac7fbd399a7fb9084040698351a",
    "jquery.flot.js": "b7b931f273c38b1277b9c6c1f4e05c4ec09885a487bddaf3279e2d7e49a38e12",
    "jquery.flot.orderBars.js": "39735b4f46f96ff4e082572401f47c55a2767b366fd1d1e821e44a8d830a12bf",
    "jquery.flot.selection.js": "e6c85f6c1ebe4b4da29d8ae238c7c5060283f05f7ef054f6b91817d02c092918",
    "jquery.flot.time.js": "a582c832adc7138a6b05aaf61f16ebac274701f1be4afea77e739a1c34b9c41a",
    "jquery.min.js": "160a426ff2894252cd7cebbdd6d6b7da8fcd319c65b70468f10b6690c45d02ef",
    "md5.min.js": "64d7ded388c562e4bde9e58ce205e5fa01b9734fcd434d496eb7b4fbfe9b927d",
    "stupidtable.min.js": "4642380f28ebe9ed7cac251793b281ef8620c4386205d92788f9b12f5cceb4e0",
    "bootstrap.min.css": "e9503448692b738dd260fbd7f7cabf2e11f09b600fa97e6eb3a56eba5b1a7e9b",
}


def test_the_libraries_are_those_that_asv_asks_for():
    text = (ASV_PAGE / "index.html").read_text()
    asked = dict(re.findall(r'(?:src|href)="(https://[^"]+)" integrity="([^"]+)"', text))
    assert set(asked) == {library.url for library in asv_page.LIBRARIES}
    same = 0
    for library in asv_page.LIBRARIES:
        kind, _, digest = asked[library.url].partition("-")
        ours = hashlib.new(kind, OURS.joinpath(library.file).read_bytes()).digest()
        same += base64.b64encode(ours).decode() == digest
    assert same == 5  # the others are not minified, or of another version; their digests are below


def test_the_libraries_are_unchanged():
    assert {library.file for library in asv_page.LIBRARIES} == set(SHA256)
    for name, digest in SHA256.items():
        assert hashlib.sha256(OURS.joinpath(name).read_bytes()).hexdigest() == digest, name


def test_every_library_has_its_version_and_its_licence():
    licences = OURS.joinpath("LICENSES.txt").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^([\w.]+\.(?:js|css)): (\S+ [\d.]+), https://\S+$", licences, flags=re.M))
    assert listed == {library.file: library.package for library in asv_page.LIBRARIES}
    assert {file.name for file in OURS.iterdir()} == {*listed, "LICENSES.txt", "narrow.css"}
    assert licences.count("Permission is hereby granted, free of charge") == len(set(listed.values()))
    for name in ("jquery.min.js", "jquery.flot.js", "bootstrap.min.js", "bootstrap.min.css"):
        head = OURS.joinpath(name).read_text(encoding="utf-8")[:400]
        assert listed[name].split()[1] in head


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
    "no list of benchmarks": (no_list, "asv publish failed:", "benchmarks.json missing!"),
    "results of other branches": (main_without_results, "but none of a commit on main"),
    "no such branch": (lambda folder: edited(folder, branches=["mian"]), "asv publish failed:", "mian"),
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


def test_a_folder_with_other_files_is_left_alone(history, copied):
    (copied / "CNAME").write_text("example.org")
    before = sorted(copied.parent.rglob("*"))
    code, _, err = command("--config", history[0] / "asv.conf.json", "--out", copied)
    assert code == 2
    assert "is not replaced: it has 'CNAME' in it, which is no part of a page" in err
    assert sorted(copied.parent.rglob("*")) == before


def test_a_folder_that_cannot_be_made(history):
    code, _, err = command("--config", history[0] / "asv.conf.json", "--out", "/proc/fastgrad/page")
    assert code == 2
    assert re.fullmatch(r"fastgrad: --out: cannot write /proc/fastgrad: .+\n", err)


def test_without_asv(history, monkeypatch):
    monkeypatch.setitem(sys.modules, "asv.config", None)
    code, _, err = command("--config", history[0] / "asv.conf.json")
    assert (code, err) == (2, "fastgrad: publishing needs asv: pip install 'fastgrad[asv]'\n")


# In a browser.


@pytest.mark.parametrize("width", [375, 1280])
def test_both_graphs_are_drawn_in_a_browser(width, browser, page):
    assert read(browser, page, width) == []


def test_the_browser_lists_the_planted_commit_and_no_other(browser, history, page):
    with served(page) as url:
        reader = Reader(browser, url)
        (row,) = reader.regressions()
        reader.context.close()
    assert row[0] == f"{SPEED}({STEPS['speed'][0][1]})"
    assert row[2] == history[1][STEPS["speed"][1]][:8]
    assert row[3] == "1.10x"
    assert reader.faults == []


@pytest.mark.parametrize(("place", "shown"), {"/": "canvas.flot-base", "/summarylist": "#summarylist-body td"}.items())
def test_the_other_tabs_open(place, shown, browser, page):
    with served(page) as url:
        reader = Reader(browser, url, 375)
        tab = reader.open(place, shown)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 375
        reader.context.close()
    assert reader.faults == []


def test_tables_sort_in_a_browser(browser, page):
    with served(page) as url:
        reader = Reader(browser, url)
        tab = reader.open("/summarylist", "#summarylist-body td")
        names = tab.locator("#summarylist-body tbody tr td:first-child")
        tab.wait_for_selector("#summarylist-body th.asc")
        first = names.all_inner_texts()
        tab.locator("#summarylist-body thead th").first.click()
        tab.wait_for_selector("#summarylist-body th.desc")
        assert names.all_inner_texts() == first[::-1]
        reader.context.close()
    assert reader.faults == []


def leave_a_link_in(folder):
    page = folder / "index.html"
    library = asv_page.LIBRARIES[1]
    page.write_text(page.read_text().replace(f"vendor/{library.file}", library.url))


def leave_a_link_to_nothing_used_in(folder):
    page = folder / "index.html"
    page.write_text(
        page.read_text().replace("</head>", '<link rel="stylesheet" href="https://cdn.example/a.css"></head>')
    )


def empty_decay(folder):
    for path in (folder / "graphs").rglob(f"{DECAY}.json"):
        path.write_text("[]")


def holes_in_speed(folder):
    (path,) = (folder / "graphs").glob(f"arch*/**/{SPEED}.json")
    path.write_text(json.dumps([[revision, [values[0], None]] for revision, values in json.loads(path.read_text())]))


def no_library(folder):
    (folder / "vendor" / "jquery.flot.js").unlink()


SABOTEURS = {
    leave_a_link_in: "request off the machine: https://cdnjs",
    leave_a_link_to_nothing_used_in: "request off the machine: https://cdn.example",
    empty_decay: f"empty graph of {DECAY}",
    holes_in_speed: f"empty graph of {SPEED}",
    no_library: "404 http://127.0.0.1",
}


@pytest.mark.parametrize("spoil", SABOTEURS)
def test_saboteurs_are_seen_in_a_browser(spoil, browser, copied):
    spoil(copied)
    assert [fault for fault in read(browser, copied, patience=1000) if fault.startswith(SABOTEURS[spoil])] != []


def test_saboteurs_are_seen_without_a_browser(copied):
    leave_a_link_in(copied)
    assert list(elsewhere(copied)) != []
