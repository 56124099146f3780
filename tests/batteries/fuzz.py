"""Random calls: of the C table by libFuzzer, of the Python API, and of the functions by Hypothesis."""

import math
import os
import random
import re
import resource
import subprocess
import traceback
import warnings
from pathlib import Path

import click
import numpy as np

import fastgrad
from fastgrad import datasets, ffi, initializers, losses, testing, theory
from fastgrad.learning import trends
from tests.batteries.building import need, program

C_RUNS = 5_000_000
FUZZER = "-fsanitize=fuzzer{},address,undefined"


def fuzz_c(folder):
    """libFuzzer with AddressSanitizer and UBSan; a crash leaves its input in the folder."""
    need("clang")
    built = program(folder, "fuzz", "clang", (FUZZER.format(""),), of_library=(FUZZER.format("-no-link"),))
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    options = [f"-runs={C_RUNS}", "-max_len=2048", "-timeout=60", "-print_final_stats=1", f"-artifact_prefix={folder}/"]
    done = subprocess.run([built, *options, corpus], stderr=subprocess.PIPE, text=True, check=False, cwd=folder)
    (folder / "log").write_text(done.stderr)
    runs = int((re.findall(r"number_of_executed_units: (\d+)", done.stderr) or ["0"])[-1])
    crashes = len(list(folder.glob("crash-*"))) + len(list(folder.glob("timeout-*")))
    return done.returncode == 0 and runs >= C_RUNS, f"{runs:,} executions, {crashes} crashes"


# What a caller may hand over in place of what is meant. No large numbers: 2^31 epochs are a long run, and no mistake.
NASTY = (
    *(None, True, False, 0, 1, -1, -(2**70), 0.0, -0.0, 1e-320, 1e300, math.nan, math.inf, -math.inf, 1j, "", "tanh"),
    *(
        "a" * 300,
        b"x",
        [],
        [1, 2],
        [[1.0], [2.0, 3.0]],
        (),
        {},
        {"a": 1},
        set(),
        object(),
        np.float32(3),
        np.array(2.0),
    ),
    *(np.array([]), np.zeros((0, 3)), np.zeros((3, 0)), np.ones(3), np.ones((2, 3, 4)), np.full((4, 3), np.nan)),
    *(np.full((4, 3), np.inf), np.array(["a", "b"]), np.array([None, 1]), np.array([1 + 2j]), np.arange(6)),
    *(np.arange(6).astype(np.uint8), np.array([True, False]), np.array(["2020-01-01"], "datetime64[D]")),
    *(np.ones(3, np.float16), np.ones(3, ">f8"), np.ones((4, 3), np.longdouble), np.ones((4, 3)).T),
    *(np.ma.masked_array([1.0, 2.0], [0, 1]), np.broadcast_to(np.float32(1), (4, 3)), lambda *_: None, int, ...),
    *(slice(None), range(3), Path("x"), np.random.default_rng(0), fastgrad.ACTIVATIONS),
)
PYTHON_RUNS = 200_000
ADDRESSES = 4 << 30  # bytes
LONGEST = 400  # characters of a message


