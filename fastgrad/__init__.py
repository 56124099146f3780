"""fastgrad measures how gradients vanish in deep networks, exactly and fast, on plain CPUs.

The names below are in the order in which data flows: functions of the pre-activation z, layers and networks made
of them, the decay of their gradients with depth, what theory predicts for it, what to do about it, and how all that
shows while a network learns.
"""

from fastgrad.activations import ACTIVATIONS, Activation, activation
from fastgrad.functions import *  # noqa: F403 - its __all__ is the registry
from fastgrad.functions import __all__ as _FUNCTIONS
from fastgrad.kernels.compiled import C_API as _C_API  # noqa: F401 - fastgrad_import() of capsule.h finds it here

# Loaded when first used, so that `import fastgrad` costs NumPy and the kernels: name -> module.
_LATER = {
    "INITIALIZERS": "initializers",
    "Initializer": "initializers",
    "initializer": "initializers",
    "dense_forward": "dense",
    "dense_backward": "dense",
    "MLP": "network",
    "GradientProfile": "decay",
    "DecayMeasurement": "measurement",
    "measure": "measurement",
    "Diagnosis": "diagnosis",
    "diagnose": "diagnosis",
    "Optimizer": "learning.optimizers",
    "optimizer": "learning.optimizers",
    "GradientMonitor": "learning.monitor",
    "TrainingHistory": "learning.history",
    "Interrupted": "learning.history",
    "fit": "learning.fit",
    "show_runtime": "machine",
    "get_include": "ffi",
    "sweep": "sweeps.run",
    "load": "sweeps.frames",
}
_MODULES = {
    name: name
    for name in (
        *("initializers", "losses", "dense", "network", "slopes", "decay", "measurement", "theory", "diagnosis"),
        *("datasets", "learning", "sweeps", "report", "ffi", "testing"),
    )
} | {
    name: f"learning.{name}"
    for name in ("optimizers", "schedules", "alarm", "models", "monitor", "trends", "history", "repair")
}
# What needs a package that fastgrad does not install by itself: module -> package. Not in __all__, or
# `from fastgrad import *` would need them all.
_WITH_EXTRAS = {"sklearn": "sklearn", "torch": "torch", "jax": "jax"}

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "activation",
    *_FUNCTIONS,
    *_LATER,
    *_MODULES,
]


def __getattr__(name):
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version  # 30 ms

        globals()[name] = version("fastgrad")
        return globals()[name]
    if name not in _LATER and name not in _MODULES and name not in _WITH_EXTRAS:
        raise AttributeError(f"module 'fastgrad' has no attribute {name!r}")
    module = import_module(f"fastgrad.{_LATER.get(name) or _MODULES.get(name, name)}")
    found = globals()[name] = getattr(module, name) if name in _LATER else module  # asked for once: this costs 2 us
    return found


def __dir__():
    from importlib.util import find_spec

    installed = (module for module, package in _WITH_EXTRAS.items() if find_spec(package))
    return sorted([*__all__, *installed, "__version__"])
