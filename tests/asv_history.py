"""A repository of 20 commits and what asv 0.6.6 would have measured of them: made up, written by asv itself."""

import datetime
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
from asv import util
from asv.benchmarks import Benchmarks
from asv.machine import Machine
from asv.results import Results
from asv.runner import BenchmarkResult

ROOT = Path(__file__).resolve().parent.parent
COMMITS = 20
SPEED, DECAY, ZEROS = (
    "bench_kernels.Kernels.time_value", "bench_decay.Decay.track_measured", "bench_accuracy.Errors.track_false_zeros",
)  # fmt: skip
UNMEASURED = "bench_networks.New.time_new"  # in the suite, without a result
ACTIVATIONS = ("'tanh'", "'relu'")  # of SPEED, as asv writes parameters
NOISE = {SPEED: 0.01, DECAY: 1e-3, ZEROS: 0}  # relative, each way, from commit to commit
MACHINE = {"machine": "quiet", "os": "Linux", "arch": "x86_64", "cpu": "a processor", "num_cpu": "2", "ram": "8000000"}
START = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def write_history(folder, steps=None, seed=0):
    """Write repository, our asv.conf.json and results into a new folder; return the hashes of its commits.

    ``steps`` maps (benchmark, parameter or None) to (commit, factor): from that commit on, so many times as much; of
    decades and zeros, so many more.
    """
    steps = steps or {}
    commits = _repository(folder)
    shutil.copy(ROOT / "asv.conf.json", folder)
    results = folder / ".asv" / "results"
    benchmarks = {
        SPEED: _benchmark(SPEED, "time", "seconds", ["activation"], [list(ACTIVATIONS)]),
        DECAY: _benchmark(DECAY, "track", "decades per layer", [], []),
        ZEROS: _benchmark(ZEROS, "track", "false zeros", [], []),
    }
    rng = np.random.default_rng(seed)
    series = {
        SPEED: [_series(rng, 25e-6 * (1 + i), SPEED, steps.get((SPEED, a))) for i, a in enumerate(ACTIVATIONS)],
        DECAY: [_series(rng, -0.02, DECAY, steps.get((DECAY, None)))],
        ZEROS: [_series(rng, 0.0, ZEROS, steps.get((ZEROS, None)))],
    }
    for i, commit in enumerate(commits):
        date = int((START + datetime.timedelta(days=i)).timestamp() * 1000)
        found = Results(MACHINE | {"python": "3.11"}, {}, commit, date, "3.11", "virtualenv-py3.11", {})
        for name, benchmark in benchmarks.items():
            found.add_result(benchmark, _measured([values[i] for values in series[name]], benchmark, rng), START, 1.0)
        found.save(str(results))
    util.write_json(str(results / MACHINE["machine"] / "machine.json"), MACHINE, Machine.api_version)
    benchmarks[UNMEASURED] = _benchmark(UNMEASURED, "time", "seconds", [], [])
    util.write_json(str(results / "benchmarks.json"), benchmarks, Benchmarks.api_version)
    return commits


def _repository(folder):
    """A repository whose commits are a day apart."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commits = []
    for i in range(COMMITS):
        date = (START + datetime.timedelta(days=i)).isoformat()
        git(
            folder, "commit", "--quiet", "--allow-empty", f"-mCommit {i}", GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date
        )
        commits.append(git(folder, "rev-parse", "HEAD"))
    return commits


def git(folder, *arguments, **extra):
    """What git prints, with no one's configuration."""
    person = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    run = subprocess.run(
        ["git", *arguments], cwd=folder, env=os.environ | person | alone | extra, check=True, capture_output=True
    )
    return run.stdout.decode().strip()


def _benchmark(name, kind, unit, names, params):
    return {
        "code": f"def {name.rsplit('.', 1)[1]}(): ...", "name": name, "type": kind, "unit": unit, "version": "1",
        "timeout": 60.0, "param_names": names, "params": params,
    }  # fmt: skip


def _series(rng, level, name, step):
    values = level * (1 + NOISE[name] * rng.uniform(-1, 1, COMMITS))
    if step is not None:
        commit, size = step
        values[commit:] = values[commit:] * size if name == SPEED else values[commit:] + size
    return values.tolist()


def _measured(values, benchmark, rng):
    """One number for each parameter; of times asv has samples."""
    if benchmark["type"] == "track":
        return BenchmarkResult(values, [None] * len(values), [None] * len(values), 0, "", None)
    samples = [(value * (1 + 0.002 * rng.uniform(-1, 1, 10))).tolist() for value in values]
    return BenchmarkResult(values, samples, [{"number": 1, "repeat": 10}] * len(values), 0, "", None)
