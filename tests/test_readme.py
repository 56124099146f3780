"""What README says is so: its Python is run, its commands are those of CI and its table is what the command prints."""

import doctest
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_python_examples():
    result = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert result.attempted >= 10
    assert result.failed == 0


def test_python_examples_of_the_docs():
    result = doctest.testfile(str(ROOT / "docs" / "training.md"), module_relative=False)
    assert result.attempted >= 7
    assert result.failed == 0


def test_ci_runs_the_command_that_readme_gives():
    pattern = re.search(r"grep -m1 '(.+)' README.md", (ROOT / ".ci" / "run").read_text())[1]
    assert f'python -m pip install -e ".[test]" && {pattern}' in TEXT


def test_the_survey_table_is_what_the_command_prints():
    command = re.search(r"`fastgrad (decay --quick .+?)` prints", TEXT)[1]
    from fastgrad.cli import commands

    printed = CliRunner().invoke(commands, command.split()).stdout
    row = re.compile(r"  (\w+) +20 +(-?[\d.]+) ± (\S+) +(\S+)  (yes|no) +none  (\w+)")
    ours, theirs = row.findall(TEXT), row.findall(printed)
    assert len(ours) == 12
    for stated, now in zip(ours, theirs, strict=True):
        assert (stated[0], *stated[4:]) == (now[0], *now[4:])
        # another BLAS sums in another order: the last digit may move
        for a, b in zip(stated[1:4], now[1:4], strict=True):
            assert float(a) == pytest.approx(float(b), abs=0.0011)
