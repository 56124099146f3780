"""The detectors on records made by hand, on both sides of every limit, and the benchmark that judges them."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import click.testing
import numpy as np
import pytest
from killing import output

import fastgrad
from benchmarks.studies import detectors_rules, detectors_runs, detectors_tables
from benchmarks.studies.detectors import detectors as command
from fastgrad.learning.monitor import Reading

CHECKS, LAYERS = 8, 4


def record(**changes):
    """A run in which nothing is wrong."""
    hidden = LAYERS - 1
    healthy = detectors_rules.Record(
        loss=np.linspace(2.3, 0.1, CHECKS),
        accuracy=np.linspace(0.1, 0.98, CHECKS),
        baseline=2.3,
        classes=10,
        step=25 * np.arange(CHECKS),
        activation="relu",
        log10_delta=np.full((CHECKS, LAYERS), -3.0),
        gradient=np.full((CHECKS, LAYERS), 1e-3),
        zero_gradient=np.zeros((CHECKS, LAYERS)),
        update_ratio=np.full((CHECKS, LAYERS), 1e-3),
        dead=np.zeros((CHECKS, hidden)),
        closed=np.full((CHECKS, hidden), 0.5),
        large=np.zeros((CHECKS, hidden)),
        beyond_tanh=np.zeros((CHECKS, hidden)),
        activation_std=np.ones((CHECKS, hidden)),
        initial_variances=np.full(LAYERS, 0.01),
    )
    return replace(healthy, **changes)


STUCK = {"loss": np.full(CHECKS, 2.3), "accuracy": np.full(CHECKS, 0.1)}
VANISHING, ANY = 0, 1
INF = np.inf
RATES = np.full((CHECKS, LAYERS), 1e-3)


def losses(*shares):
    """A run whose loss is these shares of the baseline, and the last of them from then on."""
    return {"loss": 2.3 * np.array([*shares, *[shares[-1]] * (CHECKS - len(shares))])}


def deltas(*rows):
    """delta at every check, or at each of them; two hidden layers more than the first and the outputs."""
    return {"log10_delta": np.array([rows[min(check, len(rows) - 1)] for check in range(CHECKS)], float)}


def gradients(first, last=1e-3):
    found = np.full((CHECKS, LAYERS), last)
    found[:, 0] = first
    return {"gradient": found}


def accuracies(*values):
    return {"accuracy": np.array([*values, *[values[-1]] * (CHECKS - len(values))])}


def one(name, value, columns=LAYERS - 1, healthy=None):
    """One layer, not the first or the last, with this value at every check."""
    found = np.array(getattr(record(), name)) if healthy is None else np.full((CHECKS, columns), healthy)
    found[:, 1] = value
    return {name: found}


LOST = deltas([-6, -5, -3, -2])  # three decades over the hidden layers
LEVEL = [-3, -3, -3, -3]

# (detector, question, what differs from a healthy run, the check of the alarm): the two sides of a limit side by side
LIMITS = [
    # ours: five checks in a row,
    ("fastgrad", VANISHING, STUCK | LOST, 4),
    ("fastgrad", VANISHING, STUCK | deltas(LEVEL, [-6, -5, -3, -2]), 5),
    ("fastgrad", VANISHING, STUCK | deltas([-6, -5, -3, -2], [-6, -5, -3, -2], LEVEL, [-6, -5, -3, -2]), 7),
    ("fastgrad", VANISHING, STUCK | deltas(*[[-6, -5, -3, -2]] * 4, LEVEL), None),
    # two decades,
    ("fastgrad", VANISHING, STUCK | deltas([-5, -5, -3, -2]), 4),
    ("fastgrad", VANISHING, STUCK | deltas([-4.99, -5, -3, -2]), None),
    ("fastgrad", VANISHING, STUCK | deltas([-35, -34, -32, -30]), 4),
    ("fastgrad", VANISHING, STUCK | deltas([-1, -2, -4, -5]), None),  # it grows
    # which are infinitely many where delta is 0 at the first layers, or at all hidden ones,
    ("fastgrad", VANISHING, STUCK | deltas([-INF, -INF, -3, -2]), 4),
    ("fastgrad", VANISHING, STUCK | deltas([-INF, -INF, -INF, -2]), 4),
    # a loss above 0.4 of the baseline,
    ("fastgrad", VANISHING, LOST | losses(0.41), 4),
    ("fastgrad", VANISHING, LOST | losses(0.39), None),
    ("fastgrad", VANISHING, LOST | losses(0.42, 0.39, 0.42), 6),
    # that falls by less than a tenth over the five,
    ("fastgrad", VANISHING, LOST | losses(1, 0.99, 0.95, 0.92, 0.91, 0.8, 0.7, 0.6), 4),
    ("fastgrad", VANISHING, LOST | losses(1, 0.99, 0.95, 0.92, 0.89, 0.8, 0.7, 0.6), None),
    ("fastgrad", VANISHING, LOST | losses(1, 2, 2, 1, 1), 4),
    # and is finite
    ("fastgrad", VANISHING, LOST | losses(1, INF, 1), 6),
    ("fastgrad", VANISHING, LOST | losses(1, np.nan, 1), 6),
    ("fastgrad", ANY, STUCK, 4),
    ("fastgrad", ANY, losses(0.41), 4),
    ("fastgrad", ANY, losses(0.39), None),
    ("fastgrad", ANY, losses(1, 0.7, np.nan, 0.3), 2),
    ("fastgrad", ANY, losses(1, 0.7, INF, 0.3), 2),
    ("loss only", ANY, losses(0.81), 4),
    ("loss only", ANY, losses(0.79), None),
    ("loss only", VANISHING, losses(1, 1, 1, 1, 0.79), None),
    ("loss only", VANISHING, losses(0.1, 0.1, 0.1, 0.1, 0.81), 4),
    ("loss only", ANY, losses(0.1, 0.1, 0.1, 0.1, 0.1, 1), None),
    ("loss only", ANY, losses(1, np.nan), 4),
    ("AUTOTRAINER", VANISHING, gradients(9e-7), 0),
    ("AUTOTRAINER", VANISHING, gradients(1.1e-6), None),
    ("AUTOTRAINER", VANISHING, gradients(0.9e-4, 0.2), 0),
    ("AUTOTRAINER", VANISHING, gradients(1.1e-4, 0.2), None),
    ("AUTOTRAINER", VANISHING, gradients(9e-7) | accuracies(0.6), 0),
    ("AUTOTRAINER", VANISHING, gradients(9e-7) | accuracies(0.61), None),
    ("AUTOTRAINER", ANY, gradients(9e-7), 0),
    ("AUTOTRAINER", ANY, gradients(0.0701), 0),
    ("AUTOTRAINER", ANY, gradients(0.0699), None),
    ("AUTOTRAINER", ANY, losses(1, np.nan, 0.1), 1),
    ("AUTOTRAINER", ANY, one("zero_gradient", 0.7), 0),
    ("AUTOTRAINER", ANY, one("zero_gradient", 0.69), None),
    ("AUTOTRAINER", ANY, one("zero_gradient", 0.7) | {"activation": "tanh"}, None),
    ("AUTOTRAINER", ANY, accuracies(0.5), 4),
    ("AUTOTRAINER", ANY, accuracies(0.6), 4),
    ("AUTOTRAINER", ANY, accuracies(0.61), None),
    ("AUTOTRAINER", ANY, accuracies(0.5, 0.509, 0.5, 0.509, 0.5, 0.509, 0.5, 0.509), 4),
    ("AUTOTRAINER", ANY, accuracies(0.5, 0.511, 0.5, 0.511, 0.5, 0.511, 0.5, 0.511), None),
    ("AUTOTRAINER", ANY, accuracies(0.5, 0.5, 0.5, 0.5, 0.511, 0.522, 0.533, 0.544), None),
    ("AUTOTRAINER", ANY, accuracies(0.3, 0.51, 0.3, 0.51, 0.3, 0.51, 0.3, 0.51), 4),
    ("AUTOTRAINER", ANY, accuracies(0.3, 0.49, 0.3, 0.49, 0.3, 0.49, 0.3, 0.49), None),
    ("AUTOTRAINER", ANY, accuracies(0.65, 0.9, 0.65, 0.9, 0.65, 0.9, 0.65, 0.9), None),
    ("DeepDiagnosis", VANISHING, one("gradient", 0.9e-7), 0),
    ("DeepDiagnosis", VANISHING, one("gradient", 1.1e-7), None),
    ("DeepDiagnosis", ANY, one("gradient", 0.9e-7), 0),
    ("DeepDiagnosis", ANY, losses(1, np.nan, 0.1), 1),
    ("DeepDiagnosis", ANY, one("closed", 0.7), 0),
    ("DeepDiagnosis", ANY, one("closed", 0.69), None),
    ("DeepDiagnosis", ANY, one("closed", 0.7) | {"activation": "leaky_relu"}, 0),
    ("DeepDiagnosis", ANY, one("closed", 0.7) | {"activation": "tanh"}, None),
    ("DeepDiagnosis", ANY, one("large", 0.51) | {"activation": "tanh"}, 0),
    ("DeepDiagnosis", ANY, one("large", 0.51) | {"activation": "sigmoid"}, 0),
    ("DeepDiagnosis", ANY, one("large", 0.5) | {"activation": "tanh"}, None),
    ("DeepDiagnosis", ANY, one("large", 0.51), None),
    ("DeepDiagnosis", ANY, one("update_ratio", 1.1e-1), 0),
    ("DeepDiagnosis", ANY, one("update_ratio", 0.9e-1), None),
    ("DeepDiagnosis", ANY, one("update_ratio", 0.9e-5), 0),
    ("DeepDiagnosis", ANY, one("update_ratio", 1.1e-5), None),
    ("TheDeepChecker", VANISHING, one("gradient", 0.9e-6), 0),
    ("TheDeepChecker", VANISHING, one("gradient", 1.1e-6), None),
    ("TheDeepChecker", VANISHING, one("gradient", 0.5 ** np.arange(CHECKS)), 5),
    ("TheDeepChecker", VANISHING, one("gradient", 0.51 ** np.arange(CHECKS)), None),
    ("TheDeepChecker", VANISHING, one("gradient", 0.5 ** np.array([0, 1, 2, 3, 4, 4, 5, 6])), None),
    ("TheDeepChecker", ANY, one("gradient", 0.9e-6), 0),
    ("TheDeepChecker", ANY, losses(1, np.nan, 0.1), 1),
    ("TheDeepChecker", ANY, {"loss": np.log(10) * np.full(CHECKS, 1.11)}, 0),
    ("TheDeepChecker", ANY, {"loss": np.log(10) * np.full(CHECKS, 1.09)}, None),
    ("TheDeepChecker", ANY, {"loss": np.log(10) * np.full(CHECKS, 0.89)}, 0),
    ("TheDeepChecker", ANY, {"loss": np.log(10) * np.full(CHECKS, 0.91)}, None),
    ("TheDeepChecker", ANY, one("activation_std", 0.49), 0),
    ("TheDeepChecker", ANY, one("activation_std", 0.51), None),
    ("TheDeepChecker", ANY, one("activation_std", 2.01), 0),
    ("TheDeepChecker", ANY, one("activation_std", 1.99), None),
    ("TheDeepChecker", ANY, one("update_ratio", 1.1e-1), 0),
    ("TheDeepChecker", ANY, one("update_ratio", 0.9e-1), None),
    ("TheDeepChecker", ANY, one("update_ratio", 0.9e-4), 0),
    ("TheDeepChecker", ANY, one("update_ratio", 1.1e-4), None),
    ("SageMaker Debugger", VANISHING, one("gradient", 0.9e-7), 0),
    ("SageMaker Debugger", VANISHING, one("gradient", 1.1e-7), None),
    ("SageMaker Debugger", ANY, one("gradient", 0.9e-7), 0),
    ("SageMaker Debugger", ANY, losses(1, np.nan, 0.1), 1),
    ("SageMaker Debugger", ANY, one("dead", 0.5), 0),
    ("SageMaker Debugger", ANY, one("dead", 0.49), None),
    ("SageMaker Debugger", ANY, one("dead", 0.5) | {"activation": "sigmoid"}, None),
    ("SageMaker Debugger", ANY, one("beyond_tanh", 0.5) | {"activation": "tanh"}, 0),
    ("SageMaker Debugger", ANY, one("beyond_tanh", 0.49) | {"activation": "tanh"}, None),
    ("SageMaker Debugger", ANY, one("beyond_tanh", 0.5), None),
    ("SageMaker Debugger", ANY, {"initial_variances": np.array([0.101, 0.01, 0.01, 0.01])}, 0),
    ("SageMaker Debugger", ANY, {"initial_variances": np.array([0.099, 0.01, 0.01, 0.01])}, None),
]


@pytest.mark.parametrize(("name", "question", "changes", "alarm"), LIMITS)
def test_rules_on_both_sides_of_their_limits(name, question, changes, alarm):
    assert detectors_rules.first_alarm(detectors_rules.DETECTORS[name][question], record(**changes)) == alarm


@pytest.mark.parametrize("name", detectors_rules.DETECTORS)
def test_nothing_is_raised_where_nothing_is_wrong(name):
    for rule in detectors_rules.DETECTORS[name]:
        assert detectors_rules.first_alarm(rule, record()) is None


@pytest.mark.parametrize("name", detectors_rules.DETECTORS)
def test_every_rule_has_two_sides_here(name):
    for question in (VANISHING, ANY):
        alarms = {alarm is None for detector, asked, _, alarm in LIMITS if (detector, asked) == (name, question)}
        assert alarms == {True, False}


def test_what_is_wrong_at_the_start_is_said_at_the_start():
    odd = record(loss=np.full(CHECKS, 3.0), initial_variances=np.array([1.0, 0.01, 0.01, 0.01]))
    for rule in (detectors_rules.deepchecker_any, detectors_rules.sagemaker_any):
        assert [rule(odd, check) for check in (0, 1)] == [True, False]


def test_the_alarm_ends():
    run = record(**STUCK | deltas(*[[-6, -5, -3, -2]] * 6, LEVEL))
    assert [detectors_rules.ours_vanishing(run, check) for check in range(CHECKS)] == [False] * 4 + [True] * 2 + [
        False
    ] * 2


def test_what_is_judged_is_what_the_monitor_says():
    run, _ = detectors_runs.run(detectors_runs.Case("wine", "sigmoid", "xavier_normal", 8, "adam", 0.001, 0))
    monitor, said = fastgrad.GradientMonitor(), []
    for step, delta, loss in zip(run.step, run.log10_delta, run.loss / run.baseline, strict=True):
        monitor.readings.append(Reading(int(step), delta, delta, relative_loss=float(loss)))
        said.append(monitor.alarm)
    assert said == [detectors_rules.ours_vanishing(run, check) for check in range(len(run.loss))]
    assert set(said) == {True, False}


def test_what_ours_was_set_on_and_what_judges_it_share_nothing():
    grid = detectors_runs.cases()
    assert len(grid) == len(set(grid)) >= 1000
    parts = [[case for case in grid if case.held_out == held_out] for held_out in (True, False)]
    data, seeds = ([{getattr(case, name) for case in part} for part in parts] for name in ("data", "seed"))
    assert not data[0] & data[1]
    assert not seeds[0] & seeds[1]
    assert min(map(len, seeds)) >= 2
    for part in parts:  # every network is there at every rate, and so is all that its label needs
        assert {other for case in part for other in detectors_runs.compared_with(case)} == set(part)
    hidden = [
        {
            detectors_runs.network(case).weights[1].tobytes()
            for case in part
            if case.init == "he_normal" and case.depth == 2
        }
        for part in parts
    ]
    assert not hidden[0] & hidden[1]
    assert set(detectors_runs.cases(quick=True)) < set(grid)


CASE = detectors_runs.Case("digits", "tanh", "torch_linear", 8, "sgd", 0.1, 2)
OWN, OTHER_RATE = ("tanh", "torch_linear", 0.1), ("tanh", "torch_linear", 0.01)
TWIN, TWIN_OTHER_RATE = ("relu", "he_normal", 0.1), ("relu", "he_normal", 0.01)


def labels(monkeypatch, ends, case=CASE):
    """(vanishing, any fault) of a case whose runs, and those it is compared with, end so; 0.1 where nothing is said."""

    def judged(case):
        return ends.get((case.activation, case.init, case.learning_rate), 0.1), {}

    monkeypatch.setattr(detectors_runs, "judged", judged)
    (found,) = detectors_runs.run_benchmark([case])
    return found.vanishing, found.faulty


def test_labels_are_what_happened(monkeypatch):
    assert labels(monkeypatch, {TWIN: 0.9}) == (True, True)
    assert labels(monkeypatch, {TWIN_OTHER_RATE: 0.9}) == (True, True)  # the twin's best rate counts, not the run's
    assert labels(monkeypatch, {}) == (False, False)  # the twin does no better
    assert labels(monkeypatch, {TWIN: 0.9, OWN: 0.9}) == (False, False)
    assert labels(monkeypatch, {TWIN: 0.9, OTHER_RATE: 0.9}) == (False, True)  # the learning rate is at fault
    # the margin, from both sides
    assert labels(monkeypatch, {TWIN: 0.9, OWN: 0.69}) == (True, True)
    assert labels(monkeypatch, {TWIN: 0.9, OWN: 0.71}) == (False, False)
    assert labels(monkeypatch, {TWIN: 0.9, OTHER_RATE: 0.69}) == (True, True)
    assert labels(monkeypatch, {TWIN: 0.9, OTHER_RATE: 0.71}) == (False, True)


def test_what_smaller_weights_cure_has_not_vanished(monkeypatch):
    large = replace(CASE, init="large")
    assert labels(monkeypatch, {TWIN: 0.9}, large) == (True, True)
    for rate in (0.1, 0.01):
        assert labels(monkeypatch, {TWIN: 0.9, ("tanh", "he_normal", rate): 0.9}, large) == (False, True)
        assert labels(monkeypatch, {TWIN: 0.9, ("tanh", "he_normal", rate): 0.9}) == (True, True)  # its own are smaller
    variances = {name: rule.weight_variance(32, 32) for name, rule in detectors_runs.INITS.items()}
    he = variances["he_normal"]
    assert set(detectors_runs.LARGER_THAN_HE) == {name for name, variance in variances.items() if variance > he}


def test_labels_and_alarms_of_real_runs():
    pick = detectors_runs.Case
    vanishing = pick("wine", "sigmoid", "xavier_normal", 20, "adam", 0.001)
    healthy = pick("wine", "relu", "he_normal", 2, "adam", 0.001)
    too_fast = pick("wine", "relu", "he_normal", 8, "sgd", 1.0)
    exploding = pick("wine", "relu", "large", 8, "sgd", 0.1)
    runs = [vanishing, healthy, too_fast, exploding]
    found = {o.case: o for o in detectors_runs.run_benchmark(runs)}
    assert {case: (o.vanishing, o.faulty) for case, o in found.items()} == {
        vanishing: (True, True), healthy: (False, False), too_fast: (False, True), exploding: (False, True),
    }  # fmt: skip
    assert all(100 <= step <= 200 for step in found[vanishing].alarms["fastgrad"])  # not before the fifth check
    assert found[healthy].alarms["fastgrad"] == (None, None)
    assert found[too_fast].alarms["fastgrad"][0] is None
    assert found[exploding].alarms["fastgrad"][0] is None
    assert found[exploding].alarms["fastgrad"][1] is not None
    assert {o.case: o for o in detectors_runs.run_benchmark(runs, workers=2)} == found


RUN = """
from benchmarks.studies import detectors_runs
list(detectors_runs.run_benchmark(detectors_runs.cases(True), lambda *_: print("a run is done", flush=True), workers=2))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_the_workers_end_with_a_benchmark_that_is_killed():
    process = subprocess.Popen(
        [sys.executable, "-c", RUN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert process.stdout.readline() == "a run is done\n"
    assert process.poll() is None
    process.kill()
    output(process)  # fails if a worker is left


def outcome(vanishing, step, data="digits", depth=2):
    alarms = dict.fromkeys(detectors_rules.DETECTORS, (step, None))
    case = detectors_runs.Case(data, "relu", "he_normal", depth, "sgd", 0.1)
    return detectors_runs.Outcome(case, *([0.1, 0.1, 1.0, 0.1] if vanishing else [1.0] * 4), alarms)


def test_scores_count():
    runs = [outcome(True, 50), outcome(True, 100), outcome(True, None), outcome(False, 0), *[outcome(False, None)] * 6]
    found = detectors_tables.score("fastgrad", "vanishing", runs)
    assert (found.true_positive, found.false_positive, found.false_negative, found.true_negative) == (2, 1, 1, 6)
    assert found.recall == found.precision == pytest.approx(2 / 3)
    assert found.delay == 75
    nothing = detectors_tables.score("fastgrad", "any fault", [outcome(False, None)])
    assert np.isnan([nothing.recall, *nothing.recall_interval, nothing.precision, *nothing.precision_interval]).all()


def test_intervals_of_runs_that_have_nothing_in_common():
    from scipy.stats import binomtest

    found = detectors_tables.interval((run, run < 70) for run in range(101))
    low, high = binomtest(70, 101).proportion_ci(0.95, "exact")
    assert abs(found[0] - low) <= 0.01 * low
    assert abs(found[1] - high) <= 0.01 * high
    # shares of 1 and 0: as many as there are architectures, however many runs each has
    low, high = detectors_tables.interval((run % 8, True) for run in range(80))
    assert (low, high) == (pytest.approx(0.025 ** (1 / 8)), 1.0)
    assert detectors_tables.interval((run % 8, False) for run in range(80)) == (0.0, pytest.approx(1 - low))


@pytest.mark.parametrize(("alike", "clusters"), [(0.0, 40), (4.0, 40), (4.0, 8)])
def test_intervals_hold_the_truth_as_often_as_they_say(alike, clusters):
    rng, truth, runs, repeats = np.random.default_rng(0), 0.7, 8, 400
    held = naive = 0
    from scipy.stats import binomtest

    for _ in range(repeats):
        shares = rng.beta(truth * alike, (1 - truth) * alike, clusters) if alike else np.full(clusters, truth)
        hits = rng.random((clusters, runs)) < shares[:, None]
        low, high = detectors_tables.interval((c, hit) for c in range(clusters) for hit in hits[c])
        held += low <= truth <= high
        exact = binomtest(int(hits.sum()), hits.size).proportion_ci(0.95, "exact")
        naive += exact.low <= truth <= exact.high
    assert 0.93 * repeats <= held <= 0.995 * repeats
    assert (naive < 0.9 * repeats) == (alike > 0)  # what taking the runs for independent would have claimed


def test_losing_cells_are_marked_in_every_column():
    runs = [outcome(True, 25), outcome(True, 25, depth=8), outcome(False, None), outcome(False, None, depth=8)]
    runs[0].alarms["fastgrad"] = (None, None)
    runs[1].alarms["fastgrad"] = (50, None)
    runs[2].alarms["fastgrad"] = (50, None)
    ours, loss, *_ = detectors_tables.tables(runs)[0].groups[""]
    assert [cell.endswith("!") for cell in ours] == [False] * len(ours)
    assert [cell.endswith("!") for cell in loss] == [False] + [True] * (len(loss) - 1)
    assert (ours[5][:4], loss[5][:4], ours[-1], loss[-1]) == ("0.50", "1.00", "50", "25 !")
    lines = detectors_tables.verdicts(runs)
    assert "beaten by loss only (recall 1.00 against 0.50); loss only (precision 1.00 against 0.50)" in lines[0]
    assert "does not beat the loss alone, which is better in recall and precision." in lines[0]
    better = [replace(run, alarms=run.alarms | {"fastgrad": (0 if run.vanishing else None, None)}) for run in runs]
    for run in better:
        run.alarms["loss only"] = (100, None)
    assert "It beats the loss alone in precision." in detectors_tables.verdicts(better)[0]
    tables = detectors_tables.tables(better)
    assert not any(cell.endswith("!") for cell in tables[0].groups[""][1])
    assert [table.title.split(":")[0] for table in tables] == ["vanishing"] * 2 + ["any fault"] * 2


@pytest.mark.sweep
def test_the_command():
    result = click.testing.CliRunner().invoke(command, ["--quick", "--json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert len(found["rows"]) == 192
    assert found["command"] == "python -m benchmarks.studies.detectors --quick --json"


def test_a_wrong_option_is_one_line():
    result = click.testing.CliRunner().invoke(command, ["--qiuck"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("fastgrad: No such option")
    assert len(result.stderr.splitlines()) == 1
