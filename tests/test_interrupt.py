"""Ctrl-C while a network is trained: whoever trains it stops, at once, and says nothing about half a run.

A real SIGINT goes to a real process when that has said that it is in the middle of an epoch; there it waits for it.
"""

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fastgrad
from fastgrad import datasets

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# A process that says whenever it begins to train a network, and that it waits, in the third call of the inner loop.
DRIVER = """
import sys, time
from fastgrad.learning.loop import Trainer

begin, run, calls = Trainer.__init__, Trainer.run, []

def begun(self, *arguments):
    begin(self, *arguments)
    print("begins", file=sys.stderr, flush=True)

def running(self, *arguments):
    calls.append(1)
    if len(calls) == 3:
        print("waits", file=sys.stderr, flush=True)
        time.sleep(600)
    return run(self, *arguments)

Trainer.__init__, Trainer.run = begun, running
"""
COMMAND = DRIVER + "from fastgrad.__main__ import main\nmain()\n"
STUDY = DRIVER + "import runpy\nrunpy.run_module('benchmarks.studies.{}', run_name='__main__', alter_sys=True)\n"
LOOP = (
    DRIVER
    + """
import fastgrad
from fastgrad import datasets

X, y = datasets.load("digits")
for seed in range(3):
    fastgrad.fit(fastgrad.MLP([64, 16, 10], seed=seed), X, y, epochs=5, batch_size=1000)
"""
)


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def interrupted(code, *arguments):
    """(exit code, stdout, what came on stderr after the signal) of Python code that was interrupted as it waited."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        before = []
        for line in process.stderr:
            before.append(line)
            if line == "waits\n":
                break
        assert before[-1:] == ["waits\n"], "".join(before)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    return process.returncode, stdout, stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["speed", "training", "--network", "3,64", "--peer", "scikit-learn"],
            "interrupted: 0 of 1 cases were measured",
        ),
        (["train", "--epochs", "50"], None),
        (["train", "--epochs", "50", "--json", "--repair"], None),
    ],
)
def test_a_command_stops_at_once_and_judges_nothing(command, said):
    code, stdout, stderr = interrupted(COMMAND, *command)
    assert (code, stdout) == (130, "")
    lines = [line for line in stderr.splitlines() if line]  # click ends the line that ^C stands on
    assert len(lines) == 1, stderr
    if said is None:
        assert re.fullmatch(r"fastgrad: interrupted: \d+ of 50 epochs were done", lines[0])
    else:
        assert lines[0] == f"fastgrad: {said}"


@pytest.mark.parametrize(
    ("study", "arguments", "said"),
    [
        ("reproduce", ["depth"], "interrupted: 0 of 1 experiments were done"),
        ("reproduce", ["activations"], "interrupted: 0 of 1 experiments were done"),
        ("reproduce", ["errors", "--json"], "interrupted: 0 of 1 experiments were done"),
        ("detectors", ["--workers", "1"], "interrupted: nothing was judged, since a label needs all runs of its kind"),
    ],
)
def test_a_study_stops_at_once_and_judges_nothing(study, arguments, said):
    if study == "reproduce":
        pytest.importorskip("mlxtend")
    code, stdout, stderr = interrupted(STUDY.format(study), *arguments)
    assert (code, stdout) == (130, "")
    assert [line for line in stderr.splitlines() if line] == [f"fastgrad: {said}"]


def test_train_names_its_checkpoint_and_goes_on_from_it(tmp_path):
    path = tmp_path / "run.npz"
    quick = ["train", "--width", "16", "--epochs", "4", "--checkpoint", path, "--json"]
    code, stdout, stderr = interrupted(COMMAND, *quick)
    assert (code, stdout) == (130, "")
    assert stderr == f"fastgrad: interrupted: 1 of 4 epochs were done; the same command goes on from {path}\n"
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    command = [sys.executable, "-m", "fastgrad", *map(str, quick)]
    on = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert on.returncode == 0, on.stderr
    assert '"stopped": "epochs"' in on.stdout


def test_train_as_it_is_typed(tmp_path):
    """No driver: the signal comes once the checkpoint has been written anew, which is an epoch's end."""
    path = tmp_path / "run.npz"
    command = [sys.executable, "-m", "fastgrad", "train", "--epochs", "100000", "--checkpoint", str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        seen = set()
        while len(seen) < 3 and process.poll() is None:
            if path.exists():
                seen.add(path.stat().st_mtime_ns)
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (130, ""), stderr
    said = r"fastgrad: interrupted: \d+ of 100000 epochs were done; the same command goes on from "
    assert re.fullmatch(said + re.escape(str(path)) + "\n", stderr)


def test_a_users_loop_stops():
    code, stdout, stderr = interrupted(LOOP)
    assert code != 0
    assert stdout == ""
    assert "begins" not in stderr
    assert stderr.splitlines()[-1] == "fastgrad.learning.history.Interrupted: interrupted after epoch 1 of 5"


def test_the_exception_is_a_keyboard_interrupt_with_the_history(tmp_path):
    X, y = (array[:300] for array in datasets.load("digits"))

    def stop(history):
        if history.epochs == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        fastgrad.fit(fastgrad.MLP([64, 16, 10]), X, y, epochs=5, callback=stop, test=0.2)
    assert type(caught.value) is fastgrad.Interrupted
    assert not isinstance(caught.value, Exception)  # `except Exception` in somebody's loop must not swallow it
    history = caught.value.history
    assert (history.stopped, history.epochs, history.test_accuracy) == ("interrupted", 2, None)
    assert caught.value.repair is None
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.history.loss) == ("interrupted after epoch 2 of 5", history.loss)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_search_over_estimators_stops_and_the_estimator_is_usable(solver, monkeypatch):
    from sklearn.exceptions import ConvergenceWarning

    from fastgrad.learning.loop import Trainer
    from fastgrad.network import MLP
    from fastgrad.sklearn import MLPClassifier

    X, y = (array[:300] for array in datasets.load("digits"))
    owner, name = (MLP, "loss_and_gradients") if solver == "lbfgs" else (Trainer, "run")
    done, calls = getattr(owner, name), []

    def stop(self, *arguments, **options):
        found = done(self, *arguments, **options)  # the signal is seen when the compiled code returns
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(owner, name, stop)
    models = [MLPClassifier((8,), solver=solver, random_state=0, max_iter=30) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt):
        [model.fit(X, y) for model in models]
    assert not hasattr(models[1], "coefs_")
    monkeypatch.undo()
    model = models[0]
    assert model.predict(X).shape == (300,)
    assert model.diagnosis_.verdict == "healthy"
    assert 0 < model.n_iter_ < 6
    whole = MLPClassifier((8,), solver=solver, random_state=0, max_iter=model.n_iter_)
    with pytest.warns(ConvergenceWarning):
        whole.fit(X, y)
    assert all(np.array_equal(a, b) for a, b in zip(model.coefs_, whole.coefs_, strict=True))
    assert model.loss_ == whole.loss_


def test_nobody_asks_a_history_whether_it_was_interrupted():
    """Half a run comes as an exception only: a caller that looked for a mark would go on where it forgot to."""
    package = Path(fastgrad.__file__).parent
    asking = [path.name for path in package.rglob("*.py") if 'stopped == "interrupted"' in path.read_text("utf-8")]
    assert asking == ["epochs.py"]
