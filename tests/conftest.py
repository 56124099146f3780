"""One BLAS thread for all tests: at these sizes two are no faster, and on a busy machine ten times slower.

The browser of those that open a page. And ``--allowed-skips FILE`` (or
the environment's FASTGRAD_ALLOWED_SKIPS): a skip is a failure unless FILE lists it.
"""

# Design: - A test that is skipped has shown nothing, and where everything is meant to be installed it hides what broke.
#           So CI lists what may be skipped; an entry that no skip used is a failure too, or the list would only grow.
#         - An entry is ``NODE  # REASON``: a test, one case of it, or a file, as pytest names them. Blank lines and
#           those that begin with # are skipped.

import os
import shutil
import sys
from pathlib import Path

import pytest

from fastgrad import kernels

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as api:
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        found = api.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield found
        found.close()


@pytest.fixture
def without_numba(monkeypatch):
    """As where Numba is not installed."""
    monkeypatch.delitem(kernels._loaded, "numba", raising=False)
    for module in ("fastgrad.kernels.jit", "numba"):
        monkeypatch.setitem(sys.modules, module, None)


def pytest_addoption(parser):
    listed = os.environ.pop("FASTGRAD_ALLOWED_SKIPS", None)  # of this run, not of those that a test starts
    parser.addoption(
        "--allowed-skips", metavar="FILE", default=listed, help="fail if a test is skipped that FILE does not list"
    )


def pytest_configure(config):
    path = config.getoption("--allowed-skips")
    if path is not None and not hasattr(config, "workerinput"):  # of several processes the first one sees all reports
        config.pluginmanager.register(AllowedSkips(_entries(Path(path))), "allowed-skips")


def _entries(path):
    """The entries of a list of skips that may be; one without a reason is refused."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise pytest.UsageError(f"--allowed-skips: cannot read {path}: {error}") from None
    entries = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            node, _, reason = line.partition("  # ")
            if not reason.strip():
                raise pytest.UsageError(f"--allowed-skips: {path}:{number} has no reason; a line is NODE  # REASON")
            entries.append(node.strip())
    return entries


class AllowedSkips:
    """Counts as failures the skips that are not on the list, and what is on the list and was not skipped."""

    def __init__(self, entries):
        self.entries = entries
        self.skipped = {}  # node: reason

    def _see(self, report):
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.skipped[report.nodeid] = getattr(report, "wasxfail", reason)

    pytest_runtest_logreport = pytest_collectreport = _see

    def faults(self):
        """One line for each skip that may not be, and for each entry without a skip."""
        for node, reason in self.skipped.items():
            if not any(_covers(entry, node) for entry in self.entries):
                yield f"{node} was skipped, which is not allowed: {reason}"
        for entry in self.entries:
            if not any(_covers(entry, node) for node in self.skipped):
                yield f"{entry} may be skipped, and was not: take it from the list"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session, exitstatus):
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) and any(self.faults()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        found = list(self.faults())
        if found:
            terminalreporter.section("skips that are not allowed", red=True)
            for line in found:
                terminalreporter.line(line)


def _covers(entry, node):
    return node == entry or node.startswith((f"{entry}::", f"{entry}["))
