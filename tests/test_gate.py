"""The gate's judgement, on a simulated machine: what it must call the same, what it must catch, what it cannot tell."""

import json
import math
import re
import shutil

import numpy as np
import pytest
from scipy.stats import binomtest
from simulated import ALL_COUNTED, ALL_SAME, Machine, judged, verdicts
from test_cli import call

import fastgrad
from fastgrad.bench.gate import instructions, judgement, pairs, quality, rehearsal, tables
from fastgrad.bench.gate.cases import ACTIVATIONS, CASES, KERNELS, NETWORKS
from fastgrad.bench.journal import Parts

CASE = "elu value float32"


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


def simulated_pairs(rng, number, ratio, noise=0.005, loud=0.0):
    """Pairs of one case; in a part of them one side is a third slower."""
    found = []
    for _ in range(number):
        times = np.exp(noise * rng.standard_normal(2)) * (1, ratio)
        times[rng.integers(2)] *= 1.33 if rng.random() < loud else 1
        found.append({side: {CASE: [time, time]} for side, time in zip(pairs.SIDES, times, strict=True)})
    return found


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, "same"), (1.05, "worse"), (1.10, "worse"), (0.95, "improved")])
@pytest.mark.parametrize("loud", [0.0, 0.25])
def test_verdict_on_a_known_ratio(ratio, expected, loud):
    rng = np.random.default_rng(1)

    def take(number, cases):
        return simulated_pairs(rng, 1, ratio, loud=loud)[0]

    found = [pairs.measure(take, [CASE], lambda *_: None)[CASE] for _ in range(50)]
    assert all(one.verdict == expected for one in found)
    assert all(abs(one.ratio / ratio - 1) < 0.01 for one in found)
    assert any(one.quiet < one.pairs for one in found) == (loud > 0)


SMALLEST = 10  # quiet pairs with which there is an interval


@pytest.mark.parametrize("draw", ["normal", "lognormal", "standard_cauchy"])
@pytest.mark.parametrize("number", [SMALLEST, 16, 32, 64])
def test_one_look_holds_the_truth(draw, number):
    rng = np.random.default_rng(2)
    truth = 1.0 if draw == "lognormal" else 0.0  # the median
    found = np.array([pairs.interval(getattr(rng, draw)(size=number)) for _ in range(4000)])
    missed = int(np.sum(~((found[:, 0] <= truth) & (truth <= found[:, 1]))))
    assert binomtest(missed, 4000, 0.01 / 4, alternative="greater").pvalue > 0.01


def test_the_interval_is_no_wider_than_it_must_be():
    ends = [tuple(int(end) for end in pairs.interval(np.arange(1, n + 1))) for n in (10, 16, 32, 64)]
    assert ends == [(1, 10), (2, 15), (8, 25), (20, 45)]


@pytest.mark.parametrize("ratio", [1.0, 1 + pairs.MARGIN])
def test_all_looks_together_hold_the_truth(ratio):
    rng, runs = np.random.default_rng(4), 600
    missed = 0
    for _ in range(runs):
        drawn = simulated_pairs(rng, pairs.LOOKS[-1], ratio, noise=0.012)
        looks = [pairs.judge(drawn[:look], CASE) for look in pairs.LOOKS]
        missed += not all(look.ratio is None or look.low <= ratio <= look.high for look in looks)
    assert binomtest(missed, runs, 0.01, alternative="greater").pvalue > 0.01


def test_few_quiet_pairs_are_no_verdict():
    quiet = simulated_pairs(np.random.default_rng(3), SMALLEST, 1.5, noise=0.001)
    loud = simulated_pairs(np.random.default_rng(3), 6, 1.5, noise=0.001, loud=1.0)
    assert pairs.judge(quiet + loud, CASE).verdict == "worse"
    found = pairs.judge(quiet[1:] + loud, CASE)
    assert (found.verdict, found.ratio, found.quiet) == ("inconclusive", None, SMALLEST - 1)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.021, 0.05, "worse"),
        (0.019, 0.05, "inconclusive"),
        (-0.01, 0.01, "same"),
        (-0.03, 0.01, "inconclusive"),
        (-0.05, -0.021, "improved"),
        (math.nan, math.nan, "inconclusive"),
    ],
)
def test_verdict_of_an_interval(low, high, expected):
    assert pairs.verdict_of(low, high, 0.02) == expected


@pytest.mark.parametrize(
    ("base", "head", "expected"),
    [(100, 100.9, "same"), (100, 101.1, "worse"), (100, 98.9, "improved"), (None, 5, "new"), (5, None, "gone"),
     (None, None, "absent"), (100, math.nan, "worse")],
)  # fmt: skip
def test_verdict_of_instructions(base, head, expected):
    assert instructions.verdict_of(base, head) == expected


