"""Pictures of results: delta against the layer with theory's band, a profile, and speed by size."""

# Design: - Figure objects, never pyplot: nothing global changes, and no display is needed.
#         - Layers run from the input, on the left, to the output, as on the pages: a line falls to the left as delta
#           vanishes, and carries its label there, at its end. The numbers of the vertical axis are on the right.
#         - One range of the vertical axis for all panels, or ReLU's decade looks like sigmoid's forty.

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgrad._validation import missing

try:
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.ticker import FuncFormatter, MaxNLocator
except ImportError as error:
    raise missing("a picture", "matplotlib", "plot") from error

from fastgrad.report.palette import DARK_LINES, LINES
from fastgrad.sweeps.cell import CellResult
from fastgrad.sweeps.networks import deepest


@dataclass(frozen=True)
class Theme:
    """Colours of one appearance; the lines' are after Okabe and Ito, whom the colour-blind can tell apart."""

    paper: str
    ink: str
    faint: str
    lines: tuple[str, ...]


LIGHT = Theme("#ffffff", "#1b1f24", "#c9ced4", LINES)
DARK = Theme("#15191e", "#e6e9ec", "#48525d", DARK_LINES)
MARKERS = "os^Dv*"

_STYLE: Any = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "fastgrad"}


def delta_figure(
    results: Sequence[CellResult],
    theme: Theme = LIGHT,
    limits: tuple[float, float] | None = None,
    key: bool = True,
) -> Figure:
    """RMS of delta relative to the output layer against the layer, on a log axis: one panel per activation.

    Of each pair of activation and initialiser the deepest network is drawn: measured (line and markers, the
    mean over seeds), predicted (dashed, with its band), and the layer from which float32 gives zeros (cross).

    Parameters
    ----------
    results : sequence of CellResult
    theme : Theme
    limits : (float, float), optional
        Range of the vertical axis in log10; without it, that of these results.
    key : bool
        Whether to explain the strokes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    panels = {}
    for result in deepest(results):
        panels.setdefault(result.cell.activation.label, []).append(result)
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.4 * columns, 3.3 * rows), layout="constrained", facecolor=theme.paper)
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        limits = limits or delta_limits(results)
        for ax, (name, members) in zip(axes, panels.items(), strict=False):
            _delta_panel(ax, members, theme, limits)
            ax.set_title(name, loc="left", color=theme.ink, fontweight="bold")
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        if key:
            _key(figure, axes[-1] if len(axes) > len(panels) else None, theme)
    return figure


def delta_limits(results: Iterable[CellResult]) -> tuple[float, float]:
    """A range of log10 that holds every finite value of these results' deepest networks, and 0."""
    values = [value for result in deepest(results) for value in (*result.log10_delta_ratio, *result.predicted_ratio)]
    finite = [0.0, *(value for value in values if np.isfinite(value))]
    margin = max(0.05 * (max(finite) - min(finite)), 0.3)
    return min(finite) - margin, max(finite) + margin


