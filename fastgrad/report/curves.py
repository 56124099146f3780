"""Pictures of training: loss and accuracy over the epochs, delta of every layer over the steps, what follows."""

from collections.abc import Mapping, Sequence

import numpy as np

from fastgrad._validation import missing

try:
    from matplotlib import rc_context
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise missing("a picture", "matplotlib", "plot") from error

from fastgrad.learning.history import TrainingHistory
from fastgrad.learning.reading import Reading
from fastgrad.report.charts import decades_below_last
from fastgrad.report.palette import BINS, decade_bin
from fastgrad.report.plots import _STYLE, LIGHT, MARKERS, Theme, _colour_axes
from fastgrad.sweeps.consequences import Consequences


def training_figure(runs: Mapping[str, TrainingHistory], theme: Theme = LIGHT) -> Figure:
    """Training loss and accuracy of runs, by name, against the epoch; validation dashed."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(9.0, 3.6), layout="constrained", facecolor=theme.paper)
        axes = figure.subplots(1, 2)
        for ax, name, scale in zip(axes, ("loss", "accuracy"), ("log", "linear"), strict=True):
            for index, (label, history) in enumerate(runs.items()):
                _curve(ax, history, name, index, label, theme)
            ax.set(xlabel="epoch", ylabel=name, yscale=scale)
            ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            _colour_axes(ax, theme)
        if any(runs):
            axes[0].legend(frameon=False, labelcolor=theme.ink)
    return figure


def _curve(ax, history, name, index, label, theme):
    colour = theme.lines[index % len(theme.lines)]
    for values, line in ((getattr(history, name), "-"), (getattr(history, f"validation_{name}"), "--")):
        if values:
            ax.plot(
                range(1, len(values) + 1), values, line, color=colour, marker=MARKERS[index % len(MARKERS)],
                markersize=3, label=label if line == "-" else None,
            )  # fmt: skip


def consequences_figure(found: Consequences, theme: Theme = LIGHT) -> Figure:
    """Test accuracy after training against decades lost before it, with 95 % intervals over seeds.

    A colour for each activation, a marker for each initialisation, as on the page.
    """
    phis = list(dict.fromkeys(kind.activation for kind in found.kinds))
    rules = list(dict.fromkeys(kind.init for kind in found.kinds))
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 4.2), layout="constrained", facecolor=theme.paper)
        ax = figure.subplots()
        for kind in found.kinds:
            reaches = kind.test_accuracy_reach, kind.decades_lost - kind.decades_lost_low
            yerr, xerr = (reach if np.isfinite(reach) else None for reach in reaches)
            ax.errorbar(
                kind.decades_lost, kind.test_accuracy, yerr, xerr, label=kind.label, linewidth=1.0,
                color=theme.lines[phis.index(kind.activation) % len(theme.lines)],
                marker=MARKERS[rules.index(kind.init) % len(MARKERS)],
            )  # fmt: skip
        ax.axhline(found.target, color=theme.faint, linestyle=(0, (2, 3)))
        ax.set(xlabel="decades of delta lost before the first step", ylabel="test accuracy", ylim=(0.0, 1.0))
        ax.set_title(f"rank correlation {found.rank_correlation:.2f}", loc="left", color=theme.ink, fontweight="bold")
        figure.legend(loc="outside right upper", frameon=False, labelcolor=theme.ink, fontsize=8)
        _colour_axes(ax, theme)
    return figure


def readings_figure(runs: Mapping[str, Sequence[Reading]], theme: Theme = LIGHT) -> Figure:
    """How far the delta of each hidden layer lies below the last one's: a panel per run, a column per reading."""
    runs = {name: readings for name, readings in runs.items() if readings}
    with rc_context(_STYLE):
        figure = Figure(figsize=(1.5 + 3.5 * len(runs), 4.6), layout="constrained", facecolor=theme.paper)
        axes = figure.subplots(1, max(1, len(runs)), squeeze=False)[0]
        for ax, (name, readings) in zip(axes, runs.items(), strict=False):
            _panel(ax, readings, theme)
            ax.set_title(name, loc="left", color=theme.ink, fontweight="bold")
        keys = [Patch(facecolor=back, edgecolor=theme.faint, label=meaning) for _, meaning, back, _ in BINS]
        figure.legend(handles=keys, loc="outside lower left", frameon=False, labelcolor=theme.ink, fontsize=8)
    return figure


def _panel(ax, readings, theme):
    bins = np.array([[decade_bin(lost) for lost in decades_below_last(reading)] for reading in readings]).T
    colours = ListedColormap([back for *_, back, _ in BINS])
    ax.pcolormesh(
        np.arange(len(readings) + 1),
        np.arange(len(bins) + 1) + 0.5,
        bins,
        cmap=colours,
        vmin=-0.5,
        vmax=len(BINS) - 0.5,
    )
    shown = range(0, len(readings), max(1, len(readings) // 4))
    ax.set_xticks([i + 0.5 for i in shown], [str(readings[i].step) for i in shown])
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set(xlabel="step", ylabel="hidden layer")
    _colour_axes(ax, theme)
