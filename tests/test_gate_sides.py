"""The sides of a gate: a project of somebody else, built by its own configuration, and measured by real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from gate_project import CONF, Project
from test_cli import call

from fastgrad.bench.gate import cases, explain, instructions, layers, look, pairs, processes, sides, values
from fastgrad.bench.gate.rows import Options, Row
from fastgrad.bench.gate.sides import GateError
from fastgrad.bench.journal import Parts

WILD = """
import os, sys, time
import tiny
def time_prints():
    print("{" * 100_000)
def time_fails():
    raise ConnectionError("no network")
def time_exits():
    sys.exit(3)
def time_dies():
    os.abort()
def time_hangs():
    time.sleep(60)
time_hangs.timeout = 0.5
def time_new():
    tiny.new()
def time_gone():
    tiny.work.__globals__["old"]()
def timeraw_import():
    return "import tiny"
class Kept:
    def mem_list(self):
        return [0] * 1000
def track_text():
    return "text"
class Skips:
    def setup(self):
        raise NotImplementedError("not here")
    def time_it(self):
        pass
class Cached:
    def setup_cache(self):
        return {"answer": 42}
    def time_it(self, cache):
        assert cache["answer"] == 42
    def track_it(self, cache):
        return cache["answer"]
class Folder:
    def setup(self):
        os.mkdir("d")
    def teardown(self):
        os.rmdir("d")
    def track_files(self):
        time.sleep(0.2)
        open(f"{os.getpid()}.txt", "w").close()
        return len(os.listdir("."))
class Broken:
    def setup_cache(self):
        raise OSError("no data")
    def time_it(self, cache):
        pass
class Pops:
    number = 1
    params = [1, 2]
    skip_params = [(2,)]
    def setup(self, n):
        self.items = [n]
    def time_it(self, n):
        self.items.pop()
    time_it.gate = False
