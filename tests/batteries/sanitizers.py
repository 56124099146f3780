"""The tests and the C table under AddressSanitizer, UBSan, ThreadSanitizer and valgrind."""

import os
import re
import subprocess
import sys

from tests.batteries.building import HERE, checked, need, program, tree_with_extension

UNDEFINED = "undefined,float-cast-overflow"
TESTS = (
    *("kernels", "functions", "activations", "dense_kernels", "dense", "network", "network_pass", "decay", "losses"),
    *("training", "optimizers", "random", "initializers", "ffi", "ffi_layers", "overloads"),
)
# Not a matter of our memory: symbols of a plain build, times, other backends, hours of mpmath.
EXCEPT = "not exports_one_symbol and not seconds and not numba and not emulated and not accuracy"
THREAD_CALLS, MEMCHECK_CALLS = 3000, 3


def asan(folder):
    """No report of either sanitizer, and no test that fails."""
    need("gcc")
    tree = tree_with_extension(folder, (f"-fsanitize=address,{UNDEFINED}", "-fno-omit-frame-pointer", "-g1"))
    preloaded = [checked(["gcc", f"-print-file-name=lib{name}.so"]).strip() for name in ("asan", "ubsan")]
    reports = folder / "report"
    for old in folder.glob("report.*"):
        old.unlink()
    environment = {
        **os.environ, "LD_PRELOAD": ":".join(preloaded), "PYTHONMALLOC": "malloc", "PYTHONPATH": str(tree),
        "ASAN_OPTIONS": f"detect_leaks=0:allocator_may_return_null=1:log_path={reports}",
        "UBSAN_OPTIONS": f"print_stacktrace=1:log_path={reports}",
    }  # fmt: skip
    files = [f"tests/test_{name}.py" for name in TESTS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", EXCEPT, *files]
    with (folder / "log").open("w") as log:
        code = subprocess.run(command, cwd=tree, env=environment, stdout=log, stderr=log, check=False).returncode
    found = list(folder.glob("report.*"))
    (summary, *_) = re.findall(r"^(.*\bpassed\b.*) in ", (folder / "log").read_text(), re.M) or ["nothing ran"]
    return code == 0 and not found, f"{len(found)} reports; {summary}"


def tsan(folder):
    """Eight threads at once on every instruction set."""
    built = program(folder, "threads", flags=("-fsanitize=thread",))
    done = subprocess.run([built, str(THREAD_CALLS)], capture_output=True, text=True, check=False)
    (folder / "log").write_text(done.stderr)
    sets = dict(line.split() for line in done.stdout.splitlines())
    calls = sum(map(int, sets.values()))
    reports = done.stderr.count("WARNING: ThreadSanitizer")
    figure = f"{reports} reports in {calls:,} calls, sets {', '.join(sets)}"
    return done.returncode == 0 and reports == 0 and calls > 0, figure


def valgrind(folder):
    """memcheck on every_part.py; an error is ours if our module is in its stack."""
    need("valgrind")
    log = folder / "log.xml"
    options = ["--tool=memcheck", "--xml=yes", f"--xml-file={log}", "--num-callers=30", "--leak-check=no"]
    environment = {**os.environ, "PYTHONMALLOC": "malloc", "FASTGRAD_CPU": "avx2", "OPENBLAS_NUM_THREADS": "1"}
    checked(["valgrind", *options, sys.executable, HERE / "every_part.py", str(MEMCHECK_CALLS)], env=environment)
    # with XML what a module keeps until the end is listed, asked for or not; battery `leaks` looks for what grows
    listed = re.findall(r"<error>.*?</error>", log.read_text(), re.S)
    errors = [error for error in listed if "<kind>Leak_" not in error]
    ours = [error for error in errors if "fastgrad" in error]
    (folder / "ours.xml").write_text("\n".join(ours))
    return not ours, f"{len(ours)} errors of ours, {len(errors) - len(ours)} of others"
