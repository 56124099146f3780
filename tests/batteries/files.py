"""Damaged files, and surroundings that misbehave: the clock, the disk, the home directory."""

import os
import random
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import click
import numpy as np

import fastgrad
from fastgrad.bench.audit.audit import Audit
from fastgrad.learning import checkpoints
from fastgrad.sweeps import plan
from fastgrad.sweeps.store import Store
from tests.batteries.fuzz import is_raw

DAMAGES = 5000  # of each kind of file
PLAN = """\
activation = ["tanh", "relu"]
init = "he_normal"
width = 4
depth = [2, 3]
seeds = 2
data = "normal"
"""


def damaged_bytes(good, chosen):
    """A file that a disk, a copy or an editor has spoilt in one of eight ways."""
    data, at = bytearray(good), chosen.randrange(len(good))
    length = chosen.choice((1, 8, 100, 4096))
    match chosen.randrange(8):
        case 0 | 1:
            for _ in range(chosen.choice((1, 1, 8))):
                place = chosen.randrange(len(data))
                data[place] ^= 1 << chosen.randrange(8)
        case 2:
            del data[at:]
        case 3:
            data[at : at + length] = bytes(len(data[at : at + length]))
        case 4:
            data[at : at + length] = chosen.randbytes(len(data[at : at + length]))
        case 5:
            data[at:at] = data[:length]
        case 6:
            del data[at : at + length]
        case 7:
            data[at:at] = chosen.choice((b"\x00", b"\xff\xfe", b"\n", b"{", b'"', b"nan", b"[", b"1e999"))
    return bytes(data)


def read_store(path):
    """All that is in it."""
    with Store(path) as store:
        return len(store), list(store.rows()), list(store.failures()), store.environments(), store.code


def read_store_to_write(path):
    with Store(path, writable=True) as store:
        return store.claim(None)


def read_journal(path):
    """The findings about ReLU; what is not in the file is measured."""
    audit = Audit(path, quick=True, activations=["relu"], kinds=["value"], group="ours")
    audit.run()
    return audit.rows()


def kinds(folder):
    """name: (a good file, how it is read, whether every message must name the file)."""
    store, run, toml, journal = (folder / name for name in ("store.db", "run.npz", "plan.toml", "audit.jsonl"))
    if not store.exists():
        toml.write_text(PLAN)
        fastgrad.sweep(store, toml)
        checkpoints.save(run, {"rate": 0.1}, {"loss": [1.0, 0.5]}, {"w": np.ones(50), "steps": np.array(7)})
        read_journal(journal)
    return {
        "store": (store, read_store, True),
        "store to write": (store, read_store_to_write, True),
        "checkpoint": (run, lambda path: checkpoints.load(path, {"rate": 0.1}), True),
        "plan": (toml, plan.read, False),
        "journal": (journal, read_journal, True),
    }  # fmt: skip


def damaged(folder):
    """Each reader on so many damaged copies; messages that are raw are written to raw.txt."""
    raw, read, refused = {}, 0, 0
    for name, (path, reader, named) in kinds(folder).items():
        good, chosen = path.read_bytes(), random.Random(0)
        copy = folder / f"damaged{path.suffix}"
        with click.progressbar(range(DAMAGES), label=name) as bar:
            for _ in bar:
                for old in folder.glob(f"{copy.name}*"):
                    old.unlink()
                copy.write_bytes(damaged_bytes(good, chosen))
                try:
                    reader(copy)
                    read += 1
                except Exception as error:
                    refused += 1
                    if is_raw(error) or (named and copy.name not in str(error)):
                        where = traceback.extract_tb(error.__traceback__)[-1]
                        key = f"{name}: {type(error).__name__} at {where.filename}:{where.lineno}"
                        raw.setdefault(key, str(error)[:200])
    (folder / "raw.txt").write_text("\n".join(f"{key}: {text!r}" for key, text in raw.items()))
    return not raw, f"{read:,} read, {refused:,} refused in a sentence, {len(raw)} kinds of raw messages"


CLOCK = """
import random, time
now = time.time
time.time = lambda: now() + random.uniform(-4e8, 4e8)
"""
COMMANDS = {
    "decay": "decay --quick -a relu",
    "train": "train --width 16 --epochs 3 --checkpoint run.npz",
    "sweep": "sweep plan.toml store.db --workers 2",
    "report": "decay --quick -a relu --out report",
}
# Each runs "$@" in a mount namespace of its own: in a home that is read-only; on a disk that is full, and again when
# there is room. The two exit codes of the latter are said at the end.
READ_ONLY = 'mount -t tmpfs -o ro tmpfs /mnt && HOME=/mnt exec "$@"'
FULL = """
mount -t tmpfs -o size=2m tmpfs /mnt && cp plan.toml /mnt && cd /mnt
head -c 100M /dev/zero > full 2> /dev/null
"$@" > /dev/null; first=$?
rm full; rm -f .*.new
"$@" > /dev/null; echo $first $?
"""


def outcome(arguments, folder, shell=None, path=()):
    """The exit code, stdout and stderr of a command."""
    command = [sys.executable, "-m", "fastgrad", *arguments.split()]
    if shell:
        command = ["unshare", "--map-root-user", "--mount", "bash", "-c", shell, "bash", *command]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*path, os.environ["PYTHONPATH"]])}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=900, env=environment, check=False
    )
    return done.returncode, done.stdout, done.stderr.strip()


def faults_of(name, arguments):
    """What is not as it should be where the clock jumps by years, the home is read-only, the disk is full."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "plan.toml").write_text(PLAN)
        Path(place, "sitecustomize.py").write_text(CLOCK)
        code, _, said = outcome(arguments, place, path=[place])
        if code not in (0, 1) or "Traceback" in said:
            yield f"clock, {name}: {said}"
    with tempfile.TemporaryDirectory() as place:
        Path(place, "plan.toml").write_text(PLAN)
        code, _, said = outcome(arguments, place, READ_ONLY)
        if code not in (0, 1) or "Traceback" in said:
            yield f"home, {name}: {said}"
    if name == "decay":  # writes nothing
        return
    with tempfile.TemporaryDirectory() as place:
        Path(place, "plan.toml").write_text(PLAN)
        _, codes, said = outcome(arguments, place, FULL)
        first, again = codes.split() or ("?", "?")
        if first != "2" or again not in ("0", "1") or "Traceback" in said or "fastgrad: " not in said:
            yield f"full disk, {name}: exit codes {first} and {again}: {said}"


def surroundings(folder):
    """A jump changes nothing; a full disk is one sentence, and the same command works when there is room."""
    found = []
    with click.progressbar(COMMANDS.items(), label="surroundings") as bar:
        for name, arguments in bar:
            found += faults_of(name, arguments)
    click.echo("\n".join(found), err=True)
    trials = 3 * len(COMMANDS) - 1
    return not found, f"{trials} trials, {len(found)} not as they should be"
