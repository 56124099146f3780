"""Draw README's picture, docs/delta.svg: ``python -m benchmarks.studies.picture [FILE]``."""

import sys
from pathlib import Path

from fastgrad.initializers import SURVEYED
from fastgrad.report import plots
from fastgrad.sweeps import study

FILE = Path(__file__).resolve().parents[2] / "docs" / "delta.svg"
SHOWN = ("sigmoid", "tanh", "relu")


def main(file=FILE):
    """Delta against the layer, measured and predicted: the default survey's initialisations at depth 30."""
    cells = study.grid(SHOWN, SURVEYED, [30], width=128, batch=128, seeds=tuple(range(10)))
    figure = plots.delta_figure([study.measure_cell(cell) for cell in cells])
    Path(file).write_bytes(plots.picture(figure, "svg"))


if __name__ == "__main__":
    main(*sys.argv[1:])