"""


never = processes.Deadline()


def silent(*_):
    pass


def prepare(project, out, base="first", head="main", suite=None, python="same", allow_dirty=False):
    where = suite or project.folder
    with sides.alone(out):
        return sides.prepare({"base": base, "head": head}, where, python, out, allow_dirty, silent)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("gate") / "project")
    made.change("memory", 'b"x" * 30_000_000', 'b"x" * 60_000_000')
    made.change("broken", "shutil.copy", "raise RuntimeError('the compiler is gone') #", "install.py")
    text = (made.folder / "tiny.py").read_text() + "\ndef new():\n    pass\n"
    suite = (made.folder / "bench" / "work.py").read_text().replace("100, 300", "100, 200")
    suite = suite.replace("peakmem_memory", "peakmem_other")
    suite = suite.replace("gate_tolerance = 0.01", "gate_tolerance = 0.02")
    made.commit(
        "wild", **{"bench/wild.py": WILD, "bench/lost.py": "import nowhere", "bench/work.py": suite, "tiny.py": text}
    )
    return made


@pytest.fixture(scope="module")
def wild(project, tmp_path_factory):
    """Both sides of first -> wild, with `old` put into the base alone."""
    both, _ = prepare(project, tmp_path_factory.mktemp("wild"), head="wild")
    (module,) = Path(both["base"].python).parent.parent.glob("lib/python*/site-packages/tiny.py")
    module.write_text(module.read_text() + "\ndef old():\n    pass\n")
    return both, *cases.listed(both)


def test_an_error_tells_the_nearest_name_or_a_few():
    names = [f"bench.time_{number}" for number in range(1000)]
    near, far = (str(cases.no_such("benchmark", given, names)) for given in ("bench.tiem_7", "xyz"))
    assert "did you mean 'bench.time_7'?" in near
    assert len(far) < 150


def test_the_suite_is_the_list(wild):
    _, listed, *_ = wild
    by = {case.label: case for case in listed}
    assert by["import tiny"].kind == "import"
    assert by["work.Work.time_work(200)"].ids == dict.fromkeys(pairs.SIDES, "work.Work.time_work-1")
    assert by["work.Work.track_number(100)"].tolerance == 0.02
    assert by["work.peakmem_other"].kind == "peakmemory"
    assert by["wild.timeraw_import"].raw
    assert (by["wild.Pops.time_it(1)"].number, by["wild.Pops.time_it(1)"].gate) == (1, False)
    assert by["wild.time_hangs"].timeout == 0.5
    assert by["wild.Cached.time_it"].cache
    assert len(by) == len(listed) == 23


def test_parameters_that_read_alike_are_cases_of_their_own():
    facts = dict.fromkeys(("unit", "number", "raw", "gate", "gate_count", "gate_tolerance"))
    benchmark = {"name": "b.time_it", "type": "time", "setups": False, **facts}
    labels = [case.label for _, case in cases._cases(benchmark | {"params": [["'1'", "1", "None", "'None'"]]})]
    assert labels == ["b.time_it('1')", "b.time_it(1)", "b.time_it(None)", "b.time_it('None')"]
    assert [case.label for _, case in cases._cases(benchmark | {"params": [["'a'"], ["1"]]})] == ["b.time_it(a, 1)"]


def test_a_cache_is_made_for_a_case_that_both_sides_have_and_in_its_own_time(wild):
    both, listed, *_ = wild
    (case,) = (case for case in listed if case.label == "wild.Cached.time_it")
    lost = replace(case, label="lost", ids={"head": case.ids["head"]})
    for order in ([case, lost], [lost, case]):
        assert look.prepare_caches(order, both, never) == {}
    (errors,) = look.prepare_caches([replace(case, patience=1e-3)], both, never).values()
    assert errors == dict.fromkeys(pairs.SIDES, "its setup_cache: timed out after 0.001 s")


def test_where_the_suites_differ_is_said(wild):
    _, _, notes, looser = wild
    assert (
        len([note for note in notes if "module bench.lost of the suite cannot be imported: ModuleNotFound" in note])
        == 2
    )
    assert (
        "Benchmarks that changed run on both sides as the head has them: work.Work.time_work, work.Work.track_number."
        in notes
    )
    assert looser == [
        "Benchmarks that only the base has are not judged: work.peakmem_memory.",
        "The head judges these by other limits of its own: work.Work.track_number.",
    ]


def test_a_first_look_finds_what_does_not_run_and_goes_on(wild):
    both, listed, *_ = wild
    timed = [case for case in listed if case.kind in cases.TIMED]
    broken = look.prepare_caches(timed, both, never)
    assert list(broken.values()) == [dict.fromkeys(pairs.SIDES, "its setup_cache: OSError: no data")]
    found = look.look_at([case for case in timed if case.cache not in broken], both, never, silent)

    def answers(label):
        return [found[label][side].get("error", found[label][side].get("skipped")) for side in pairs.SIDES]

    assert answers("wild.time_fails") == ["ConnectionError: no network"] * 2
    assert answers("wild.time_exits") == ["SystemExit: 3"] * 2
    assert answers("wild.time_dies") == ["killed by SIGABRT"] * 2
    assert answers("wild.time_hangs") == ["timed out after 0.5 s"] * 2
    assert answers("wild.Skips.time_it") == ["skipped by its setup"] * 2
    assert answers("wild.time_new")[0].startswith("AttributeError")
    assert answers("wild.time_gone")[1].startswith("KeyError")
    good = {label for label in found if all("found" in found[label][side] for side in pairs.SIDES)}
    assert good == {
        "import tiny", "wild.time_prints", "wild.timeraw_import", "wild.Cached.time_it", "wild.Pops.time_it(1)",
        "work.Work.time_work(100)", "work.Work.time_work(200)",
    }  # fmt: skip
    assert all(0 < found[label]["head"]["found"]["call"] < 10 for label in good)


def test_values_of_a_suite(wild):
    both, listed, *_ = wild
    tracked = [case for case in listed if case.kind in ("track", "memory")]
    assert look.prepare_caches(tracked, both, never) == {}
    runs = both | {"again": both["base"]}
    found = values.measured(tracked, runs, never, silent)
    assert found["wild.Folder.track_files"] == {run: {"found": 2.0} for run in runs}
    assert found["wild.Cached.track_it"] == {run: {"found": 42.0} for run in runs}
    assert found["work.Work.track_number(200)"]["head"] == {"found": 197.5}
    assert found["wild.Kept.mem_list"]["head"]["found"] == pytest.approx(8000, rel=0.1)
    assert found["wild.track_text"]["head"]["error"].startswith("ValueError")


def test_a_pair_takes_turns_and_sees_5_percent_more_calls_as_more_time(wild, monkeypatch):
    both, listed, *_ = wild
    (case,) = (case for case in listed if case.label == "work.Work.time_work(200)")
    plan = look.planned(case, 0, 1e-5, fewest=20)
    items = {"once": pairs.Item(case, plan), "ten times": pairs.Item(case, plan, 10)}
    found = pairs.measure_pair((both["base"], both["base"]), items, 3, never)
    ratios = {label: found["head"][label][0] / found["base"][label][0] for label in items}
    assert ratios["ten times"] / ratios["once"] == pytest.approx(10, rel=0.5)
    assert pairs.measure_pair(both.values(), items, 4, processes.Deadline(-1)) == {"base": {}, "head": {}}


THREADS = """
import hashlib, os, sys, threading, time
sys.argv.append("lean")
sys.path.insert(0, sys.argv[1])
import worker
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
def work():
    hashlib.sha256(bytes(1 << 22)).digest()
def both():
    other = threading.Thread(target=work)
    other.start()
    work()
    other.join()
