"""Print the tables of README.md and docs/ again, each by the command it names: ``python -m benchmarks.tables``.

``--list`` says which there are, ``NAME ...`` prints these, ``--check`` runs nothing and says what is out of order.
"""

# Design: - A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``. What stands there is what its command
#           printed, all of it, and begins with the command line: so a command that has changed since is found.
#         - A table is written when it is done. All of them take an hour or two: which are done, at which commit, is
#           kept in .tables/, so that the same command goes on after an interruption; it goes when all are.

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ".tables"
COMMANDS = {
    "survey": "fastgrad decay --quick -a sigmoid -a tanh -a relu -a elu --table 'Decades of delta lost per layer'",
    "remedies": "fastgrad consequences --table 'What each remedy cures'",
    "repair": "fastgrad train --data mnist5000 --activation sigmoid --init xavier_normal --depth 30 --repair "
    "--table 'Before and after' --markdown",
    "detectors": "python -m benchmarks.studies.detectors --markdown",
    "phase-lines": "python -m benchmarks.studies.phase_lines",
    "training": "fastgrad speed training --markdown",
    "activations": "fastgrad speed activations --operation value --operation training --dtype float32 --size 65536 "
    "--rounds 40 --peer numpy --peer torch --peer jax --markdown",
    "limits": "fastgrad speed limits --markdown",
    "calls": "fastgrad speed calls --markdown",
    "placement": "fastgrad speed placement --markdown",
    "operations": "python -m benchmarks.studies.operations",
    "derivative": "fastgrad audit --workers 2 --activation tanh --kind derivative --markdown",
    "gradients": "fastgrad speed network --table gradients --markdown",
    "profiles": "fastgrad speed network --table profile --markdown",
    "dense": "fastgrad speed dense --markdown",
    "initializers": "fastgrad speed initializers --markdown",
    "decay": "fastgrad speed decay --markdown",
    "entry-points": "python -m benchmarks.studies.entry_points --markdown",
    "sweep-costs": "python -m benchmarks.studies.sweep_costs",
    "audit": "fastgrad audit --workers 2 --markdown",
    "trust": "python -m tests.batteries --table",
    "gate-trials": f"python -m benchmarks.studies.gate_trials --out {KEPT}/trials",
}
BLOCK = re.compile(r"(?<=<!-- table: )(?P<name>\S+)(?P<open> -->\n)(?P<body>.*?)(?P<end><!-- end -->)", re.S)
COMMAND = re.compile(r"```\w*\n(?:\$ )?(.+)\n")
NUMBER = re.compile(r"[-+]?[\d.,]*\d(e[-+]\d+)?( [%!])?")
WIDTH = 120


