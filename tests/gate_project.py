"""A project of somebody else: one module of Python and an asv suite, in a repository with a commit for every change."""

import json
import subprocess
import textwrap
from pathlib import Path

CONF = {
    "version": 1,
    "project": "tiny",
    "repo": ".",
    "environment_type": "virtualenv",
    "benchmark_dir": "bench",
    "build_command": ["python -m compileall -q tiny.py"],
    "install_command": ["python install.py {env_dir}"],
    "uninstall_command": ["python -c pass"],
}
INSTALL = """
import shutil, sys, pathlib
(site,) = pathlib.Path(sys.argv[1]).glob("lib/python*/site-packages")
shutil.copy("tiny.py", site)
info = site / "tiny-1.dist-info"
info.mkdir(exist_ok=True)
(info / "METADATA").write_text("Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n")
(info / "top_level.txt").write_text("tiny\\n")
"""
TINY = """
SIZE = 300
NUMBER = -2.5
def work(n=SIZE):
    total = 0
    for i in range(n):
        total += i * i
    return total
def memory():
    return b"x" * 30_000_000
"""
SUITE = """
import tiny
class Work:
    params = ([100, 300],)
    param_names = ["n"]
    def time_work(self, n):
        tiny.work(n)
    def track_number(self, n):
        return tiny.NUMBER + n
    track_number.gate_tolerance = 0.01
def peakmem_memory():
    tiny.memory()
"""


def git(folder, *arguments):
    names = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Project:
    """The repository, in ``folder``; its first commit is tagged ``first``."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        git(folder, "init", "-q", "-b", "main")
        files = {"asv.conf.json": json.dumps(CONF), "install.py": INSTALL, "tiny.py": TINY, "bench/work.py": SUITE}
        self.commit("first", **files, **{"bench/__init__.py": ""})

    def commit(self, tag: str, **files: str) -> None:
        """Commit the contents of files, by their names, and tag the commit."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text))
        git(self.folder, "add", ".")
        git(self.folder, "commit", "-q", "--allow-empty", "-m", tag)
        git(self.folder, "tag", tag)

    def change(self, tag: str, old: str, new: str, name: str = "tiny.py") -> None:
        """Commit one change to what the first commit has."""
        git(self.folder, "checkout", "-q", "first")
        text = (self.folder / name).read_text()
        assert text.count(old) == 1
        self.commit(tag, **{name: text.replace(old, new)})
        git(self.folder, "checkout", "-q", "main")
