"""C programs and sanitized extension modules, built into the folder of a battery."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
INCLUDE = f"-I{ROOT / 'fastgrad' / 'include'}"
ARITHMETIC = ("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off")  # what the kernels are built with


def need(*programs):
    """Which of them are missing, as an error."""
    if missing := [name for name in programs if not shutil.which(name)]:
        raise RuntimeError(f"not installed: {', '.join(missing)}")


def checked(command, **options):
    """What a command prints; RuntimeError with its last lines if it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    if done.returncode:
        text = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise RuntimeError(f"exit code {done.returncode} of {' '.join(map(str, command))}\n{text}")
    return done.stdout


def program(folder, name, compiler="gcc", flags=(), of_library=()):
    """c/NAME.c with a library of its own, both with these flags; where it is."""
    need(compiler)
    built, library = folder / name, folder / "library.o"
    library_c = ROOT / "fastgrad" / "kernels" / "library.c"
    newest = max(path.stat().st_mtime for path in (ROOT / "fastgrad" / "include").rglob("*.h"))
    if not library.exists() or library.stat().st_mtime < newest:
        checked([compiler, "-O2", "-g", *ARITHMETIC, *(of_library or flags), INCLUDE, "-c", library_c, "-o", library])
    checked(
        [compiler, "-O1", "-g", *flags, INCLUDE, HERE / "c" / f"{name}.c", library, "-o", built, "-lm", "-lpthread"]
    )
    return built


def tree_with_extension(folder, flags):
    """A copy of the tree whose extension module is compiled with these flags, too."""
    tree = folder / "tree"
    if not tree.exists():
        ignored = shutil.ignore_patterns(".*", "build", "__pycache__", "*.egg-info", "*.so", "lib")
        shutil.copytree(ROOT, tree, ignore=ignored)
    environment = {**os.environ, "CFLAGS": " ".join(flags), "LDFLAGS": " ".join(flags), "CC": "gcc"}
    checked([sys.executable, "setup.py", "build_ext", "--inplace"], cwd=tree, env=environment)
    return tree
