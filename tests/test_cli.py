"""The commands: what they print, write and return, and one line for every mistake."""

import html
import json
import os
import signal
import subprocess
import sys
import time

import click.testing
import pytest

import fastgrad
from fastgrad.bench import activations as speed
from fastgrad.cli import commands
from fastgrad.sweeps import batches, plan, study, trainings
from fastgrad.sweeps import run as sweeps
from fastgrad.sweeps.rows import StoreError
from fastgrad.sweeps.store import Store

TINY = ("--width", "8", "--batch", "4", "--seeds", "2", "--data", "normal")
ROW = {"kernel": "tanh", "size": 64, "dtype": "float32", "ns_per_element": 1.0, "peer": "NumPy",
       "peer_ns_per_element": 2.0, "ratio": 2.0}  # fmt: skip


def call(*arguments):
    return click.testing.CliRunner().invoke(commands, arguments)


def python(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, env=environment, **options
    )


def kept(folder):
    """How many cells the folder's store holds."""
    with Store(folder / sweeps.STORE_FILE) as file:
        return len(file)


def test_help_and_version():
    assert call("--version").stdout == f"fastgrad {fastgrad.__version__}\n"
    for command in ("run", "decay", "consequences", "train", "audit", "speed activations"):
        result = call(*command.split(), "--help")
        assert result.exit_code == 0
        assert "Example:" in result.stdout
        assert f"fastgrad {command} " in result.stdout
    assert call("speed").stdout == call("speed", "--help").stdout


def test_no_command_is_help():
    result = call()
    assert result.exit_code == 0
    assert result.stdout == call("--help").stdout


def test_decay_of_a_healthy_network_returns_0():
    result = call("decay", "-a", "relu", "-i", "he_normal", "-d", "4", *TINY)
    assert result.exit_code == 0, result.output
    assert "healthy" in result.stdout
    assert result.stderr == ""
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_decay_of_a_vanishing_network_returns_1():
    result = call("decay", "-a", "sigmoid", "-a", "relu", "-i", "xavier_normal", "-d", "12", *TINY)
    assert result.exit_code == 1
    assert "vanishing" in result.stdout


def test_json_is_all_there_is_on_stdout():
    result = call("decay", "--json", "-a", "relu", "-i", "he_normal", "-d", "3", "-d", "5", *TINY)
    data = json.loads(result.stdout)
    assert [cell["cell"]["depth"] for cell in data["cells"]] == [3, 5]
    assert data["command"].startswith("fastgrad decay --json -a relu")
    assert result.stderr == ""


def test_repeated_options_make_a_grid():
    result = call(
        "decay", "--json", "-a", "elu", "-a", "relu", "--alpha", "0.5", "--alpha", "1",
        "-i", "xavier_normal", "-i", "normal", "--gain", "2", "--std", "0.1", "--std", "0.2", "-d", "2",
        *TINY,
    )  # fmt: skip
    cells = [study.CellResult.from_dict(cell).cell for cell in json.loads(result.stdout)["cells"]]
    assert [cell.label for cell in cells] == [
        f"{phi} + {init}"
        for phi in ("elu(alpha=0.5)", "elu(alpha=1)", "relu")
        for init in ("xavier_normal(gain=2)", "normal(std=0.1)", "normal(std=0.2)")
    ]


def test_decay_writes_a_report_and_goes_on_from_it(tmp_path):
    arguments = (
        "decay",
        "-a",
        "relu",
        "-i",
        "he_normal",
        "-d",
        "3",
        "--out",
        str(tmp_path / "new" / "folder"),
        *TINY,
    )
    assert call(*arguments).exit_code == 0
    assert (tmp_path / "new/folder/index.html").is_file()
    again = call(*arguments)
    assert again.exit_code == 0
    assert "1 of 1 networks were measured before" in again.stderr


