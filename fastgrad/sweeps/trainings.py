"""Networks that differ in activation, initialisation and seed, each trained in the same way and kept as it is done."""

# Design: - Threads: the epochs run in compiled code without the GIL, and a training takes nothing from the others, so
#           that its numbers do not depend on how many there are.
#         - Each finished training is one file of its own, written beside its place and renamed: an interrupted run
#           finds those that are there. Its name is a digest of the case and of the code that trains.
#         - The rows that are held out are looked at after every epoch, for the curve; nothing is chosen by them.

import functools
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastgrad import datasets, machine
from fastgrad._validation import known, listed, positive_int, real_number, strict_json
from fastgrad.activations import Activation, activation
from fastgrad.initializers import Initializer, initializer
from fastgrad.learning.fit import fit
from fastgrad.learning.history import TrainingHistory
from fastgrad.learning.monitor import GradientMonitor
from fastgrad.learning.optimizers import LEARNING_RATES, OPTIMIZERS
from fastgrad.network import MLP
from fastgrad.slopes import decades_lost
from fastgrad.sweeps.study import one_blas_thread

FOLDER = "trainings"  # of the files, in the folder of a report
HELD_OUT = 0.2  # share of the rows


@dataclass(frozen=True)
class Case:
    """One network and how it is trained. Names become records when the case is made.

    Attributes
    ----------
    activation : Activation
    init : Initializer
    seed : int
        Of the weights, of the order of the rows, and of which rows are held out.
    depth, width : int
        Hidden layers, and units in each.
    data : str
        One of ``datasets.DATASETS``.
    epochs, batch : int
    optimizer : str
        One of ``OPTIMIZERS``.
    learning_rate : float
        Without one that of ``LEARNING_RATES``.

    Raises
    ------
    ValueError, TypeError
        If a name is unknown, or a number is out of range or of the wrong type.
    """

    activation: Activation
    init: Initializer
    seed: int = 0
    depth: int = 20
    width: int = 64
    data: str = "digits"
    epochs: int = 20
    batch: int = 32
    optimizer: str = "adam"
    learning_rate: float | None = None

    def __post_init__(self):
        rate = self.learning_rate
        known("data set", self.data, datasets.DATASETS)
        known("optimizer", self.optimizer, OPTIMIZERS)
        normal_form: dict[str, Any] = {
            **{name: positive_int(name, getattr(self, name)) for name in ("depth", "width", "epochs", "batch")},
            "activation": activation(self.activation),
            "init": initializer(self.init),
            "learning_rate": LEARNING_RATES[self.optimizer] if rate is None else _rate(rate),
        }
        for name, value in normal_form.items():
            object.__setattr__(self, name, value)

    @property
    def label(self) -> str:
        """Activation and initialiser: ``tanh + xavier_normal``."""
        return f"{self.activation.label} + {self.init.label}"

    def to_dict(self) -> dict:
        """The case as JSON holds it; activation and initialiser are their labels."""
        return dict(vars(self)) | {"activation": self.activation.label, "init": self.init.label}


@dataclass(frozen=True, eq=False)
class Training:
    """What became of a case."""

    case: Case
    history: TrainingHistory

    @property
    def decades_lost(self) -> float:
        """Of delta, last hidden layer to the first, before the first step."""
        return decades_lost(self.history.readings[0].log10_delta)

    @property
    def test_accuracy(self) -> float:
        """After the last whole epoch; if it diverged in the first, as it was drawn."""
        return self.history.test_accuracy  # type: ignore[return-value]


def train(
    cases: Iterable[Case],
    out: str | os.PathLike | None = None,
    workers: int = 1,
    progress: Callable[[int, int, str], None] = lambda done, total, label: None,
) -> list[Training]:
    """Train every case, and return the trainings in the order of the cases.

    Parameters
    ----------
    cases : iterable of Case
    out : path, optional
        A folder, made if it is not there, that keeps finished trainings; those that are there are not done again.
    workers : int
        Threads that train side by side; but for the seconds the numbers do not depend on it.
    progress : callable
        Called with how many are done, how many there are, and the latest network.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, within an epoch; finished trainings are in the folder.
    OSError
        If the folder cannot be written to, before anything is trained.
    ValueError, TypeError, ImportError
        If a data set is missing or too small, as :func:`fastgrad.fit`.
    """
    cases = listed("cases", cases)
    positive_int("workers", workers)
    folder = None if out is None else Path(out, FOLDER)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # so that a folder that cannot be written to is found out now
            pass
    for name in dict.fromkeys(case.data for case in cases):
        _data(name)
    done = {case: found for case in cases if (found := _kept(case, folder)) is not None}
    total = len(set(cases))
    progress(len(done), total, "")
    stop = threading.Event()
    with one_blas_thread(), ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(_train, case, folder, stop) for case in set(cases) - set(done)}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for training in (future.result() for future in finished):
                    done[training.case] = training
                    progress(len(done), total, f"{training.case.activation.name} + {training.case.init.name}")
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return [done[case] for case in cases]


def _rate(value):
    return real_number("learning_rate", value, above=0.0)


class _Stopped(Exception):
    """Another thread has failed, or Ctrl-C came."""


def _train(case, folder, stop):
    X, y = _data(case.data)
    net = MLP([X.shape[1], *[case.width] * case.depth, int(y.max()) + 1], case.activation, case.init, case.seed)
    every = max(1, int((1 - HELD_OUT) * len(X)) // case.batch)  # a reading for every epoch

    def after_an_epoch(history):
        if stop.is_set():
            raise _Stopped

    history = fit(
        net, X, y, epochs=case.epochs, batch_size=case.batch, optimizer=case.optimizer,
        learning_rate=case.learning_rate, seed=case.seed, test=HELD_OUT, monitor=GradientMonitor(every=every),
        callback=after_an_epoch,
    )  # fmt: skip
    training = Training(case, history)
    if folder is not None:
        path = _path(case, folder)
        new = path.with_suffix(f".{os.getpid()}.new")
        new.write_text(strict_json({"case": case.to_dict(), "history": history.to_dict()}), encoding="utf-8")
        new.replace(path)
    return training


def _kept(case, folder):
    """The training of the case that the folder holds; None if there is none, or what is there cannot be read."""
    if folder is None:
        return None
    try:
        record = json.loads(_path(case, folder).read_text(encoding="utf-8"))
        return Training(case, TrainingHistory.from_dict(record["history"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _path(case, folder):
    exact = {"activation": repr(case.activation), "init": repr(case.init)}  # a label has six digits of a parameter
    text = f"{_code()} {strict_json(case.to_dict() | exact)}"
    return folder / f"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}.json"


@functools.cache
def _code():
    return machine.code("sweeps/trainings")


@functools.cache
def _data(name) -> tuple[np.ndarray, np.ndarray]:
    return datasets.load(name)
