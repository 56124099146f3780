"""Runs the benchmarks of a suite on one side. A script: the Python of that side's environment runs it.

``python worker.py SUITE [lean]`` reads requests from stdin, a JSON object a line, and answers each with one on stdout.
It needs asv_runner, which asv puts into every environment, and nothing of this project.
"""

# Design: - The clock: a processor goes faster and slower by 3 % steps within seconds. Beside every sample stands one of
#           a SHA-256 over zeros, which is Python's, waits on no memory and takes a fixed number of cycles; what is
#           compared is time over its time. This took the spread of pairs from 3 % to .5 %.
#         - Where results and weights happen to lie in memory moves a small layer by 5 %, and that depends on what was
#           allocated before. So each request sets its benchmark up anew among blocks of random size, and the median
#           over requests is compared: a bias of a side becomes noise.
#         - On a busy machine every sample that lasts long is interrupted. Linux says for how long it waited; that is
#           taken off. (Of 200 samples of 1.4 ms, with twenty other processes on two processors, the median was 10.7 ms
#           and then 1.6.) To read it takes 13 us, so short samples do without: some of them are not interrupted.
#           What the benchmark's own other threads did meanwhile is work, and is not taken off: no more is taken than
#           passed without any of its threads at work.
#         - asv_runner reads the metadata of all that is installed, and imports pympler and so NumPy: half of the start
#           of a process, and under valgrind ten seconds. A lean worker does without, and knows no mem_ benchmarks.

import cProfile
import ctypes
import functools
import gc
import hashlib
import itertools
import json
import os
import pickle
import pkgutil
import random
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib import metadata

LEAN, distributions = "lean" in sys.argv, metadata.distributions
if LEAN:
    sys.modules["pympler"] = None  # type: ignore[assignment]
    metadata.distributions = lambda **_: iter(())

from asv_runner._aux import update_sys_path  # noqa: E402
from asv_runner.benchmarks.mark import SkipNotImplemented  # noqa: E402
from asv_runner.discovery import disc_benchmarks, get_benchmark_from_name  # noqa: E402

if LEAN:
    del sys.modules["pympler"]
    metadata.distributions = distributions

MARK = "lcong48"  # of the C library; nothing else calls it, and callgrind begins a new count where it is entered
LONG = 2e-3  # seconds of a sample
START = os.getcwd()  # of this process alone
LOOK = 0.3  # seconds, beyond which a first look is not repeated
CHAIN = bytes(1 << 16)  # 35 us
PLAIN = (str, int, float, list, dict, bool)
ATTRIBUTES = ("gate", "gate_count", "gate_tolerance")


def discover(root, project):
    """The suite's benchmarks, the modules of it that cannot be imported, and the packages of the project."""
    found = []
    for benchmark in disc_benchmarks(root, ignore_import_errors=True):
        facts: dict[str, object] = {
            key: value for key, value in vars(benchmark).items() if isinstance(value, PLAIN) and key[0] != "_"
        }
        for name in ATTRIBUTES:
            values = [getattr(source, name) for source in benchmark._attr_sources if hasattr(source, name)]
            facts[name] = values[0] if values else None
        found.append(
            facts | {"setups": bool(benchmark._setups), "raw": hasattr(benchmark, "_get_timer") and _raw(benchmark)}
        )
    package = os.path.basename(root)
    modules = [name for _, name, _ in pkgutil.walk_packages([root], package + ".", onerror=lambda name: None)]
    failed = {name: _import_error(name) for name in modules if name not in sys.modules}
    distributions = metadata.packages_distributions().items()
    packages = [name for name, of in distributions if project.lower() in map(str.lower, (name, *of)) and name[0] != "_"]
    return {"benchmarks": found, "failed": failed, "packages": packages}


def _import_error(name):
    try:
        __import__(name)
    except BaseException as error:  # a module may end its process
        return _said(error)


def _said(error):
    return f"{type(error).__name__}: {error}"


def _raw(benchmark):
    return type(benchmark).__name__ == "TimerawBenchmark"


class Bench:
    """A benchmark with its parameters.

    ``folder`` is where its setup_cache left what it made; without one, as in asv, it begins in a folder of its own.
    """

    def __init__(self, root, name, folder):
        os.chdir(folder or tempfile.mkdtemp(dir=START))
        self.asv = get_benchmark_from_name(root, name)
        self.cached = None
        if self.asv.setup_cache_key is not None:
            with open("cache.pickle", "rb") as file:
                self.cached = pickle.load(file)
        if hasattr(self.asv, "set_cache"):
            self.asv.set_cache(self.cached)
        elif self.cached is not None:  # asv_runner before 0.2.2
            self.asv.insert_param(self.cached)

    def set_up(self):
        """A function of a number of calls, and whether they last long: it makes them and gives the seconds of one."""
        if self.asv.do_setup():
            raise SkipNotImplemented("skipped by its setup")
        given = self.asv._build_params() if hasattr(self.asv, "_build_params") else self.asv._current_params
        self.function = partial(self.asv.func, *given) if given else self.asv.func
        if _raw(self.asv):
            return lambda calls, long: self.asv._get_timer(*given).timeit(calls) / calls
        return partial(_sample, self.function, self.asv.timer)

    def tear_down(self):
        self.asv.do_teardown()

    def value(self):
        """What a track_ benchmark returns, or a peakmem_ or mem_ one measures."""
        try:
            if self.asv.do_setup():
                raise SkipNotImplemented("skipped by its setup")
            found = self.asv.do_run()
            return _peak() or found if self.asv.type == "peakmemory" else float(found)
        finally:
            self.asv.do_teardown()


