"""What a measurement ran on: processor, versions, BLAS, kernels."""

import os
import platform
import subprocess
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
