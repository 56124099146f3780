"""Operations in the compiled loop of every kernel, and the cycles that they take at least.

``python -m benchmarks.studies.operations`` disassembles the built extension with objdump (of binutils): half a minute.
"""

# Design: - The loop of a kernel is the innermost one that stores most: it has FG_BESIDE vectors, the others one.
#         - The model of ports is Zen 4's (AMD, Software Optimization Guide for the Zen4 Microarchitecture; division as
#           uops.info measured it): four vector pipes of 256 bits, of which two multiply; 512 bits take a pipe twice. It
#           knows neither latencies nor the front end, so the bound is a lower one.
#         - A cycle is what two multiply-adds of 256 bits take, by the measured peak: no clock is asked. The time of an
#           element is the slope between half a size and the whole, in L1, so that the call drops out.

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping

import numpy as np

from fastgrad import ACTIVATIONS
from fastgrad.bench.limits import limits
from fastgrad.bench.timing import interleaved
from fastgrad.kernels import compiled
from fastgrad.kernels.memory import aligned, aligned_copy
from fastgrad.machine import machine
from fastgrad.report.survey import Comparison, comparison_markdown
from fastgrad.report.tables import Table, significant

KINDS = {"value": "value", "derivative": "slope", "value_and_derivative": "both"}  # and in the names of the C functions
WIDTHS = {"avx2": 8, "avx512": 16}  # float32 in a vector
CLASSES = {  # in this order, by the mnemonic; what fits none is "select": comparisons, blends, minima, signs
    "fma": r"vfn?m(add|sub)\d",
    "mul": "vmulp",
    "add": "v(add|sub)p",
    "div": "vdivp",
    "scale": "vscalefp|vcvt|vpsll|vpsra|vpadd|vpsub",
    "move": "v?mov|vpbroadcast|vbroadcast|kmov",
}
MEMORY = ("load", "store", "spill")
ARITHMETIC = ("fma", "mul", "add", "div", "scale", "select")
DIVISION = 5  # cycles that a division of 256 bits keeps its unit
SIZE, ROUNDS = 2048, 100
COLUMNS = ("kernel", "set", *ARITHMETIC, *MEMORY, "per element", "bound", "by", "measured", "% of bound")
NOTE = (
    "float32; operations per vector of 8 (avx2) or 16 (avx512), counted in the disassembled loop. Scale: by powers of "
    "two; select: comparisons, blends, minima, signs; spill: those of the stores that go to the stack. Per element: "
    "the sum without loads and stores. Bound: cycles per vector of a model that has four 256-bit pipes, of which two "
    f"multiply, and does two loads and a store a cycle and a division in {DIVISION}; 512 bits take twice as long. By: "
    "what binds. Measured: cycles per vector in L1, without the call, on cache lines; at the peak two 256-bit "
    "multiply-adds take one. % of bound: the bound over what was measured."
)
STACK = re.compile(r"\[(rsp|rbp-)")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*?)\s*(?:#.*|<.*)?$")


def functions(text: str) -> dict[str, list[tuple[int, str, str]]]:
    """Of objdump's text the (address, mnemonic, operands) of each function by its name."""
    found, name = {}, ""
    for line in text.splitlines():
        if head := re.match(r"^[0-9a-f]+ <(\w+)>:$", line):
            name = head[1]
            found[name] = []
        elif name and (parts := INSTRUCTION.match(line)):
            found[name].append((int(parts[1], 16), parts[2], parts[3]))
    return found


def loop(instructions: list[tuple[int, str, str]]) -> list[tuple[str, str]]:
    """The (mnemonic, operands) of the innermost loop that stores most."""
    first = instructions[0][0]
    jumps = [
        (int(operands, 16), at)
        for at, mnemonic, operands in instructions
        if mnemonic.startswith("j") and re.fullmatch("[0-9a-f]+", operands) and first <= int(operands, 16) <= at
    ]
    innermost = [one for one in jumps if not any(_within(other, one) for other in jumps if other != one)]
    bodies = [[(m, o) for at, m, o in instructions if start <= at <= end] for start, end in innermost]
    return max(bodies, key=lambda body: counts(body)["store"] - counts(body)["spill"])


def _within(inner, outer):
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def counts(body: list[tuple[str, str]]) -> Counter:
    """How many vector instructions of each class, and how many load, store, and of these store on the stack."""
    found: Counter = Counter()
    for mnemonic, operands in body:
        if mnemonic[0] not in "vk":
            continue
        kind = next((name for name, start in CLASSES.items() if re.match(start, mnemonic)), "select")
        found[kind] += 1
        if "PTR" in operands:
            stored = "PTR" in operands.split(",")[0]
            found["store" if stored else "load"] += 1
            found["spill"] += stored and bool(STACK.search(operands))
    return found


def per_vector(kernel: str, cpu: str, code: Mapping[str, list]) -> dict[str, float]:
    """The same for one vector of a kernel, ``tanh both``."""
    name, kind = kernel.split()
    found = counts(loop(code[f"fg_{name}_{kind}_f32_{cpu}"]))
    vectors = (found["store"] - found["spill"]) / (2 if kind == "both" else 1)
    return {what: found[what] / vectors for what in (*ARITHMETIC, *MEMORY)}


def bound(counted: Mapping[str, float], cpu: str) -> tuple[float, str]:
    """Cycles per vector at least, and what takes them."""
    multiplying = counted["fma"] + counted["mul"] + counted["div"]
    passes = WIDTHS[cpu] / 8
    cycles = {
        "multiply": multiplying / 2,
        "all pipes": sum(counted[what] for what in ARITHMETIC) / 4,
        "division": DIVISION * counted["div"],
        "load": counted["load"] / 2,
        "store": counted["store"],
    }
    by = max(cycles, key=cycles.__getitem__)
    return passes * cycles[by], by


def measured(kind: str, name: str, cpu: str) -> float:
    """Cycles per vector, as the model counts them."""
    ufunc = compiled.SETS[cpu][kind, name, "default"]
    calls = {}
    for size in (SIZE, SIZE // 2):
        x = aligned_copy(np.random.default_rng(0).normal(0, 1.5, size))
        out = tuple(aligned(size, np.float32) for _ in range(ufunc.nout))
        calls[str(size)] = lambda x=x, out=out: ufunc(x, out=out)
    seconds = interleaved(calls, ROUNDS)
    per_element = (seconds[str(SIZE)] - seconds[str(SIZE // 2)]) / (SIZE // 2)
    cycles_per_second = limits().peak["float32"] / (2 * 2 * 8)
    return per_element * WIDTHS[cpu] * cycles_per_second


def disassembled() -> dict[str, list[tuple[int, str, str]]]:
    """The functions of the built extension."""
    command = ["objdump", "-d", "--no-show-raw-insn", "-M", "intel", compiled.__file__]
    return functions(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def row(kind: str, name: str, cpu: str, code: Mapping[str, list]) -> tuple[str, ...]:
    """A line of the table."""
    counted = per_vector(f"{name} {KINDS[kind]}", cpu, code)
    least, by = bound(counted, cpu)
    cycles = measured(kind, name, cpu)
    each = sum(counted[what] for what in ARITHMETIC) / WIDTHS[cpu]
    numbers = [significant(counted[what]) for what in (*ARITHMETIC, *MEMORY)]
    percent = f"{100 * least / cycles:.0f}"
    return (f"{name} {kind}", cpu, *numbers, significant(each), significant(least), by, significant(cycles), percent)


def main() -> None:
    """Print the table in Markdown."""
    code = disassembled()
    rows = [
        row(kind, name, cpu, code) for name in ACTIVATIONS for kind in KINDS for cpu in WIDTHS if cpu in compiled.SETS
    ]
    table = Table("operations of the kernels", COLUMNS, {"": rows})
    facts = machine() | limits().facts()
    command = "python -m benchmarks.studies.operations"
    sys.stdout.write(comparison_markdown(Comparison([table], [], NOTE, facts, command)))


if __name__ == "__main__":
    main()
