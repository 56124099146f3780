"""The documentation as a site: its reference is whole, its examples run; at night all of it is built."""

import json
import re
import runpy
import shlex
import subprocess
import sys
from importlib import import_module
from inspect import isclass, isfunction, ismodule
from pathlib import Path

import pytest

import fastgrad

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LISTED = set(re.findall(r"^   (fastgrad\.[\w.]+)$", (DOCS / "reference.rst").read_text(), re.MULTILINE))
TREES = re.findall(r"```{toctree}(.*?)```", (DOCS / "index.md").read_text(), re.DOTALL)
TREE = set(re.findall(r"^(?:.*<)?([\w/]+)>?$", "".join(TREES), re.MULTILINE))
GALLERY = sorted((DOCS / "gallery").glob("plot_*.py"))
EXTERNAL = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=["'](?:https?:)?//[^>]+>""")


def in_the_reference(name):
    """Whether a public name has a page, or is a module of which every function and class has one."""
    found = getattr(fastgrad, name)
    if not ismodule(found):
        return f"fastgrad.{name}" in LISTED
    inside = [
        one for one, value in vars(found).items()
        if not one.startswith("_") and (isclass(value) or isfunction(value)) and value.__module__ == found.__name__
    ]  # fmt: skip
    folder = hasattr(found, "__path__") and any(one.startswith(f"{found.__name__}.") for one in LISTED)
    return found.__name__ in LISTED or folder or (inside and all(hasattr(fastgrad, one) for one in inside))


@pytest.mark.parametrize("name", fastgrad.__all__)
def test_every_public_name_is_in_the_reference(name):
    assert in_the_reference(name)


@pytest.mark.parametrize("name", sorted(LISTED))
def test_what_the_reference_lists_is_there(name):
    if name in ("fastgrad.torch", "fastgrad.jax", "fastgrad.sklearn"):
        pytest.importorskip(name.removeprefix("fastgrad."))
    parent, _, last = name.rpartition(".")
    assert hasattr(import_module(parent), last) or import_module(name)


def test_every_page_is_in_the_contents():
    pages = {path.stem for suffix in ("md", "rst", "ipynb") for path in DOCS.glob(f"*.{suffix}")} - {"index"}
    assert {*pages, "examples/index"} == TREE


def test_the_configuration_loads_and_its_extensions_are_there(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.setattr(sys, "path", list(sys.path))  # conf.py adds to it
    conf = runpy.run_path(str(DOCS / "conf.py"))
    assert conf["nitpicky"]
    for extension in [*conf["extensions"], conf["html_theme"], *conf["sphinx_gallery_conf"]["image_scrapers"]]:
        pytest.importorskip(extension)


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_examples_of_the_gallery(path, monkeypatch, capsys):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for package in ("pandas", "numba", "torch"):
        if re.search(
            rf"^import {package}\b|\.frame\b" if package == "pandas" else rf"^import {package}\b",
            path.read_text(),
            re.M,
        ):
            pytest.importorskip(package)
    pyplot.switch_backend("Agg")
    monkeypatch.setattr(pyplot, "show", lambda: None)
    names = runpy.run_path(str(path))
    assert names.get("figure") or pyplot.get_fignums() or capsys.readouterr().out
    pyplot.close("all")


def test_there_are_six_examples():
    assert len(GALLERY) == 6


def test_the_lesson_is_kept_without_outputs():
    cells = json.loads((DOCS / "lesson.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) >= 10
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_the_script_says_how_it_is_used():
    found = subprocess.run([ROOT / ".ci" / "site"], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr == "usage: .ci/site FOLDER\n"


def test_what_is_published_is_the_site_with_the_history_in_it():
    workflow = (ROOT / ".github" / "workflows" / "history.yml").read_text()
    assert workflow.index("run: .ci/history") < workflow.index("run: .ci/site .asv/site")
    assert "path: .asv/site\n" in workflow
    assert 'cp -r .asv/html "$1/history"' in (ROOT / ".ci" / "site").read_text()


# ---- at night --------------------------------------------------------------------------------------------------------


@pytest.mark.sweep
def test_the_site_is_built_without_a_warning_and_needs_no_network(tmp_path):
    for package in (
        "sphinx",
        "myst_nb",
        "numpydoc",
        "pydata_sphinx_theme",
        "sphinx_gallery",
        "torch",
        "jax",
        "sklearn",
    ):
        pytest.importorskip(package)
    (line,) = re.findall(r"^python -m sphinx .*$", (ROOT / ".ci" / "site").read_text(), re.MULTILINE)
    line = line.replace("$1", str(tmp_path / "site")).replace("$environment", str(tmp_path))
    done = subprocess.run(
        [sys.executable, *shlex.split(line)[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 80
    assert {str(path): EXTERNAL.findall(path.read_text()) for path in pages if EXTERNAL.search(path.read_text())} == {}
    styles = [
        path for path in (tmp_path / "site").rglob("*.css") if re.search(r"url\([\"']?(https?:)?//", path.read_text())
    ]
    assert styles == []


def test_a_reference_to_another_host_is_seen():
    assert EXTERNAL.search('<script defer src="https://example.org/a.js"></script>')
    assert EXTERNAL.search("<link rel='stylesheet' href='//example.org/a.css'>")
    assert not EXTERNAL.search('<a href="https://example.org">')


@pytest.mark.sweep
def test_the_lesson_runs_from_top_to_bottom():
    pytest.importorskip("nbmake")
    pytest.importorskip("ipykernel")
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "--nbmake", "--nbmake-timeout=120", "docs/lesson.ipynb"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