@pytest.mark.parametrize(
    ("number", "base", "head", "expected"),
    [
        ("max ULP", 1.4, 1.44, "same"),
        ("max ULP", 1.4, 1.3, "moved"),
        ("max ULP", 1.4, math.nan, "moved"),
        ("max ULP", 1.4, math.inf, "moved"),
        ("false zeros", 0, 1, "moved"),
        ("other faults", 3, 2, "moved"),
        ("decades per layer", 0.1, 0.10005, "same"),
        ("decades per layer", 0.1, 0.0998, "moved"),
        ("decades per layer", math.nan, math.nan, "same"),
    ],
)
def test_verdict_of_a_number_in_both_directions(number, base, head, expected):
    assert quality.verdict_of(number, base, head) == expected


def test_identical_code_is_the_same(machine, tmp_path):
    found = judged(tmp_path)
    assert verdicts(found) == ALL_SAME
    assert {row.verdict for row in found.rows} == {"same"}
    assert (found.doubts, found.missing, found.exit_code(strict=True)) == ([], [], 0)
    assert not (tmp_path / "parts.jsonl").exists()


@pytest.mark.parametrize("percent", [5, 10])
def test_a_slowdown_is_caught_and_named(machine, tmp_path, percent):
    machine.slower[CASE] = 1 + percent / 100
    found = judged(tmp_path)
    assert verdicts(found) == ALL_SAME | {CASE: "worse"}
    assert found.exit_code() == 1


def test_a_regression_must_recur(machine, tmp_path):
    machine.once = CASE
    found = judged(tmp_path)
    assert verdicts(found) == ALL_SAME
    assert machine.measured.count(0) == 3  # the rehearsal, the first stage, and again


