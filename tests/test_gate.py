"""The gate's judgement, on a simulated machine: what it must call the same, what it must catch, what it cannot tell."""

import json
import math
import re
import shutil
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from simulated import COUNTED, TIMED, Machine, judged, verdicts
from test_cli import call

from fastgrad.bench.gate import instructions, judgement, layers, pairs, rows, search, tables, values
from fastgrad.bench.gate.cases import Case
from fastgrad.bench.gate.look import Plan
from fastgrad.bench.gate.rows import Options
from fastgrad.bench.journal import Parts

CASE = "time_fast(2)"
COUNT = instructions.count
BUSY = "other processes keep 1.0 processors busy"


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


@pytest.mark.parametrize(
    ("base", "again", "head", "expected"),
    [(100, 100, 100.9, "same"), (100, 100, 101.1, "worse"), (100, 100, 98.9, "improved"), (100, 100, math.nan, "worse"),
     (100, 101, 110, "inconclusive")],
)  # fmt: skip
def test_verdict_of_instructions(base, again, head, expected):
    assert instructions.verdict_of([base, again], [head]) == expected


TRACK = Case("track", {}, "track", tolerance=0.05)
LOOSE = replace(TRACK, tolerance=None)
PEAK = Case("peakmem", {}, "peakmemory")


@pytest.mark.parametrize(
    ("case", "base", "head", "expected"),
    [
        (TRACK, 1.4, 1.44, "same"),
        (TRACK, 1.4, 1.3, "moved"),
        (TRACK, -1.4, 1.4, "moved"),
        (TRACK, 0, 0.06, "moved"),
        (TRACK, 1.4, math.nan, "moved"),
        (TRACK, 1.4, math.inf, "moved"),
        (TRACK, math.nan, math.nan, "same"),
        (TRACK, math.nan, 1.0, "moved"),
        (LOOSE, 1.4, math.inf, "moved"),
        (LOOSE, -math.inf, math.inf, "moved"),
        (LOOSE, math.inf, math.inf, "same"),
        (replace(TRACK, tolerance=0), 0, 0, "same"),
        (replace(TRACK, tolerance=0), 3, 2, "moved"),
        (LOOSE, -2, -2.01, "same"),
        (LOOSE, -2, -2.03, "moved"),
        (PEAK, 5e7, 5.2e7, "same"),
        (PEAK, 5e7, 5.4e7, "worse"),
        (PEAK, 5e7, 4e7, "improved"),
        (PEAK, 1e6, 2e6, "same"),  # a megabyte is never too much
        (replace(PEAK, tolerance=0.2), 5e7, 5.8e7, "same"),
    ],
)
def test_verdict_of_a_value(case, base, head, expected):
    assert values.verdict_of(case, [base, base], [head]) == expected


def test_a_value_that_the_base_does_not_repeat_is_not_judged():
    assert values.verdict_of(TRACK, [1.0, 1.2], [1.0]) == "inconclusive"


@pytest.mark.parametrize("verdict_of", [instructions.verdict_of, partial(values.verdict_of, LOOSE)])
def test_numbers_that_scatter_are_not_bad_when_measured_twice(verdict_of):
    rng = np.random.default_rng(0)
    draws = 100 * (1 + 0.005 * rng.standard_normal((4000, 6)))
    once, twice = ([verdict_of(row[:b], row[b:]) for row in draws[:, :n]] for n, b in ((3, 2), (6, 4)))
    bad = [sum(verdict in ("moved", "worse") for verdict in found) for found in (once, twice)]
    assert bad[0] > 20
    assert bad[1] < 0.05 * bad[0]


@pytest.mark.parametrize("what", ["track_number", "peakmem_array", CASE])
def test_a_number_that_is_bad_only_once_is_inconclusive(machine, tmp_path, monkeypatch, what):
    machine.value |= {"track_number": -1.0, "peakmem_array": 8e7}
    machine.counted["head", CASE] = 1.02
    for module, name, real in ((values, "measured", machine.values), (instructions, "count", machine.count)):

        def first(*asked, real=real):
            found = real(*asked)
            if what in str(found):
                machine.value.pop(what, None)
                machine.counted.pop(("head", what), None)
            return found

        monkeypatch.setattr(module, name, first)
    found = judged(tmp_path, layers=["track", "memory", "instructions"])
    expected = {"track_number": "moved", "peakmem_array": "worse"} | COUNTED | {CASE: "worse", what: "inconclusive"}
    assert {row.what: row.verdict for row in found.rows} == expected


