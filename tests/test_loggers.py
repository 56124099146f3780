"""What a profile gives to loggers, by the lines of docs/training.md: TensorBoard's own writer reads it back."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

import fastgrad

PAGE = (Path(__file__).parents[1] / "docs" / "training.md").read_text()
LINES = {name: line for name, line in re.findall(r"^\| ([\w &]+?)(?:,.*)? \| `(.+)` \|$", PAGE, re.MULTILINE)}
RNG = np.random.default_rng(0)
BATCH = RNG.standard_normal((16, 8)), RNG.integers(0, 3, 16)
ARRAYS = {"log10_delta": 5, "log10_weight_gradient": 5, "log10_signal": 5, "saturated_fraction": 4, "dead_fraction": 4}


def profile(**init):
    rule = fastgrad.initializer(**init) if init else "xavier_normal"
    return fastgrad.MLP([8, *[16] * 4, 3], "sigmoid", rule, seed=0).gradient_profile(*BATCH)


def watched():
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(8, 8)  # shared: it runs three times
    model = torch.nn.Sequential(layer, torch.nn.Tanh(), layer, torch.nn.Tanh(), layer, torch.nn.Linear(8, 3))
    with fastgrad.torch.watch(model) as watched:
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        torch.nn.functional.cross_entropy(model(torch.tensor(BATCH[0]).float()), torch.tensor(BATCH[1])).backward()
        optimizer.step()
        return watched.profile


def test_every_number_of_every_layer_is_there_once():
    found, one = profile().scalars(), profile()
    names = {f"{name}/{layer}" for name, layers in ARRAYS.items() for layer in range(1, layers + 1)}
    assert set(found) == names | {"decades_lost", "decades_per_layer"}
    assert found["decades_lost"] == one.decades_lost
    for name, layers in ARRAYS.items():
        assert [found[f"{name}/{layer}"] for layer in range(1, layers + 1)] == getattr(one, name).tolist()
    assert {type(value) for value in found.values()} == {float}


def test_what_is_not_finite_stays_a_number():
    found = profile(name="normal", std=0.0).scalars()
    assert found["log10_delta/1"] == -math.inf
    assert math.isnan(found["decades_lost"])


def test_a_layer_that_ran_twice_is_there_twice():
    found = watched().scalars()
    assert [name for name in found if name.startswith("log10_delta/")] == [
        f"log10_delta/{place}" for place in ("1_0", "2_0", "3_0", "4_5")
    ]
    assert math.isfinite(found["log10_update_ratio/1_0"])


@pytest.mark.parametrize("make", [profile, watched])
def test_names_are_such_as_mlflow_takes(make):
    assert all(re.fullmatch(r"[\w.\- :/]+", name) for name in make().scalars())  # mlflow.utils.validation


def test_tensorboard(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from torch.utils.tensorboard import SummaryWriter

    names = {"writer": SummaryWriter(tmp_path), "profile": profile(), "step": 7}
    exec(LINES["TensorBoard"], names)
    names["writer"].close()
    events = reader.EventAccumulator(str(tmp_path)).Reload()
    expected = names["profile"].scalars()
    assert set(events.Tags()["scalars"]) == set(expected)
    for name, value in expected.items():
        (event,) = events.Scalars(name)
        assert event.step == 7
        assert event.value == np.float32(value)


@pytest.mark.parametrize(("logger", "function"), [("Weights & Biases", "wandb.log"), ("MLflow", "mlflow.log_metrics")])
def test_the_others_are_given_the_numbers_and_the_step(logger, function):
    """Their own code is not run here; both take a dictionary of numbers and ``step=``."""
    called = []
    package, name = function.split(".")
    fake = type(package, (), {name: staticmethod(lambda metrics, step: called.append((metrics, step)))})
    one = profile()
    exec(LINES[logger], {package: fake, "profile": one, "step": 7})
    assert called == [(one.scalars(), 7)]
