"""What a measurement ran on: processor, versions, BLAS, kernels, and the code that made its numbers."""

import functools
import hashlib
import math
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

import fastgrad
from fastgrad import kernels


def machine() -> dict[str, str]:
    """Name and value of each fact, in the order in which to show them."""
    import scipy

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "kernels": _kernels(),
        "fastgrad": fastgrad.__version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "SciPy": scipy.__version__,
        "BLAS": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
    }


# The modules whose code decides what a cell's numbers are; the rest shows them or runs them.
NUMBERS = (
    *("_validation", "formulas", "kernels", "activations", "initializers", "losses", "dense", "network", "slopes"),
    *("decay", "measurement", "moments", "theory", "diagnosis", "datasets", "sweeps/study", "include"),
)
SOURCES = (".py", ".pyx", ".pxd", ".h")  # all of them are in the wheel


@functools.cache
def code() -> str:
    """The version and a digest of the sources that make numbers: equal where the same cell has the same result."""
    root = Path(fastgrad.__file__).parent
    digest = hashlib.blake2b(digest_size=6)
    for name in NUMBERS:
        below = root / name
        files = sorted(path for path in below.rglob("*") if path.suffix in SOURCES)
        for path in files or [root / f"{name}.py"]:
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return f"{fastgrad.__version__}+{digest.hexdigest()}"


def environment() -> dict[str, str]:
    """What it takes to repeat a number: :func:`machine`, the CPU's features, BLAS' kernels, subnormals, the code."""
    return _fixed_environment() | {"flush to zero": "on" if flushes_to_zero() else "off"}


@functools.cache
def _fixed_environment():
    facts = machine() | {"code": code(), "BLAS kernels": "unknown"}
    try:
        facts["CPU features"] = ", ".join(kernels.get("compiled").runtime()["available"])
    except ImportError:
        facts["CPU features"] = "unknown"
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return facts
    used = sorted({f"{pool['internal_api']} {pool.get('architecture')}" for pool in threadpool_info()})
    return facts | {"BLAS kernels": ", ".join(used)}


def flushes_to_zero() -> bool:
    """Whether this thread's floating point turns subnormal results or operands into 0 (MXCSR, FPCR)."""
    smallest = np.full(1, np.finfo(np.float32).tiny)
    half = smallest * np.float32(0.5)
    return bool(half[0] == 0 or (half * np.float32(2))[0] == 0)


def show_runtime() -> None:
    """Print what :func:`machine` knows, and the instruction sets among which ``FASTGRAD_CPU`` can choose."""
    runtime = kernels.get("compiled").runtime()
    facts = machine() | {"this processor runs": ", ".join(runtime["available"]), "built": ", ".join(runtime["built"])}
    for name, value in facts.items():
        print(f"{name:20}{value}")


def _processor():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        return found.stdout.strip() or "unknown"
    return platform.processor() or "unknown"


def _kernels():
    try:
        return kernels.get("compiled").runtime()["cpu"]
    except ImportError:
        return "not built"


def peak_megabytes() -> float:
    """The most memory that this process has held since it began, in MB; NaN where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
