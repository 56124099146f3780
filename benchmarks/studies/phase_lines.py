"""The critical line as measured, beside theory's: ``python -m benchmarks.studies.phase_lines``, a minute or two."""

import math
import sys

from fastgrad import theory
from fastgrad.machine import machine
from fastgrad.report.survey import Comparison, comparison_markdown
from fastgrad.report.tables import Table
from fastgrad.sweeps import networks, phases, plan, study

BIASES = (0.01, 0.05, 0.25)  # sigma_b^2
AROUND = (0.9, 0.95, 1.0, 1.05, 1.1)  # of theory's sigma_w^2
COLUMNS = ("activation", "sigma_b^2", "measured sigma_w^2", "theory", "difference")
NOTE = "Width 256, depth 40, batch 128, normal data, 10 seeds."


def crossings(activation):
    """(measured sigma_w^2, sigma_b^2, theory's sigma_w^2) where delta neither falls nor grows with depth."""
    results = []
    for bias in BIASES:
        gains = [math.sqrt(share * theory.critical_point(activation, bias)[0]) for share in AROUND]
        axes = {"width": 256, "depth": 40, "batch": 128, "seeds": 10, "data": "normal", "bias_std": math.sqrt(bias)}
        cells = plan.grid(activation=activation, init="xavier_normal", gain=gains, **axes)
        results += [study.measure_cell(cell) for cell in cells]
    (diagram,) = phases.diagrams(map(networks.merged, networks.groups(results)))
    return diagram.crossings


def main():
    """Print the table in Markdown."""
    rows: list[tuple[str, ...]] = [
        (activation, f"{bias:.2f}", f"{weight:.4f}", f"{expected:.4f}", f"{100 * (weight / expected - 1):+.2f} %")
        for activation in ("tanh", "elu")
        for weight, bias, expected in crossings(activation)
    ]
    table = Table("Critical lines", COLUMNS, {"": rows})
    command = "python -m benchmarks.studies.phase_lines"
    sys.stdout.write(comparison_markdown(Comparison([table], [], NOTE, machine(), command)))


if __name__ == "__main__":
    main()
