"""What a notebook and a console show of results: one line, and a picture."""

import sys

import numpy as np
import pytest

import fastgrad
from fastgrad.datasets import load

X, Y = load("digits")
NET = fastgrad.MLP([64, 16, 16, 16, 10], "tanh", "xavier_normal", seed=0)


def results():
    yield NET.gradient_profile(X[:20], Y[:20])
    yield fastgrad.measure("tanh", "xavier_normal", 3, 16, X[:20], Y[:20], seeds=range(3))
    yield fastgrad.fit(NET.like(), X, Y, epochs=2, test=0.2)
    yield fastgrad.sweep(activation=["tanh"], depth=[2, 3], width=8, batch=8, seeds=2)
    yield NET.gradient_profile(X[:20], Y[:20]).diagnosis


RESULTS = {type(result).__name__: result for result in results()}


@pytest.mark.parametrize("name", RESULTS)
def test_a_repr_is_one_line_that_names_the_type(name):
    line = repr(RESULTS[name])
    assert name in line
    assert "\n" not in line
    assert len(line) <= 250


def test_a_repr_has_the_figures():
    profile, measured = RESULTS["GradientProfile"], RESULTS["DecayMeasurement"]
    assert "tanh + xavier_normal, 3 hidden layers" in repr(profile)
    assert f"{profile.decades_lost:z.2f} decades lost, {profile.decades_per_layer:z.3f} per layer" in repr(profile)
    low, high = measured.decades_per_layer_interval
    assert f"of 3 seeds: {measured.decades_lost:z.2f} decades lost" in repr(measured)
    assert f"{measured.decades_per_layer:z.3f} ({low:z.3f} to {high:z.3f}) per layer" in repr(measured)
    history = RESULTS["TrainingHistory"]
    figures = f"loss {history.loss[-1]:.4g}, test accuracy {history.test_accuracy:.3f}, epochs"
    assert f"of 2 epochs: {figures}" in repr(history)


@pytest.mark.parametrize("name", ["GradientProfile", "TrainingHistory", "Sweep"])
def test_a_notebook_shows_the_picture(name, monkeypatch):
    pytest.importorskip("matplotlib")
    shown = RESULTS[name]._repr_html_()
    assert shown.startswith("<svg")
    assert shown.rstrip().endswith("</svg>")
    monkeypatch.setitem(sys.modules, "fastgrad.report.plots", None)
    assert RESULTS[name]._repr_html_() is None  # and then its repr


def test_a_watched_profile_is_one_line_too():
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(64, 8), torch.nn.Tanh(), torch.nn.Linear(8, 10))
    watched = fastgrad.torch.watch(model)
    torch.nn.functional.cross_entropy(model(torch.tensor(X[:8]).float()), torch.tensor(Y[:8])).backward()
    line = repr(watched.profile)
    assert line.startswith("<WatchedProfile of ")
    assert "\n" not in line
    assert np.isfinite(watched.profile.log10_delta).all()