def _peak():
    """Bytes at most since this program began; ru_maxrss, which asv reads, knows the program that started it too."""
    try:
        with open("/proc/self/status") as file:
            (line,) = (line for line in file if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        return None


class Import:
    """The import of a package as a benchmark: in a fresh process, by what Python itself says of it."""

    def __init__(self, package):
        self.command = [sys.executable, "-X", "importtime", "-c", f"import {package}"]

    def set_up(self):
        return lambda calls, long: sum(self.modules().values()) / 1e6

    def modules(self):
        """{module: microseconds of its own}, without those that Python loads to start."""
        done = subprocess.run(self.command, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise ImportError(done.stderr.splitlines()[-1])
        lines = [
            line[len("import time:") :].split("|")
            for line in done.stderr.splitlines()
            if line.startswith("import time:")
        ]
        rows = [(int(own), name.strip()) for own, _, name in lines[1:]]
        start = [name for _, name in rows].index("site") + 1
        return {name: own for own, name in rows[start:]}

    def tear_down(self):
        pass


@functools.cache
def bench(root, name, folder):
    return Import(name.split()[1]) if name.startswith("import ") else Bench(root, name, folder)


def cache(root, name, folder):
    """Run the setup_cache of a benchmark, as asv does in a process of its own."""
    os.chdir(folder)
    made = get_benchmark_from_name(root, name).do_setup_cache()
    with open("cache.pickle", "wb") as file:
        pickle.dump(made, file)


def look(root, name, folder, fresh):
    """Seconds of the setup, and of the fastest of three calls."""
    one = bench(root, name, folder)
    start = time.perf_counter()
    sample = one.set_up()
    setup, times = time.perf_counter() - start, [sample(1, False)]
    while len(times) < 3 and sum(times) + setup < LOOK:
        if fresh:
            one.tear_down()
            sample = one.set_up()
        times.append(sample(1, times[-1] > LONG))
    one.tear_down()
    return {"setup": setup, "call": min(times)}


def seconds(root, name, folder, samples, calls, warm, fresh, long, plant=1):
    """The least seconds per call, and of the clock beside it.

    ``fresh``: set up before every sample, not once. ``long``: a sample is longer than LONG. ``plant``: make that many
    times the calls, and take them for ``calls``.
    """
    one = bench(root, name, folder)
    junk = [bytes(random.randrange(1 << 10, 1 << 15)) for _ in range(8)]
    sample = one.set_up()
    del junk[::2]
    for _ in range(warm):
        sample(1, False)
    times, made = [], round(calls * plant)
    for number in range(samples):
        if fresh and (number or warm):
            one.tear_down()
            sample = one.set_up()
        times.append((sample(made, long) * made / calls, _sample(_clock, time.perf_counter, 1, False)))
    one.tear_down()
    return [min(column) for column in zip(*times, strict=True)]


def _clock():
    hashlib.sha256(CHAIN).digest()


def _sample(function, timer, calls, long):
    long &= timer is time.perf_counter
    start = timer()
    before, worked = (_waited(), time.process_time()) if long else (0, 0)
    for _ in itertools.repeat(None, calls):
        function()
    waited, worked = (_waited() - before, time.process_time() - worked) if long else (0, 0)
    passed = timer() - start
    return (passed - max(min(waited, passed - worked), 0)) / calls


def _waited():
    """Seconds for which this thread was ready, and its processor had another."""
    try:
        return int(os.pread(_schedule(), 64, 0).split()[1]) / 1e9
    except OSError:  # not Linux
        return 0


@functools.cache
def _schedule():
    return os.open("/proc/thread-self/schedstat", os.O_RDONLY)


def value(root, name, folder):
    return Bench(root, name, folder).value()


def count(root, name, folder, calls, warm, plant=1):
    """Make so many calls between marks, and then twice as many, by which callgrind's counts are cut.

    ``plant``: make the second half of these that many times. The answer is how many marks there were before.
    """
    one = bench(root, name, folder)
    one.set_up()
    for _ in range(warm):
        one.function()
    gc.disable()
    first = _mark()
    for number in (calls, calls + round(calls * plant)):
        for _ in itertools.repeat(None, number):
            one.function()
        _mark()
    gc.enable()
    one.tear_down()
    return first


_marks = itertools.count()


def _mark():
    """Let callgrind begin a new count; how many there were before."""
    getattr(ctypes.CDLL(None), MARK)(ctypes.create_string_buffer(64))
    return next(_marks)


def calls(root, name, folder):
    """How often Python's functions are entered in a call: {"file: function": number}; or a module's import time."""
    one = bench(root, name, folder)
    if isinstance(one, Import):
        return one.modules()
    one.set_up()
    one.function()
    profile = cProfile.Profile()
    profile.runcall(one.function)
    one.tear_down()
    found = {}
    for entry in profile.getstats():
        code = entry.code
        where = code if isinstance(code, str) else f"{_short(code.co_filename)}: {code.co_name}"
        found[where] = found.get(where, 0) + entry.callcount
    return found


def _short(path):
    return path.rpartition("site-packages/")[2]


JOBS = {job.__name__: job for job in (discover, cache, look, seconds, value, count, calls)}


def main(root):
    del sys.path[0]  # this folder: its modules must not stand in for anybody's
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a benchmark may print
    update_sys_path(root)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"found": JOBS[request.pop("job")](root, **request)}
        except (SkipNotImplemented, NotImplementedError) as error:
            answer = {"skipped": str(error) or "skipped"}
        except BaseException as error:  # a benchmark may end its process
            if isinstance(error, KeyboardInterrupt):
                raise
            answer = {"error": _said(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
