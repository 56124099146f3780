"""The docstrings of what measures are numpydoc, as numpydoc itself validates them."""

from importlib import import_module

import pytest
from test_docstrings import LEFT_OUT, validate  # skipped as that is

MODULES = {
    "activations": ("activation_cases", "time_activation", "operations_of"),
    "arithmetic": ("operations",),
    "calls": ("call_cases", "time_call"),
    "compare": ("compare", "Comparison", "Row", "Layout"),
    "decay": ("decay_cases", "time_decay"),
    "history": ("read",),
    "history_page": ("publish",),
    "limits": ("limits", "Limits", "Limits.figures"),
    "network": ("network_cases", "time_network", "work_of"),
    "parts": ("dense_cases", "weights_cases", "time_dense", "time_weights", "dense_work"),
    "placement": ("placement_cases", "time_placement"),
    "timing": ("interleaved", "round_by_round"),
    "training": ("training_cases", "time_training"),
    "audit.audit": ("Audit",),
    "audit.contestants": ("contestants",),
    "audit.tally": ("Tally", "sums_of"),
    "audit.truth": ("true", "shape"),
    "gate.cases": ("listed", "chosen"),
    "gate.instructions": ("count",),
    "gate.judgement": ("judge",),
    "gate.look": ("look_at",),
    "gate.pairs": ("measure", "measure_pair"),
    "gate.rows": ("Judgement", "Options", "Row"),
    "gate.search": ("first_bad",),
    "gate.sides": ("prepare",),
    "gate.values": ("measured",),
}
NAMES = [f"fastgrad.bench.{module}.{name}" for module, names in MODULES.items() for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_numpydoc_finds_no_fault(name):
    found = {code: message for code, message in validate(name)["errors"] if code not in LEFT_OUT}
    if "Attributes\n" in (validate(name)["docstring"] or ""):  # what a record is made of are its attributes
        found.pop("PR01", None)
    assert found == {}


def test_whatever_makes_cases_or_times_them_is_validated():
    for module in MODULES:
        found = vars(import_module(f"fastgrad.bench.{module}"))
        for name in found:
            if name[0] != "_" and (name.endswith("_cases") or name.startswith("time_")):
                assert name in MODULES[found[name].__module__.removeprefix("fastgrad.bench.")]
