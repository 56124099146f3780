"""What README says is so: all its code is run, its commands exist and are those of CI, its table is what one prints."""

import ctypes
import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastgrad.cli import commands

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
EMBEDDING = (ROOT / "docs" / "EMBEDDING.md").read_text()
PAGES = "\n".join([TEXT, *(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))])
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
# How each kind of block is held to what it says; `text` is output of the command above it.
HELD = {"python", "bash", "text"}


def blocks(language, text=TEXT):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_every_block_is_of_a_kind_that_is_held_to_what_it_says():
    tables = TEXT.count("<!-- table: ")  # each begins with its command: tests/test_printed_tables.py
    whole = len(re.findall(r"<!-- table: \S+ -->\n```text", TEXT))
    assert set(re.findall(r"^```(\S+)$", TEXT, re.MULTILINE)) <= HELD
    assert TEXT.count("\n```") == 2 * (sum(len(blocks(kind)) for kind in HELD) + tables - whole)


def run_examples(path, without=()):
    """The examples of a page's Python blocks, one after the other; how many there were."""
    text, names, attempted = (ROOT / path).read_text(), {}, 0
    for block in blocks("python", text):
        if block.startswith("# test_"):  # a test file, which tests/test_testing.py runs
            continue
        assert block.startswith(">>> "), f"{path} has Python that is not run:\n{block}"
        if any(f"import {package}" in block for package in without):
            continue
        line = text[: text.index(block)].count("\n")
        test = doctest.DocTestParser().get_doctest(block, names, path, path, line)
        result = doctest.DocTestRunner().run(test, clear_globs=False)
        names.update(test.globs)
        assert result.failed == 0, f"{path}: the examples from line {line + 1} on"
        attempted += result.attempted
    return attempted


@pytest.mark.parametrize(
    ("path", "least"), [("README.md", 11), ("docs/training.md", 11), ("docs/EMBEDDING.md", 5), ("docs/testing.md", 7)]
)
def test_python_examples(path, least):
    assert run_examples(path, without=["torch"]) >= least


@pytest.mark.parametrize(("path", "more"), [("README.md", 7), ("docs/EMBEDDING.md", 9)])
def test_python_examples_with_pytorch(path, more):
    pytest.importorskip("torch")
    assert run_examples(path) >= run_examples(path, without=["torch"]) + more


def test_the_cython_example(tmp_path):
    (code,) = blocks("cython", EMBEDDING)
    (tmp_path / "readme_example.pyx").write_text(code)
    setup = "import fastgrad; from Cython.Build import cythonize; from setuptools import Extension, setup; "
    setup += "one = Extension('readme_example', ['readme_example.pyx'], include_dirs=[fastgrad.get_include()]); "
    setup += "setup(script_args=['-q', 'build_ext', '--inplace'], ext_modules=cythonize(one))"
    use = "import numpy as np, fastgrad, readme_example; z = np.linspace(-9, 9, 99, dtype=np.float32); "
    use += "y = fastgrad.tanh(z); readme_example.tanh_in_place(z); assert (z == y).all()"
    for command in (setup, use):
        done = subprocess.run(
            [sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def bash_commands():
    for line in "".join([*blocks("bash"), *blocks("bash", EMBEDDING)]).splitlines():
        yield from (part.strip() for part in line.split("  #")[0].split("&&"))


def test_every_shell_command_is_one_that_a_test_knows():
    known = r"python -m pip install -e \"\.\[[\w,]+\]\"|python -m pytest -n auto --dist loadfile|fastgrad \w+.*|cc .*"
    assert len([command for command in bash_commands()]) >= 5
    for command in bash_commands():
        assert re.fullmatch(known, command), f"README has a command that no test looks at: {command}"


def test_the_compiler_line_compiles(tmp_path):
    (line,) = (command for command in bash_commands() if command.startswith("cc "))
    shutil.copy(ROOT / "tests" / "embedding" / "c_program" / "main.c", tmp_path)
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    line = line.replace("-O3", "-O0 -fPIC -shared -o main.so")
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    ctypes.CDLL(tmp_path / "main.so")


def test_every_command_of_fastgrad_that_is_named_has_these_options():
    inline = [found.replace("\n", " ") for found in re.findall(r"`(fastgrad [^`.(]+.*?)`", PAGES, re.DOTALL)]
    named = [*inline, *(command for command in bash_commands() if command.startswith("fastgrad"))]
    assert len(named) >= 15
    for words in map(shlex.split, named):
        command = commands.commands[words[1]]
        if hasattr(command, "commands") and len(words) > 2:
            command = command.commands[words[2]]
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        unknown = [word for word in words if word.startswith("-") and word not in options]
        assert not unknown, f"{shlex.join(words)}: {unknown}"


def test_every_extra_that_is_named_exists():
    named = re.findall(r"\.\[([\w,]+)\]|fastgrad\[([\w,]+)\]", PAGES)
    listed = "".join(
        re.findall(r"^\| (`.+?) \|", (ROOT / "docs" / "api.md").read_text().split("## Extras")[1], re.MULTILINE)
    )
    assert len(named) >= 3
    assert {extra for pair in named for group in pair if group for extra in group.split(",")} <= set(EXTRAS)
    assert set(re.findall(r"`(\w+)`", listed)) == set(EXTRAS)


def test_ci_runs_the_command_that_readme_gives():
    pattern = re.search(r"grep -m1 '(.+)' README.md", (ROOT / ".ci" / "run").read_text())[1]
    assert f'python -m pip install -e ".[test]" && {pattern}' in TEXT


def test_the_survey_table_is_what_the_command_prints():
    text = (ROOT / "docs" / "survey.md").read_text()
    command = re.search(r"^\$ fastgrad (decay --quick .+)$", text, re.M)[1]
    printed = CliRunner().invoke(commands, shlex.split(command)).stdout
    row = re.compile(r"  (\w+) +20 +(-?[\d.]+) ± (\S+) +(\S+)  (yes|no) +(\w+)")
    ours, theirs = row.findall(text), row.findall(printed)
    assert len(ours) == 12
    for stated, now in zip(ours, theirs, strict=True):
        assert (stated[0], *stated[4:]) == (now[0], *now[4:])
        # another BLAS sums in another order: the last digit may move
        for a, b in zip(stated[1:4], now[1:4], strict=True):
            assert float(a) == pytest.approx(float(b), abs=0.0011)
