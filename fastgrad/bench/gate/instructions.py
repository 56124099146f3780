"""Instructions per element by callgrind: the same on a busy machine, and on a good day as on a bad one."""

# Design: - One process of each side, both at once. The worker enters a function of the C library before and after what
#           is counted, at which callgrind begins a new count; so Python's own start is paid once.
#         - The slope between n/2 and n drops what a call costs whatever its size; "tanh of 100" counts calls.
#         - valgrind knows no AVX-512: the counts are of the AVX2 kernels, on every machine alike.

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from fastgrad.bench.gate.cases import CASES, COUNTS, MARK
from fastgrad.bench.gate.sides import Side, error_line

TOLERANCE = 0.01


class CannotCount(Exception):
    """There is no callgrind, or it does not run here; the message says which."""


def count(sides: Mapping[str, Side], items: Mapping[str, tuple[str, float]]) -> dict[str, dict[str, float]]:
    """Instructions per unit.

    Parameters
    ----------
    sides : mapping of name to Side
    items : mapping of label to (case, factor on its size)

    Returns
    -------
    dict
        {side: {label: instructions}}, without what the side cannot run.

    Raises
    ------
    CannotCount
    """
    if not shutil.which("valgrind"):
        raise CannotCount("valgrind is not installed (apt-get install valgrind)")
    request = json.dumps({"job": "counts", "items": [[label, *item] for label, item in items.items()]})
    units = {label: COUNTS * CASES[case].n / 2 for label, (case, _) in items.items()}
    with tempfile.TemporaryDirectory() as folder:
        running = {name: _start(side, Path(folder, name)) for name, side in sides.items()}
        try:
            said = {name: process.communicate(request + "\n") for name, process in running.items()}
        finally:
            for process in running.values():
                process.kill()
                process.wait()
        return {name: _counted(out, error, Path(folder, name), units) for name, (out, error) in said.items()}


def _start(side, out):
    return subprocess.Popen(
        [
            "valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", f"--dump-before={MARK}*",
            *side.command,
        ],
        env=side.environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _counted(said, complained, out, units):
    """{label: instructions per unit} from callgrind's files, one for every piece between two marks."""
    if not said:
        raise CannotCount(f"valgrind failed: {error_line(complained)}")
    answer = json.loads(said)
    if "error" in answer:
        raise CannotCount(answer["error"])
    pieces = sorted(out.parent.glob(f"{out.name}.*"), key=lambda path: int(path.suffix[1:]))
    counts = [int(re.search(r"^summary: (\d+)", piece.read_text(), re.M)[1]) for piece in pieces]  # type: ignore[index]
    if len(counts) != 3 * len(answer["found"]):
        raise CannotCount(f"callgrind did not see the marks ({MARK} of the C library)")
    return {
        label: (whole - half) / units[label]
        for label, half, whole in zip(answer["found"], counts[1::3], counts[2::3], strict=True)
    }


def verdict_of(base: float | None, head: float | None) -> str:
    """In words, for instructions per unit."""
    if base is None or head is None:
        return {(True, False): "new", (False, True): "gone"}.get((base is None, head is None), "absent")
    change = head / base - 1
    return "worse" if not change <= TOLERANCE else "improved" if change < -TOLERANCE else "same"
