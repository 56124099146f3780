"""The facts of the machine are there, as text, and a missing kernel is said, not raised."""

import platform
import sys

import numpy as np

import fastgrad
from fastgrad.kernels import compiled
from fastgrad.machine import machine


def test_facts():
    facts = machine()
    assert all(isinstance(value, str) and value for value in facts.values())
    assert (facts["NumPy"], facts["Python"]) == (np.__version__, platform.python_version())
    assert facts["fastgrad"] == fastgrad.__version__
    assert int(facts["cores"]) >= 1
    assert facts["kernels"] == compiled.CPU
    assert facts["BLAS"] != "unknown"


def test_without_compiled_kernels(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastgrad.kernels.compiled", None)
    assert machine()["kernels"] == "not built"


def test_show_runtime_names_the_kernels_in_use(capsys):
    fastgrad.show_runtime()
    shown = capsys.readouterr().out
    assert compiled.CPU in shown
    assert "this processor runs" in shown