def test_run_is_a_survey_and_returns_0(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "quick_speed", lambda: [ROW])
    result = call("run", "--quick", "--json", "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert len(data["cells"]) == 5 * 3 * 2
    assert data["speed"] == [ROW]
    assert {cell["verdict"] for cell in data["cells"]} >= {"healthy", "vanishing"}
    assert data == json.loads((tmp_path / "results.json").read_text())
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert html.escape(data["headline"]) in page
    assert len(data["consequences"]["kinds"]) == 15
    assert sum(map(len, plan.read(tmp_path / "phases.toml"))) == 4 * 14 * 4 + 24 * 4
    assert -1 <= data["consequences"]["rank_correlation"] <= 1
    with Store(tmp_path / sweeps.STORE_FILE) as file:
        known = {result.cell for result in file.results()}
    asked = {study.CellResult.from_dict(cell).cell for cell in data["cells"]}
    assert asked < known  # and the networks that were tried as remedies
    monkeypatch.setattr(study, "measure_cell", lambda cell: pytest.fail("measured"))
    monkeypatch.setattr(trainings, "fit", lambda *_, **__: pytest.fail("trained"))
    again = call("run", "--quick", "--json", "--out", str(tmp_path))
    assert json.loads(again.stdout)["consequences"] == data["consequences"]
    assert json.loads(again.stdout)["remedies"] == data["remedies"]
    assert "30 of 30 networks were measured before" in again.stderr


BAD_INPUT = [
    (("--activation", "rleu"), "unknown activation 'rleu'; did you mean 'relu'"),
    (("--init", "xavier_norml"), "unknown initializer 'xavier_norml'; did you mean 'xavier_normal'"),
    (("--depth", "0"), "'--depth' / '-d': 0"),
    (("--depth", "ten"), "'--depth' / '-d': 'ten'"),
    (("--width", "-8"), "'--width': -8"),
    (("--seeds", "0"), "'--seeds': 0"),
    (("--batch", "0"), "'--batch': 0"),
    (("--batch", "5000"), "batch must be at most the 1797 rows of 'digits', got 5000"),
    (("--alpha", "-1"), "alpha must be between 0 and 2**100, got -1"),
    (("--alpha", "nan"), "alpha must be between 0 and 2**100, got nan"),
    (("--activation", "relu", "--alpha", "1"), "alpha does not apply to relu"),
    (("--activation", "elu", "--negative-slope", "0.1"), "negative_slope does not apply to elu"),
    (("--init", "he_normal", "--gain", "2"), "gain does not apply to he_normal"),
    (("--init", "xavier_normal", "--gain", "0"), "gain must be greater than 0"),
    (("--init", "normal", "--std", "-0.1"), "std must be at least 0"),
    (("--negative-slope", "x"), "'--negative-slope': 'x'"),
    (("--data", "mnist"), "unknown data set 'mnist'"),
    (("--dtype", "float16"), "'float16' is not one of 'float32', 'float64'"),
    (("--backend", "torch"), "unknown backend 'torch'"),
    (("--workers", "0"), "'--workers': 0"),
    (("--speed",), "No such option"),
    (("tanh",), "unexpected extra argument"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_INPUT)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, monkeypatch):
    monkeypatch.setattr(study, "measure_cell", lambda cell: pytest.fail("measured"))
    refused(call("decay", *arguments), message)


def refused(result, message):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("fastgrad: ")
    assert message in result.stderr


def test_unknown_command_is_one_line():
    refused(call("rnu"), "No such command 'rnu'")


@pytest.mark.parametrize("command", ["run", "decay"])
def test_bad_folders(command, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "measure_cell", lambda cell: pytest.fail("measured"))
    file = tmp_path / "taken"
    file.write_text("mine")
    refused(call(command, "--out", str(file)), "--out: cannot write")
    refused(call(command, "--out", str(file / "below")), "taken")
    assert file.read_text() == "mine"


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs a folder in which even root cannot write")
def test_unwritable_folder(monkeypatch):
    monkeypatch.setattr(study, "measure_cell", lambda cell: pytest.fail("measured"))
    refused(call("decay", "--out", "/proc/fastgrad"), "cannot write /proc/fastgrad")


def test_backend_that_is_not_installed(without_numba):
    refused(call("decay", "--backend", "numba"), "pip install 'fastgrad[numba]'")


def test_a_page_needs_no_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = call("decay", "-a", "relu", "-i", "he_normal", "-d", "2", "--out", str(tmp_path), *TINY)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "index.html").is_file()


def test_missing_scikit_learn(monkeypatch):
    study._data.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    refused(call("decay"), "pip install 'fastgrad[cli]'")
    assert call("decay", "-a", "relu", "-i", "he_normal", "-d", "2", *TINY).exit_code == 0


@pytest.mark.parametrize("package", ["click", "rich"])
def test_missing_command_line_extra(package):
    code = f"import sys; sys.modules[{package!r}] = None; from fastgrad.__main__ import main; main()"
    result = python("-W", "error", "-c", code)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == f"fastgrad: the commands need {package}: pip install 'fastgrad[cli]'\n"


def test_python_m_works():
    result = python("-W", "error", "-m", "fastgrad", "decay", "-a", "relu", "-i", "he_normal", "-d", "2", *TINY)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("With ReLU and He's initialisation the first of 2 hidden layers receives ")
    assert "\x1b" not in result.stdout


def test_import_and_help_load_nothing_heavy():
    heavy = {"matplotlib", "sklearn", "scipy", "numba"}
    code = f"import sys, fastgrad.cli; print(sorted({heavy} & set(sys.modules)))"
    assert python("-c", code).stdout == "[]\n"


def test_weights_too_large_to_measure_are_one_line():
    refused(call("decay", "-i", "normal", "--std", "1e30", "-d", "2", *TINY), "weights must be finite")


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def full(*rows):
        raise StoreError("the disk is full")

    monkeypatch.setattr(Store, "add", full)
    refused(call("decay", "-a", "relu", "-d", "2", "--out", str(tmp_path), *TINY), "the disk is full")


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path, monkeypatch):
    """The signal reaches the thread that waits for the batches."""
    real, seen = batches.wait, []

    def interrupted(*arguments, **options):
        seen.append(real(*arguments, **options))
        if len(seen) == 1:
            raise KeyboardInterrupt
        return seen[-1]

    monkeypatch.setattr(batches, "wait", interrupted)
    arguments = (
        "decay",
        "-a",
        "relu",
        "-i",
        "he_normal",
        *("-d", "1", "-d", "2", "-d", "3", "-d", "4"),
        "--out",
        str(tmp_path),
        *TINY,
    )
    result = call(*arguments)
    assert result.exit_code == 130
    assert result.stdout == ""
    assert "the same command goes on from" in result.stderr
    before = kept(tmp_path)
    assert before >= 1
    result = call(*arguments)
    assert result.exit_code == 0
    assert f"{before} of 4 networks were measured before" in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_real_interrupt_leaves_whole_rows(tmp_path):
    """SIGINT to the real process, in the middle of a study that would take much longer."""
    command = [
        sys.executable,
        "-m",
        "fastgrad",
        "decay",
        "--seeds",
        "200",
        "--out",
        str(tmp_path),
        "--data",
        "normal",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and not some_are_kept(tmp_path):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=40)
    assert (process.returncode, stdout) == (130, ""), stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    with Store(tmp_path / sweeps.STORE_FILE) as file:
        assert all(result.verdict for result in file.results())


def some_are_kept(folder):
    try:
        return kept(folder) > 0
    except StoreError:  # not made yet
        return False
