"""What a sweep of 20,000 small cells costs: ``python -m benchmarks.studies.sweep_costs``, about two minutes."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from fastgrad.machine import machine
from fastgrad.report.survey import Comparison, comparison_markdown
from fastgrad.report.tables import Table

PLAN = """\
activation = ["tanh", "elu", "sigmoid", "relu"]
init = "xavier_normal"
gain = {start = 0.8, stop = 2.0, num = 25}
bias_std = [0.0, 0.1, 0.2, 0.3]
depth = [5, 10, 20, 30, 40]
width = 32
batch = 32
data = "normal"
seeds = [[0], [1], [2], [3], [4], [5], [6], [7], [8], [9]]
"""
WAYS = {
    "--workers 1": "a thread",
    "--workers 2": "processes",
    "--dask local --workers 2": "Dask, its scheduler in the coordinator's process",
}
THREADS = 'fastgrad.sweep("threads.db", "cost.toml", workers=2)'
COLUMNS = ("sweep", "seconds", "cells/s", "without work", "MB here", "CPU s here")
NOTE = (
    "20,000 cells of 4 activations, 25 gains, 4 biases, 5 depths up to 40, width and batch 32, 10 seeds as cells of "
    "their own. Without work: the share of the workers' time, start and end included. Here: in the coordinator."
)


def measured(options, folder):
    """What ``fastgrad sweep --json`` says of the plan with these options."""
    command = ["sweep", "cost.toml", f"{len(list(folder.iterdir()))}.db", *options.split(), "--json"]
    return _run([sys.executable, "-m", "fastgrad", *command], folder)


def measured_in_threads(folder):
    """The same of ``fastgrad.sweep`` with threads."""
    code = f"import fastgrad, json; s = {THREADS}; f = dict(vars(s), rate=s.rate, scheduling=s.scheduling)"
    return _run([sys.executable, "-c", f"{code}; print(json.dumps(f))"], folder)


def _run(command, folder):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main():
    """Print the table in Markdown."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "cost.toml").write_text(PLAN)
        found = {f"`{options}`: {what}": measured(options, folder) for options, what in WAYS.items()}
        found["`fastgrad.sweep(..., workers=2)`: threads"] = measured_in_threads(folder)
    rows: list[tuple[str, ...]] = [
        (
            way, f"{facts['seconds']:.1f}", f"{facts['rate']:,.0f}", f"{facts['scheduling']:.1%}",
            f"{facts['memory']:.0f}", f"{facts['cpu']:.1f}",
        )
        for way, facts in found.items()
    ]  # fmt: skip
    command = "python -m benchmarks.studies.sweep_costs"
    table = Table("Cost of a sweep", COLUMNS, {"": rows})
    sys.stdout.write(comparison_markdown(Comparison([table], [], NOTE, machine(), command)))


if __name__ == "__main__":
    main()
