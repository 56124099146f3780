"""The two sides of a comparison: a git revision or a wheel, built, installed in a folder of its own, and run."""

# Design: - Both sides run in this Python, with its NumPy: only fastgrad differs. The builds share a compiler, the
#           folders have names of equal length, and a wheel is built once per commit and kept.
#         - What is built is the commit, by `git archive`; a working tree that differs from it is refused, since its
#           changes would not be judged.

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from fastgrad._validation import unknown

WORKER = Path(__file__).with_name("worker.py")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
FIXED = ONE_THREAD | {"PYTHONHASHSEED": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
FULL, LONGEST = "No space left on device", 300  # characters of somebody else's message
BUILT_FROM = ("fastgrad", "setup.py", "pyproject.toml", "MANIFEST.in")


class GateError(ValueError):
    """The sides cannot be compared; the message says why in one line."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes
    ----------
    label : str
        The revision or file as it was given, and for a revision its commit.
    digest : str
        Of the wheel.
    folder : Path
        Where it is installed.
    """

    label: str
    digest: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """This process' environment, with this side first on Python's path and one thread."""
        path = [str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        return os.environ | FIXED | {"PYTHONPATH": os.pathsep.join(path)}

    @property
    def command(self) -> list[str]:
        """What starts a process that measures this side."""
        return [sys.executable, str(WORKER), str(self.folder)]

    @contextlib.contextmanager
    def process(self, cpu: int | None = None) -> Iterator["Process"]:
        """A fresh process of this side, on one processor if ``cpu`` says which."""
        with subprocess.Popen(
            self.command, env=self.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as running:  # fmt: skip
            try:
                if cpu is not None:
                    os.sched_setaffinity(running.pid, {cpu})
                yield Process(running, self.label)
            except BaseException:
                running.kill()
                raise
            finally:
                with contextlib.suppress(BrokenPipeError):
                    running.stdin.close()  # type: ignore[union-attr]


class Process:
    """Puts questions to a running worker."""

    def __init__(self, running: subprocess.Popen, label: str):
        self.running, self.label = running, label

    def ask(self, job: str, **request) -> dict:
        """``{"found": ...}`` or ``{"error": ...}``; GateError if the process has died."""
        with contextlib.suppress(BrokenPipeError):
            self.running.stdin.write(json.dumps({"job": job, **request}) + "\n")  # type: ignore[union-attr]
            self.running.stdin.flush()  # type: ignore[union-attr]
        line = self.running.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise GateError(f"{self.label} cannot be measured: {error_line(self.running.stderr.read())}")  # type: ignore[union-attr]
        return json.loads(line)


def error_line(text: str) -> str:
    """Why a command failed: a full disk, or the first line that speaks of an error, or the last of all."""
    if FULL in text:
        return FULL
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if re.search(r"(\berror|Error):", line) and "subprocess" not in line]
    return (said or lines[-1:] or ["it said nothing"])[0].lstrip("│╰─> ")[:LONGEST]


def prepare(base: str, head: str, out: Path, allow_dirty: bool, progress) -> tuple[Side, Side]:
    """Build and install both sides below ``out``.

    Parameters
    ----------
    base, head : str
        Revisions of the git repository of the working directory, or wheels.
    out : Path
    allow_dirty : bool
        Judge the commit that is checked out although files differ from it.
    progress : callable
        Told what is being done.

    Returns
    -------
    base : Side
        Built and installed.
    head : Side
        The same.

    Raises
    ------
    GateError
        If a revision is unknown, files differ from it, it does not build, or it is not fastgrad's.
    OSError
        If a folder cannot be written.
    """
    wheels = {}
    for given in dict.fromkeys((base, head)):
        wheels[given] = _given_wheel(given) if given.endswith(".whl") else _commit(given, allow_dirty)
    out.mkdir(parents=True, exist_ok=True)
    (out / ".gitignore").write_text("*\n")
    todo = {commit for commit in wheels.values() if isinstance(commit, str) and _built(out, commit) is None}
    if todo:
        progress(f"building {len(todo)} {'commits' if len(todo) > 1 else 'commit'}")
        _build(sorted(todo), out)
    return tuple(_install(name, given, wheels[given], out) for name, given in (("base", base), ("head", head)))


def _given_wheel(given):
    path = Path(given)
    if not path.is_file():
        raise GateError(f"{given} is not there")
    return path


def _git(*arguments):
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise GateError("git is not installed; without it the gate compares two wheels") from None


def _commit(revision, allow_dirty):
    """The commit of a revision."""
    inside = _git("rev-parse", "--show-toplevel")
    if inside.returncode:
        raise GateError(f"{revision} would be a git revision, but {Path.cwd()} is in no git repository")
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        names = _git("for-each-ref", "--format=%(refname:short)", "--count=20", "--sort=-committerdate").stdout.split()
        raise GateError(str(unknown("revision", revision, ["HEAD", *names])))
    commit = found.stdout.strip()
    if not allow_dirty and commit == _git("rev-parse", "HEAD").stdout.strip():
        top = inside.stdout.strip()
        changed = _git("-C", top, "status", "--porcelain", "--", *BUILT_FROM).stdout.splitlines()
        if changed:
            names = ", ".join(line[3:] for line in changed[:3]) + (", ..." if len(changed) > 3 else "")
            raise GateError(
                f"changes that are not in {revision} would not be judged: {names}; commit or stash them, "
                "or add --allow-dirty"
            )
    return commit


def _wheels(out, commit):
    """The folder of a commit's wheel, for this Python."""
    return out / "wheels" / sys.implementation.cache_tag / commit


def _built(out, commit):
    """The wheel of a commit, if there is one."""
    return next(_wheels(out, commit).glob("*.whl"), None)


def _build(commits, out):
    """Build the wheels of these commits, all at once."""
    with contextlib.ExitStack() as stack:
        running = []
        for commit in commits:
            source = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"build-{commit[:12]}-", dir=out)))
            log = stack.enter_context(open(out / f"build-{commit[:12]}.log", "w+"))
            extract(commit, source / "tree")
            process = start_wheel(source / "tree", source / "wheel", log)
            stack.callback(process.wait)
            stack.callback(process.kill)
            running.append((commit, process, source / "wheel", log))
        for commit, process, wheel, log in running:
            if process.wait():
                log.seek(0)
                raise GateError(f"{commit[:12]} does not build: {error_line(log.read())} (all of it: {log.name})")
            _wheels(out, commit).parent.mkdir(parents=True, exist_ok=True)
            wheel.rename(_wheels(out, commit))