def test_a_number_that_there_is_no_time_to_measure_again_stays_bad(machine, tmp_path, monkeypatch):
    machine.value["track_number"] = -1.0
    real = machine.values
    several = iter([real, lambda *_: {}])
    monkeypatch.setattr(values, "measured", lambda *of: next(several)(*of))
    found = judged(tmp_path, layers=["track"])
    assert verdicts(found, "track") == {"track_number": "moved"}
    assert "track_number: moved, decades -2 -> -1, +1; it could not be repeated." in tables.verdict(found, 1)


def test_identical_code_is_the_same(machine, tmp_path):
    found = judged(tmp_path)
    assert verdicts(found) == TIMED
    assert verdicts(found, "instructions") == COUNTED
    assert {row.verdict for row in found.rows} == {"same"}
    assert (found.doubts, found.missing, found.exit_code(strict=True)) == ([], [], 0)
    assert not (tmp_path / "parts.jsonl").exists()


def test_false_alarms_are_counted_over_the_rows(machine, tmp_path):
    found = judged(tmp_path)
    assert found.false_alarm == pytest.approx(len(TIMED) * pairs.FALSE_ALARM, rel=1e-3)
    assert f"{found.false_alarm:.2g}" in tables.note(found)


@pytest.mark.parametrize("percent", [5, 10])
def test_a_slowdown_is_caught_and_named(machine, tmp_path, percent):
    machine.slower[CASE] = 1 + percent / 100
    found = judged(tmp_path)
    assert verdicts(found) == TIMED | {CASE: "worse"}
    assert found.exit_code() == 1


def test_a_process_has_a_wider_margin(machine, tmp_path):
    machine.slower |= {"import tiny": 1.035, CASE: 1.035}
    assert verdicts(judged(tmp_path)) == TIMED | {CASE: "worse"}


def test_a_regression_must_recur(machine, tmp_path):
    machine.once = CASE
    found = judged(tmp_path)
    assert verdicts(found) == TIMED
    assert machine.measured.count(0) == 3  # the rehearsal, the first stage, and again


def test_a_regression_that_there_is_no_time_to_repeat_is_not_lost(machine, tmp_path, monkeypatch):
    machine.slower |= dict.fromkeys(TIMED, 1.1)
    late = layers.Run.late
    end = lambda: machine.measured.count(0) == 2 and machine.measured[-1] == 9  # noqa: E731 - after the first stage
    monkeypatch.setattr(layers.Run, "late", lambda run, *shares: (lambda: True) if end() else late(run, *shares))
    found = judged(tmp_path)
    assert verdicts(found) == dict.fromkeys(TIMED, "worse")
    assert found.exit_code() == 1
    assert found.false_alarm == pytest.approx(len(TIMED) * pairs.ONCE, rel=0.02)
    assert f"{CASE}: worse, time x 1.1" in " ".join(tables.verdict(found, 1))
    assert "; it could not be repeated." in " ".join(tables.verdict(found, 1))


