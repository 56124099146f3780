"""Assertions for people's own test suites: they fail when gradients vanish, say where, and leave a model as it was."""

import json
import math
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import fastgrad
from fastgrad import testing
from fastgrad.testing import assert_gradients_flow, assert_profile_matches

pytest_plugins = ["pytester"]
PAGE = (Path(__file__).parents[1] / "docs" / "testing.md").read_text()
RNG = np.random.default_rng(0)
BATCH = RNG.standard_normal((32, 20)), RNG.integers(0, 5, 32)


def network(activation="relu", init="he_normal", depth=10, **options):
    return fastgrad.MLP([20, *[32] * depth, 5], activation, init, **options)


def test_healthy_networks_pass_and_vanishing_ones_fail_with_every_layer():
    assert_gradients_flow(network(), BATCH)
    with pytest.raises(AssertionError) as caught:
        assert_gradients_flow(network("sigmoid", "xavier_normal"), BATCH)
    first, heads, *layers = str(caught.value).splitlines()
    assert first.startswith("delta loses ")
    assert first.endswith("decades from hidden layer 10 to the first, and 2 are allowed:")
    assert heads.split() == ["layer", "log10", "delta/last"]
    profile = network("sigmoid", "xavier_normal").gradient_profile(*BATCH)
    expected = profile.log10_delta - profile.log10_delta[-1]
    assert [float(line.split()[1]) for line in layers] == [float(f"{value:.2f}") for value in expected]


def test_the_limit_is_that_which_is_given():
    lost = network("tanh", "torch_linear").gradient_profile(*BATCH).decades_lost
    assert lost > 0
    assert_gradients_flow(network("tanh", "torch_linear"), BATCH, decades=lost * 1.001)
    with pytest.raises(AssertionError, match="delta loses"):
        assert_gradients_flow(network("tanh", "torch_linear"), BATCH, decades=lost * 0.999)
    with pytest.raises(AssertionError, match="delta gains"):
        assert_gradients_flow(network("relu", fastgrad.initializer("xavier_normal", gain=4.0)), BATCH)


def test_a_network_whose_layers_get_nothing_fails():
    with pytest.raises(AssertionError, match="delta loses inf decades"):
        assert_gradients_flow(network("relu", fastgrad.initializer("normal", std=0.0)), BATCH)


def test_a_baseline_is_written_and_compared(tmp_path):
    path = tmp_path / "baseline.json"
    with pytest.raises(AssertionError, match=r"there is no baseline .*baseline.json: write it with .*update=True"):
        assert_profile_matches(network(), BATCH, path)
    assert_profile_matches(network(), BATCH, path, update=True)
    assert_profile_matches(network(), BATCH, path, tolerance=1e-9)
    with pytest.raises(AssertionError, match=r"differs from .* by more than 0.5 decades at layer 1, 2, "):
        assert_profile_matches(network("sigmoid"), BATCH, path)
    with pytest.raises(AssertionError, match=r"the model has 10 layers, and .* has 11"):
        assert_profile_matches(network(depth=9), BATCH, path)


def test_a_difference_counts_in_both_directions(tmp_path):
    path = tmp_path / "baseline.json"
    assert_profile_matches(network(), BATCH, path, update=True)
    for shift in (-0.6, 0.6):
        ratios = json.loads(path.read_text())["log10_delta_ratio"]
        (tmp_path / "other.json").write_text(json.dumps({"log10_delta_ratio": [ratios[0] + shift, *ratios[1:]]}))
        with pytest.raises(AssertionError, match="at layer 1:"):
            assert_profile_matches(network(), BATCH, tmp_path / "other.json")


