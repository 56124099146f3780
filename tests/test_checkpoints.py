"""A run on disk: killed at any moment, what is there loads; what is another run's is refused."""

import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import fastgrad
from fastgrad import datasets
from fastgrad.learning import checkpoints

X, Y = (array[:300] for array in datasets.load("digits"))

RUN = """
import sys, fastgrad
from fastgrad import datasets
X, y = (array[:300] for array in datasets.load("digits"))
net = fastgrad.MLP([64, 16, 16, 10], "tanh", "xavier_normal")
print("ready", flush=True)
fastgrad.fit(net, X, y, epochs=100000, checkpoint=sys.argv[1], callback=lambda h: print(h.epochs, flush=True))
"""


def net():
    return fastgrad.MLP([64, 16, 16, 10], "tanh", "xavier_normal")


def killed(path, epochs, later):
    """Start a run, kill it so many seconds after it said that so many epochs are done; the last it said were."""
    with subprocess.Popen([sys.executable, "-c", RUN, str(path)], stdout=subprocess.PIPE, text=True) as run:
        for expected in ("ready", *map(str, range(1, epochs + 1))):
            assert run.stdout.readline() == f"{expected}\n"
        time.sleep(later)
        run.kill()
        said = [int(line) for line in run.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    assert run.returncode == -signal.SIGKILL  # it was at work
    return max(said, default=epochs)


def saved_epochs(path):
    with np.load(path) as file:
        return len(json.loads(file["about"].tobytes())["record"]["loss"])


def check_kills(count, folder):
    moments = random.Random(0)
    for attempt in range(count):
        path = folder / f"{attempt}.npz"
        epochs = moments.randrange(1, 20)
        said = killed(path, epochs, moments.uniform(0.0, 0.01))
        assert said >= epochs
        kept = saved_epochs(path)
        assert kept in (said, said + 1)  # nothing that was announced is lost; the next may have been written already
        history = fastgrad.fit(network := net(), X, Y, epochs=kept + 1, checkpoint=path)
        assert history.epochs == kept + 1
        if attempt < 3:
            reference = fastgrad.fit(whole := net(), X, Y, epochs=history.epochs)
            assert reference.loss == history.loss
            assert np.array_equal(network.weights[0], whole.weights[0])


def test_killed_at_any_moment(tmp_path):
    check_kills(3, tmp_path)


@pytest.mark.sweep
def test_killed_at_fifty_moments(tmp_path):
    check_kills(50, tmp_path)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"learning_rate": 0.5}, "learning rate"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"batch_size": 16}, "batch size"),
        ({"seed": 1}, "seed"),
        ({"weight_decay": 0.1}, "weight decay"),
        ({"schedule": "cosine"}, "schedule"),
        ({"validation": 0.2}, "data"),
    ],
)
def test_another_runs_checkpoint_is_refused(change, name, tmp_path):
    path = tmp_path / "run.npz"
    fastgrad.fit(net(), X, Y, epochs=1, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"is of another run: its {name} is"):
        fastgrad.fit(net(), X, Y, epochs=1, checkpoint=path, **change)
    assert path.read_bytes() == before
    fastgrad.fit(net(), X, Y, epochs=1, checkpoint=path, resume=False, **change)


def test_other_weights_are_another_run(tmp_path):
    path, trained = tmp_path / "run.npz", net()
    fastgrad.fit(trained, X, Y, epochs=1, checkpoint=path)
    with pytest.raises(ValueError, match="initial weights"):
        fastgrad.fit(trained, X, Y, epochs=2, checkpoint=path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_what_is_no_checkpoint_is_refused(content, tmp_path):
    path = tmp_path / "run.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a checkpoint of fastgrad"):
        fastgrad.fit(net(), X, Y, epochs=1, checkpoint=path)
    assert path.read_bytes() == content


def test_half_a_checkpoint_is_refused_and_another_array_file_too(tmp_path):
    path = tmp_path / "run.npz"
    fastgrad.fit(net(), X, Y, epochs=1, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="is not a checkpoint"):
        fastgrad.fit(net(), X, Y, epochs=1, checkpoint=path)
    np.savez(path, about=np.zeros(3))
    with pytest.raises(ValueError, match="is not a checkpoint"):
        fastgrad.fit(net(), X, Y, epochs=1, checkpoint=path)


def contents(path):
    """What a checkpoint of no settings holds, as text; or the sentence that refuses it."""
    try:
        record, arrays = checkpoints.load(path, {})
    except ValueError as error:
        return str(error)
    return repr((record, {name: array.tobytes() for name, array in arrays.items()}))


def test_any_flipped_bit_changes_nothing_or_is_said_in_a_sentence_with_the_files_name(tmp_path):
    """In the directory of the zip file, and in a local header: zipfile has a dozen kinds of error for what it finds."""
    path = tmp_path / "run.npz"
    checkpoints.save(path, {}, {"loss": [1.0]}, {"parameters": np.ones(3), "steps": np.array(7)})
    good, expected = path.read_bytes(), contents(path)
    directory = good.index(b"PK\x01\x02")
    seen = set()
    for at in (*range(80), *range(directory, len(good))):
        for bit in range(8):
            path.write_bytes(good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :])
            seen.add(contents(path))
    refused = f"{path} is not a checkpoint of fastgrad, or is damaged"
    assert seen == {expected, refused}


def test_nothing_is_trained_where_nothing_can_be_written(tmp_path):
    network = net()
    before = network.weights[0].copy()
    with pytest.raises(OSError, match="No such file"):
        fastgrad.fit(network, X, Y, checkpoint=tmp_path / "missing" / "run.npz")
    assert np.array_equal(network.weights[0], before)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    checkpoints.save(path, {"a": 1}, {}, {"x": np.ones(3)})
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        checkpoints.save(path, {"a": 2}, {}, {"x": np.ones(3)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
