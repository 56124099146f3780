"""Measures one side. A script: a fresh Python runs it with that side first on its path.

``python worker.py FOLDER`` reads requests from stdin, a JSON object a line, and answers each with one on stdout. It
shares only ``cases.py``, beside it, with the package it lies in.
"""

# Design: - The clock: a processor goes faster and slower by 3 % steps within seconds. Beside every sample stands one of
#           a SHA-256 over zeros, which is Python's, waits on no memory and takes a fixed number of cycles; what is
#           compared is time over its time. This took the spread of pairs from 3 % to .5 %.
#         - Where results and weights happen to lie in memory moves a small layer by 5 %, and that depends on what was
#           allocated before. So each request makes its case anew among blocks of random size, and the median over
#           requests is compared: a bias of a side becomes noise.

import ctypes
import gc
import hashlib
import json
import math
import random
import sys
import time
from pathlib import Path

import numpy as np
from cases import CASES, COUNTS, DEPTH, KERNELS, MARK, NETWORKS, SEEDS, WIDTH, batch  # type: ignore[import-not-found]

SAMPLE = 5e-4  # seconds
WARM = 10  # calls before anything is counted: by then Python has specialised the code
CHAIN = bytes(1 << 16)  # 35 us


def seconds(fastgrad, name, samples, plant=1):
    """The least seconds per call of a case, and of the clock beside it; ``plant`` is a factor on the size."""
    junk = [bytes(random.randrange(1 << 10, 1 << 15)) for _ in range(8)]
    function = CASES[name].make(fastgrad, round(CASES[name].n * plant))
    del junk[::2]
    function()
    repeats = max(1, math.ceil(SAMPLE / _sample(function, 3)))
    times = [(_sample(function, repeats), _sample(_clock, 1)) for _ in range(samples)]
    return [min(column) for column in zip(*times, strict=True)]


def _clock():
    hashlib.sha256(CHAIN).digest()


def _sample(function, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def counts(fastgrad, items):
    """Run each item between marks, COUNTS times at half of n and COUNTS times at n; callgrind counts.

    Items are (label, case, factor on its size); answers with the labels that ran, in this order.
    """
    mark, room = getattr(ctypes.CDLL(None), MARK), ctypes.create_string_buffer(64)
    gc.disable()
    ran = []
    for label, name, plant in items:
        case = CASES[name]
        try:
            functions = [case.make(fastgrad, round(n * plant)) for n in (case.n // 2, case.n)]
            for function in (functions[0],) * WARM + (functions[1],) * 2:
                function()
        except Exception:  # what it was is told where the case is timed
            continue
        mark(room)
        for function in functions:
            for _ in range(COUNTS):
                function()
            mark(room)
        ran.append(label)
    return ran


def quality(fastgrad, inputs, results, plants):
    """Write each kernel's results at both signs of the inputs; answer with the decades that networks lose per layer.

    ``plants`` names kernels in whose place others are judged.
    """
    z = np.load(inputs)
    with np.errstate(all="ignore"):
        found = {}
        for what, (name, parameter, kind) in KERNELS.items():
            kernel = WRONG[what] if what in plants else getattr(fastgrad, PUBLIC[kind].format(name))
            found[what] = np.stack([kernel(z, **parameter), kernel(-z, **parameter)])
    np.savez(results, **found)  # type: ignore[arg-type]
    return {what: _decades(fastgrad, *network) for what, network in NETWORKS.items()}


def _decades(fastgrad, name, parameter, init):
    X, y = batch(WIDTH, WIDTH)
    phi = fastgrad.activation(name, **parameter)
    nets = [fastgrad.MLP([WIDTH] * (DEPTH + 1) + [10], phi, init, seed=seed) for seed in range(SEEDS)]
    return sum(net.gradient_profile(X, y).decades_per_layer for net in nets) / SEEDS


def _from_output(z):
    y = np.tanh(z)
    return 1 - y * y


PUBLIC = {"value": "{}", "derivative": "{}_derivative"}
WRONG = {"tanh derivative": _from_output}


def main(side):
    del sys.path[0]  # this folder: its other modules must not stand in for anybody's
    import fastgrad

    if not Path(fastgrad.__file__).is_relative_to(side):
        raise ImportError(f"this Python takes fastgrad from {fastgrad.__file__}, not from {side}")
    for line in sys.stdin:
        request = json.loads(line)
        job = {"seconds": seconds, "counts": counts, "quality": quality}[request.pop("job")]
        try:
            answer = {"found": job(fastgrad, **request)}  # type: ignore[operator]
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
