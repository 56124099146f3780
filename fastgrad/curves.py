"""Pictures of training: loss and accuracy over the epochs, and delta of every layer over the steps."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from fastgrad.history import TrainingHistory
from fastgrad.monitor import Reading
from fastgrad.palette import BINS
from fastgrad.plots import _STYLE, LIGHT, MARKERS, Theme, _colour_axes


def training_figure(runs: Mapping[str, TrainingHistory], theme: Theme = LIGHT) -> Figure:
    """Training loss and accuracy of runs, by name, against the epoch; validation dashed."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(9.0, 3.6), layout="constrained", facecolor=theme.paper)
        axes = figure.subplots(1, 2)
        for ax, name, scale in zip(axes, ("loss", "accuracy"), ("log", "linear"), strict=True):
            for index, (label, history) in enumerate(runs.items()):
                _curve(ax, history, name, index, label, theme)
            ax.set(xlabel="epoch", ylabel=name, yscale=scale)
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


def readings_figure(readings: Sequence[Reading], theme: Theme = LIGHT) -> Figure:
    """Decades that delta lost from the last hidden layer to each layer, a column for every reading."""
    lost = np.array([decades_below_last(reading) for reading in readings]).T
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 1.5 + 0.12 * len(lost)), layout="constrained", facecolor=theme.paper)
        ax = figure.subplots()
        edges = [-100.0, *(edge for edge, *_ in BINS[:-1]), 1e4]
        colours = ListedColormap([back for *_, back, _ in BINS])
        steps = np.arange(len(readings) + 1)
        ax.pcolormesh(steps, np.arange(len(lost) + 1) + 0.5, np.clip(lost, -99, 9999), cmap=colours,
                      norm=BoundaryNorm(edges, len(BINS)))  # fmt: skip
        shown = range(0, len(readings), max(1, len(readings) // 8))
        ax.set_xticks([i + 0.5 for i in shown], [str(readings[i].step) for i in shown])
        ax.set(xlabel="step", ylabel="hidden layer")
        _colour_axes(ax, theme)
    return figure


def decades_below_last(reading: Reading) -> np.ndarray:
    """Per hidden layer: decades by which its delta lies below the last hidden layer's; inf where it is 0."""
    hidden = reading.log10_delta[:-1]
    with np.errstate(invalid="ignore"):
        lost = hidden[-1] - hidden
    return np.where(np.isnan(lost), np.inf, lost)


def reproduction_figure(found, theme: Theme = LIGHT) -> Figure:
    """The curves of a :class:`fastgrad.reproduction.Reproduction`; those without a name belong to the one before."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.5, 4.2), layout="constrained", facecolor=theme.paper)
        ax = figure.subplots()
        index = -1
        for curve in found.curves:
            index += bool(curve.label)
            ax.plot(
                curve.x, curve.y, "--" if curve.dashed else "-", color=theme.lines[index % len(theme.lines)],
                label=curve.label or None, linewidth=1.2 if curve.dashed else 2.0,
            )  # fmt: skip
        ax.set(xlabel=found.axes[0], ylabel=found.axes[1])
        ax.set_title(found.title, loc="left", color=theme.ink, fontweight="bold")
        ax.legend(frameon=False, labelcolor=theme.ink, fontsize=8)
        _colour_axes(ax, theme)
    return figure
