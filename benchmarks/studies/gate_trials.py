"""How often the gate is right on this machine: it judges identical code, planted slowdowns, and a wrong derivative.

    python -m benchmarks.studies.gate_trials --out trials

builds wheels of the commit that is checked out, one of them twice and the others with a plant in their sources, runs
``fastgrad gate`` on them in random order, and prints a table. What was run is kept: the same command goes on, and a
larger number of runs adds to it.
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import click

from fastgrad.bench.gate.judgement import BAD
from fastgrad.bench.gate.sides import extract, start_wheel
from fastgrad.bench.journal import Journal
from fastgrad.cli.shared import OneLineErrors

LOOPS, FORMULAS = "fastgrad/include/fastgrad/set/loops.h", "fastgrad/formulas.py"
SLOWED = "tanh value float32"


def slower(percent):
    """tanh's value goes over that part of its elements twice."""
    call = "FG(loop)(FG_##UPPER, FG_ONLY_VALUE, n, (const FG_SCALAR *)z, parameter, (FG_SCALAR *)y, NULL);"
    once_more = call.replace("n,", f"n * {percent} / 100,")
    return LOOPS, call, f"if (FG_##UPPER == FG_TANH && y != z) {once_more} {call}"


RIGHT_DERIVATIVE = "return fma(-part, part, where(minus_twice(z) < tanh_split, part + part, one))"
PLANTS = {
    "base": None,
    "identical code": None,
    "3 % slower": slower(3),
    "5 % slower": slower(5),
    "10 % slower": slower(10),
    "1 - y*y": (FORMULAS, RIGHT_DERIVATIVE, "return one - tanh(z) * tanh(z)"),
}


@click.command("python -m benchmarks.studies.gate_trials", cls=OneLineErrors)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A folder for wheels and finished runs.")
@click.option("--same", default=20, show_default=True, help="Runs on identical code.")
@click.option("--slow", default=10, show_default=True, help="Runs on each slowdown.")
@click.option("--wrong", default=1, show_default=True, help="Runs on the wrong derivative.")
def trials(out, same, slow, wrong):
    """Judge plants again and again, and count."""
    out = out.resolve()
    wheels = build(out)
    journal = Journal(out / "trials.jsonl", ("plant", "seconds", "found"), "trials")
    runs = dict.fromkeys(PLANTS, slow) | {"identical code": same, "1 - y*y": wrong, "base": 0}
    for record in journal.records:
        runs[record["plant"]] -= 1
    todo = [plant for plant, number in runs.items() for _ in range(number)]
    random.Random(len(todo)).shuffle(todo)
    for number, plant in enumerate(todo, 1):
        start = time.monotonic()
        found = gate(wheels["base"], wheels[plant], out / "gate")
        journal.add({"plant": plant, "seconds": time.monotonic() - start, "found": found})
        click.echo(f"{number} of {len(todo)}: {plant}: {found['verdict']}", err=True)
    click.echo(table(journal.records))


def build(out):
    """{plant: wheel}, built unless they are there."""
    wheels = {}
    for plant, change in PLANTS.items():
        folder = out / "wheels" / plant.replace(" ", "-").replace("*", "x")
        if not list(folder.glob("*.whl")):
            tree = out / "trees" / folder.name / "tree"
            tree.parent.mkdir(parents=True)
            extract("HEAD", tree)
            if change:
                path, old, new = change
                text = (tree / path).read_text()
                assert text.count(old) == 1, f"{path} has changed: the plant does not fit"
                (tree / path).write_text(text.replace(old, new))
            with open(out / f"{folder.name}.log", "w") as log:
                assert start_wheel(tree, folder, log).wait() == 0, f"see {log.name}"
        (wheels[plant],) = folder.glob("*.whl")
    return wheels


def gate(base, head, out):
    """What ``fastgrad gate --json`` says."""
    command = [sys.executable, "-m", "fastgrad", "gate", base, head, "--out", out, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout
    return json.loads(done.stdout)


def table(records):
    """How often what was found, in Markdown."""
    lines = ["| plant | runs | caught | by time | by instructions | by errors | false alarms | could not judge | s |"]
    lines.append("| --- " + "| ---: " * 8 + "|")
    for plant in PLANTS:
        runs = [record for record in records if record["plant"] == plant]
        if runs:
            bad = [[row for row in run["found"]["rows"] if row["verdict"] in BAD] for run in runs]
            by = [sum(any(guilty(plant, row, layer) for row in rows) for rows in bad) for layer in LAYERS]
            caught = sum(any(guilty(plant, row) for row in rows) for rows in bad)
            false = sum(any(not guilty(plant, row) for row in rows) for rows in bad)
            doubtful = sum(bool(run["found"]["doubts"]) for run in runs)
            seconds = [run["seconds"] for run in runs]
            spent = f"{median(seconds):.0f} ({max(seconds):.0f})"
            lines.append(
                f"| {plant} | {len(runs)} | {caught} | {by[0]} | {by[1]} | {by[2]} | {false} | {doubtful} | {spent} |"
            )
    return "\n".join(lines)


LAYERS = ("speed", "instructions", "quality")


def guilty(plant, row, layer=None):
    """Whether a bad row is the plant's doing."""
    if layer and row["layer"] != layer:
        return False
    return {"identical code": False, "1 - y*y": row["what"].startswith("tanh")}.get(
        plant, row["what"] in (SLOWED, "tanh of 100")
    )


if __name__ == "__main__":
    trials()