def test_layers_that_are_0_are_compared_too(tmp_path):
    dead = network("relu", fastgrad.initializer("normal", std=0.0), depth=3)
    assert_profile_matches(dead, BATCH, tmp_path / "dead.json", update=True)
    assert -math.inf in testing._read(tmp_path / "dead.json")
    assert_profile_matches(dead, BATCH, tmp_path / "dead.json")
    with pytest.raises(AssertionError, match="at layer 1, 2, 3:"):
        assert_profile_matches(network(depth=3), BATCH, tmp_path / "dead.json")


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"log10_delta_ratio": ["a"]}'])
def test_a_file_that_is_no_baseline(text, tmp_path):
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(ValueError, match=r"bad.json is no baseline that assert_profile_matches wrote"):
        assert_profile_matches(network(), BATCH, tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((object(), BATCH), TypeError, "model must be a fastgrad.MLP or a torch.nn.Module, got object"),
        ((network(), BATCH[0]), TypeError, r"batch must be a pair \(inputs, targets\)"),
        ((network(), BATCH, 0), ValueError, "decades must be greater than 0, got 0"),
        ((network(), (BATCH[0][:, :3], BATCH[1])), ValueError, "X must have shape"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        assert_gradients_flow(*arguments)


def test_models_of_pytorch():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    X, y = torch.tensor(BATCH[0]).float(), torch.tensor(BATCH[1])

    def model(activation):
        hidden = [nn.Sequential(nn.Linear(20, 20), nn.BatchNorm1d(20), activation()) for _ in range(12)]
        return nn.Sequential(*hidden, nn.Linear(20, 5))

    healthy = model(nn.ReLU)
    loss = nn.functional.cross_entropy(healthy(X), y)
    loss.backward()
    before = {name: value.clone() for name, value in healthy.state_dict().items()}
    gradients = [parameter.grad.clone() for parameter in healthy.parameters()]
    assert_gradients_flow(healthy, (X, y))
    assert_gradients_flow(healthy, ((X,), y), loss=nn.CrossEntropyLoss())
    assert all(torch.equal(value, before[name]) for name, value in healthy.state_dict().items())
    assert all(torch.equal(p.grad, g) for p, g in zip(healthy.parameters(), gradients, strict=True))

    plain = nn.Sequential(*(nn.Sequential(nn.Linear(20, 20), nn.Sigmoid()) for _ in range(12)), nn.Linear(20, 5))
    with torch.no_grad(), pytest.raises(AssertionError, match=r"delta loses [\d.]+ decades") as caught:
        assert_gradients_flow(plain, (X, torch.randn(32, 5)))
    assert "11.0 " in str(caught.value)  # the names of the modules
    assert all(parameter.grad is None for parameter in plain.parameters())
    with pytest.raises(TypeError, match=r"a fastgrad\.MLP has a loss of its own"):
        assert_gradients_flow(network(), BATCH, loss=nn.CrossEntropyLoss())


# ---- the fixtures of pytest ------------------------------------------------------------------------------------------

MODEL = """
import numpy as np
import pytest
import fastgrad

RNG = np.random.default_rng(0)
BATCH = RNG.standard_normal((32, 20)), RNG.integers(0, 5, 32)

def network(activation, depth=10):
    return fastgrad.MLP([20, *[32] * depth, 5], activation, "xavier_normal", seed=0)
"""
FLOW = (
    MODEL
    + """
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_flow(activation, gradients_flow):
    gradients_flow(network(activation), BATCH)
"""
)
MATCH = (
    MODEL
    + """
@pytest.mark.parametrize("activation", ["tanh"])
def test_profile(activation, gradients_match):
    gradients_match(network(activation), BATCH)
    gradients_match(network(activation, depth=4), BATCH, 1e-6, name="shallow one")
"""
)


def test_pytest_finds_the_fixtures_and_pays_nothing_for_them():
    """Where this fails, the package must be installed again: an entry point is in its metadata."""
    assert {"pytest_fastgrad"} == {entry.value for entry in entry_points(group="pytest11", name="fastgrad")}
    code = "import sys, pytest_fastgrad; assert not {'fastgrad', 'numpy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


@pytest.fixture
def run(pytester, monkeypatch):
    """A function that runs the test files of a folder with our plug-in, and without what else is installed."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return lambda *options: pytester.runpytest_inprocess("-p", "pytest_fastgrad", *options)


def test_the_fixture_for_flow(pytester, run):
    pytester.makepyfile(FLOW)
    found = run()
    found.assert_outcomes(passed=1, failed=1)
    found.stdout.no_re_match_line(" *def assert_gradients_flow")  # their line and the message, not our source
    found.stdout.re_match_lines([r"E +AssertionError: delta loses [\d.]+ decades from hidden layer 10 to the first"])


def test_the_fixture_for_baselines(pytester, run):
    path = pytester.makepyfile(test_model=MATCH)
    run().stdout.re_match_lines([r"there is no baseline .*: write it with pytest --update-gr"])
    run("--update-gradients").assert_outcomes(passed=1)
    written = sorted(file.name for file in (pytester.path / "test_model").iterdir())
    assert written == ["test_profile[tanh]-shallow_one.json", "test_profile[tanh].json"]
    run().assert_outcomes(passed=1)
    path.write_text(MATCH.replace("network(activation)", "network('sigmoid')"))
    found = run()
    found.assert_outcomes(failed=1)
    found.stdout.re_match_lines([r"E +AssertionError: delta differs from .* by more than 0.5 decades at layer 1, 2, "])


TWO = (
    MODEL
    + """
class TestOne:
    def test_it(self, gradients_match):
        gradients_match(network("tanh"), BATCH)

class TestOther:
    def test_it(self, gradients_match):
        gradients_match(network("sigmoid"), BATCH)

def test_twice(gradients_match):
    gradients_match(network("tanh"), BATCH)
    gradients_match(network("sigmoid"), BATCH)

@pytest.mark.parametrize("name", ["a/b", "a_b"])
def test_alike(name, gradients_match):
    gradients_match(network("tanh"), BATCH)
"""
)


def test_no_two_profiles_share_a_baseline(pytester, run):
    pytester.makepyfile(test_model=TWO)
    for options in (["--update-gradients"], []):
        found = run(*options)
        found.assert_outcomes(passed=3, failed=2)
        found.stdout.re_match_lines([r".*test_twice.json is the baseline of another profile too", ".*test_alike"])


def test_the_file_that_the_documentation_shows(pytester, run):
    pytest.importorskip("torch")
    import_module("fastgrad.torch.once")  # here, or each run would load it anew: PyTorch takes an operator once
    (file,) = re.findall(r"^```python\n(# test_model.py\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = pytester.makepyfile(test_model=file)
    run("--update-gradients").assert_outcomes(passed=2)
    assert (pytester.path / "test_model" / "test_profile.json").exists()
    run().assert_outcomes(passed=2)
    path.write_text(file.replace("nn.LayerNorm(64), nn.ReLU()", "nn.Sigmoid()"))
    run().assert_outcomes(failed=2)