def speed_figure(rows: Sequence, theme: Theme = LIGHT) -> Figure:
    """Nanoseconds per element against the number of elements, both on log axes: one panel per activation.

    Parameters
    ----------
    rows : sequence of dict
        Of one operation and type, as in the JSON of ``fastgrad speed activations``. The machine's limit is dashed.
    theme : Theme

    Returns
    -------
    matplotlib.figure.Figure
    """
    panels, contestants = {}, {}
    for row in rows:
        panels.setdefault(row["activation"], {}).setdefault(row["contestant"], []).append(row)
        contestants.setdefault(row["contestant"], len(contestants))
    columns = min(3, len(panels))
    with rc_context(_STYLE):
        figure = Figure(
            figsize=(4.0 * columns, 0.8 + 3.1 * -(-len(panels) // columns)), layout="constrained", facecolor=theme.paper
        )
        axes = figure.subplots(-(-len(panels) // columns), columns, squeeze=False, sharey=True).ravel()
        for ax, (name, lines) in zip(axes, panels.items(), strict=False):
            for contestant, timed in lines.items():
                _speed_line(ax, timed, contestants[contestant], theme)
            limit = sorted(lines["fastgrad"], key=lambda row: row["size"])
            ax.plot(
                [row["size"] for row in limit], [row["limit_ns_per_element"] for row in limit],
                color=theme.ink, linewidth=1.0, linestyle=(0, (4, 3)), label="machine's limit",
            )  # fmt: skip
            ax.set_title(name, loc="left", color=theme.ink, fontweight="bold")
            ax.set(xscale="log", yscale="log", xlabel="elements")
            _colour_axes(ax, theme)
        for ax in axes[::columns]:
            ax.set_ylabel("ns per element", color=theme.ink)
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
        keys = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(
            keys.values(), keys, loc="outside lower left", ncols=4, frameon=False, labelcolor=theme.ink
        )  # fmt: skip
    return figure


def plot_profile(profile, theme: Theme = LIGHT) -> Figure:
    """RMS of delta and of dL/dW against the layer, log axis, of a :class:`fastgrad.decay.GradientProfile`."""
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 4.0), layout="constrained", facecolor=theme.paper)
        ax = figure.subplots()
        layers = range(1, len(profile.log10_delta) + 1)
        curves = (("delta", profile.log10_delta), ("dL/dW", profile.log10_weight_gradient))
        ends = []
        for index, (name, values) in enumerate(curves):
            look = {"color": theme.lines[index], "marker": MARKERS[index], "markersize": 4}
            ax.plot(layers, values, markevery=_every(len(layers)), **look)  # type: ignore[arg-type]
            ends.append((name, values[0], theme.lines[index]))
        _layer_axes(ax, len(layers), theme)
        _label_ends(ax, ends)
        ax.set_ylabel("root mean square")
    return figure


def picture(figure: Figure, format: str) -> bytes:
    """The figure as a file of this format, "png" or "svg"; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format=format, dpi=150, metadata={"Date": None} if format == "svg" else None)
    return buffer.getvalue()


def _delta_panel(ax, members, theme, limits):
    ends = []
    for index, result in enumerate(members):
        colour = theme.lines[index % len(theme.lines)]
        layers = range(1, len(result.log10_delta_ratio) + 1)
        ax.fill_between(layers, result.predicted_low, result.predicted_high, color=colour, alpha=0.3, linewidth=0)
        ax.plot(layers, result.predicted_ratio, color=theme.ink, linewidth=1.0, linestyle=(0, (4, 3)), zorder=3)
        ax.plot(
            layers, result.log10_delta_ratio, color=colour, linewidth=2.2, alpha=0.9,
            marker=MARKERS[index % len(MARKERS)], markersize=5, markevery=_every(len(layers)),
        )  # fmt: skip
        if result.float32_zero_layer is not None:
            value = result.log10_delta_ratio[result.float32_zero_layer - 1]
            ax.plot(
                result.float32_zero_layer,
                value,
                color=theme.ink,
                marker="X",
                markersize=9,
                zorder=4,
                clip_on=False,
            )
        ends.append((result.cell.init_label, result.log10_delta_ratio[0], colour))
    ax.set_ylim(limits)
    _layer_axes(ax, max(len(result.log10_delta_ratio) for result in members), theme)
    _label_ends(ax, ends)
    ax.axhline(0.0, color=theme.faint, linewidth=0.8, zorder=0)
    ax.set_ylabel("RMS delta / output layer's")


def _speed_line(ax, rows, index, theme):
    timed = sorted((row for row in rows if row["difference"] is None), key=lambda row: row["size"])
    if timed:
        ax.plot(
            [row["size"] for row in timed], [row["ns_per_element"] for row in timed], label=timed[0]["contestant"],
            color=theme.lines[index % len(theme.lines)], linewidth=2.6 if index == 0 else 1.4,
            marker=MARKERS[index % len(MARKERS)], markersize=4,
        )  # fmt: skip


def _layer_axes(ax: Axes, layers: int, theme: Theme) -> None:
    ax.set_xlim(0.5, layers + 0.5)
    ax.yaxis.tick_right()
    ax.yaxis.set_label_position("right")
    ax.spines["left"].set_visible(False)
    ax.spines["right"].set_visible(True)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=2))
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=2))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda exponent, _: f"$10^{{{exponent:.0f}}}$"))
    ax.set_xlabel("layer: input → output")
    _colour_axes(ax, theme)


def _colour_axes(ax, theme):
    ax.set_facecolor(theme.paper)
    ax.tick_params(colors=theme.ink)
    for text in (ax.xaxis.label, ax.yaxis.label):
        text.set_color(theme.ink)
    for spine in ax.spines.values():
        spine.set_color(theme.faint)


def _label_ends(ax, ends):
    """Each line's name at its left end, moved apart vertically where two would overlap."""
    low, high = ax.get_ylim()
    gap = 0.075 * (high - low)
    placed = low - gap
    for name, value, colour in sorted(ends, key=lambda end: end[1]):
        placed = max(placed + gap, min(max(value, low), high) if np.isfinite(value) else low)
        ax.annotate(
            name, (0.0, placed), xycoords=("axes fraction", "data"), annotation_clip=False,
            xytext=(-4, 0), textcoords="offset points", va="center", ha="right", color=colour, fontsize=9,
        )  # fmt: skip


def _key(figure, spare, theme):
    """What the strokes mean: in the spare panel, or below the panels."""
    strokes = [
        Line2D([], [], color=theme.ink, linewidth=2.2, marker="o", markersize=5),
        (
            Patch(facecolor=theme.ink, alpha=0.3),
            Line2D([], [], color=theme.ink, linewidth=1.0, linestyle=(0, (4, 3))),
        ),
        Line2D([], [], color=theme.ink, marker="X", markersize=9, linestyle="none"),
    ]
    names = ["measured, mean over seeds", "theory and its band", "float32 prints 0 from here"]
    place = {"loc": "center left"} if spare is not None else {"loc": "outside lower left", "ncols": 3}
    (spare or figure).legend(strokes, names, frameon=False, labelcolor=theme.ink, **place)


def _every(layers):
    """Which points carry a marker: about a dozen."""
    return max(1, layers // 12)
