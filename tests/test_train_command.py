"""``fastgrad train``: exit codes, JSON, files, and going on."""

import json

import pytest
from click.testing import CliRunner

from fastgrad.cli import commands
from fastgrad.cli.train import view

QUICK = ["train", "--epochs", "3", "--width", "16"]


def run(*arguments):
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


def test_a_healthy_network():
    result = run(*QUICK)
    assert result.exit_code == 0, result.stderr
    assert "relu + he_normal, 3 hidden layers of 16" in result.stdout
    assert "\nhealthy; " in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert result.stderr == ""


def test_a_vanishing_one_and_its_repair(tmp_path):
    bad = [*QUICK, "--depth", "12", "--activation", "sigmoid", "--init", "xavier_normal", "--json"]
    result = run(*bad)
    assert result.exit_code == 1
    found = json.loads(result.stdout)["rows"]
    assert [(row["verdict"], row["outcome"], row["change"]) for row in found] == [("vanishing", "kept", "as it was")]
    result = run(*bad, "--repair", "--epochs", "6", "--out", tmp_path)
    found = json.loads(result.stdout)["rows"]
    assert len(found) >= 2
    (best,) = [row for row in found if row["outcome"] == "kept"]
    assert best["reached"] == min(row["reached"] for row in found)
    assert result.exit_code == (0 if best["verdict"] == "healthy" else 1)
    assert best["test_accuracy"] > found[0]["test_accuracy"] + 0.3
    assert {path.name for path in tmp_path.iterdir()} == {*("index.html", "training.json", "training.csv")}
    assert json.loads((tmp_path / "training.json").read_text()) == json.loads(result.stdout)


def test_five_epochs_on_the_defaults_are_healthy():
    """The loss falls by half every epoch; five are too few to show it, which is no fault and nothing to repair."""
    for options in ([], ["--repair"]):
        result = run("train", "--epochs", "5", "--json", *options)
        (row,) = json.loads(result.stdout)["rows"]
        assert (result.exit_code, row["verdict"]) == (0, "healthy")
        assert 0.95 <= row["test_accuracy"] <= 0.99


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_repair_that_ends_worse_is_said_and_exits_1(form, monkeypatch):
    """A healthy verdict on a network that is worse: the bad one before it remains, and the verdict on that decides."""
    from fastgrad import datasets
    from fastgrad.learning import repair

    X, y = datasets.load("digits")
    network = repair.MLP([64, 16, 10])
    bad = repair.attempt(network, X, y, epochs=12, learning_rate=0.01, schedule=lambda e: 1.0 if e < 1 else 1e-6)
    worse = repair.attempt(network, X, y, epochs=3, learning_rate=1e-5)
    assert (bad.verdict, worse.verdict) == ("learning rate too low", "healthy")
    found = repair.Repair((bad, worse), (repair.Change("learning rate 1e-05"),))
    monkeypatch.setattr(repair, "repair", lambda *arguments, **options: found)
    result = run(*QUICK, "--repair", *form)
    assert result.exit_code == 1, result.stderr
    if form:
        rows = json.loads(result.stdout)["rows"]
        assert [row["outcome"] for row in rows] == ["kept", "rejected"]
        assert [row["change"] for row in rows] == ["as it was", "learning rate 1e-05"]
    else:
        said = " ".join(result.stdout.split())
        assert "Rejected for a worse training loss: learning rate 1e-05 (ends at 2." in said
        assert "The network as it was remains (" in said


def test_a_run_goes_on_from_its_checkpoint(tmp_path):
    path = tmp_path / "run.npz"
    assert run(*QUICK, "--checkpoint", path).exit_code == 0
    on = json.loads(run(*QUICK, "--epochs", "5", "--checkpoint", path, "--json").stdout)["rows"][0]
    whole = json.loads(run(*QUICK, "--epochs", "5", "--json").stdout)["rows"][0]
    assert on["loss"] == whole["loss"]
    assert on["seconds"][:3] != whole["seconds"][:3]


def test_ctrl_c_says_what_is_kept(monkeypatch, tmp_path):
    from fastgrad.learning.loop import Trainer

    done, calls = Trainer.run, []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return done(self, *arguments)

    monkeypatch.setattr(Trainer, "run", interrupted)
    result = run(*QUICK, "--checkpoint", tmp_path / "run.npz")
    assert result.exit_code == 130
    assert result.stdout == ""
    assert result.stderr == (
        f"fastgrad: interrupted: 1 of 3 epochs were done; the same command goes on from {tmp_path / 'run.npz'}\n"
    )


def test_the_live_view_shows_loss_accuracy_and_every_layer():
    from rich.console import Console
    from rich.progress import Progress

    import fastgrad
    from fastgrad import datasets

    X, y = datasets.load("digits")
    history = fastgrad.fit(fastgrad.MLP([64, *[8] * 7, 10]), X, y, epochs=1, validation=0.1)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(view(Progress(console=console), history, console.color_system))
    text = capture.get()
    assert f"loss {history.loss[0]:.4f}" in text
    assert "validation accuracy" in text
    assert text.count("■") == 7