def extract(commit: str, folder: Path) -> None:
    """The files of a commit of the working directory's repository."""
    top = _git("rev-parse", "--show-toplevel").stdout.strip()
    with tempfile.TemporaryFile(dir=folder.parent) as file:
        command = ["git", "-C", top, "archive", "--format=tar", commit]
        done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise GateError(f"{commit[:12]} cannot be read: {error_line(done.stderr)}")
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            tar.extractall(folder, filter="data")


def start_wheel(tree: Path, folder: Path, log) -> subprocess.Popen:
    """Start to build a wheel into a folder; what pip says goes to an open file."""
    isolation = ["--no-build-isolation"] if _can_build(tree / "pyproject.toml") else []
    return subprocess.Popen(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", *isolation, "-w", folder, f"./{tree.name}"],
        cwd=tree.parent, env=os.environ | FIXED, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip


def _can_build(project: Path) -> bool:
    """Whether this Python has what the build needs, so that pip need not fetch it again."""
    try:
        from packaging.requirements import Requirement

        needs = tomllib.loads(project.read_text())["build-system"]["requires"]
        return all(Requirement(need).specifier.contains(version(Requirement(need).name)) for need in needs)
    except (ImportError, OSError, KeyError, tomllib.TOMLDecodeError):
        return False


def _install(name, given, source, out):
    """Install a wheel, or that of a commit, as this side."""
    wheel = _built(out, source) if isinstance(source, str) else source
    label = given
    if isinstance(source, str):
        label = source[:12] if source.startswith(given) else f"{given} ({source[:12]})"
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel],
        env=os.environ | FIXED, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise GateError(f"{label} cannot be installed: {error_line(done.stderr)}")
    if not (folder / "fastgrad").is_dir():
        raise GateError(f"{label} has no fastgrad in it")
    return Side(label, hashlib.sha256(wheel.read_bytes()).hexdigest()[:16], folder)
