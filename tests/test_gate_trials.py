"""The trials of the gate: their plants fit the sources, and their table counts right."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.studies import gate_trials as trials

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", [name for name, plant in trials.PLANTS.items() if plant.file])
def test_the_plant_fits(name):
    plant = trials.PLANTS[name]
    text = (ROOT / plant.file).read_text()
    assert text.count(plant.old) == 1
    assert plant.new not in text
    if plant.file.endswith(".py"):
        compile(text.replace(plant.old, plant.new), plant.file, "exec")


def record(plant, *bad, seconds=60.0, loop=False):
    rows = [{"layer": layer, "what": what, "verdict": verdict} for layer, what, verdict in bad]
    return {"plant": plant, "loop": loop, "seconds": seconds, "found": {"rows": rows}}


def test_the_table_counts_what_was_caught_by_whom_and_what_was_not_there():
    slowed, other = "Kernels.time_value(tanh, float32)", "Kernels.time_value(relu, float32)"
    table = trials.table(
        [
            record("identical code"),
            record("identical code", ("time", other, "worse"), seconds=90.0),
            record("identical code", ("time", other, "inconclusive"), loop=True),
            record("tanh 5 % slower", ("time", slowed, "worse"), ("instructions", slowed, "worse")),
            record("tanh 5 % slower", ("instructions", slowed, "worse"), ("time", other, "worse")),
            record("tanh 5 % slower", ("time", slowed, "inconclusive")),
            record(
                "1 - y*y", ("track", "Errors.track_max_ulp(tanh, derivative)", "moved"), ("time", slowed, "improved")
            ),
        ]
    )
    assert table.splitlines()[2:] == [
        "| identical code | 2 | 0 | 0 | 0 | 0 | 0 | 1 | 1% to 99% | 0 | 75 (90) |",
        "| tanh 5 % slower | 3 | 2 | 0 | 0 | 2 | 1 | 1 | 1% to 91% | 0 | 60 (60) |",
        "| 1 - y*y | 1 | 1 | 1 | 0 | 0 | 0 | 0 | 0% to 98% | 0 | 60 (60) |",
        "| identical code, busy | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 0% to 98% | 1 | 60 (60) |",
    ]


@pytest.mark.parametrize(
    ("plant", "layer", "what", "expected"),
    [
        ("a doubled buffer", "memory", "bench_networks.Memory.peakmem_profile", True),
        ("a doubled buffer", "time", "bench_networks.Networks.time_profile((10, 32, 32))", True),
        ("a doubled buffer", "time", "import fastgrad", False),
        ("a doubled buffer", "memory", "bench_networks.Memory.peakmem_gradients", False),
        ("elu 5 % slower", "time", "bench_kernels.Kernels.time_value(elu, float32)", True),
        ("elu 5 % slower", "time", "bench_kernels.Kernels.time_value(relu, float32)", False),
        ("elu 5 % slower", "time", "bench_kernels.Kernels.time_value(elu(alpha=0.5), float32)", True),
        ("leaky_relu 5 % slower", "time", "bench_kernels.Kernels.time_value(leaky_relu, float32)", True),
        ("elu 5 % slower", "track", "bench_decay.Decay.track_measured(elu, he_normal)", False),
        ("1 - y*y", "time", "import fastgrad", False),
        ("1 - y*y", "track", "bench_accuracy.Errors.track_max_ulp(tanh, derivative)", True),
        ("import 100 ms", "time", "bench_networks.timeraw_import", True),
        (trials.IDENTICAL, "time", "import fastgrad", False),
    ],
)
def test_a_row_is_the_doing_of_a_plant_only_where_it_can_be(plant, layer, what, expected):
    assert trials.guilty(plant, {"layer": layer, "what": what}) == expected


def test_every_plant_is_a_commit_on_the_same_base(tmp_path):
    clone = trials.prepared(tmp_path)
    for number, plant in enumerate(trials.PLANTS.values()):
        changed = trials.git(clone, "diff", "--name-only", "base", f"plant-{number}").split()
        assert changed == ([plant.file] if plant.file else [])
    assert trials.prepared(tmp_path) == clone
    assert subprocess.run(["git", "-C", clone, "status", "--porcelain"], capture_output=True, check=True).stdout == b""
