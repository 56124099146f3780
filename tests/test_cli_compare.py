"""``fastgrad audit`` and ``fastgrad speed``: what they print, keep and return, and one line for every mistake."""

import json
import os
import sys

import numpy as np
import pytest
from test_cli import call, refused

from fastgrad.bench import activations
from fastgrad.bench.audit import audit
from fastgrad.bench.audit.contestants import Contestant
from fastgrad.bench.audit.truth import true
from fastgrad.bench.compare import Row

AUDIT = ("audit", "--quick", "-a", "relu")
SPEED = ("speed", "activations", "-a", "tanh", "--operation", "value", "--dtype", "float32")


def relu(z):
    return true("value", "relu", z, None).astype(np.float32)


@pytest.fixture
def field(monkeypatch):
    """A kernel of ours and a peer that are right, in 4 parts; a test may replace them."""
    found = [Contestant("fastgrad mine", "1", relu, 0.5), Contestant("torch", "2.0", relu)]
    monkeypatch.setattr(audit, "PARTS", 4)
    monkeypatch.setattr(audit, "contestants", lambda kind, name, group: found)
    return found


def test_audit_prints_a_table_and_returns_0(field):
    result = call(*AUDIT, "--kind", "value")
    assert result.exit_code == 0, result.output
    assert "relu value" in result.stdout
    assert "All 1 kernels of ours keep their bounds" in result.stdout
    assert "torch 2.0" in " ".join(result.stdout.split())
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert result.stderr == ""


@pytest.mark.parametrize(("guilty", "code"), [(0, 1), (1, 0)])
def test_audit_returns_1_if_one_of_ours_breaks_a_promise_whatever_peers_do(field, guilty, code):
    def wrong(z):
        return np.where(z == z.max(), np.float32(0), relu(z))

    one = field[guilty]
    field[guilty] = Contestant(one.name, one.version, wrong, one.bound)
    result = call(*AUDIT, "--kind", "value", "--json")
    assert result.exit_code == code, result.output
    rows = json.loads(result.stdout)["rows"]
    assert rows[guilty]["false_zeros"] >= 4
    assert bool(rows[0]["faults"]) == bool(code)
    assert rows[1]["faults"] == []


def test_the_wide_table_of_every_kernel_here_fits():
    result = call("audit", "--quick", "-a", "sigmoid", "--kind", "derivative")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "numpy" in result.stdout
    assert "16.64" in result.stdout


def test_audit_in_markdown_names_command_machine_and_versions(field):
    result = call(*AUDIT, "--kind", "value", "--markdown")
    assert result.exit_code == 0
    assert result.stdout.startswith("```\nfastgrad audit --quick -a relu --kind value --markdown\n```\n")
    assert "| relu value | fastgrad mine | 0.00 |" in result.stdout
    assert "torch 2.0." in result.stdout.splitlines()[-1]


def test_audit_interrupted_says_how_to_go_on_and_does(field, tmp_path, monkeypatch):
    out = tmp_path / "audit.jsonl"
    calls = []

    def interrupting(z):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return relu(z)

    field[1] = Contestant("torch", "2.0", interrupting)
    options = (*AUDIT, "--kind", "value", "--out", str(out))
    result = call(*options)
    assert (result.exit_code, result.stdout) == (130, "")
    kept = len(out.read_text().splitlines())
    assert f"{kept} of 4 parts are swept and kept; the same command goes on from {out}" in result.stderr
    assert call(*options).exit_code == 0
    assert len(out.read_text().splitlines()) == 4
    calls.clear()
    assert "lost, as there is no --out" in call(*AUDIT, "--kind", "value").stderr