spent, shown = 0.0, 0.0
for _ in range(10):
    before = time.process_time()
    shown += worker._sample(both, time.perf_counter, 1, True)
    spent += time.process_time() - before
print(shown / spent)
"""


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="not Linux")
def test_the_work_of_a_second_thread_is_not_taken_off():
    command = [sys.executable, "-c", THREADS, str(sides.WORKER.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) > 0.98


def test_a_doubled_buffer_is_seen(project, tmp_path):
    both, _ = prepare(project, tmp_path, head="memory")
    run = layers.Run(both, Parts(None, "", ""), Options(layers=["memory"]), silent, silent)
    run.judge(cases.chosen(cases.listed(both)[0], ["peakmem"])[0], True)
    (row,) = run.rows
    assert row.verdict == "worse"
    assert row.head - row.base == pytest.approx(3e7, rel=0.1)


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_instructions_repeat_and_grow_with_the_work(wild):
    both, listed, *_ = wild
    work = [case for case in listed if case.label.startswith("work.Work.time_work")]
    items = [instructions.planned(case, 0, 1e-5) for case in work]
    (counts,) = instructions.count({"base": both["base"]}, items, never, tables=True).values()
    small, large = (counts[case.label] for case in work)
    assert large["total"] / small["total"] == pytest.approx(2, rel=0.1)
    assert instructions.sees(counts, work[0])
    assert "EvalFrame" in max(large["functions"], key=large["functions"].get)
    assert sum(large["functions"].values()) == pytest.approx(large["total"], rel=1e-9)


def test_what_grew_is_named(wild):
    both, listed, *_ = wild
    by = {case.label: case for case in listed}
    run = layers.Run(both, Parts(None, "", ""), Options(), silent, silent)
    bad = Row("time", "wild.time_new", "seconds", 1e-6, 2e-6, "worse", ratio=2.0)
    (row,) = explain.explained([bad], by, run)
    assert ("calls of tiny.py: new", 0, 1) in row.grew


@pytest.mark.parametrize(
    ("base", "head", "message"),
    [
        ("frist", "main", "unknown revision 'frist'; did you mean 'first'"),
        ("main", "HEAD~9", "unknown revision 'HEAD~9'"),
        ("broken", "first", "base, {broken}, does not build: RuntimeError: the compiler is gone"),
    ],
)
def test_sides_that_do_not_exist(project, tmp_path, base, head, message, monkeypatch):
    monkeypatch.chdir(project.folder)
    result = call("gate", base, head, "--python", "same", "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    broken = sides.commit_of(project.folder, "broken")[:12]
    assert message.format(broken=broken) in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("fastgrad: ")


def test_configurations_that_are_not_there_or_cannot_be_used(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("gate", "main", "HEAD")
    assert result.exit_code == 2
    assert "there is no asv.conf.json here, in benchmarks/ or in asv_bench/; --suite says where it is" in result.stderr
    for changes, python, message in (
        ({"environment_type": "existing"}, "", "environment_type 'existing' holds one revision, not two"),
        ({}, "9.9", "no virtualenv of Python 9.9 can be made"),
        ({"benchmark_dir": "nowhere"}, "same", "where there is nothing"),
        ({"repo": str(Path(__file__).parent)}, "same", "its commits can be judged only by a suite within it"),
    ):
        conf = project.folder / "other.conf.json"
        conf.write_text(json.dumps(CONF | changes))
        with pytest.raises(GateError, match=message):
            prepare(project, tmp_path / "out", "first", "first", suite=conf, python=python)
    conf.write_text("{")
    assert call("gate", "first", "first", "--suite", str(conf), "--out", str(tmp_path / "out")).exit_code == 2
    conf.unlink()


def test_a_suite_without_benchmarks(project, tmp_path):
    empty = project.folder / "empty"
    empty.mkdir()
    (empty / "__init__.py").write_text("")
    conf = project.folder / "empty.conf.json"
    conf.write_text(json.dumps(CONF | {"benchmark_dir": "empty"}))
    both, _ = prepare(project, tmp_path, "first", "first", suite=conf)
    with pytest.raises(GateError, match="no benchmarks in"):
        cases.listed(both)
    conf.unlink()


def test_a_changed_file_is_refused_where_it_would_not_be_judged(project, tmp_path):
    def commit(allow_dirty):
        return sides.commit_of(project.folder, "HEAD", allow_dirty)

    (project.folder / "notes.txt").write_text("not tracked")
    assert commit(False) == commit(True)
    (project.folder / "tiny.py").write_text("changed")
    with pytest.raises(GateError, match=r"tiny\.py; commit or stash them"):
        commit(False)
    assert commit(True)
    assert sides.commit_of(project.folder, "first", False)  # what is checked out is not judged
    subprocess.run(["git", "checkout", "-q", "tiny.py"], cwd=project.folder, check=True)


def test_a_revision_outside_a_repository(tmp_path):
    with pytest.raises(GateError, match="in no git repository"):
        sides.commit_of(tmp_path, "HEAD")


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GateError, match="git is not installed"):
        sides.commit_of(tmp_path, "HEAD")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("cc -O3\nx.c:1:2: error: no such type\nerror: command failed\n", "x.c:1:2: error: no such type"),
        ("error: subprocess-exited\n  │ ImportError: no Cython\nhint: see above", "ImportError: no Cython"),
        ("shutil.Error: [('a', 'b', \"[Errno 28] No space left on device\")" * 500, "No space left on device"),
        ("killed\n", "killed"),
        ("", "it said nothing"),
        ("ValueError: " + "x" * 1000, "ValueError: " + "x" * 288),
    ],
)
def test_why_a_command_failed(said, line):
    assert processes.error_line(said) == line


def test_an_unwritable_folder(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project.folder)
    (tmp_path / "file").write_text("")
    result = call("gate", "first", "first", "--out", str(tmp_path / "file" / "out"))
    assert result.exit_code == 2
    assert "--out: cannot write" in result.stderr


def test_two_gates_in_one_folder_do_not_build_over_each_other(project, tmp_path, monkeypatch):
    monkeypatch.chdir(project.folder)
    with sides.alone(tmp_path):
        result = call("gate", "first", "memory", "--out", str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr == f"fastgrad: another gate is at work in {tmp_path}; --out says where this one may be\n"
    with sides.alone(tmp_path):
        pass


def test_what_hangs_is_cut_off_at_the_end_of_the_budget(wild):
    both, listed, *_ = wild
    by = {case.label: replace(case, timeout=60) for case in listed}
    hangs = by["wild.time_hangs"]
    assert look.look_at([hangs], both, processes.Deadline(1), silent) == {}
    plan = look.planned(hangs, 0, 1.0)
    cut = pairs.measure_pair(both.values(), {"hangs": pairs.Item(hangs, plan)}, 0, processes.Deadline(1))
    assert cut == {"base": {}, "head": {}}  # or else it would have an answer, though late


def test_an_interruption_ends_what_runs_at_once(wild):
    both, listed, *_ = wild
    (hangs,) = (replace(case, timeout=60) for case in listed if case.label == "wild.time_hangs")
    late, too_late = processes.Deadline(), threading.Event()
    timer = threading.Timer(20, too_late.set)
    timer.start()

    def interrupted():
        while not processes.Process.alive:
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        processes.at_once({"stops": interrupted, "hangs": partial(look.look_at, [hangs], both, late, silent)}, late)
    timer.cancel()
    assert not too_late.is_set()
    assert not processes.Process.alive


def test_a_folder_keeps_its_own_gitignore(tmp_path):
    with sides.alone(tmp_path / "new"):
        assert (tmp_path / "new" / ".gitignore").read_text() == "*\n"
    (tmp_path / ".gitignore").write_text("mine\n")
    with sides.alone(tmp_path):
        assert (tmp_path / ".gitignore").read_text() == "mine\n"


def test_a_cancelled_job_ends_its_builds(project, tmp_path):
    out = tmp_path / "out"
    project.change("slow", "shutil.copy", "__import__('time').sleep(60) #", "install.py")
    command = [sys.executable, "-m", "fastgrad", "gate", "slow", "slow", "--suite", project.folder, "--python", "same"]
    with subprocess.Popen([*command, "--out", out], text=True, stderr=subprocess.PIPE) as running:
        deadline = time.monotonic() + 120
        while "install.py" not in _processes(out) and time.monotonic() < deadline:
            time.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert str(out) not in _processes(out)


def test_ctrl_c_leaves_no_process_and_the_parts(project, tmp_path):
    """The real command, interrupted while it measures pairs."""
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "fastgrad",
        "gate",
        "first",
        "memory",
        "--suite",
        project.folder,
        "--python",
        "same",
    ]
    command += ["--out", out, "--layers", "time", "--bench", "100"]
    with subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as running:
        deadline = time.monotonic() + 120
        while not _parts(out) > 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert said.splitlines()[-1:] == [
        f"fastgrad: interrupted: finished parts are kept; the same command goes on from {out}"
    ]
    assert _parts(out) > 3
    assert str(out) not in _processes(out)


def _processes(out):
    """The processes that have the folder in their command."""
    lines = subprocess.run(["ps", "axww"], capture_output=True, text=True, check=False).stdout.splitlines()
    return "\n".join(line for line in lines if str(out) in line)


def _parts(out):
    """Whole lines in the file of finished parts."""
    path = out / "parts.jsonl"
    return path.read_text().count("\n") if path.exists() else 0
