"""The command of the batteries: what it lists, runs, keeps and prints. The batteries themselves run at night."""

import ast
import json
import os
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from tests import batteries

# A battery runs in a fork, of which JAX warns wherever a test before this one has loaded it.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:os\.fork\(\) was called:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def call(*arguments):
    return CliRunner().invoke(batteries.main, list(map(str, arguments)))


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Two batteries, of which the second fails, and a file of results of their own."""
    functions = SimpleNamespace(
        good=lambda folder: (folder.is_dir(), "1,000 calls"), is_bad=lambda folder: (False, "2 reports")
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "tests.batteries.made_up", functions)
    made = {"good": ("made_up", "tries one", "all"), "is-bad": ("made_up", "tries another", "none")}
    monkeypatch.setattr(batteries, "BATTERIES", {name: batteries.Battery(*row) for name, row in made.items()})
    monkeypatch.setattr(batteries, "RESULTS", tmp_path / "results.jsonl")
    return tmp_path


def test_every_battery_is_a_function_of_its_module():
    for name, battery in batteries.BATTERIES.items():
        tree = ast.parse((batteries.HERE / f"{battery.module}.py").read_text())
        (function,) = [node for node in tree.body if getattr(node, "name", "") == name.replace("-", "_")]
        assert [argument.arg for argument in function.args.args] in (["folder"], ["work"])


def test_a_run_is_kept_and_its_exit_code_says_whether_it_passed(two):
    assert call("good", "--work", two).exit_code == 0
    failed = call("--all", "--work", two)
    assert failed.exit_code == 1
    assert "failed: is-bad" in failed.output
    lines = list(map(json.loads, (two / "results.jsonl").read_text().splitlines()))
    assert [(line["battery"], line["passed"]) for line in lines] == [("good", True), ("good", True), ("is-bad", False)]


def test_each_runs_in_a_process_of_its_own(two, monkeypatch):
    """One changes its folder, one ends its process: the next is none the worse, and the end is kept."""
    functions = sys.modules["tests.batteries.made_up"]
    monkeypatch.setattr(functions, "good", lambda folder: os._exit(9))
    monkeypatch.setattr(functions, "is_bad", lambda folder: (sys.modules.pop("click") and True, "fine"))
    assert "failed: good" in call("--all", "--work", two).output
    lines = list(map(json.loads, (two / "results.jsonl").read_text().splitlines()))
    assert [(line["passed"], line["figure"]) for line in lines] == [(False, "its process ended with 9"), (True, "fine")]
    assert "click" in sys.modules


def test_the_table_has_the_last_run_of_each_and_names_those_without(two):
    call("good", "--work", two)
    printed = call("--table").output
    assert "| `good` | tries one | all | 1,000 calls |" in printed
    assert "Not run here yet: is-bad." in printed
    call("is-bad", "--work", two)
    assert "| `is-bad` | tries another | none | **failed**: 2 reports |" in call("--table").output


@pytest.mark.parametrize(
    ("arguments", "says"), [(["goood"], "unknown battery 'goood'; did you mean 'good'?"), ([], "name a battery")]
)
def test_wrong_usage(two, arguments, says):
    wrong = call(*arguments)
    assert wrong.exit_code == 2
    assert says in wrong.output


def test_the_list_names_all():
    assert [line.split()[0] for line in call("--list").output.splitlines()] == list(batteries.BATTERIES)