def test_decided_cases_are_not_measured_again(machine, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(pairs, "measure_pair", lambda *a: (seen.append(list(a[1])), machine.pair(*a))[1])
    machine.slower[CASE] = 1.02  # at the margin, and so for ever undecided
    found = judged(tmp_path)
    assert verdicts(found)[CASE] == "inconclusive"
    assert len(seen[-1]) == 1
    assert found.exit_code() == 0
    assert found.exit_code(strict=True) == 3


def test_more_instructions_are_caught_without_a_clock(machine, tmp_path):
    machine.counted[CASE] = 1.02
    found = judged(tmp_path)
    assert verdicts(found, "instructions") == ALL_COUNTED | {CASE: "worse"}
    assert found.exit_code() == 1


@pytest.mark.parametrize(
    ("what", "numbers"),
    [
        ("tanh derivative", {"max ULP": 1e7, "false zeros": 9000, "other faults": 0}),
        ("elu value", {"max ULP": 1.2, "false zeros": 0, "other faults": 0}),
        ("relu he_normal", {"decades per layer": 0.15}),
        ("relu he_normal", {"decades per layer": 0.05}),
    ],
)
def test_numbers_that_move_either_way_are_caught(machine, tmp_path, what, numbers):
    machine.moved[what] = numbers
    found = judged(tmp_path)
    assert {row.what for row in found.rows if row.verdict == "moved"} == {what}
    assert found.exit_code() == 1


def test_what_only_one_side_has(machine, tmp_path):
    machine.slower |= {CASE: "AttributeError: elu"}
    found = judged(tmp_path)
    assert verdicts(found)[CASE] == "gone"
    assert found.exit_code() == 1
    assert "elu value float32: gone, it does not run." in tables.verdict(found, 1)


def test_what_is_meant_is_allowed(machine, tmp_path):
    machine.slower[CASE] = 1.3
    machine.moved["elu value"] = {"max ULP": 1.2, "false zeros": 0, "other faults": 0}
    found = judged(tmp_path, allow=["elu value*"])
    assert found.exit_code() == 0
    assert [row.what for row in found.rows if row.verdict == "allowed"] == ["elu value", CASE]


def test_a_noisy_machine_says_that_it_cannot_judge(machine, tmp_path):
    machine.noise = 0.06
    found = judged(tmp_path)
    assert any(rehearsal.SLOWED in doubt for doubt in found.doubts)
    assert verdicts(found) == {}  # no speed was judged
    assert set(verdicts(found, "instructions").values()) == {"same"}
    assert (found.exit_code(), found.exit_code(strict=True)) == (0, 3)
    assert "This machine cannot judge today" in "\n".join(tables.verdict(found, 0))


def test_a_machine_that_sees_no_slowdown_says_so(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "FACTOR", 1.001)
    found = judged(tmp_path)
    assert any("slowed by 5 %, reads same" in doubt for doubt in found.doubts)
    assert any("by instructions" in doubt for doubt in found.doubts)
    assert {row.layer for row in found.rows} == {"quality"}


def test_a_blind_judge_of_numbers_says_so(machine, tmp_path):
    machine.blind = True
    found = judged(tmp_path)
    assert found.doubts == ["1 - y*y in place of tanh's derivative moves nothing"]
    assert verdicts(found, "quality") == {}
    assert [table.title for table in tables.tables(found)] == ["Speed"]


def test_an_interrupted_judgement_goes_on(machine, tmp_path, monkeypatch):
    machine.stop_after = 13
    with pytest.raises(KeyboardInterrupt):
        judged(tmp_path)
    kept = len((tmp_path / "parts.jsonl").read_text().splitlines())
    assert kept == 13 + 4  # pairs, the numbers of two sides and of the plant, the instructions
    with open(tmp_path / "parts.jsonl", "a") as file:
        file.write('{"identity": "half a li')
    machine.stop_after = None
    found = judged(tmp_path)
    assert verdicts(found) == ALL_SAME
    assert machine.measured == [*range(10), *range(10)]  # none was taken twice


def test_parts_of_other_sides_are_not_used(machine, tmp_path):
    Parts(tmp_path / "parts.jsonl", "others", "a judgement").add("rehearsal 0", {})
    assert verdicts(judged(tmp_path)) == ALL_SAME


def test_a_missing_valgrind_is_said(machine, tmp_path, monkeypatch):
    monkeypatch.undo()
    machine = Machine(monkeypatch)
    monkeypatch.setattr(instructions, "count", COUNT)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = judged(tmp_path)
    assert found.missing == ["Instructions were not counted: valgrind is not installed (apt-get install valgrind)."]
    assert (found.exit_code(), found.exit_code(strict=True)) == (0, 3)
    assert "Instructions were not counted" in "\n".join(tables.verdict(found, 0))
    assert machine.measured


COUNT = instructions.count


def test_command(machine, tmp_path):
    machine.slower[CASE] = 1.1
    result = call("gate", "main", "HEAD", "--out", str(tmp_path))
    assert result.exit_code == 1, result.output
    assert "base -> head: a regression." in result.stdout
    assert re.search(rf"{CASE}: worse, time x 1\.\d+ \(1\.\d+ to 1\.\d+\)\.", result.stdout)
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert result.stderr == ""
    report = json.loads((tmp_path / "gate.json").read_text())
    assert report["exit_code"] == 1
    assert len(report["rows"]) == len(CASES) + len(ALL_SAME) + 3 * len(KERNELS) + len(NETWORKS)
    comment = (tmp_path / "gate.md").read_text()
    assert comment.startswith("**base -> head: a regression.**\n\n- elu value float32: worse")
    assert comment.count("<details>") == comment.count("</details>") == 1
    for form, file in (("--json", "gate.json"), ("--markdown", "gate.md")):
        result = call("gate", "main", "HEAD", "--out", str(tmp_path), form)
        assert result.stdout == (tmp_path / file).read_text()


def test_command_with_a_wide_finding_fits(machine, tmp_path):
    machine.slower |= dict.fromkeys(CASES, 1.3)
    machine.counted |= dict.fromkeys(CASES, 12345.6)
    machine.moved |= {what: {"max ULP": 123456789.0, "false zeros": 10**6, "other faults": 10**6} for what in KERNELS}
    result = call("gate", "main", "HEAD", "--out", str(tmp_path))
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert f"{CASE} " in result.stdout


def test_a_derivative_is_counted_and_not_timed(machine, tmp_path):
    what = "tanh derivative float32"
    machine.counted[what] = 1.1
    found = judged(tmp_path)
    assert verdicts(found, "instructions") == ALL_COUNTED | {what: "worse"}
    assert what not in verdicts(found)
    assert "tanh derivative float32: worse, instructions 10 -> 11 per element." in tables.verdict(found, 1)
    (line,) = (line for line in tables.tables(found)[0].groups[""] if line[0] == what)
    assert line == (what, "", "", "", "", "", "10", "+10.0%", "worse")


def test_every_kernel_has_a_row_of_instructions():
    expected = {f"{name} {kind} float32" for name in ACTIVATIONS for kind in ("value", "derivative", "training")}
    assert expected <= set(CASES)


def test_what_has_a_parameter_is_judged_at_several():
    for label, (name, parameter, kind) in KERNELS.items():
        phi = fastgrad.activation(name, **parameter)
        assert label == f"{phi.label if parameter else name} {kind}"
    for name in ACTIVATIONS:
        judged_at = [parameter for one, parameter, _ in KERNELS.values() if one == name]
        assert len(judged_at) == (6 if fastgrad.activation(name).parameter_name else 2)


def test_command_that_cannot_judge(machine, tmp_path):
    machine.noise = 0.05
    result = call("gate", "main", "HEAD", "--out", str(tmp_path), "--strict")
    assert result.exit_code == 3
    assert "no regression seen, but not all of it could be judged" in " ".join(result.stdout.split())


def test_command_interrupted(machine, tmp_path):
    machine.stop_after = 5
    result = call("gate", "main", "HEAD", "--out", str(tmp_path))
    assert result.exit_code == 130
    assert "the same command goes on from" in result.stderr
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


def test_names_to_allow_are_checked():
    with pytest.raises(ValueError, match="unknown name to allow 'tahn value'; did you mean 'tanh value'"):
        judgement.judge("a", "b", "/nowhere", allow=["tahn value"])
