"""The environment of a measurement: processor, versions, BLAS, kernels, and the code that made its numbers."""

import ast
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


MEASURES = "sweeps/study"  # what measures a cell: the code of its numbers is this module's, and what it imports
SOURCES = (".py", ".pyx", ".pxd", ".h")  # all of them are in the wheel


@functools.cache
def code(measures: str = MEASURES) -> str:
    """The version and a digest of the sources that make numbers: equal where the same cell has the same result."""
    root = Path(fastgrad.__file__).parent
    digest = hashlib.blake2b(digest_size=6)
    for path in sources(root, measures):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return f"{fastgrad.__version__}+{digest.hexdigest()}"


def sources(root: Path, measures: str = MEASURES) -> list[Path]:
    """The files below ``root``, the package, that decide what a cell's numbers are; the rest shows them or runs them.

    They are the headers and what is imported when the module ``measures`` is loaded. A folder that is imported by its
    own name counts whole: its modules are chosen when it is used, as the kernels are.
    """
    found, waiting = set((root / "include").rglob("*.h")), [root / measures]
    while waiting:
        module = waiting.pop()
        files = [module.with_suffix(".py")] if not module.is_dir() else module.rglob("*")
        for path in files:
            if path.suffix in SOURCES and path.is_file() and path not in found:
                found.add(path)
                if path.suffix == ".py":
                    waiting += _imported(root, path)
    return sorted(found)


def _imported(root, path):
    """What a file imports of the package when it is loaded: paths without a suffix, of modules and of their names."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        package, *below = (node.module or "").split(".") if isinstance(node, ast.ImportFrom) else [""]
        if package == "fastgrad":
            base = root.joinpath(*below)
            yield from (found for found in (base, *(base / alias.name for alias in node.names)) if found != root)


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
    """Print what ``machine()`` knows, and the instruction sets among which ``FASTGRAD_CPU`` can choose."""
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
