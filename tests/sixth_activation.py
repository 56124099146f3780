"""The trial of the registry: SELU and softsign are added to a copy of the tree by a few edits, built and tested there.

``python tests/sixth_activation.py [FOLDER]`` makes the copy in FOLDER (a temporary one if left out), prints the files
touched and runs those tests that are parametrised over the registry for the new names. Exit status 1 if one fails, or
if more than FILES files were touched.
"""

# Design: - Neither needs a new elementary function. SELU has numbers of its own and two slopes that are not 1; softsign
#           saturates slowly, where tanh does exponentially.
#         - Slopes are written as 1 + c: rounding c to float32 costs little, and both terms rise with z, so their sum
#           does too.

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = 4
NAMES = ("selu", "softsign")

FORMULAS = '''selu_above = 0.05070098735548049342  # the slope above 0, less 1
selu_below = 0.75809934084737685994  # that slope times alpha, less 1


def selu(z):
    """1.0507 z above 0, 1.7581 (e^z - 1) below (Klambauer et al. 2017)."""
    m = expm1(maximum(lowest, minimum(zero, z)))
    return where(z < zero, m + selu_below * m, z + selu_above * z)


def selu_derivative(z):
    """1.0507 above 0, else 1.7581 e^z."""
    return where(z > zero, one + selu_above, scaled_exp(one + selu_below, maximum(lowest, minimum(zero, z))))


def softsign(z):
    """z / (1 + |z|) = e / (1 + e) or 1 / (1 + e), with e the smaller of |z| and its reciprocal."""
    a = fabs(z)
    e = minimum(a, one / maximum(one, a))
    return copysign(over_one_plus(where(a < one, e, one), e), z)


def softsign_derivative(z):
    """1 / (1 + |z|)^2: even, at most 1."""
    a = fabs(z)
    e = minimum(a, one / maximum(one, a))
    s = over_one_plus(where(a < one, one, e), e)
    return s * s


'''

FACTS = """    "selu": lambda: Facts(
        title="SELU",
        value=lambda z: np.where(z > 0, SELU[0] * z, SELU[1] * np.expm1(np.minimum(z, 0))),
        derivative=lambda z: np.where(z > 0, SELU[0], np.where(z < 0, SELU[1] * np.exp(np.minimum(z, 0)), np.nan)),
        range=(-SELU[1], inf),
        derivative_bound=SELU[1],
        ulp={"value": 2.0, "derivative": 2.0},
        saturates="below",
        symmetry="none",
        near_zero=Line(2.0**-53, SELU[1], SELU[0]),
        far=Line(2.0**64, 0.0, SELU[0]),
    ),
    "softsign": lambda: Facts(
        title="Softsign",
        value=lambda z: np.where(np.isinf(z), np.sign(z), z / (1 + np.abs(z))),
        derivative=lambda z: 1 / (1 + np.abs(z)) ** 2,
        range=(-1.0, 1.0),
        derivative_bound=1.0,
        ulp={"value": 1.5, "derivative": 3.5},  # a square doubles its error
        saturates="both",
        symmetry="odd",
        near_zero=Line(2.0**-53, 1.0, 1.0),
        far=None,
    ),
"""

ORACLE = """SELU = mpmath.mpf("1.05070098735548049341933498529460"), mpmath.mpf("1.75809934084737685994021752081231")
TEXTBOOK |= {
    ("value", "selu"): lambda z, _: SELU[0] * z if z > 0 else SELU[1] * mpmath.expm1(z),
    ("derivative", "selu"): lambda z, _: SELU[0] if z > 0 else SELU[1] * mpmath.exp(z),
    ("value", "softsign"): lambda z, _: z / (1 + abs(z)),
    ("derivative", "softsign"): lambda z, _: 1 / (1 + abs(z)) ** 2,
}
SPECIAL |= {
    "selu": [
        (np.inf, np.inf, float(SELU[0])),
        (-np.inf, -float(SELU[1]), 0),
        (0.0, 0.0, float(SELU[1])),
        (-0.0, -0.0, float(SELU[1])),
    ],
    "softsign": [(np.inf, 1, 0), (-np.inf, -1, 0), (0.0, 0.0, 1), (-0.0, -0.0, 1)],
}


"""

# file: (text, what stands before it from now on)
EDITS = {
    "fastgrad/formulas.py": [("def sigmoid_tail(z):\n", FORMULAS)],
    "fastgrad/activations.py": [
        ("FACTS: Mapping", "SELU = 1.0507009873554804934, 1.7580993408473768599  # slopes above and below 0\n\n"),
        ("}\n\n\n@lru_cache\n", FACTS),
    ],
    "fastgrad/include/fastgrad/abi.h": [
        ("\n};\n\n/* What functions that return int", ",\n    FASTGRAD_SELU = 5,\n    FASTGRAD_SOFTSIGN = 6")
    ],
    "tests/oracle.py": [("def at_default(", ORACLE)],
}
# What is parametrised over the registry; of a file without names in its cases the tests that loop over the registry.
TESTS = (
    *("activations", "kernels", "functions", "dense", "dense_kernels", "network", "network_pass", "decay", "theory"),
    *("decay_against_theory", "torch", "jax", "overloads", "audit", "each_activation"),
)


def copy(folder: Path) -> None:
    """The tree without what is built from it."""
    ignored = shutil.ignore_patterns(
        *(".git", "*.so", "build", "dist", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info", ".asv", ".tables"),
        *("compiled.c", "functions.pyi", "activations.pxi"),
    )
    shutil.copytree(ROOT, folder, ignore=ignored, dirs_exist_ok=True)


def edit(folder: Path) -> None:
    """Add both activations; ValueError where the tree does not look as the edits expect."""
    for name, edits in EDITS.items():
        text = (folder / name).read_text()
        for before, new in edits:
            if text.count(before) != 1:
                raise ValueError(f"{name} must have {before!r} once, it has it {text.count(before)} times")
            text = text.replace(before, new + before)
        (folder / name).write_text(text)


def touched(folder: Path) -> list[str]:
    """The files of the copy that are not as they are here."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        str(file)
        for file in files
        if not (ROOT / file).exists() or (ROOT / file).read_bytes() != (folder / file).read_bytes()
    )


def run(folder: Path, *command: str) -> int:
    """Exit status of a Python command in the copy, which imports the copy's package."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, *command], cwd=folder, env=environment, check=False).returncode


def trial(folder: Path, *options: str) -> tuple[list[str], int]:
    """The files touched, and the exit status of the tests."""
    copy(folder)
    edit(folder)
    files = touched(folder)
    print(f"{len(files)} files touched: {', '.join(files)}", flush=True)
    status = run(folder, "setup.py", "-q", "build_ext", "--inplace")
    if status:
        return files, status
    paths = [f"tests/test_{name}.py" for name in TESTS]
    return files, run(
        folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", " or ".join(NAMES), *options, *paths
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="fastgrad-") as temporary:
        found, failed = trial(Path(sys.argv[1] if len(sys.argv) > 1 else temporary), *sys.argv[2:])
    sys.exit(bool(failed) or len(found) > FILES)
