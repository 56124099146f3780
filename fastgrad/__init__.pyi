# ruff: noqa: I001 - one name a line would be a long page

"""The public names, as type checkers see them: what ``__init__.py`` loads when it is first used."""

from fastgrad import (
    datasets as datasets,
    decay as decay,
    dense as dense,
    diagnosis as diagnosis,
    ffi as ffi,
    initializers as initializers,
    jax as jax,
    learning as learning,
    losses as losses,
    measurement as measurement,
    network as network,
    report as report,
    sklearn as sklearn,
    slopes as slopes,
    sweeps as sweeps,
    testing as testing,
    theory as theory,
    torch as torch,
)
from fastgrad.learning import (
    alarm as alarm,
    history as history,
    models as models,
    monitor as monitor,
    optimizers as optimizers,
    repair as repair,
    schedules as schedules,
    trends as trends,
)
from fastgrad.activations import ACTIVATIONS as ACTIVATIONS, Activation as Activation, activation as activation
from fastgrad.decay import GradientProfile as GradientProfile
from fastgrad.dense import dense_backward as dense_backward, dense_forward as dense_forward
from fastgrad.diagnosis import Diagnosis as Diagnosis, diagnose as diagnose
from fastgrad.ffi import get_include as get_include
from fastgrad.sweeps.frames import load as load
from fastgrad.functions import *  # noqa: F403 - printed by the build
from fastgrad.learning.history import Interrupted as Interrupted, TrainingHistory as TrainingHistory
from fastgrad.initializers import INITIALIZERS as INITIALIZERS, Initializer as Initializer, initializer as initializer
from fastgrad.machine import show_runtime as show_runtime
from fastgrad.measurement import DecayMeasurement as DecayMeasurement, measure as measure
from fastgrad.learning.monitor import GradientMonitor as GradientMonitor
from fastgrad.network import MLP as MLP
from fastgrad.learning.optimizers import Optimizer as Optimizer, optimizer as optimizer
from fastgrad.sweeps.run import sweep as sweep
from fastgrad.learning.fit import fit as fit

__version__: str
