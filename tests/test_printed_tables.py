"""Every table of README and docs is printed by one command, and names the command that printed it."""

import re
import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest

from benchmarks import tables

ROOT = Path(__file__).resolve().parent.parent

COMMANDS = {"one": "fastgrad one --markdown", "two": "fastgrad two --quick"}
README = """# A page

<!-- table: one -->
```
fastgrad one --markdown
```

| a | b |
| --- | ---: |
| x | 1 |
<!-- end -->

Prose in between.
"""
GUIDE = """<!-- table: two -->
```text
$ fastgrad two --quick
network  lost
─────────────
tanh     0.03
```
<!-- end -->

| key | means |
| --- | --- |
| 1 | words after a number are no measurement, but `a` name |
"""


@pytest.fixture
def root(tmp_path):
    """A folder with a README and a page of docs whose tables are in order."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(README)
    (tmp_path / "docs" / "guide.md").write_text(GUIDE.replace("| 1 |", "| `one` |"))
    return tmp_path


def check(root, capsys):
    code = tables.main(["--check"], root, COMMANDS)
    return code, capsys.readouterr().out


def test_the_tables_here_are_in_order():
    """A command that has changed since its table was printed, or a table of numbers that no command prints, fails."""
    assert tables.faults() == []


def test_every_command_here_is_one_of_ours_as_it_would_name_itself():
    from fastgrad.cli import commands

    for name, command in tables.COMMANDS.items():
        program, *arguments = shlex.split(command)
        assert shlex.join([program, *arguments]) == command, name
        if program == "python":
            found = vars(import_module(arguments[1])).values()
            for study in (each for each in found if isinstance(each, click.Command)):
                assert shlex.split(study.name) == [program, *arguments[:2]]
                study.make_context(study.name, arguments[2:], resilient_parsing=False)
            continue
        group, parents = commands, []
        while hasattr(group, "commands"):
            parents.append(arguments[0])
            group = group.commands[arguments.pop(0)]
        group.make_context(" ".join(parents), list(arguments), resilient_parsing=False)


def test_what_is_in_order_passes(root, capsys):
    assert check(root, capsys) == (0, "2 tables in order\n")


@pytest.mark.parametrize(
    ("page", "old", "new", "says"),
    [
        ("README.md", "fastgrad one --markdown", "fastgrad one --old --markdown", "printed by `fastgrad one --old"),
        ("README.md", "table: one", "table: three", "no command prints a table 'three'"),
        ("README.md", "```\nfastgrad one --markdown\n```\n", "", "one was printed by `None`"),
        ("README.md", "<!-- end -->", "", "a block is not closed"),
        ("README.md", "<!-- table: one -->", "", "one: 0 blocks, not 1"),
        ("README.md", "Prose", "| n |\n|---|\n| 1.5 |\n\nProse", "numbers outside a block: n"),
        ("README.md", "Prose", "| n | x |\n|---|---:|\n| a | 0.5 ! |\n| b | 1e-5 |\n\nProse", "outside a block: n | x"),
        ("README.md", "Prose", "```text\nlayer  delta\n────────────\n1  -3\n```\n", "outside a block: layer  delta"),
        ("docs/guide.md", "$ fastgrad two --quick", "$ fastgrad two", "two was printed by `fastgrad two`"),
    ],
)  # fmt: skip
def test_what_is_out_of_order_is_said(root, capsys, page, old, new, says):
    text = (root / page).read_text()
    assert old in text
    (root / page).write_text(text.replace(old, new))
    code, out = check(root, capsys)
    assert code == 1
    assert says in out
    assert (root / page).name in out or "blocks" in out


def test_one_table_is_printed_and_the_rest_of_the_page_stays(root, capsys):
    asked = []

    def printed(command):
        asked.append(command)
        return tables.as_block(command, f"```\n{command}\n```\n\n| a |\n|---:|\n| 2 |\n\nMeasured on x.\n")

    assert tables.main(["one"], root, COMMANDS, printed) == 0
    assert asked == ["fastgrad one --markdown"]
    text = (root / "README.md").read_text()
    assert "| 2 |\n\nMeasured on x.\n<!-- end -->\n\nProse in between.\n" in text
    assert "| x | 1 |" not in text
    assert text.startswith("# A page\n\n<!-- table: one -->\n```\n")
    assert check(root, capsys)[0] == 0
    assert not (root / tables.KEPT).exists()


def test_an_interruption_keeps_what_is_done_and_the_same_command_goes_on(root, capsys):
    asked = []

    def interrupted(command):
        asked.append(command)
        if command == COMMANDS["two"] and asked.count(command) == 1:
            raise KeyboardInterrupt
        return tables.as_block(command, "lost\n────\n0.5\n")

    assert tables.main([], root, COMMANDS, interrupted) == 130
    assert "goes on from there" in capsys.readouterr().err
    assert "0.5" in (root / "README.md").read_text()
    assert tables.main([], root, COMMANDS, interrupted) == 0
    assert asked == [COMMANDS["one"], COMMANDS["two"], COMMANDS["two"]]
    assert tables.main([], root, COMMANDS, interrupted) == 0  # all were done: from the start
    assert asked[3:] == [COMMANDS["one"], COMMANDS["two"]]


def test_what_was_done_before_another_commit_is_done_again(root, monkeypatch):
    kept = tables.Kept(root)
    kept.add("one", COMMANDS["one"])
    assert tables.Kept(root).has("one", COMMANDS["one"])
    assert not tables.Kept(root).has("one", "fastgrad one")
    monkeypatch.setattr(tables.subprocess, "run", lambda *_, **__: type("Done", (), {"stdout": "another\n"}))
    assert not tables.Kept(root).has("one", COMMANDS["one"])


def test_a_command_that_fails_leaves_its_table_and_is_named(root, capsys):
    def failing(command):
        if command == COMMANDS["one"]:
            raise RuntimeError(f"exit code 2 of {command}")
        return tables.as_block(command, "lost\n────\n0.5\n")

    assert tables.main([], root, COMMANDS, failing) == 1
    assert (root / "README.md").read_text() == README
    assert "0.5" in (root / "docs" / "guide.md").read_text()
    assert "failed: one" in capsys.readouterr().err


def test_real_commands_print_blocks_that_name_them(tmp_path):
    decay = "fastgrad decay --quick -a relu --table 'Decades of delta lost per layer'"
    assert tables.command_of(tables.printed(decay)) == decay
    assert "he_normal" in tables.printed(decay)
    dense = "fastgrad speed dense --shape 2,3,4 --peer numpy --rounds 1 --markdown"
    body = tables.printed(dense)
    assert tables.command_of(body) == dense
    assert "| 2 x 3 x 4 |" in body
    assert "Measured on processor" in body
    assert max(map(len, body.splitlines())) <= tables.WIDTH
    with pytest.raises(RuntimeError, match="exit code 2"):
        tables.printed("fastgrad decay --quick -a rleu")


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("fastgrad a", "x\n──\n1\n"),
        ("python -m a", "| x |\n|---:|\n| 1 |\n"),
        ("fastgrad a", "```\nfastgrad a\n```\n\n| x |\n"),
    ],
)  # fmt: skip
def test_a_block_begins_with_its_command_and_says_where_it_is_from(command, output):
    body = tables.as_block(command, output)
    assert tables.command_of(body) == command
    assert body.count(command) == 1
    assert body.endswith("\n")
    if "|" in output:
        assert re.search(r"^Measured on processor", body, re.M)


def test_list_and_wrong_names(capsys):
    assert tables.main(["--list"], commands=COMMANDS) == 0
    assert [line.split(None, 1) for line in capsys.readouterr().out.splitlines()] == [list(i) for i in COMMANDS.items()]
    with pytest.raises(SystemExit) as exit:
        tables.main(["oen"], commands=COMMANDS)
    assert exit.value.code == 2
    assert "no table 'oen'; there are one, two" in capsys.readouterr().err
