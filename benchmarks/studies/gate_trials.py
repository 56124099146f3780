"""How often the gate is right on this machine: it judges identical code, and faults planted in this project's sources.

    python -m benchmarks.studies.gate_trials --out trials

commits each plant on top of the commit that is checked out, in a clone of the repository, has ``fastgrad gate`` judge
these commits in random order, and prints a table. What was run is kept: the same command goes on, and a larger number
of runs adds to it. ``--loop`` keeps one processor busy meanwhile; its runs are counted apart.
"""

import contextlib
import json
import random
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click
from scipy.stats import binomtest

from fastgrad.bench.gate.rows import BAD, LAYERS
from fastgrad.bench.journal import Journal
from fastgrad.cli.shared import OneLineErrors

ROOT = Path(__file__).resolve().parents[2]
LOOPS, FORMULAS = "fastgrad/include/fastgrad/set/loops.h", "fastgrad/formulas.py"
VALUE = "        FG(loop)(FG_##UPPER, FG_ONLY_VALUE, n, (const FG_SCALAR *)z, parameter, (FG_SCALAR *)y, NULL);"
SLOPE = "        FG(loop)(FG_##UPPER, FG_ONLY_DERIVATIVE, n, (const FG_SCALAR *)z, parameter, NULL, (FG_SCALAR *)d);"
COST = "(time|instructions)"  # layers
IDENTICAL, KERNELS = "identical code", ("sigmoid", "tanh", "leaky_relu", "elu")


@dataclass(frozen=True)
class Plant:
    """A fault.

    Attributes
    ----------
    file, old, new : str
        What is replaced by what; nothing for identical code.
    rows : str
        A regular expression for the rows that are bad because of it, each its layer and its benchmark.
    """

    file: str = ""
    old: str = ""
    new: str = ""
    rows: str = "(?!)"


def slower(kernel: str, percent: int) -> Plant:
    """A value goes over that part of its elements twice."""
    more = VALUE.replace("n,", f"n * {percent} / 100,")
    return Plant(
        LOOPS, VALUE, f"if (FG_##UPPER == FG_{kernel.upper()} && y != z) {more} {VALUE}", rf"{COST} .*\b{kernel}\b"
    )


def before(file: str, line: str, statement: str, rows: str) -> Plant:
    """A statement before a line, indented as the line is."""
    indent = re.match(" *", line)[0]  # type: ignore[index]
    return Plant(file, line, f"{indent}{statement}\n{line}", rows)


PROFILES = rf"{COST} .*(time_profile|time_fit|twelve_cells)|memory .*peakmem_profile"  # what calls gradient_profile
PLANTS = {
    IDENTICAL: Plant(),
    **{f"{kernel} {percent} % slower": slower(kernel, percent) for kernel in KERNELS for percent in (3, 5, 10)},
    "derivatives twice": Plant(LOOPS, SLOPE, f"{SLOPE} {SLOPE}", rf"{COST} .*(derivative|time_fit|twelve_cells)"),
    "theory 3 % off": Plant(
        "fastgrad/prediction.py",
        "np.log(derivative_second_moment(",
        "np.log(1.03 * derivative_second_moment(",
        "track .*predict",
    ),
    "import 100 ms": before(
        "fastgrad/__init__.py",
        "from fastgrad.activations import ACTIVATIONS, Activation, activation",
        "__import__('time').sleep(0.1)",
        "time .*import",
    ),
    "fit 50 ms": before(
        "fastgrad/learning/fit.py",
        "    rule = optimizers.optimizer(optimizer)",
        "__import__('time').sleep(0.05)",
        "time .*time_fit",
    ),
    "a doubled buffer": before(
        "fastgrad/decay.py",
        "    threshold = network.activation.saturation_threshold",
        "kept = np.ones((network.depth, len(X), max(network.sizes)), network.dtype)  # noqa: F841",
        PROFILES,
    ),
    "Python for every layer": before(
        "fastgrad/decay.py",
        "    threshold = network.activation.saturation_threshold",
        "_ = [sum(range(20)) for _ in range(network.depth)]",
        PROFILES,
    ),
    "Leaky ReLU wrong at .2": Plant(
        LOOPS,
        "FG_SET1((FG_SCALAR)parameter);",
        "FG_SET1((FG_SCALAR)(phi == FG_LEAKY_RELU && fabs(parameter - 0.2) < 1e-6 ? 0.2003 : parameter));",
        "track .*leaky",
    ),
    "1 - y*y": Plant(
        FORMULAS,
        "    return fma(-part, part, where(minus_twice(z) < tanh_split, part + part, one))",
        "    return one - tanh(z) * tanh(z)",
        rf"track .*tanh|{COST} .*(tanh|Networks|Dense|time_fit|twelve_cells)",
    ),
}


