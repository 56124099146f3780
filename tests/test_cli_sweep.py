"""The commands sweep, export and report: what they print, write and return."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from killing import Fragile, output, processes_of, start_command, wait_for_rows
from test_cli import call, python, refused

from fastgrad.sweeps import batches, plan, pools, study
from fastgrad.sweeps.store import Store

PLAN = """
activation = ["tanh", "relu"]
init = "xavier_normal"
gain = [1.0, 1.5]
depth = [2, 3]
width = 8
batch = 4
data = "normal"
seeds = 2
"""


def sweep(*arguments):
    """In this process."""
    return call("sweep", *arguments, "--workers", "1")


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return str(path)


def test_sweep_measures_then_finds_all_there(toml, tmp_path):
    store = str(tmp_path / "a.db")
    result = sweep(toml, store)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "8 cells: 8 measured, 0 were there, 0 failed." in result.stdout
    assert re.search(r"[\d.]+ s on 1 workers: [\d,]+ cells a second, [\d.]+% of it without work;", result.stdout)
    assert max(map(len, result.stdout.replace(store, "").splitlines())) <= 100
    again = sweep(toml, store, "--json")
    data = json.loads(again.stdout)
    assert (data["measured"], data["reused"], data["failures"]) == (0, 8, [])


def test_export_and_report(toml, tmp_path):
    store, table, out = (str(tmp_path / name) for name in ("a.db", "a.csv", "out"))
    sweep(toml, store)
    result = call("export", store, table)
    assert (result.exit_code, result.stdout) == (0, f"8 cells: {table}\n")
    result = call("report", store, "--out", out)
    assert (result.exit_code, result.stdout) == (0, f"Report: {tmp_path}/out/index.html\n")
    page = (tmp_path / "out" / "index.html").read_text()
    assert f"fastgrad report {store} --out {out}" in page


def test_failed_cells_are_listed_retried_and_exit_code_1(toml, tmp_path, monkeypatch):
    real = study.measure_cell
    monkeypatch.setattr(study, "measure_cell", lambda cell: 1 / 0 if cell.depth == 3 else real(cell))
    store = str(tmp_path / "a.db")
    result = sweep(toml, store)
    assert result.exit_code == 1
    assert "8 cells: 4 measured, 0 were there, 4 failed." in result.stdout
    assert "  failed: tanh + xavier_normal, depth 3: ZeroDivisionError: division by zero" in result.stdout
    monkeypatch.setattr(study, "measure_cell", real)
    assert sweep(toml, store).exit_code == 1
    result = sweep(toml, store, "--retry-failed")
    assert (result.exit_code, "4 measured, 4 were there, 0 failed" in result.stdout) == (0, True)


def test_another_plan_is_refused_unless_it_extends(toml, tmp_path):
    store = str(tmp_path / "a.db")
    sweep(toml, store)
    (tmp_path / "other.toml").write_text(PLAN.replace("[2, 3]", "[2, 3, 4]"))
    other = str(tmp_path / "other.toml")
    refused(sweep(other, store), "holds another sweep; choose another file, or extend this one")
    assert "12 cells: 4 measured, 8 were there" in sweep(other, store, "--extend").stdout


def test_an_interrupt_says_how_to_go_on(toml, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(batches, "wait", interrupted)
    result = sweep(toml, str(tmp_path / "a.db"))
    assert (result.exit_code, result.stdout) == (130, "")
    assert "the same command goes on from" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depht = 1", "unknown axis 'depht'; did you mean 'depth'?"),
        ("gain = nan", "gain must be finite, got nan"),
        ("depth = 0", "depth must be at least 1, got 0"),
        ("activation = ''", "unknown activation ''"),
        ("[depth", "is not TOML"),
    ],
)
def test_hostile_plans_are_one_line_before_any_work(text, message, tmp_path):
    (tmp_path / "plan.toml").write_text(text)
    refused(sweep(str(tmp_path / "plan.toml"), str(tmp_path / "a.db")), message)
    assert not (tmp_path / "a.db").exists()


def test_wrong_files_are_one_line(toml, tmp_path):
    refused(sweep(str(tmp_path / "none.toml"), "a.db"), "none.toml' does not exist")
    refused(sweep(toml, "/proc/fastgrad/a.db"), "cannot make the folder of /proc/fastgrad/a.db")
    refused(sweep(toml, toml), "is damaged or no SQLite file")
    refused(call("report", str(tmp_path / "none.db")), "there is no store")
    refused(call("export", str(tmp_path / "none.db"), str(tmp_path / "a.csv")), "there is no store")
    refused(call("export", toml, str(tmp_path / "a.txt")), "must end in .parquet, .csv, .nc")
    assert (tmp_path / "plan.toml").read_text() == PLAN


def test_a_file_that_cannot_be_written_is_one_line(toml, tmp_path):
    sweep(toml, str(tmp_path / "a.db"))
    refused(call("export", str(tmp_path / "a.db"), "/proc/fastgrad/a.csv"), "FILE: cannot write /proc/fastgrad/a.csv")
    refused(call("report", str(tmp_path / "a.db"), "--out", "/proc/fastgrad"), "--out: cannot write /proc/fastgrad")


def test_a_second_process_is_refused(toml, tmp_path):
    with Store(tmp_path / "a.db", writable=True):
        result = python("-m", "fastgrad", "sweep", toml, str(tmp_path / "a.db"))
    assert result.returncode == 2
    assert result.stderr == f"fastgrad: {tmp_path}/a.db is being written by another process\n"


def test_dask_that_is_missing_or_not_there(toml, tmp_path, monkeypatch):
    store = str(tmp_path / "a.db")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        refused(call("sweep", toml, store, "--dask", "local"), "pip install 'fastgrad[dask]'")


def test_processes_here_are_the_default(toml, tmp_path):
    result = python("-m", "fastgrad", "sweep", toml, str(tmp_path / "a.db"), "--workers", "2")
    assert (result.returncode, result.stderr) == (0, "")
    assert "on 2 workers" in result.stdout


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("moment", ["at work", "while the workers start"])
def test_ctrl_c_with_processes_keeps_whole_batches(moment, tmp_path):
    """SIGINT to the whole group, as a terminal sends it, in the middle of a sweep that would take much longer."""
    (tmp_path / "plan.toml").write_text(
        PLAN.replace("seeds = 2", "seeds = 300").replace("[2, 3]", str([*range(40, 90)]))
    )
    command = [sys.executable, "-m", "fastgrad", "sweep", "plan.toml", "a.db", "--workers", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **pipes)
    if moment == "at work":
        wait_for_rows(process, tmp_path / "a.db")
    else:
        while process.poll() is None and len(processes_of(process)) < 3:  # the command, a tracker, a worker
            time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, ""), stderr
    assert stderr == "fastgrad: interrupted: what is finished is kept; the same command goes on from a.db\n"


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("moment", ["at work", "at work again", "before the first row"])
def test_nothing_is_left_of_a_command_that_is_killed(moment, tmp_path):
    """The pipes that all its processes hold are read to their end, which is there when the last one has ended."""
    axes = {"activation": "tanh", "depth": [40, 41], "data": "normal", "seeds": [[seed] for seed in range(5000)]}
    process = start_command(tmp_path / "a.db", axes)
    if moment == "before the first row":
        while not (tmp_path / "a.db").exists() and process.poll() is None:
            time.sleep(0.01)
    else:
        wait_for_rows(process, tmp_path / "a.db")
    assert process.poll() is None
    process.kill()
    stdout, stderr = output(process)
    assert stdout == ""
    assert "Traceback" not in stderr  # Python's resource tracker may say what it cleans up after a killed process


def test_what_ails_the_workers_is_said_and_counted(toml, tmp_path, monkeypatch):
    guilty = next(iter(plan.read(toml)[0]))
    monkeypatch.setattr(pools, "processes", lambda workers: Fragile({guilty: 9}))
    store = str(tmp_path / "a.db")
    result = call("sweep", toml, store, "--workers", "2")
    assert result.exit_code == 1
    assert "8 cells: 7 measured, 0 were there, 1 failed." in result.stdout
    assert f"  failed: {guilty.label}, depth 2: its worker process ended" in result.stdout
    assert re.search(r"\d+ times a cell was handed out again, as it had been lost on the way", result.stdout)
    assert "fastgrad: a worker was lost (its worker process ended: " in result.stderr


def test_cells_that_never_come_back_are_no_failures_but_exit_code_1(toml, tmp_path, monkeypatch):
    class Refusing(ThreadPoolExecutor):
        def submit(self, fn, cells, *arguments):
            if any(cell.depth == 3 and cell.activation.name == "relu" for cell in cells):
                raise ConnectionError("no")
            return super().submit(fn, cells, *arguments)

    store = str(tmp_path / "a.db")
    monkeypatch.setattr(pools, "processes", Refusing)
    result = call("sweep", toml, store, "--workers", "2")
    assert (result.exit_code, result.stderr) == (1, "")
    assert "8 cells: 6 measured, 0 were there, 0 failed." in result.stdout
    assert "2 cells never came back. The same command measures them." in result.stdout
    data = json.loads(call("sweep", toml, store, "--workers", "2", "--json").stdout)
    assert (data["lost"], data["failed"], data["failures"]) == (2, 0, [])
    assert "8 cells: 2 measured, 6 were there" in sweep(toml, store).stdout


def test_an_executor_that_is_silent_is_said_and_exit_code_2(toml, tmp_path, monkeypatch):
    class Silent(Executor):
        def submit(self, *arguments):
            return Future()

    monkeypatch.setattr(batches, "SLOW", 0)
    monkeypatch.setattr(pools, "processes", lambda workers: Silent())
    result = call("sweep", toml, str(tmp_path / "a.db"), "--workers", "2", "--patience", "0.01")
    assert (result.exit_code, result.stdout) == (2, "")
    first, second = result.stderr.splitlines()
    assert re.fullmatch(r"fastgrad: nothing has come back from Silent for 0.01 s, .* and handed out again", first)
    assert re.fullmatch(
        r"fastgrad: nothing has come back .*, for the second time; what was measured is kept, .*", second
    )


def test_dask_local(toml, tmp_path):
    pytest.importorskip("distributed")
    result = python("-m", "fastgrad", "sweep", toml, str(tmp_path / "a.db"), "--dask", "local", "--workers", "1")
    assert (result.returncode, result.stderr) == (0, "")
    assert "8 cells: 8 measured" in result.stdout


def test_the_documents_plans_are_plans(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "sweeps.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "plan.toml").write_text(block)
        assert plan.read(tmp_path / "plan.toml")


def test_help_says_how(tmp_path):
    for command in ("sweep", "export", "report"):
        shown = call(command, "--help").stdout
        assert "Example:" in shown
        assert f"fastgrad {command} " in shown
        example = shown.partition("Example:\n")[2].partition("\n\n")[0]
        if command == "sweep":
            script = (
                example.replace("fastgrad ", f"{sys.executable} -m fastgrad ")
                .replace("[10, 50]", "[2, 3]")
                .replace("sweep.db &&", "sweep.db --workers 1 &&")
            )
            done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert (tmp_path / "sweep-report" / "index.html").is_file()