def pages(root=ROOT):
    """The files that have tables."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def blocks(root=ROOT):
    """(file, name, body) of every marked block."""
    return [(path, found["name"], found["body"]) for path in pages(root) for found in BLOCK.finditer(path.read_text())]


def command_of(body):
    """The command that printed a block, as the block says; None if it does not."""
    found = COMMAND.match(body)
    return found and found[1]


def faults(root=ROOT, commands=COMMANDS):
    """What is out of order, a line each: names, commands that have changed, tables of numbers outside the blocks."""
    found, marked = [], blocks(root)
    names = [name for _, name, _ in marked]
    for path, name, body in marked:
        if name not in commands:
            found.append(f"{path.name}: no command prints a table {name!r}")
        elif command_of(body) != commands[name]:
            found.append(f"{path.name}: {name} was printed by `{command_of(body)}`, now it is `{commands[name]}`")
    found += [f"{name}: {names.count(name)} blocks, not 1" for name in commands if names.count(name) != 1]
    for path in pages(root):
        text = path.read_text()
        if text.count("<!-- table: ") != len(BLOCK.findall(text)) or text.count("<!-- end -->") != len(
            BLOCK.findall(text)
        ):
            found.append(f"{path.name}: a block is not closed, or closed twice")
        found += [f"{path.name}: numbers outside a block: {line}" for line in loose_tables(BLOCK.sub("", text))]
    return found


def loose_tables(text):
    """The heads of the tables in a text that have a column of numbers, or were printed to a terminal."""
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, re.M):
        head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
        columns = [[cell for cell in column if cell] for column in zip(*rows, strict=False)]
        if any(column and all(map(NUMBER.fullmatch, column)) for column in columns):
            yield " | ".join(head)
    yield from re.findall(r"^(.+)\n─{9,}", text, re.M)


def printed(command):
    """What the command prints, as it stands in a block; RuntimeError if it fails.

    Exit code 1 is no failure: what was judged is bad, and the table says so.
    """
    program, *arguments = shlex.split(command)
    arguments = arguments if program == "python" else ["-m", "fastgrad", *arguments]
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise RuntimeError(f"exit code {done.returncode} of {command}")
    return as_block(command, done.stdout)


def as_block(command, text):
    """The text of a block: command, tables, machine; in Markdown, or as it was on the terminal."""
    if not re.search(r"^\| ", text, re.M):
        lines = [line.rstrip() for line in text.splitlines()]
        return "\n".join(["```text", f"$ {command}", *lines, "```"]) + "\n"
    if not text.startswith("```"):
        text = f"```\n{command}\n```\n\n{text}"
    if "Measured on " not in text:
        from fastgrad.machine import machine

        text += "\nMeasured on " + ", ".join(f"{name} {value}" for name, value in machine().items()) + ".\n"
    command_and_rest = text.split("\n```\n", 1)
    return "\n```\n".join([command_and_rest[0], "\n".join(map(_wrapped, command_and_rest[1].split("\n")))])


def _wrapped(line):
    end = "  " if line.endswith("  ") else ""
    wrap = textwrap.TextWrapper(WIDTH, break_long_words=False, break_on_hyphens=False)
    return line if line.startswith("|") else wrap.fill(line) + end


def write(name, body, root=ROOT):
    """Put a block's new text into its file."""
    for path in pages(root):
        text = path.read_text()
        new = BLOCK.sub(
            lambda found: f"{name}{found['open']}{body}{found['end']}" if found["name"] == name else found[0], text
        )
        if new != text:
            path.write_text(new)


class Kept:
    """Which tables are done at this commit, in a folder that goes when all are, or when the commit is another."""

    def __init__(self, root=ROOT):
        self.folder = root / KEPT
        self.file = self.folder / "done.json"
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
        self.done = json.loads(self.file.read_text()) if self.file.exists() else {}
        if self.done.get("commit") != head.stdout.strip():
            self.forget()
            self.folder.mkdir()
            self.add("commit", head.stdout.strip())

    def has(self, name, command):
        return self.done.get(name) == command

    def add(self, name, command):
        self.done[name] = command
        self.file.write_text(json.dumps(self.done))

    def forget(self):
        self.done = {}
        shutil.rmtree(self.folder, ignore_errors=True)


def run(names, root=ROOT, commands=COMMANDS, printed=printed):
    """Print these tables, or with no name all that are not done yet; how many failed."""
    kept, failed = Kept(root), []
    for place, name in enumerate(names or commands, 1):
        say(f"[{place}/{len(names or commands)}] {name}: {commands[name]}")
        if not names and kept.has(name, commands[name]):
            say("    was done before the interruption")
            continue
        start = time.monotonic()
        try:
            write(name, printed(commands[name]), root)
        except RuntimeError as error:
            failed.append(name)
            say(f"    failed: {error}")
            continue
        if not names:
            kept.add(name, commands[name])
        say(f"    done in {time.monotonic() - start:.0f} s")
    if failed:
        say(f"failed: {', '.join(failed)}")
    elif not names or set(kept.done) == {"commit"}:
        kept.forget()
    return len(failed)


def say(line):
    print(line, file=sys.stderr, flush=True)


def main(arguments=None, root=ROOT, commands=COMMANDS, printed=printed):
    """The exit code: 0 fine, 1 something is out of order or failed, 2 wrong usage, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="tables to print (all)")
    parser.add_argument("--list", action="store_true", help="say which tables there are, and their commands")
    parser.add_argument("--check", action="store_true", help="run nothing; say what is out of order")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in commands]:
        parser.error(f"no table {unknown[0]!r}; there are {', '.join(commands)}")
    if given.list:
        print("\n".join(f"{name:14}{command}" for name, command in commands.items()))
        return 0
    if given.check:
        found = faults(root, commands)
        print("\n".join(found) or f"{len(commands)} tables in order")
        return int(bool(found))
    try:
        return int(bool(run(given.names, root, commands, printed)))
    except KeyboardInterrupt:
        say("interrupted: the tables that are done are written; the same command goes on from there")
        return 130


if __name__ == "__main__":
    sys.exit(main())