@click.command("python -m benchmarks.studies.gate_trials", cls=OneLineErrors)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A folder for the clone and finished runs.")
@click.option("--same", default=40, show_default=True, help="Runs on identical code.")
@click.option("--each", default=1, show_default=True, help="Runs on each plant.")
@click.option("--plant", "only", multiple=True, type=click.Choice(list(PLANTS)), help="Only this one.")
@click.option("--budget", default="5m", show_default=True, help="As fastgrad gate takes it.")
@click.option("--loop", is_flag=True, help="With an endless loop on the side.")
def trials(out, same, each, only, budget, loop):
    """Judge plants again and again, and count."""
    out = out.resolve()
    clone = prepared(out)
    journal = Journal(out / "trials.jsonl", ("plant", "loop", "seconds", "found"), "trials")
    runs = {plant: same if plant == IDENTICAL else each for plant in only or PLANTS}
    for record in journal.records:
        if record["loop"] == loop and record["plant"] in runs:
            runs[record["plant"]] -= 1
    todo = [plant for plant, number in runs.items() for _ in range(number)]
    random.Random(len(todo)).shuffle(todo)
    with endless() if loop else contextlib.nullcontext():
        for number, plant in enumerate(todo, 1):
            start = time.monotonic()
            found = gate(clone, f"plant-{list(PLANTS).index(plant)}", out / "gate", budget)
            journal.add({"plant": plant, "loop": loop, "seconds": time.monotonic() - start, "found": found})
            click.echo(f"{number} of {len(todo)}: {plant}: {found['verdict']}", err=True)
    click.echo(table(journal.records))


def prepared(out):
    """The clone, in which each plant is a branch on top of the branch ``base``."""
    clone = out / "clone"
    if not clone.exists():
        half = out / "half"
        shutil.rmtree(half, ignore_errors=True)
        git(ROOT, "clone", "--quiet", ROOT, half)
        git(half, "checkout", "--quiet", "-b", "base", git(ROOT, "rev-parse", "HEAD"))
        conf = half / "asv.conf.json"
        text, kept = conf.read_text(), f'"build_cache_size": {len(PLANTS) + 1}'
        conf.write_text(re.sub(r'"build_cache_size": \d+', kept, text))
        commit(half, "base")
        for number, plant in enumerate(PLANTS.values()):
            git(half, "checkout", "--quiet", "-b", f"plant-{number}", "base")
            if plant.file:
                text = (half / plant.file).read_text()
                assert text.count(plant.old) == 1, f"{plant.file} has changed: the plant does not fit"
                (half / plant.file).write_text(text.replace(plant.old, plant.new))
            commit(half, f"plant {number}")
        half.rename(clone)
    return clone


def git(folder, *arguments):
    """What git says."""
    names = ("-c", "user.name=trials", "-c", "user.email=trials@localhost")
    return subprocess.run(
        ["git", "-C", folder, *names, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder, message):
    git(folder, "commit", "--quiet", "--all", "--allow-empty", "-m", message)


@contextlib.contextmanager
def endless():
    """A process that never rests."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as loop:
        try:
            yield
        finally:
            loop.kill()


def gate(clone, plant, out, budget):
    """What ``fastgrad gate --json`` says of base -> plant."""
    command = [sys.executable, "-m", "fastgrad", "gate", "base", plant, "--python", "same", "--json"]
    where = ["--suite", clone, "--out", out, "--budget", budget]
    done = subprocess.run([*command, *where], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout
    return json.loads(done.stdout)


def table(records):
    """How often what was found, in Markdown."""
    columns = ("plant", "runs", "caught", *LAYERS, "false alarms", "95 %", "inconclusive rows", "s")
    lines = [f"| {' | '.join(columns)} |", "| --- " + "| ---: " * (len(columns) - 1) + "|"]
    for loop in (False, True):
        for plant in PLANTS:
            runs = [one for one in records if one["plant"] == plant and one["loop"] == loop]
            if runs:
                lines.append(f"| {' | '.join([plant + ', busy' * loop, *_counted(plant, runs)])} |")
    return "\n".join(lines)


def _counted(plant, runs):
    bad = [[row for row in run["found"]["rows"] if row["verdict"] in BAD] for run in runs]
    caught = [[row for row in rows if guilty(plant, row)] for rows in bad]
    by = [sum(any(row["layer"] == layer for row in rows) for rows in caught) for layer in LAYERS]
    false = sum(any(not guilty(plant, row) for row in rows) for rows in bad)
    within = binomtest(false, len(runs)).proportion_ci(method="exact")
    unclear = [sum(row["verdict"] == "inconclusive" for row in run["found"]["rows"]) for run in runs]
    seconds = [run["seconds"] for run in runs]
    numbers = [len(runs), sum(map(bool, caught)), *by, false]
    share = f"{within.low:.0%} to {within.high:.0%}"
    return [*map(str, numbers), share, f"{median(unclear):g}", f"{median(seconds):.0f} ({max(seconds):.0f})"]


def guilty(plant, row):
    """Whether a bad row is the plant's doing."""
    return bool(re.match(PLANTS[plant].rows, f"{row['layer']} {row['what']}"))


if __name__ == "__main__":
    trials()
