"""The trials of the gate: their plants fit the sources, and their table counts right."""

from pathlib import Path

import pytest

from benchmarks.studies import gate_trials as trials

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("plant", [name for name, change in trials.PLANTS.items() if change])
def test_the_plant_fits(plant):
    path, old, new = trials.PLANTS[plant]
    assert (ROOT / path).read_text().count(old) == 1
    assert new not in (ROOT / path).read_text()


def record(plant, *bad, seconds=60.0, doubts=()):
    rows = [{"layer": layer, "what": what, "verdict": verdict} for layer, what, verdict in bad]
    return {"plant": plant, "seconds": seconds, "found": {"rows": rows, "doubts": list(doubts)}}


def test_the_table_counts_what_was_caught_by_whom_and_what_was_not_there():
    slowed = trials.SLOWED
    table = trials.table(
        [
            record("identical code"),
            record("identical code", ("speed", "he_normal", "worse"), seconds=90.0),
            record("5 % slower", ("speed", slowed, "worse"), ("instructions", slowed, "worse")),
            record("5 % slower", ("instructions", "tanh of 100", "worse"), ("speed", "relu value float32", "worse")),
            record("5 % slower", ("speed", slowed, "inconclusive"), doubts=["noise"]),
            record("1 - y*y", ("quality", "tanh derivative", "moved"), ("speed", "tanh training float32", "improved")),
        ]
    )
    assert table.splitlines()[2:] == [
        "| identical code | 2 | 0 | 0 | 0 | 0 | 1 | 0 | 75 (90) |",
        "| 5 % slower | 3 | 2 | 1 | 2 | 0 | 1 | 1 | 60 (60) |",
        "| 1 - y*y | 1 | 1 | 0 | 0 | 1 | 0 | 0 | 60 (60) |",
    ]
