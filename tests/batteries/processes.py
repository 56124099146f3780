"""Processes: forks and spawns while threads compute, other interpreters, kills at random moments."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import click

from tests.batteries.building import ROOT, checked

FORKS, SPAWNS, LOADERS = 200, 20, 10
KILLS = 100  # of each command
PLAN_GROUPS, EPOCHS = 100, 300

FORKING = """
import os, sys, threading, multiprocessing, warnings
import numpy as np, torch
import fastgrad, fastgrad.torch
from fastgrad import datasets
warnings.simplefilter("ignore")
X, y = (array[:300] for array in datasets.load("digits"))
net = fastgrad.MLP([64, 32, 10], seed=0)
expected, stop = net.loss_and_gradients(X, y)[0], threading.Event()

def compute():
    own = fastgrad.MLP([64, 32, 10], seed=0)
    while not stop.is_set():
        own.gradient_profile(X, y), fastgrad.tanh(X)
        fastgrad.torch.tanh(torch.ones(100, requires_grad=True)).sum().backward()

def child():
    fastgrad.fit(fastgrad.MLP([64, 8, 10], seed=0), X, y, epochs=1)
    assert net.loss_and_gradients(X, y)[0] == expected
    fastgrad.sweep(activation="tanh", init="he_normal", width=3, depth=2, data="normal", seeds=2, workers=2)

class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, i):
        return fastgrad.tanh(X[i]), fastgrad.torch.elu(torch.as_tensor(X[i]))

if __name__ == "__main__":
    threads = [threading.Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    failed = 0
    for kind, count in (("fork", int(sys.argv[1])), ("spawn", int(sys.argv[2]))):
        context = multiprocessing.get_context(kind)
        for _ in range(count):
            process = context.Process(target=child)
            process.start()
            process.join(120)
            failed += process.exitcode != 0
            process.kill()
        for _ in range(int(sys.argv[3])):
            loader = torch.utils.data.DataLoader(Data(), 8, num_workers=2, multiprocessing_context=kind, timeout=120)
            failed += sum(len(batch[0]) for batch in loader) != 64
    stop.set()
    print(failed)
"""


def forks(folder):
    """Children that compute, of a process whose threads do; and DataLoader's workers."""
    script = folder / "forking.py"
    script.write_text(FORKING)
    failed = int(checked([sys.executable, script, FORKS, SPAWNS, LOADERS], cwd=ROOT, timeout=7200))
    figure = f"{FORKS} forks, {SPAWNS} spawns, {2 * LOADERS} DataLoaders of 2 workers: {failed} hung or failed"
    return failed == 0, figure


SUB = {
    "a subinterpreter": "import _xxsubinterpreters as s; i = s.create(); s.run_string(i, CODE); s.destroy(i)",
    "a subinterpreter after the main one": "import fastgrad, _xxsubinterpreters as s; s.run_string(s.create(), CODE)",
    "two subinterpreters": "import _xxsubinterpreters as s; [s.run_string(s.create(), CODE) for _ in range(2)]",
}
IN_SUB = "import warnings; warnings.simplefilter('ignore'); import fastgrad; assert float(fastgrad.tanh(1.0)) > 0.7"


def interpreters(folder):
    """What import and one call do there: they work, or end in an ImportError of one sentence; no crash."""
    found = {}
    for name, code in SUB.items():
        code = f"CODE = {IN_SUB!r}\n{code}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
        last = (done.stderr.strip().splitlines() or [""])[-1]
        found[name] = "works" if done.returncode == 0 else last if done.returncode == 1 else f"signal {done.returncode}"
    (folder / "found.json").write_text(json.dumps(found, indent=1))
    good = all(said == "works" or "ImportError" in said for said in found.values())
    return good, "; ".join(f"{name}: {said.split(': ')[-1]}" for name, said in found.items())


def killed_command(arguments, folder, chance, longest):
    """Kill a command after up to so many seconds; whether it ran, and what of its processes is left."""
    from killing import output, processes_of

    process = subprocess.Popen(
        [sys.executable, "-m", "fastgrad", *map(str, arguments)], cwd=folder, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    time.sleep(chance.uniform(0.1, longest))
    running = process.poll() is None
    process.kill()
    output(process)
    end = time.monotonic() + 30
    while (left := processes_of(process)) and time.monotonic() < end:
        time.sleep(0.1)
    return running, left


def kill_sweep(folder):
    """As the suite's test does, more often: (kills, orphans, what was lost)."""
    from test_sweeps import killed

    grown = killed(KILLS, PLAN_GROUPS, 0.25, folder)
    return KILLS, 0, [] if max(grown) > 0 else ["sweep: no row was kept"]


def kill_train(folder):
    """A checkpoint never loses an epoch, and what comes out in the end is that of an undisturbed run."""
    from test_checkpoints import saved_epochs

    run, chance = folder / "run.npz", random.Random(0)
    arguments = ["train", "--width", 16, "--epochs", EPOCHS, "--checkpoint", run, "--json"]
    run.unlink(missing_ok=True)
    whole = checked([sys.executable, "-m", "fastgrad", *arguments], cwd=folder)
    kills = orphans = epochs = 0
    lost = []
    run.unlink()
    while kills < KILLS:
        running, left = killed_command(arguments, folder, chance, 4.0)
        kills, orphans = kills + running, orphans + len(left)
        now = saved_epochs(run) if run.exists() else 0
        lost += [f"train: {now} epochs after {epochs}"] if now < epochs else []
        epochs = now
        if epochs >= EPOCHS or kills == KILLS:
            again = checked([sys.executable, "-m", "fastgrad", *arguments], cwd=folder)
            same = [json.loads(text)["rows"][-1]["loss"] for text in (whole, again)]
            lost += ["train: other numbers"] if same[0] != same[1] else []
            run.unlink()
            epochs = 0
    return kills, orphans, lost


def kill_gate(folder):
    """The same command goes on, no process of it is left, and in the end it judges."""
    chance, kills, orphans = random.Random(0), 0, 0
    arguments = ["gate", "HEAD", "HEAD", "--allow-dirty", "--out", folder / "gate", "--json"]
    while kills < KILLS:
        running, left = killed_command(arguments, ROOT, chance, 20.0)
        kills, orphans = kills + running, orphans + len(left)
        if not running:
            (folder / "gate" / "parts.jsonl").unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "fastgrad", *map(str, arguments)], cwd=ROOT, capture_output=True, check=False
    )
    lost = [] if done.returncode in (0, 1) and json.loads(done.stdout) else [f"gate: exit code {done.returncode}"]
    return kills, orphans, lost


def kills(folder):
    """kill -9 of the command's first process at random moments."""
    figures, good = [], True
    for kill in (kill_sweep, kill_train, kill_gate):
        place = Path(folder, kill.__name__)
        place.mkdir(exist_ok=True)
        for old in place.glob("*.db*"):
            old.unlink()
        count, orphans, lost = kill(place)
        click.echo("\n".join(lost), err=True)
        good = good and not orphans and not lost
        figures.append(f"{kill.__name__.removeprefix('kill_')} {count}: {len(lost)} lost, {orphans} orphans")
    return good, "; ".join(figures)