def surface():
    """name: (function, usual positional arguments, usual keyword arguments) of the public API."""
    X, y = np.random.default_rng(0).standard_normal((6, 4)), np.arange(6) % 3
    W, b = np.ones((4, 3)), np.ones(3)
    net = fastgrad.MLP([4, 5, 5, 3], seed=0)
    profile = net.gradient_profile(X, y)
    monitor = fastgrad.GradientMonitor(X, y)
    deriv = fastgrad.dense_forward(X, W, b, "tanh")
    found = {
        name: (getattr(initializers, name), [(4, 3)], {"rng": 0, "dtype": "float32"}) for name in fastgrad.INITIALIZERS
    }
    return found | {
        "elu": (fastgrad.elu, [X], {"alpha": 1.0}),
        "leaky_relu_derivative": (fastgrad.leaky_relu_derivative, [X], {"negative_slope": 0.1}),
        "value_and_derivative": (fastgrad.value_and_derivative, ["tanh", X], {}),
        "activation": (fastgrad.activation, ["elu"], {"alpha": 1.0}),
        "Activation": (fastgrad.activation("tanh"), [X], {"backend": "compiled"}),
        "Activation.derivative": (fastgrad.activation("tanh").derivative, [X], {"backend": "numpy"}),
        "initializer": (fastgrad.initializer, ["he_normal"], {"mode": "fan_in"}),
        "dense_forward": (fastgrad.dense_forward, [X, W], {"bias": b, "activation": "tanh"}),
        "dense_backward": (fastgrad.dense_backward, [*deriv, X, W], {}),
        "MLP": (fastgrad.MLP, [[4, 5, 3]], {"activation": "relu", "init": "he_normal", "seed": 0, "dtype": "float32",
                                            "loss": "mse", "bias_std": 0.1, "backend": "numpy"}),
        "MLP.forward": (net.forward, [X], {}),
        "MLP.predict": (net.predict, [X], {}),
        "MLP.score": (net.score, [X, y], {}),
        "MLP.loss_and_gradients": (net.loss_and_gradients, [X, y], {"out": net.loss_and_gradients(X, y)[1]}),
        "MLP.gradient_profile": (net.gradient_profile, [X, y], {"recompute": True}),
        "diagnose": (fastgrad.diagnose, [profile], {}),
        "measure": (fastgrad.measure, ["tanh", "xavier_normal", 3, 4, X, y],
                    {"seeds": (0, 1), "bias_std": 0.1, "workers": 1}),
        "fit": (fastgrad.fit, [fastgrad.MLP([4, 3, 3], seed=0), X, y],
                {"epochs": 1, "batch_size": 2, "optimizer": "sgd", "learning_rate": 0.1, "schedule": "constant",
                 "weight_decay": 0.0, "seed": 0, "validation": None, "patience": None, "min_delta": 0.0,
                 "monitor": True}),
        "optimizer": (fastgrad.optimizer, ["adam"], {"beta_1": 0.9}),
        "GradientMonitor": (fastgrad.GradientMonitor, [X, y],
                            {"loss": "mse", "every": 1, "window": 4, "max_readings": 8}),
        "GradientMonitor.measure": (monitor.measure, [1, net], {}),
        "trend": (trends.trend, [np.linspace(1, 0.5, 12)], {"window": 3, "plateau": 0.01, "slow": 0.1}),
        "cross_entropy": (losses.cross_entropy, [np.ones((6, 3)), y], {}),
        "mse": (losses.mse, [np.ones((6, 3)), np.ones((6, 3))], {}),
        "theory.chi": (theory.chi, ["tanh"], {"weight_variance": 1.0, "bias_variance": 0.1}),
        "theory.fixed_point": (theory.fixed_point, ["relu"], {"weight_variance": 1.0, "bias_variance": 0.1}),
        "theory.critical_point": (theory.critical_point, ["relu"], {"bias_variance": 0.1}),
        "theory.predict": (theory.predict, ["relu", "he_normal", [4, 5, 3]], {"X": X, "bias_std": 0.1}),
        "datasets.load": (datasets.load, ["wine"], {}),
        "low_level_callable": (ffi.low_level_callable, ["elu"], {"kind": "value", "alpha": 1.0}),
        "sweep": (fastgrad.sweep, [],
                  {"activation": "tanh", "init": "he_normal", "width": 3, "depth": 2, "data": "normal", "seeds": 2,
                   "gain": 1.0, "batch": 4, "bias_std": 0.1}),
        "assert_gradients_flow": (testing.assert_gradients_flow, [net, (X, y)], {}),
    }  # fmt: skip


def is_raw(error):
    """Whether an error is not one clear sentence of ours: another kind, another's words, or too long.

    What NumPy's ufuncs say of operands stands as it is, and what Python says of a call's arguments.
    """
    text, trace = str(error), traceback.extract_tb(error.__traceback__)
    if isinstance(error, AssertionError | MemoryError) or trace[-1].name == "function":  # of functions.py: a ufunc's
        return False
    ours = "fastgrad" in trace[-1].filename or len(trace) == 1
    return not (
        isinstance(error, TypeError | ValueError | OSError | ImportError)
        and ours
        and 0 < len(text) <= LONGEST
        and "\n" not in text
    )


