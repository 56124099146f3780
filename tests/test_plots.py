"""Pictures: what is drawn is what was measured, nothing overlaps the frame, and no global state changes."""

import re
import sys

import matplotlib as mpl
import numpy as np
import pytest

import fastgrad
from fastgrad.report import palette, plots
from fastgrad.sweeps import networks, study
from fastgrad.sweeps import run as sweeps


@pytest.fixture(scope="module")
def results():
    cells = study.grid(
        ["sigmoid", "relu", "elu"], ["xavier_normal", "he_normal"], [3, 12],
        width=16, batch=8, seeds=(0, 1), data="normal",
    )  # fmt: skip
    return list(sweeps.run_study(cells))


def test_bins_are_in_order_and_cover_everything():
    edges = [edge for edge, *_ in palette.BINS]
    assert edges == sorted(edges)
    assert palette.decade_bin(-100.0) == 0
    assert palette.BINS[palette.decade_bin(0.0)][1] == "healthy: within a factor of 100"
    assert palette.decade_bin(float("inf")) == palette.decade_bin(float("nan")) == len(palette.BINS) - 1


def luminance(colour):
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
    return float(np.dot(channels, (0.2126, 0.7152, 0.0722)))


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_everything_written_is_legible():
    """WCAG 2.1: 4.5 to 1 for text; the lines' labels are text in the lines' colours."""
    for _, _, back, ink in palette.BINS:
        assert contrast(back, ink) >= 4.5
    for theme in (plots.LIGHT, plots.DARK):
        for colour in (theme.ink, *theme.lines):
            assert contrast(theme.paper, colour) >= 4.5, colour


def test_delta_figure_draws_measurement_theory_and_labels(results):
    figure = plots.delta_figure(results)
    axes = [ax for ax in figure.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in axes] == ["sigmoid", "relu", "elu(alpha=1)"]
    drawn = {tuple(line.get_ydata()) for line in axes[0].lines}
    for result in networks.deepest(results)[:2]:
        assert result.log10_delta_ratio in drawn
        assert result.predicted_ratio in drawn
    assert {text.get_text() for text in axes[0].texts} == {"xavier_normal", "he_normal"}
    assert len({ax.get_ylim() for ax in axes}) == 1
    low, high = axes[0].get_ylim()
    assert low < min(min(result.log10_delta_ratio) for result in results) < 0 < high
    left, right = axes[0].get_xlim()
    assert left < right
    assert axes[0].get_xlabel() == "layer: input → output"


def test_labels_of_lines_that_meet_are_moved_apart(results):
    (ax,) = plots.delta_figure(results[-4:]).axes
    heights = sorted(text.xy[1] for text in ax.texts)
    low, high = ax.get_ylim()
    assert np.diff(heights).min() >= 0.07 * (high - low)


def test_nothing_is_cut_off(results):
    figure = plots.delta_figure(results)
    figure.draw_without_rendering()
    page = figure.bbox
    tight = figure.get_tightbbox()
    assert tight.x0 >= -0.01
    assert tight.x1 * figure.dpi <= page.x1 + 1
    assert tight.y0 >= -0.01
    assert tight.y1 * figure.dpi <= page.y1 + 1


def test_pictures_are_png_and_svg_and_repeat(results):
    png = plots.picture(plots.delta_figure(results), "png")
    svg = plots.picture(plots.delta_figure(results), "svg")
    assert png.startswith(b"\x89PNG")
    assert re.search(rb"<svg[^>]*>", svg)
    assert svg == plots.picture(plots.delta_figure(results), "svg")


def test_lost_delta_is_drawn_without_warnings():
    cells = study.grid(["relu"], [fastgrad.initializer("normal", std=0.0)], [1, 4], width=8, batch=4, seeds=(0,))
    results = list(sweeps.run_study(cells))
    plots.picture(plots.delta_figure(results), "png")


def test_plot_profile_shows_delta_and_weight_gradient():
    X, y = fastgrad.datasets.load("normal")
    profile = fastgrad.MLP([64, 16, 16, 10], "tanh", "xavier_normal").gradient_profile(X[:8], y[:8])
    figure = profile.plot()
    (ax,) = figure.axes
    drawn = [tuple(line.get_ydata()) for line in ax.lines]
    assert drawn == [tuple(profile.log10_delta), tuple(profile.log10_weight_gradient)]
    plots.picture(figure, "png")


def test_no_global_state(results):
    before = dict(mpl.rcParams)
    plots.picture(plots.delta_figure(results), "svg")
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not mpl.pyplot.get_fignums()
