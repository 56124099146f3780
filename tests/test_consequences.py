"""What vanishing gradients lead to: the same numbers for any number of workers, kept in parts, and right summaries."""

import csv
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import click.testing
import numpy as np
import pytest
from scipy.stats import spearmanr
from test_interrupt import DRIVER

import fastgrad
from fastgrad import datasets
from fastgrad.cli import commands
from fastgrad.learning.history import TrainingHistory
from fastgrad.report import charts
from fastgrad.report import consequences as report
from fastgrad.sweeps import trainings
from fastgrad.sweeps.consequences import Kind, cases, consequences
from fastgrad.sweeps.trainings import Case, Training

SMALL = {"depth": 8, "width": 16, "epochs": 3}


@pytest.fixture(scope="module")
def some():
    return cases(["sigmoid", "relu"], ["xavier_normal", "he_normal"], 2, **SMALL)


@pytest.fixture(scope="module")
def trained(some, tmp_path_factory):
    """The folder of the trainings, and the trainings."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, trainings.train(some, folder)


@pytest.fixture(scope="module")
def found(trained):
    return consequences(trained[1])


def call(*arguments):
    return click.testing.CliRunner().invoke(commands, [str(argument) for argument in arguments])


def test_the_numbers_do_not_depend_on_the_workers(some, trained):
    for one, other in zip(trained[1], trainings.train(some, workers=3), strict=True):
        assert one.case == other.case
        assert one.history.loss == other.history.loss
        assert one.history.epoch_test_accuracy == other.history.epoch_test_accuracy
        assert one.decades_lost == other.decades_lost


def test_a_training_is_what_fit_does(trained):
    training = trained[1][2]
    case = training.case
    X, y = datasets.load("digits")
    net = fastgrad.MLP([64, *[16] * 8, 10], case.activation, case.init, seed=case.seed)
    lost = net.gradient_profile(X[:128], y[:128]).decades_lost
    history = fastgrad.fit(net, X, y, epochs=3, test=0.2, seed=case.seed)
    assert history.loss == pytest.approx(training.history.loss, rel=1e-12)  # summed in other parts
    assert history.epoch_test_accuracy == training.history.epoch_test_accuracy
    assert history.test_accuracy == training.test_accuracy
    assert training.decades_lost == pytest.approx(lost, rel=0.1)  # on other rows


def test_a_history_has_the_test_rows_of_every_epoch_and_nothing_is_chosen_by_them():
    X, y = (array[:400] for array in datasets.load("digits"))
    with_test = fastgrad.fit(fastgrad.MLP([64, 16, 10]), X, y, epochs=4, test=(X[:100], y[:100]))
    without = fastgrad.fit(fastgrad.MLP([64, 16, 10]), X, y, epochs=4)
    assert with_test.loss == without.loss
    assert len(with_test.epoch_test_accuracy) == len(with_test.epoch_test_loss) == 4
    assert with_test.epoch_test_accuracy[-1] == with_test.test_accuracy
    assert with_test.epoch_test_loss[-1] == with_test.test_loss
    assert (without.epoch_test_accuracy, without.epoch_test_loss) == ([], [])
    assert with_test.epochs_to(with_test.epoch_test_accuracy[1], "epoch_test_accuracy") <= 2
    older = with_test.to_dict()
    del older["epoch_test_loss"], older["epoch_test_accuracy"]
    assert TrainingHistory.from_dict(older).epoch_test_accuracy == []  # a checkpoint from before


def test_what_is_finished_is_not_done_again(some, trained, monkeypatch):
    seen = []
    monkeypatch.setattr(trainings, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = trainings.train(some, trained[0], progress=lambda *told: seen.append(told))
    assert seen == [(8, 8, "")]
    for one, other in zip(trained[1], again, strict=True):
        assert one.history.to_dict() == other.history.to_dict()


def test_parts_of_other_code_or_that_are_damaged_are_done_again(some, trained, tmp_path, monkeypatch):
    (one,) = trainings.train(some[:1], tmp_path)
    (path,) = (tmp_path / "trainings").iterdir()
    for spoil in (
        lambda: path.write_text(path.read_text()[:-100]),
        lambda: monkeypatch.setattr(trainings, "_code", str),
    ):
        spoil()
        calls = []
        (again,) = trainings.train(some[:1], tmp_path, progress=lambda *told, calls=calls: calls.append(told))
        assert calls[0][0] == 0, "it was taken from the file"
        assert again.history.loss == one.history.loss


def test_ctrl_c_keeps_what_is_finished(some, tmp_path):
    def interrupt(done, total, label):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainings.train(some, tmp_path, workers=2, progress=interrupt)
    kept = list((tmp_path / "trainings").glob("*.json"))
    assert 2 <= len(kept) < len(some)
    done = []
    trainings.train(some, tmp_path, progress=lambda *told: done.append(told[0]))
    assert done[0] == len(kept)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_the_command_stops_at_once_and_goes_on(tmp_path):
    from test_interrupt import COMMAND, interrupted

    assert DRIVER in COMMAND
    arguments = ["consequences", "-a", "relu", "-i", "he_normal", "--seeds", "1", "--workers", "1", "--width", "8",
                 "--depth", "2", "--epochs", "50", "--json"]  # fmt: skip
    waiting = COMMAND.replace("time.sleep(600)", "time.sleep(1)")  # a thread cannot be interrupted in its sleep
    code, stdout, stderr = interrupted(waiting, *arguments, "--out", tmp_path)
    assert (code, stdout) == (130, "")
    assert [line for line in stderr.splitlines() if line.startswith("fastgrad")] == [
        f"fastgrad: interrupted: what is finished is kept; the same command goes on from {tmp_path}"
    ]


def test_kinds_are_means_over_seeds(trained, found):
    assert [kind.label for kind in found.kinds] == [
        f"{phi} + {init}" for phi in ("sigmoid", "relu") for init in ("xavier_normal", "he_normal")
    ]
    for kind, pair in zip(found.kinds, zip(trained[1][::2], trained[1][1::2], strict=True), strict=True):
        assert kind.seeds == (0, 1)
        assert kind.decades_lost == pytest.approx(np.mean([one.decades_lost for one in pair]), rel=1e-12)
        assert kind.test_accuracy == pytest.approx(np.mean([one.test_accuracy for one in pair]), rel=1e-12)
        curves = [one.history.epoch_test_accuracy for one in pair]
        assert kind.accuracy_by_epoch == pytest.approx(np.mean(curves, axis=0), rel=1e-12)
        half = 12.706 * np.std([one.test_accuracy for one in pair], ddof=1) / math.sqrt(2)
        assert kind.test_accuracy_reach == pytest.approx(half, rel=1e-3)
    assert found.target == 0.9 * max(kind.test_accuracy for kind in found.kinds)
    expected = spearmanr([kind.decades_lost for kind in found.kinds], [kind.test_accuracy for kind in found.kinds])
    assert found.rank_correlation == expected.statistic
    assert found.p_value == expected.pvalue


def made_up(activation, init, lost, accuracies, verdict="healthy", seed=0, loss=None):
    """A training with these decades lost and these test accuracies by epoch."""
    from fastgrad.diagnosis import Diagnosis
    from fastgrad.learning.reading import Reading

    delta = np.array([-lost, 0.0, 0.0])
    reading = Reading(0, delta, delta, diagnosis=Diagnosis(verdict, "", lost))
    epochs = len(accuracies)
    history = TrainingHistory(
        45, 2.3, loss=loss or [1.0 / (1 + epoch) for epoch in range(epochs)], accuracy=list(accuracies),
        epoch_test_accuracy=list(accuracies), test_accuracy=accuracies[-1], learning_rate=[1e-3] * epochs,
        seconds=[2.0] * epochs, readings=[reading],
    )  # fmt: skip
    return Training(Case(activation, init, seed, depth=2, width=4, epochs=epochs), history)


def test_summaries_of_trainings_whose_answers_are_known():
    found = consequences(
        [
            made_up("relu", "he_normal", 0.1, [0.5, 0.8, 1.0]),
            made_up("tanh", "he_normal", 0.5, [0.2, 0.9, 0.9]),
            made_up("relu", "xavier_normal", 3.0, [0.2, 0.3, 0.95], "vanishing"),
            made_up("tanh", "torch_linear", 9.0, [0.1, 0.1, 0.1], "vanishing", loss=[2.3, 2.3, 2.3]),
            made_up("relu", "torch_linear", 6.0, [0.1, 0.1, 0.15], "vanishing"),
        ]
    )
    assert found.target == 0.9
    assert [kind.epochs_to_target for kind in found.kinds] == [3, 2, 3, math.inf, math.inf]
    assert [kind.seconds_to_target for kind in found.kinds] == [6, 4, 6, math.inf, math.inf]
    assert [kind.reached for kind in found.kinds] == [1, 1, 1, 0, 0]
    assert found.rank_correlation == pytest.approx(-0.9)  # ranks 1 2 3 5 4 against 5 3 4 1 2
    assert (found.worst.label, found.best.label) == ("tanh + torch_linear", "relu + he_normal")
    assert found.example == found.best
    before, after = found.repaired_by_init
    assert (before.label, after.label) == ("relu + torch_linear", "relu + he_normal")
    assert found.repaired_by_activation is None
    cures = {remedy.change: (remedy.tried, remedy.cured) for remedy in found.remedies}
    # tanh + xavier_normal is not there, so that it cannot be tried
    assert cures == {
        "he_normal": (3, 3),
        "xavier_normal": (1, 0),
        "torch_linear": (1, 0),
        "relu": (1, 0),
        "tanh": (1, 0),
    }
    to_he = found.remedies[0]
    assert to_he.decades_lost_before == pytest.approx(6.0)
    assert to_he.test_accuracy_after == pytest.approx((1.0 + 1.0 + 0.9) / 3)
    assert "never" in report.row(found.kinds[3])


def test_a_loss_that_stands_still_is_counted():
    flat = made_up("tanh", "torch_linear", 9.0, [0.1] * 20, "vanishing", loss=[2.3 + 1e-4 * (i % 3) for i in range(20)])
    falls = made_up("relu", "he_normal", 0.0, [0.9] * 20, loss=[0.9**i for i in range(20)])
    done = made_up("elu", "he_normal", 0.0, [0.995] * 20, loss=[1e-3 + 1e-9 * (i % 3) for i in range(20)])
    assert done.history.trend.cause == "converged"
    found = consequences([flat, falls, done])
    assert [kind.stalled for kind in found.kinds] == [1, 0, 0]
    loss = charts.loss_curves({"a": flat.history.loss, "b": done.history.loss}, {"a": flat.history, "b": done.history})
    assert [line["plateau"] for line in loss["lines"]] == [[11, 20, "plateau"], None]
    scattered = made_up("tanh", "he_normal", 0.0, [0.98] * 20, loss=[0.5 if i % 2 else 0.1 for i in range(20)])
    assert scattered.history.trend.cause == "learning rate too high"
    found = consequences([flat, falls, scattered])
    assert (found.best.label, found.example.label) == ("tanh + he_normal", "relu + he_normal")
    found = consequences([flat, falls])
    assert math.isnan(found.rank_correlation)
    assert "too few kinds" in report.correlation(found)


def test_accuracies_that_are_all_alike_have_no_rank_correlation():
    found = consequences([made_up(phi, "he_normal", lost, [0.1] * 3) for lost, phi in enumerate(fastgrad.ACTIVATIONS)])
    assert math.isnan(found.rank_correlation)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["rank_correlation"] == "nan"


def test_networks_that_diverge_in_their_first_epoch_are_shown_as_they_were_drawn(tmp_path):
    diverging = ("consequences", "-a", "relu", "-a", "tanh", "-a", "elu", "-i", "he_normal", "--seeds", 2, "--depth", 3,
                 "--width", 8, "--epochs", 2, "--optimizer", "sgd", "--learning-rate", 1e30)  # fmt: skip
    result = call(*diverging, "--json", "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    kinds = json.loads(result.stdout)["kinds"]
    assert [kind["epochs_to_target"] for kind in kinds] == ["inf"] * 3
    assert all(0 < kind["test_accuracy"] < 0.4 for kind in kinds)
    assert "none" in (tmp_path / "index.html").read_text(encoding="utf-8")  # training accuracy


def test_trainings_that_differ_in_something_else_are_refused(trained):
    other = replace(trained[1][0], case=replace(trained[1][0].case, depth=9))
    with pytest.raises(ValueError, match="trainings must differ in activation, initialiser and seed alone"):
        consequences([*trained[1], other])


def test_a_case_that_is_there_twice_is_trained_once(some, trained, tmp_path):
    told = []
    again = trainings.train([some[0], some[0]], tmp_path, workers=2, progress=lambda *done: told.append(done[:2]))
    assert [training.test_accuracy for training in again] == [trained[1][0].test_accuracy] * 2
    assert told == [(0, 1), (1, 1)]


def test_a_parameter_is_told_from_one_that_looks_the_same(tmp_path):
    alike = [Case(fastgrad.activation("elu", alpha=alpha), "he_normal", **SMALL) for alpha in (0.1234567, 0.1234568)]
    assert len({trainings._path(case, tmp_path) for case in alike}) == 2


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs a folder in which even root cannot write")
def test_a_folder_that_cannot_be_written_to_is_found_out_before_any_training(some, monkeypatch):
    monkeypatch.setattr(trainings, "FOLDER", "")
    monkeypatch.setattr(trainings, "_train", lambda *_: pytest.fail("trained"))
    with pytest.raises(OSError, match="/proc"):
        trainings.train(some, "/proc")


def test_bad_cases():
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        Case("rleu", "he_normal")
    with pytest.raises(ValueError, match="unknown optimizer 'adma'; did you mean 'adam'"):
        Case("relu", "he_normal", optimizer="adma")
    with pytest.raises(ValueError, match="learning_rate must be greater than 0"):
        Case("relu", "he_normal", learning_rate=0.0)
    with pytest.raises(ValueError, match="trainings must hold at least one"):
        consequences([])


QUICK = ("consequences", "-a", "sigmoid", "-a", "relu", "-i", "xavier_normal", "-i", "he_normal", "--seeds", 2,
         "--depth", 8, "--width", 16, "--epochs", 3)  # fmt: skip


def test_the_command_prints_and_writes(tmp_path):
    result = call(*QUICK, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "Spearman's rank correlation between decades lost and test accuracy, over 4 kinds of" in result.stdout
    assert max(len(line.rstrip()) for line in result.stdout.splitlines() if "  " in line) <= 80
    assert {path.name for path in tmp_path.iterdir()} == {
        *("index.html", "consequences.json", "consequences.csv", "trainings")
    }
    data = json.loads((tmp_path / "consequences.json").read_text())
    again = json.loads(call(*QUICK, "--json", "--out", tmp_path).stdout)
    assert again["kinds"] == data["kinds"]  # seconds and all: from the folder
    rows = list(csv.DictReader((tmp_path / "consequences.csv").read_text().splitlines()))
    assert [float(row["test_accuracy"]) for row in rows] == [kind["test_accuracy"] for kind in data["kinds"]]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for kind in data["kinds"]:
        assert f"{kind['test_accuracy']:.3f}" in page
    assert f"{data['rank_correlation']:.2f}" in page


def test_the_help_of_the_command():
    text = call("consequences", "--help").stdout
    assert "fastgrad consequences --depth 20 --out consequences" in text


def test_bad_input_is_one_line():
    for arguments, said in (
        (("-a", "rleu"), "did you mean 'relu'"),
        (("--optimizer", "adma"), "did you mean 'adam'"),
        (("--batch", 5000), "batch_size must be at most the 1438 training rows"),
        (("--out", "/proc/fastgrad"), "cannot write /proc/fastgrad"),
    ):
        result = call(*QUICK, *arguments)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert said in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_a_process_alone_ends(tmp_path):
    """No thread is left behind."""
    code = "from fastgrad.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, QUICK), "--workers", "2", "--json"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout)["rank_correlation"], float)


def test_a_kind_is_plain_in_json(found):
    kind = replace(found.kinds[0], epochs_to_target=math.inf)
    assert isinstance(kind, Kind)
    assert json.loads(json.dumps(kind.to_dict(), allow_nan=False))["epochs_to_target"] == "inf"


def test_the_loss_of_delta_is_that_before_the_first_step():
    first, last = (SimpleNamespace(log10_delta=np.array(delta)) for delta in ([-9.0, -6.0, -3.0], [-1.0, -1.0, -1.0]))
    training = Training(Case("tanh", "xavier_normal", 0), SimpleNamespace(readings=[first, last]))
    assert training.decades_lost == pytest.approx(3.0)  # hidden layers alone