def fuzz_python(folder):
    """Usual calls with one or two arguments replaced by what is nasty; what is raw is written to raw.txt."""
    chosen, calls, raw, refused = random.Random(0), surface(), {}, 0
    names = list(calls)
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))  # what is too large is a MemoryError
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        click.progressbar(range(PYTHON_RUNS), label="calls") as bar,
    ):
        warnings.simplefilter("ignore")
        for _ in bar:
            name = chosen.choice(names)
            function, given, options = calls[name]
            given, options = list(given), {key: value for key, value in options.items() if chosen.random() < 0.5}
            for _ in range(chosen.choice((1, 1, 2))):
                place, value = chosen.randrange(len(given) + len(options) or 1), chosen.choice(NASTY)
                if place < len(given):
                    given[place] = value
                elif options:
                    options[list(options)[place - len(given)]] = value
            try:
                function(*given, **options)
            except Exception as error:
                refused += 1
                if is_raw(error):
                    where = traceback.extract_tb(error.__traceback__)[-1]
                    key = f"{name}: {type(error).__name__} at {where.filename}:{where.lineno}"
                    raw.setdefault(key, f"{given!r:.200} {options!r:.200}\n    {str(error)[:200]!r}")
    (folder / "raw.txt").write_text("\n".join(f"{key}\n    {text}" for key, text in raw.items()))
    return not raw, f"{PYTHON_RUNS:,} calls, {refused:,} refused, {len(raw)} kinds of raw messages, 0 crashes"


ARRAY_RUNS = 2000  # views for each function


def same(got, expected):
    """Type, shape and bits."""
    return got.dtype == expected.dtype and got.shape == expected.shape and got.tobytes() == expected.tobytes()


def views():
    """Arrays of real types, with strides, offsets, axes in any order, repeated numbers, of foreign byte order."""
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as arrays

    dtypes = st.sampled_from(["f2", "f4", "f8", ">f4", ">f8", "i1", "u2", "i4", "i8", "?"])
    shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)
    whole = arrays.arrays(dtypes, shapes, elements=None)

    def cut(data):
        array, draw = data
        array = array.transpose(draw.sample(range(array.ndim), array.ndim))
        index = tuple(slice(draw.choice([0, 1]), None, draw.choice([1, 1, 2, 3, -1])) for _ in array.shape)
        array = array[index]
        return np.broadcast_to(array, (2, *array.shape)) if draw.random() < 0.2 else array

    return st.tuples(whole, st.randoms(use_true_random=False)).map(cut)


def check_a_view(name, array):
    """On a view as on a copy of it, in every backend's type; ``out`` over the input; ``where``."""
    function, copy = getattr(fastgrad, name), np.ascontiguousarray(array).reshape(array.shape)
    expected = function(copy.astype(copy.dtype.newbyteorder("=")))
    expected = np.asarray(expected)
    assert same(np.asarray(function(array)), expected)
    assert expected.dtype == (array.dtype.newbyteorder("=") if array.dtype.kind == "f" else np.float64)
    if array.dtype == expected.dtype and array.flags.writeable and array.ndim:
        base = array.copy()
        assert same(function(base, out=base), expected)
        if len(array) > 1:  # shifted by one row: NumPy copies what overlaps
            base = np.concatenate([array, array[:1]])
            function(base[:-1], out=base[1:])
            assert same(base[1:].copy(), expected)
    mask = np.resize([True, False, True], array.shape)
    out = np.full(array.shape, 7.0, expected.dtype)
    function(array, out=out, where=mask)
    assert same(out, np.where(mask, expected, out.dtype.type(7)))
    if array.ndim:
        both = fastgrad.value_and_derivative(name, array) if not name.endswith("_derivative") else (expected,)
        assert same(np.asarray(both[0]), expected)


def fuzz_arrays(folder):
    """Each function of one argument, and those with a parameter, on views that Hypothesis makes."""
    from hypothesis import HealthCheck, given, settings, strategies

    names = [*fastgrad.ACTIVATIONS, *(f"{name}_derivative" for name in fastgrad.ACTIVATIONS)]
    wrong = []
    quiet = settings(max_examples=ARRAY_RUNS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    with click.progressbar(names, label="fuzz-arrays") as bar, np.errstate(all="ignore"):
        for name in bar:
            trial = given(strategies.just(name), views())(check_a_view)
            try:
                quiet(trial)()
            except Exception as error:
                wrong.append(f"{name}: {error!r:.200}")
    click.echo("\n".join(wrong), err=True)
    return not wrong, f"{len(names)} functions, {ARRAY_RUNS:,} views each, {len(wrong)} differ"