BAD_AUDITS = [
    (("--activation", "tahn"), "unknown activation 'tahn'; did you mean 'tanh'"),
    (("--kind", "derivate"), "unknown kind 'derivate'; did you mean 'derivative'"),
    (("--only", "our"), "unknown group 'our'; did you mean 'ours'"),
    (("--workers", "0"), "'--workers': 0"),
    (("--out", os.path.dirname(__file__)), "--out: cannot write"),
    (("--out", __file__), "is not the file of an audit"),
    (("--out", f"{__file__}/below"), "--out: cannot write"),
    (("extra",), "unexpected extra argument"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_AUDITS)
def test_bad_audits(arguments, message, monkeypatch):
    monkeypatch.setattr(audit.Audit, "run", lambda *_: pytest.fail("swept"))
    refused(call("audit", *arguments), message)


def test_audit_without_numba(without_numba):
    refused(call(*AUDIT), "pip install 'fastgrad[numba]'")


FIGURES = {
    "ns_per_element": 1.0, "gb_per_s": 8.0, "limit": "L2", "limit_ns_per_element": 0.5, "percent_of_limit": 50.0,
}  # fmt: skip


@pytest.fixture
def timed(monkeypatch):
    """Cases that are not timed; the list of (case, peers, rounds) that were asked for."""
    asked = []

    def fake(case, contestants, rounds, tell, placement):
        asked.append((case, tuple(contestants), rounds))
        return [
            Row(case, name, None, 1e-6, 1.0 if name == "fastgrad" else 0.5, FIGURES)
            for name in ("fastgrad", *contestants)
        ]

    monkeypatch.setattr(activations, "time_activation", fake)
    return asked


def test_speed_prints_tables_and_returns_0():
    result = call(*SPEED, "-a", "relu", "--size", "100", "--size", "1000", "--peer", "numpy", "--rounds", "2")
    assert result.exit_code == 0, result.output
    assert "value, float32" in result.stdout
    assert "of 4 comparisons" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert result.stderr == ""


def test_speed_of_everything_fits_the_terminal(timed, monkeypatch):
    from fastgrad.bench import peers

    monkeypatch.setattr(peers, "installed", list)
    monkeypatch.setattr(peers, "versions", lambda names: {})
    result = call("speed", "activations")
    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "0.5 !" in result.stdout
    assert len(timed) == 5 * 3 * 2 * 6
    assert timed[0][1:] == (tuple(peers.PEERS), 30)
    timed.clear()
    assert call("speed", "activations", "--quick").exit_code == 0
    assert len(timed) == 5 * 3 * 2
    assert "torch.compile" not in timed[0][1]


def test_speed_writes_json_and_charts(timed, tmp_path):
    folder = tmp_path / "new" / "speed"
    result = call(*SPEED, "--operation", "training", "--size", "10", "--peer", "numpy", "--json", "--out", str(folder))
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["command"].startswith("fastgrad speed activations -a tanh")
    assert [row["contestant"] for row in data["rows"]] == ["fastgrad", "numpy"] * 2
    assert json.loads((folder / "speed.json").read_text()) == data
    assert sorted(path.name for path in folder.iterdir()) == [
        "speed.json", "training-float32.png", "training-float32.svg", "value-float32.png", "value-float32.svg",
    ]  # fmt: skip


def test_a_difference_that_is_not_finite_is_strict_json(monkeypatch):
    def differing(case, *_, placement):
        return [Row(case, "fastgrad", None, 1e-6, 1.0, FIGURES), Row(case, "numpy", float("nan"))]

    monkeypatch.setattr(activations, "time_activation", differing)
    result = call(*SPEED, "--size", "10", "--json")
    assert json.loads(result.stdout, parse_constant=pytest.fail)["rows"][1]["difference"] == "nan"


def test_speed_in_markdown(timed):
    result = call(*SPEED, "--size", "10", "--peer", "numpy", "--markdown")
    assert result.exit_code == 0
    assert "| tanh | 10 | 1 | 8 | 50 L2 | 0.5 ! |" in result.stdout
    assert "Ours is slower in 1 of 1 comparisons." in result.stdout


@pytest.mark.parametrize(
    ("placement", "says"), [("aligned", "Every array starts on a cache line."), ("numpy", "lie where NumPy puts them")]
)
def test_speed_says_where_its_arrays_lie(placement, says):
    result = call(*SPEED, "--size", "100", "--peer", "numpy", "--rounds", "1", "--placement", placement)
    assert result.exit_code == 0, result.output
    assert says in " ".join(result.stdout.split())


def test_speed_of_training_says_its_case_by_name(monkeypatch):
    from fastgrad.bench import training

    monkeypatch.setattr(training, "EPOCHS", 1)
    options = ("speed", "training", "--network", "1,4", "--peer", "scikit-learn", "--rounds", "2")
    rows = json.loads(call(*options, "--json").stdout)["rows"]
    assert [row["contestant"] for row in rows] == ["fastgrad", "without monitor", "scikit-learn"]
    assert {(row["depth"], row["width"], row["rounds"]) for row in rows} == {(1, 4, 2)}
    result = call(*options, "--markdown")
    assert "**Training**" in result.stdout
    assert "| 1 x 4 | without monitor |" in result.stdout


@pytest.mark.parametrize("at", [0, 2])
def test_speed_interrupted_keeps_what_was_measured(timed, at, tmp_path, monkeypatch):
    real = activations.time_activation

    def interrupted(*arguments, **options):
        if len(timed) == at:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(activations, "time_activation", interrupted)
    sizes = [option for size in (1, 2, 3) for option in ("--size", str(size))]
    result = call(*SPEED, *sizes, "--peer", "numpy", "--out", str(tmp_path))
    assert result.exit_code == 130
    assert result.stderr == f"fastgrad: interrupted: {at} of 3 cases were measured\n"
    assert ("comparisons" in result.stdout) == bool(at)
    text = (tmp_path / "speed.json").read_text()
    assert len(json.loads(text)["rows"] if at else []) == 2 * at


BAD_SPEEDS = [
    (("--activation", "tahn"), "unknown activation 'tahn'; did you mean 'tanh'"),
    (("--operation", "valeu"), "unknown operation 'valeu'; did you mean 'value'"),
    (("--dtype", "float16"), "'float16' is not one of"),
    (("--size", "0"), "'--size': 0"),
    (("--size", "1e3"), "'--size': '1e3'"),
    (("--rounds", "0"), "'--rounds': 0"),
    (("--placement", "page"), "'page' is not one of"),
    (("--peer", "numpi"), "unknown peer 'numpi'; did you mean 'numpy'"),
    (("--out", __file__), "--out: cannot write"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_SPEEDS)
def test_bad_speeds(arguments, message, monkeypatch):
    monkeypatch.setattr(activations, "time_activation", lambda *_, **__: pytest.fail("measured"))
    refused(call("speed", "activations", *arguments), message)


def test_speed_with_a_peer_that_is_not_installed(monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jax" else find(name))
    refused(call(*SPEED, "--peer", "jax"), "peer 'jax' is not available: install it with `pip install jax`")


def test_speed_charts_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    refused(call(*SPEED, "--out", str(tmp_path / "new")), "pip install 'fastgrad[plot]'")
    assert list(tmp_path.iterdir()) == []


def test_unknown_speed_command():
    refused(call("speed", "activation"), "No such command 'activation'")


DECAY = ("decay", "--quick", "-a", "relu")
DENSE = ("speed", "dense", "--shape", "2,3,4", "--peer", "numpy", "--rounds", "1")


@pytest.mark.parametrize(
    ("command", "title", "other"),
    [
        (DECAY, "Decades of delta lost per layer", "Decades of delta lost from the last hidden layer to the first"),
        (DENSE, "backward", "forward"),
        ((*DENSE, "--markdown"), "forward", "**backward**"),
    ],
)
def test_one_table_is_printed_with_its_machine_and_no_other(command, title, other):
    result = call(*command, "--table", title)
    assert result.stdout.count(title) >= 1
    assert other not in result.stdout
    assert "processor" in result.stdout
    assert "Ours is slower" not in result.stdout


def said(result):
    """The lines on stderr but that which names peers that are not installed here."""
    return [line for line in result.stderr.splitlines() if not line.startswith("fastgrad: not compared: ")]


@pytest.mark.parametrize("command", [DECAY, DENSE])
def test_a_table_that_is_not_there_gets_a_line_that_names_those_that_are(command):
    result = call(*command, "--table", "sideways")
    assert result.exit_code == 2
    assert "--table: there is no 'sideways'; there is '" in result.stderr
    assert len(said(result)) == 1
