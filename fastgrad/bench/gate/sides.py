"""The two sides of a comparison: a commit each, built by asv into an environment of its own, and processes of it."""

# Design: - What is built is the commit, of the git repository that asv.conf.json lies in; a working tree that differs
#           from it is refused, since its changes would not be judged.
#         - One suite, that of the head, runs on both sides, as asv runs one: what is compared is the project, not the
#           benchmarks.

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asv.config import Config

from fastgrad._validation import unknown
from fastgrad.bench.gate.processes import TIMEOUT, Process, error_line

WORKER, BUILD = (Path(__file__).with_name(f"{name}.py") for name in ("worker", "build"))
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
FIXED = ONE_THREAD | {"PYTHONHASHSEED": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
CONFIGURATIONS = tuple(
    f"{place}asv.conf.{end}" for place in ("", "benchmarks/", "asv_bench/") for end in ("json", "jsonc")
)
PATIENCE = 5.0  # seconds for a build to end


class GateError(ValueError):
    """The sides cannot be compared; the message says why in one line."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes
    ----------
    name : str
        ``"base"`` or ``"head"``.
    label : str
        The revision as it was given, and its commit.
    commit, project : str
    python : str
        The Python of its environment.
    variables : dict
        What the matrix of its asv.conf.json sets in the environment of its processes.
    suite, own : Path
        The benchmarks that run on it, the head's; and those that its own commit has, if any.
    scratch : Path
        A folder for what the benchmarks' ``setup_cache`` make, and for those in which processes begin.
    """

    name: str
    label: str
    commit: str
    project: str
    python: str
    variables: dict[str, str]
    suite: Path
    own: Path
    scratch: Path

    @property
    def environment(self) -> dict[str, str]:
        """That of its processes: one thread, its own programs first, and nobody else's packages."""
        theirs = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        path = os.pathsep.join([str(Path(self.python).parent), os.environ.get("PATH", "")])
        return theirs | FIXED | self.variables | {"PATH": path}

    @contextlib.contextmanager
    def process(
        self, cpu: int | None = None, prefix: tuple[str, ...] = (), suite: Path | None = None, lean: bool = True
    ) -> Iterator[Process]:
        """A fresh process of this side.

        On one processor if ``cpu`` says which, under the program ``prefix``; not ``lean`` if it must know all kinds of
        benchmarks.
        """
        self.scratch.mkdir(parents=True, exist_ok=True)
        command = [*prefix, self.python, str(WORKER), str(suite or self.suite), *["lean"] * lean]
        with tempfile.TemporaryDirectory(
            dir=self.scratch, ignore_cleanup_errors=True
        ) as own, tempfile.TemporaryFile() as said, subprocess.Popen(
            command, env=self.environment, cwd=own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
            start_new_session=True,
        ) as running:  # fmt: skip
            process = Process(running, said)
            try:
                if cpu is not None:
                    os.sched_setaffinity(running.pid, {cpu})
                yield process
            except BaseException:
                process.kill()
                raise
            finally:
                process.close()


class Worker(contextlib.ExitStack):
    """Processes of one side, one at a time: the next is started when one has died."""

    def __init__(self, side: Side, cpu: int | None = None):
        super().__init__()
        self.side, self.cpu = side, cpu
        self.process: Process | None = None

    def ask(self, job: str, timeout: float = TIMEOUT, **request) -> dict:
        """As :meth:`Process.ask`."""
        if self.process is None or self.process.dead:
            self.process = self.enter_context(self.side.process(self.cpu))
        return self.process.ask(job, timeout, **request)


def configuration(suite: str | Path | None) -> Path:
    """The asv.conf.json that is meant: a file, or where in a folder it usually lies.

    Raises
    ------
    GateError
        If there is none.
    """
    place = Path(suite or ".")
    if place.is_file():
        return place.resolve()
    found = [place / name for name in CONFIGURATIONS if (place / name).is_file()]
    if not found:
        where = f"{suite}" if suite else "here, in benchmarks/ or in asv_bench/"
        raise GateError(f"there is no asv.conf.json {'in ' if suite else ''}{where}; --suite says where it is")
    return found[0].resolve()


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Where no other gate builds in the folder ``out``, which is made; GateError if one does."""
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError), open(out / ".gitignore", "x") as ignored:
        ignored.write("*\n")
    with open(out / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GateError(f"another gate is at work in {out}; --out says where this one may be") from None
        yield


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """What git says in a folder."""
    try:
        return subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise GateError("git is not installed") from None


def commit_of(folder: Path, revision: str, allow_dirty: bool = True) -> str:
    """The commit of a revision of the repository in which a folder lies.

    Raises
    ------
    GateError
        If there is none, or it is checked out with changes and these are not allowed.
    """
    if git(folder, "rev-parse", "--show-toplevel").returncode:
        raise GateError(f"{revision} would be a git revision, but {folder} is in no git repository")
    found = git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        listed = git(folder, "for-each-ref", "--format=%(refname:short)", "--count=20", "--sort=-committerdate")
        raise GateError(str(unknown("revision", revision, ["HEAD", *listed.stdout.split()])))
    commit = found.stdout.strip()
    if not allow_dirty and commit == git(folder, "rev-parse", "HEAD").stdout.strip():
        changed = git(folder, "status", "--porcelain", "--untracked-files=no").stdout.splitlines()
        if changed:
            names = ", ".join(line[3:] for line in changed[:3]) + (", ..." if len(changed) > 3 else "")
            raise GateError(
                f"changes that are not in {revision} would not be judged: {names}; commit or stash them, "
                "or add --allow-dirty"
            )
    return commit


def prepare(
    revisions: dict[str, str], suite: str | Path | None, python: str, out: Path, allow_dirty: bool, progress
) -> tuple[dict[str, Side], list[str]]:
    """Build both sides below ``out``.

    Parameters
    ----------
    revisions : dict
        {``"base"`` and ``"head"``: a git revision}.
    suite : path or None
        An asv.conf.json, or the folder that has it.
    python : str
        As :mod:`build` takes it.
    out : Path
    allow_dirty : bool
        Judge the commit that is checked out although files differ from it.
    progress : callable
        Told what is being done.

    Returns
    -------
    sides : dict of name to Side
    notes : list of str
        What of the configuration is not judged.

    Raises
    ------
    GateError
        If there is no configuration, a revision is unknown or does not build, or files differ from it.
    OSError
        If a folder cannot be written.
    """
    conf = configuration(suite)
    commits = {name: commit_of(conf.parent, revision, allow_dirty) for name, revision in revisions.items()}
    top = git(conf.parent, "rev-parse", "--show-toplevel").stdout.strip()
    asv = Config.load(conf)
    if Path(conf.parent, asv.repo).is_dir() and not _within(Path(conf.parent, asv.repo), top):
        raise GateError(f"{conf} is for the repository {asv.repo}; its commits can be judged only by a suite within it")
    progress("building both commits")
    facts = _build(conf, commits, python, out, top)
    benchmarks = conf.parent / asv.benchmark_dir
    inside = benchmarks.resolve().relative_to(top) if benchmarks.resolve().is_relative_to(top) else None
    own = {name: Path(fact["tree"], inside) if inside else benchmarks for name, fact in facts.items()}
    suite_of_head = own["head"] if own["head"].is_dir() else benchmarks
    if not suite_of_head.is_dir():
        raise GateError(f"{conf} says that the benchmarks are in {benchmarks}, where there is nothing")
    sides = {}
    for name, commit in commits.items():
        fact, given = facts[name], revisions[name]
        label = commit[:12] if commit.startswith(given) else f"{given} ({commit[:12]})"
        scratch = out / "scratch" / name
        sides[name] = Side(
            name, label, commit, asv.project, fact["python"], fact["variables"], suite_of_head, own[name], scratch
        )
    others = facts["head"]["others"]
    kept = [f"Judged in the first environment of {conf.name}, {facts['head']['name']}; there are {len(others)} more."]
    return sides, kept if others else []


def _within(folder, top):
    return git(folder, "rev-parse", "--show-toplevel").stdout.strip() == top


def _build(conf, commits, python, out, top):
    """Build the commits, all at once, and read what each environment is."""
    with contextlib.ExitStack() as stack:
        running = {}
        for name, commit in commits.items():
            log = stack.enter_context(open(out / f"build-{name}.log", "w+"))
            command = [sys.executable, BUILD, conf, out / "env" / name, commit, python, top]
            process = subprocess.Popen(
                command, cwd=conf.parent, env=os.environ | FIXED, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(_end, process)
            running[name] = process, log
        facts = {}
        for name, (process, log) in running.items():
            process.wait()
            log.seek(0)
            text = log.read()
            if process.returncode:
                raise GateError(
                    f"{name}, {commits[name][:12]}, does not build: {error_line(text)} (all of it: {log.name})"
                )
            facts[name] = json.loads(next(line for line in reversed(text.splitlines()) if line.startswith("{")))
        return facts


def _end(process):
    """End a build; asv then ends the command that it runs, which is in a group of its own."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    process.kill()