def test_what_does_not_come_to_a_first_look_has_the_rest_of_the_time(machine, tmp_path, monkeypatch):
    clock, real = [0.0], machine.pair

    def pair(*of):
        clock[0] += 24.0  # of 300 seconds: two to rehearse, eight until .7 of the rest
        return real(*of)

    monkeypatch.setattr(pairs, "measure_pair", pair)
    monkeypatch.setattr(layers.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(layers.Run, "_fitting", lambda run, items, each: list(items))
    assert verdicts(judged(tmp_path, layers=["time"])) == TIMED
    assert clock[0] <= 300


def test_what_is_planned_leaves_time_to_repeat_all_of_it(machine, tmp_path):
    run = layers.Run(machine.both, Parts(None, "", ""), Options(budget=100), lambda *_: None, lambda _: None)
    items = {str(n): pairs.Item(machine.cases[1], Plan(1, 1, 1, 0, False, False, 0.1)) for n in range(1000)}
    fitting = run._fitting(items, 0.5)
    first_look = pairs.LOOKS[0] * (0.5 + 0.1 * len(fitting))
    assert first_look < layers.PAIRS * 100
    assert 2 * first_look < 100


def test_decided_cases_are_not_measured_again(machine, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(pairs, "measure_pair", lambda *a: (seen.append(list(a[1])), machine.pair(*a))[1])
    machine.slower[CASE] = 1.02  # at the margin, and so for ever undecided
    found = judged(tmp_path)
    assert verdicts(found)[CASE] == "inconclusive"
    assert seen[-1] == [CASE]
    assert (found.exit_code(), found.exit_code(strict=True)) == (0, 3)


def test_more_instructions_are_caught_without_a_clock(machine, tmp_path):
    machine.counted["head", CASE] = 1.02
    found = judged(tmp_path)
    assert verdicts(found, "instructions") == COUNTED | {CASE: "worse"}
    assert found.exit_code() == 1


def test_a_count_that_does_not_repeat_disqualifies_its_own_row(machine, tmp_path):
    machine.counted |= {("again", CASE): 1.02, ("head", CASE): 1.02, ("head", "time_slow"): 1.02}
    assert verdicts(judged(tmp_path), "instructions") == COUNTED | {CASE: "inconclusive", "time_slow": "worse"}


def test_a_blind_count_of_instructions_says_so(machine, tmp_path):
    machine.counted["plant"] = 1 / 1.05
    found = judged(tmp_path)
    assert found.doubts == ["time_fast(1), with 5 % more calls, does not read worse by instructions"]
    assert verdicts(found, "instructions") == {}
    assert verdicts(found) == TIMED


@pytest.mark.parametrize("value", [-1.95, -2.05])
def test_a_number_that_moves_either_way_is_caught(machine, tmp_path, value):
    machine.value["track_number"] = value
    found = judged(tmp_path)
    assert verdicts(found, "track") == {"track_number": "moved"}
    assert found.exit_code() == 1
    assert f"track_number: moved, decades -2 -> {value}, {value + 2:+.3g}." in tables.verdict(found, 1)


def test_a_value_that_the_base_gives_only_once_is_not_new(machine, tmp_path):
    machine.again["track_number"] = {"error": "FileExistsError: d"}
    machine.value["track_number"] = -1.0
    found = judged(tmp_path)
    assert verdicts(found, "track") == {"track_number": "inconclusive"}
    assert "track_number: inconclusive, FileExistsError: d." in tables.verdict(found, 0)


def test_memory_that_grows_is_caught(machine, tmp_path):
    machine.value["peakmem_array"] = 8e7
    found = judged(tmp_path)
    assert verdicts(found, "memory") == {"peakmem_array": "worse"}
    assert "peakmem_array: worse, MB 50 -> 80, +60.0%." in tables.verdict(found, 1)


@pytest.mark.parametrize(
    ("fails", "verdict", "code"),
    [
        ({"head": {"error": "AttributeError: gone"}}, "gone", 1),
        ({"base": {"error": "AttributeError: gone"}}, "new", 0),
        ({"base": {"error": "AttributeError: gone"}, "head": {"error": "AttributeError: gone"}}, "absent", 0),
        ({"head": {"skipped": "AttributeError: gone"}}, "gone", 1),
        ({"base": {"skipped": ""}, "head": {"skipped": ""}}, None, 0),
    ],
)
def test_what_one_side_cannot_run(machine, tmp_path, fails, verdict, code):
    machine.fails[CASE] = fails
    found = judged(tmp_path)
    assert verdicts(found).get(CASE) == verdict
    assert found.exit_code() == code
    assert verdict is None or f"{CASE}: {verdict}, AttributeError: gone." in tables.verdict(found, code)


def test_where_nothing_is_judged_strict_fails(machine, tmp_path):
    nowhere, skipped = ({"error": "OSError: no network"}, {"skipped": ""})
    for answer, expected in ((nowhere, {CASE: "absent"}), (skipped, {})):
        machine.fails[CASE] = {"base": answer, "head": answer}
        found = judged(tmp_path, bench=[re.escape(CASE)])
        assert verdicts(found) == expected
        assert (found.exit_code(), found.exit_code(strict=True)) == (0, 3)


def test_a_suite_that_judges_less_is_no_clear_result(machine, tmp_path):
    machine.looser = ["Benchmarks that only the base has are not judged: time_old."]
    found = judged(tmp_path)
    assert machine.looser[0] in tables.verdict(found, 0)
    assert (found.exit_code(), found.exit_code(strict=True)) == (0, 3)


def test_what_is_not_counted_is_said(machine, tmp_path):
    machine.cases = [replace(case, number=3) if case.label == CASE else case for case in machine.cases]
    found = judged(tmp_path)
    assert CASE not in verdicts(found, "instructions")
    assert any(note.startswith("Instructions of 1 benchmarks are not counted") for note in found.notes)


def test_a_value_that_one_side_cannot_give(machine, tmp_path):
    machine.value["track_number"] = {"error": "timed out after 60 s"}
    found = judged(tmp_path)
    assert verdicts(found, "track") == {"track_number": "gone"}
    assert found.exit_code() == 1


def test_what_is_meant_is_allowed(machine, tmp_path):
    machine.slower[CASE] = 1.3
    machine.value["track_number"] = -1.0
    found = judged(tmp_path, allow=["time_fast*", "track_*"])
    assert found.exit_code() == 0
    assert [row.what for row in found.rows if row.verdict == "allowed"] == ["track_number", CASE]


def test_a_busy_machine_says_so_at_once_with_the_cause_and_still_sees_what_is_large(machine, tmp_path):
    machine.noise, machine.slower[CASE], machine.busy = 0.15, 1.7, [BUSY]
    said = []
    found = judgement.judge("base", "head", tmp_path, Options(), tell=said.append)
    assert verdicts(found)[CASE] == "worse"
    assert said[0] == f"this machine is busy: {BUSY}"
    assert "5 % more calls, reads inconclusive" in said[1]
    assert BUSY in said[1]
    assert BUSY in found.doubts
    assert found.exit_code(strict=True) == 1


def test_a_kind_that_is_not_the_same_as_itself_is_not_judged(machine, tmp_path, monkeypatch):
    real = machine.pair

    def pair(both, items, number, late):
        found = real(both, items, number, late)
        if both[1].name == "base" and "time_slow" in items:
            found["head"]["time_slow"][0] *= 1.1
        return found

    monkeypatch.setattr(pairs, "measure_pair", pair)
    found = judged(tmp_path)
    assert verdicts(found) == TIMED | {"time_slow": "inconclusive"}
    assert any(doubt.startswith("time_slow against itself reads worse") for doubt in found.doubts)


def test_a_rehearsal_that_fails_is_doubted_and_the_rest_is_judged(machine, tmp_path, monkeypatch):
    real = machine.pair

    def pair(both, items, number, late):
        found = real(both, items, number, late)
        for label in found["head"] if both[1].name == "base" else ():
            found["head"][label] = "OSError: too many files"
        return found

    monkeypatch.setattr(pairs, "measure_pair", pair)
    found = judged(tmp_path)
    assert verdicts(found) == TIMED
    assert any("reads gone: OSError: too many files" in doubt for doubt in found.doubts)


def test_a_rehearsal_that_is_too_slow_is_no_busy_machine(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(layers, "REHEARSAL", -1)
    found = judged(tmp_path)
    assert verdicts(found) == TIMED
    assert (found.doubts, found.exit_code(strict=True)) == ([], 0)
    assert any(note.startswith("There was no time to rehearse times with time_fast") for note in found.notes)


def test_a_case_that_fails_under_valgrind_says_why(machine, tmp_path, monkeypatch):
    def count(runs, *rest):
        found = machine.count(runs, *rest)
        found["again"][CASE] = {"error": "under valgrind: killed by SIGILL"}
        return found

    monkeypatch.setattr(instructions, "count", count)
    found = judged(tmp_path)
    assert verdicts(found, "instructions") == COUNTED | {CASE: "inconclusive"}
    assert f"{CASE}: inconclusive, under valgrind: killed by SIGILL." in tables.verdict(found, 0)


def test_what_the_budget_does_not_reach_is_inconclusive_by_name(machine, tmp_path, monkeypatch):
    machine.cases = [replace(case, gate=True) for case in machine.cases]
    monkeypatch.setattr(layers, "FILLED", 0.0)
    found = judged(tmp_path)
    assert verdicts(found) == dict.fromkeys(TIMED, "inconclusive")
    assert f"{', '.join(TIMED)}: inconclusive, no time was left to time it." in tables.verdict(found, 0)


def test_what_nobody_asked_for_and_does_not_fit_is_counted_only(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(layers, "FILLED", 0.0)
    found = judged(tmp_path)
    assert verdicts(found) == {}
    assert "4 benchmarks did not fit the budget (time); --bench chooses, --budget adds." in found.missing
    assert (found.exit_code(), found.exit_code(strict=True)) == (0, 3)


def test_the_end_of_the_budget_leaves_pairs_undecided(machine, tmp_path, monkeypatch):
    real = machine.pair

    def pair(both, items, number, late):
        found = real(both, items, number, late)
        if both[1].name == "head" and number == 5:  # there was no time for the rest of this pair
            monkeypatch.setattr(layers.time, "monotonic", lambda: math.inf)
            return {side: {} for side in found}
        return found

    monkeypatch.setattr(pairs, "measure_pair", pair)
    found = judged(tmp_path, bench=["fast"], layers=["time"])
    assert set(verdicts(found).values()) == {"inconclusive"}


@pytest.mark.parametrize("layer", ["track", "memory", "instructions", "time"])
def test_only_the_layers_that_are_asked_for(machine, tmp_path, layer):
    assert {row.layer for row in judged(tmp_path, layers=[layer]).rows} == {layer}


def test_benchmarks_are_chosen_by_patterns_or_by_their_mark(machine, tmp_path):
    assert set(verdicts(judged(tmp_path, bench=[r"fast\(1\)", "slow"]))) == {"time_fast(1)", "time_slow"}
    machine.cases = [replace(case, gate={CASE: True, "time_slow": False}.get(case.label)) for case in machine.cases]
    assert set(verdicts(judged(tmp_path))) == {"import tiny", CASE}
    machine.cases = [replace(case, gate=False if case.label == CASE else None) for case in machine.cases]
    assert set(verdicts(judged(tmp_path))) == set(TIMED) - {CASE}


def test_a_mark_says_what_is_counted_and_what_is_timed(machine, tmp_path):
    count = {CASE: "only", "time_slow": False}
    machine.cases = [replace(case, count=count.get(case.label)) for case in machine.cases]
    found = judged(tmp_path)
    assert set(verdicts(found)) == set(TIMED) - {CASE}
    assert set(verdicts(found, "instructions")) == set(COUNTED) - {"time_slow"}


def test_an_interrupted_judgement_goes_on(machine, tmp_path):
    machine.stop_after = 13
    with pytest.raises(KeyboardInterrupt):
        judged(tmp_path)
    kept = len((tmp_path / "parts.jsonl").read_text().splitlines())
    assert kept == 13 + 5  # pairs; caches, tracked numbers, memory, first look, instructions
    with open(tmp_path / "parts.jsonl", "a") as file:
        file.write('{"identity": "half a li')
    machine.stop_after = None
    found = judged(tmp_path)
    assert verdicts(found) == TIMED
    assert machine.measured == [*range(10), *range(10)]  # none was taken twice


def test_more_time_completes_what_was_cut_off(machine, tmp_path, monkeypatch):
    with monkeypatch.context() as short:
        short.setattr(values, "measured", lambda *_: {})
        short.setattr(layers, "look_at", lambda cases, *of: machine.look(cases[:2], *of))
        machine.stop_after = 15
        with pytest.raises(KeyboardInterrupt):
            judged(tmp_path)
    machine.stop_after = None
    found = judged(tmp_path)
    assert verdicts(found) == TIMED
    assert set(verdicts(found, "track")) == {"track_number"}
    assert {row.verdict for row in found.rows} == {"same"}


def test_a_pair_lasts_as_long_as_it_did_before_the_interruption(machine, tmp_path, monkeypatch):
    clock, real, each = [0.0], machine.pair, []

    def pair(*of):
        found = real(*of)
        clock[0] += 2.0
        return found

    fitting = layers.Run._fitting
    monkeypatch.setattr(pairs, "measure_pair", pair)
    monkeypatch.setattr(layers.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(layers.Run, "_fitting", lambda run, items, one: (each.append(one), fitting(run, items, one))[1])
    machine.stop_after = 13
    with pytest.raises(KeyboardInterrupt):
        judged(tmp_path)
    machine.stop_after = None
    judged(tmp_path)
    assert each[0] == pytest.approx(each[1], rel=1e-9)
    assert each[0] > 1


def test_parts_of_other_sides_or_questions_are_not_used(machine, tmp_path):
    Parts(tmp_path / "parts.jsonl", "others", "a judgement").add("rehearsal 0", {})
    assert verdicts(judged(tmp_path)) == TIMED
    machine.stop_after = len(machine.measured) + 3
    with pytest.raises(KeyboardInterrupt):
        judged(tmp_path, bench=["slow"])
    machine.stop_after = None
    assert verdicts(judged(tmp_path)) == TIMED


def test_a_missing_valgrind_is_said(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(instructions, "count", COUNT)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = judged(tmp_path)
    assert found.missing == ["Instructions were not counted: valgrind is not installed (apt-get install valgrind)."]
    assert (found.exit_code(), found.exit_code(strict=True)) == (0, 3)
    assert verdicts(found) == TIMED


def test_command(machine, tmp_path):
    machine.slower[CASE] = 1.1
    result = call("gate", "main", "HEAD", "--out", str(tmp_path))
    assert result.exit_code == 1, result.output
    assert "base -> head: a regression." in result.stdout
    assert re.search(rf"{re.escape(CASE)}: worse, time x 1\.\d+ \(1\.\d+ to 1\.\d+\)\.", result.stdout)
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert result.stderr == ""
    report = json.loads((tmp_path / "gate.json").read_text())
    assert report["exit_code"] == 1
    assert len(report["rows"]) == len(TIMED) + len(COUNTED) + 2
    comment = (tmp_path / "gate.md").read_text()
    assert comment.startswith(f"**base -> head: a regression.**\n\n- {CASE}: worse")
    assert comment.count("<details>") == comment.count("</details>") == 1
    for form, file in (("--json", "gate.json"), ("--markdown", "gate.md")):
        result = call("gate", "main", "HEAD", "--out", str(tmp_path), form)
        assert result.stdout == (tmp_path / file).read_text()


def test_the_command_offers_the_layers_and_the_budget_that_there_are():
    command = sys.modules["fastgrad.cli.gate"]  # its name in the package is the command
    assert command.LAYERS == rows.LAYERS
    (budget,) = (option for option in command.gate.params if option.name == "budget")
    assert budget.type.convert(budget.default, budget, None) == rows.BUDGET


def test_forms_for_others_who_draw_histories(machine, tmp_path):
    call("gate", "main", "HEAD", "--out", str(tmp_path))
    entries = json.loads((tmp_path / "gate.smaller.json").read_text())
    assert all(isinstance(entry["value"], float) and {"name", "unit"} <= set(entry) for entry in entries)
    assert len({entry["name"] for entry in entries}) == len(entries) == len(TIMED) + len(COUNTED) + 1
    found = json.loads((tmp_path / "gate.bmf.json").read_text())
    assert set(found) == {case.label for case in machine.cases}
    latency = found[CASE]["latency"]
    assert latency["lower_value"] < latency["value"] < latency["upper_value"]
    assert latency["value"] == pytest.approx(1e4, rel=0.1)  # nanoseconds


def test_command_with_a_wide_finding_fits(machine, tmp_path):
    machine.slower |= dict.fromkeys(TIMED, 1.3)
    machine.counted |= {("head", label): 12345.6 for label in COUNTED}
    machine.value |= {"track_number": 123456789.0}
    result = call("gate", "main", "HEAD", "--out", str(tmp_path))
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert f"{CASE} " in result.stdout


def test_command_that_cannot_judge(machine, tmp_path):
    machine.noise, machine.busy = 0.15, [BUSY]
    result = call("gate", "main", "HEAD", "--out", str(tmp_path), "--strict")
    assert result.exit_code == 3
    assert "no regression seen, but not all of it could be judged" in " ".join(result.stdout.split())
    assert BUSY in result.stderr


def test_command_interrupted(machine, tmp_path):
    machine.stop_after = 5
    result = call("gate", "main", "HEAD", "--out", str(tmp_path))
    assert result.exit_code == 130
    assert "the same command goes on from" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "soon"], "'soon' is no duration, such as 90s or 5m"),
        (["--budget", "0"], "'0' is no duration"),
        (["--layers", "time,tiem"], "unknown layer 'tiem'; did you mean 'time'"),
        (["--bench", "time_fsat"], "unknown benchmark 'time_fsat'"),
        (["--bench", "time_("], "'time_(' is no regular expression"),
        (["--allow", "time_fast(3)"], "unknown name to allow 'time_fast(3)'; did you mean"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(machine, tmp_path, arguments, message):
    result = call("gate", "main", "HEAD", "--out", str(tmp_path), *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_full_disk_is_one_line_and_keeps_what_is_finished(machine, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    machine.stop_after = 3
    call("gate", "main", "HEAD", "--out", str(tmp_path))
    before = (tmp_path / "parts.jsonl").read_text()
    machine.stop_after = None
    monkeypatch.setattr("fastgrad.bench.journal.json.dumps", full)
    result = call("gate", "main", "HEAD", "--out", str(tmp_path))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert (tmp_path / "parts.jsonl").read_text() == before


def test_bisect_names_the_first_bad_commit(machine, tmp_path, monkeypatch):
    commits = [f"{number:040x}" for number in range(1, 9)]
    judgements, asked, judge = [], [], judgement.judge

    def fake(base, head, out, options, progress, tell):
        number = commits.index(head)
        asked.append((number, options.bench, options.layers))
        machine.slower[CASE] = 1.2 if number >= 5 else 1.0
        judgements.append(number)
        if number == 3:
            raise ValueError(f"unknown benchmark {CASE!r}")
        return judge("base", "head", tmp_path, Options(layers=options.layers))

    class Said:
        def __init__(self, stdout):
            self.stdout = stdout

    monkeypatch.setattr(search.sides, "configuration", lambda _: tmp_path / "asv.conf.json")
    monkeypatch.setattr(
        search.sides, "git", lambda folder, what, *rest: Said("\n".join(commits) if what == "rev-list" else rest[-1])
    )
    machine.slower[CASE] = 1.2
    found = judged(tmp_path)
    monkeypatch.setattr(search.judgement, "judge", fake)
    said = search.first_bad("a", "b", found, tmp_path, Options(), lambda *_: None, lambda _: None)
    assert (
        said == f"The first bad commit is {commits[5]}, or one before it that could not be judged: {commits[3][:12]}."
    )
    assert len(judgements) <= 4
    assert {tuple(layers) for _, _, layers in asked} == {("time",)}
    assert {tuple(bench) for _, bench, _ in asked} == {(rf"^{re.escape(CASE)}$",)}


def test_bisect_does_not_lose_the_judgement(machine, tmp_path, monkeypatch):
    def stops(*_):
        assert json.loads((tmp_path / "gate.json").read_text())["exit_code"] == 1
        raise search.sides.GateError("there is no commit between them")

    machine.slower[CASE] = 1.2
    monkeypatch.setattr(search, "first_bad", stops)
    assert call("gate", "main", "HEAD", "--out", str(tmp_path), "--bisect").exit_code == 2
    assert "time_fast(2): worse" in (tmp_path / "gate.md").read_text()
    monkeypatch.setattr(search, "first_bad", lambda *_: "It was Colonel Mustard.")
    assert call("gate", "main", "HEAD", "--out", str(tmp_path), "--bisect").exit_code == 1
    assert "It was Colonel Mustard." in (tmp_path / "gate.md").read_text()


def test_bisect_with_nothing_bad(machine, tmp_path):
    said = search.first_bad("a", "b", judged(tmp_path), tmp_path, Options(), lambda *_: None, lambda _: None)
    assert said == "Nothing is bad, so there is no commit to look for."
