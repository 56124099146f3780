"""The picture of an experiment."""

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.studies.reproduction.findings import Reproduction
from fastgrad.report.plots import _STYLE, LIGHT, MARKERS, Theme, _colour_axes


def figure(found: Reproduction, theme: Theme = LIGHT) -> Figure:
    """The curves of an experiment; those without a name belong to the one before."""
    with rc_context(_STYLE):
        drawn = Figure(figsize=(7.5, 4.2), layout="constrained", facecolor=theme.paper)
        ax = drawn.subplots()
        index = -1
        for curve in found.curves:
            index += bool(curve.label)
            ax.plot(
                curve.x, curve.y, "--" if curve.dashed else "-", color=theme.lines[index % len(theme.lines)],
                label=curve.label or None, linewidth=1.2 if curve.dashed else 2.0,
                marker=None if curve.dashed else MARKERS[index % len(MARKERS)], markersize=4,
                markevery=max(1, len(curve.x) // 12),
            )  # fmt: skip
        ax.set(xlabel=found.axes[0], ylabel=found.axes[1])
        ax.set_title(found.title, loc="left", color=theme.ink, fontweight="bold")
        ax.legend(frameon=False, labelcolor=theme.ink, fontsize=8)
        _colour_axes(ax, theme)
    return drawn
