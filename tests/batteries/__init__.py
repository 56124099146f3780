"""Batteries: long trials of what docs/trust.md promises, each one command: ``python -m tests.batteries NAME``."""

# Design: - A battery is a function of a folder to work in; it returns whether it passed and its figure, as a phrase.
#           What a test of the suite tries already, a battery calls, with more of it.
#         - A run is a line of results.jsonl, and the table of docs/trust.md shows the last one of each battery: so the
#           figures come from where they were measured, with their date, and one battery can be run again alone.

import importlib
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import click

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RESULTS = HERE / "results.jsonl"


class Battery(NamedTuple):
    """Where it is, what it tries, and what it must show."""

    module: str
    what: str
    bar: str


BATTERIES = {
    "asan": Battery("sanitizers", "AddressSanitizer and UBSan: the tests of the compiled parts", "no report"),
    "tsan": Battery("sanitizers", "ThreadSanitizer: 8 threads call every function of the C table", "no report"),
    "valgrind": Battery("sanitizers", "memcheck: each public function from Python", "no error of ours"),
    "guard": Battery("memory", "arrays that end or begin at a page that may not be touched", "no fault"),
    "position": Battery("memory", "lengths, offsets, strides: the bits of a number alone", "all equal"),
    "leaks": Battery("memory", "memory after many calls of each public function", "1 MiB more at most"),
    "starved": Battery("memory", "address space that ends, at 19 sizes", "MemoryError at most"),
    "large": Battery("memory", "arrays of more than 2^31 numbers", "none wrong"),
    "fuzz-c": Battery("fuzz", "libFuzzer on the C table, with both sanitizers", "no crash"),
    "fuzz-python": Battery("fuzz", "wrong arguments of the Python API", "one sentence of ours"),
    "fuzz-arrays": Battery("fuzz", "types, strides, broadcasting, overlap, by Hypothesis", "as a copy"),
    "damaged": Battery("files", "damaged stores, checkpoints, plans and journals", "read, or one sentence"),
    "surroundings": Battery("files", "a clock that jumps, a full disk, a read-only home", "works, or one sentence"),
    "forks": Battery("processes", "forks, spawns, DataLoader's workers while threads compute", "none hangs"),
    "interpreters": Battery("processes", "import in a subinterpreter", "works, or one sentence"),
    "kills": Battery("processes", "kill -9 of sweep, train and gate, and the same command again", "0 lost, 0 orphans"),
    "mutants": Battery("mutants", "mutants of the package and of every polynomial constant", "95 % noticed"),
}


def apart(function, *arguments):
    """The exit code of a function in its own process, which may change its limits, its folder and what is imported."""
    process = get_context("fork").Process(target=lambda: sys.exit(not function(*arguments)))
    process.start()
    process.join()
    return process.exitcode


def run_apart(name, work):
    """Run one battery; whether it passed."""
    start = time.monotonic()
    code = apart(run, name, work)
    if code not in (0, 1):
        apart(keep, name, False, f"its process ended with {code}", time.monotonic() - start)
    return code == 0


def run(name, work):
    """Run one battery and keep what it found; whether it passed."""
    click.echo(f"{name}: {BATTERIES[name].what}", err=True)
    function = getattr(importlib.import_module(f"tests.batteries.{BATTERIES[name].module}"), name.replace("-", "_"))
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    try:
        passed, figure = function(folder)
    except Exception as error:  # the next battery is tried all the same
        click.echo(f"{name}: {error}", err=True)
        passed, figure = False, f"{type(error).__name__}: {str(error).splitlines()[0]:.100}"
    keep(name, bool(passed), figure, time.monotonic() - start)
    return passed


def keep(name, passed, figure, seconds):
    """Add what a run found to the results, and say it."""
    from fastgrad.machine import machine  # not before: mutants are of a fastgrad that nobody has imported

    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    found = {
        "battery": name, "passed": passed, "figure": figure, "seconds": round(seconds, 1),
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": head.stdout.strip()[:10], "machine": machine(),
    }  # fmt: skip
    with RESULTS.open("a") as file:
        file.write(json.dumps(found) + "\n")
    click.echo(f"{name}: {'passed' if passed else 'FAILED'}: {figure} ({seconds:.0f} s)")


def last_runs():
    """The last run of each battery that has one, in the order of ``BATTERIES``."""
    lines = map(json.loads, RESULTS.read_text().splitlines()) if RESULTS.exists() else ()
    found = {line["battery"]: line for line in lines}
    return [found[name] for name in BATTERIES if name in found]


def table():
    """The table of docs/trust.md in Markdown."""
    runs = last_runs()
    rows = ["| battery | tries | bar | found | minutes | date |", "| --- | --- | --- | --- | ---: | ---: |"]
    for found in runs:
        name = found["battery"]
        figure = found["figure"] if found["passed"] else f"**failed**: {found['figure']}"
        minutes = f"{found['seconds'] / 60:.1f}"
        rows.append(
            f"| `{name}` | {BATTERIES[name].what} | {BATTERIES[name].bar} | {figure} | {minutes} | {found['date']} |"
        )
    if missing := [name for name in BATTERIES if name not in {found["battery"] for found in runs}]:
        rows += ["", f"Not run here yet: {', '.join(missing)}."]
    where = dict.fromkeys(", ".join(f"{key} {value}" for key, value in found["machine"].items()) for found in runs)
    return "\n".join([*rows, "", *(f"Measured on {text}." for text in where)]) + "\n"


@click.command("python -m tests.batteries")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "listed", is_flag=True, help="Say which there are.")
@click.option("--all", "every", is_flag=True, help="Run all of them.")
@click.option("--table", "printed", is_flag=True, help="Print the table of the last runs, in Markdown.")
@click.option("--work", type=click.Path(path_type=Path), default=ROOT / ".batteries", help="Folder to work in.")
def main(names, listed, every, printed, work):
    """Run long trials; exit code 1 if one of them fails."""
    if listed:
        for name, battery in BATTERIES.items():
            click.echo(f"{name:13}{battery.what} [{battery.bar}]")
        return
    if printed:
        click.echo(table(), nl=False)
        return
    for name in names:
        if name not in BATTERIES:
            from fastgrad._validation import unknown

            raise click.UsageError(str(unknown("battery", name, BATTERIES)))
    if not names and not every:
        raise click.UsageError("name a battery, or say --all or --list")
    sys.path.insert(0, str(HERE.parent))  # the tests' own modules
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    failed = [name for name in (BATTERIES if every else names) if not run_apart(name, work.resolve())]
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")
