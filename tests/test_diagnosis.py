"""Verdicts, their causes and remedies, on networks whose trouble is known."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from fastgrad import counterfactual, diagnosis, theory
from fastgrad.activations import ACTIVATIONS, activation
from fastgrad.diagnosis import Counterfactual, diagnose, diagnose_network
from fastgrad.initializers import SURVEYED, initializer
from fastgrad.network import MLP
from fastgrad.sweeps import remedies, study
from fastgrad.verdicts import VERDICTS

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((100, 32)), RNG.integers(0, 10, 100)


def network(act, init, depth, width=64, seed=0, **options):
    return MLP([32, *[width] * depth, 10], act, init, seed, **options)


def verdict(*args, **options):
    return diagnose(network(*args, **options).gradient_profile(X, Y)).verdict


@pytest.mark.parametrize(
    ("act", "init", "depth", "want"),
    [
        ("relu", "torch_linear", 30, "vanishing"),
        ("relu", "xavier_normal", 30, "vanishing"),
        ("relu", "he_normal", 30, "healthy"),
        ("sigmoid", "xavier_normal", 10, "vanishing"),
        ("sigmoid", "he_normal", 10, "vanishing"),
        ("tanh", "xavier_normal", 30, "healthy"),
        ("tanh", "torch_linear", 30, "vanishing"),
        ("elu", "xavier_normal", 30, "healthy"),
        ("leaky_relu", "he_normal", 30, "healthy"),
        ("relu", initializer("normal", std=1.0), 20, "exploding"),
        ("elu", initializer("normal", std=1.0), 20, "exploding"),
        ("tanh", initializer("normal", std=1.0), 30, "saturated"),
        ("sigmoid", initializer("normal", std=100.0), 20, "saturated"),
        ("relu", initializer("normal", std=0.0), 5, "dead"),
        ("tanh", initializer("normal", std=0.0), 5, "vanishing"),
        ("sigmoid", "xavier_normal", 1, "healthy"),
    ],
)
def test_verdicts(act, init, depth, want):
    assert verdict(act, init, depth) == want


def test_the_verdict_is_the_same_at_any_depth_precision_and_loss_scale():
    """Depth 400 leaves float32's range 200 layers before the first; the loss' scale must not count."""
    for dtype in ("float32", "float64"):
        assert verdict("sigmoid", "xavier_normal", 400, dtype=dtype) == "vanishing"
        assert verdict("relu", "he_normal", 30, dtype=dtype) == "healthy"
    for scale in (1e-8, 1e8):
        net = network("relu", "he_normal", 20, loss="mse", dtype="float64")
        assert diagnose(net.gradient_profile(X, scale * RNG.standard_normal((100, 10)))).verdict == "healthy"


@pytest.mark.parametrize("seed", range(10))
def test_healthy_networks_are_not_accused(seed):
    assert verdict("relu", "he_normal", 50, seed=seed) == "healthy"
    assert verdict("tanh", "xavier_normal", 50, seed=seed) == "healthy"


def test_one_sample_does_not_make_units_dead():
    """On one sample half of ReLU's units are off."""
    for seed in range(10):
        profile = network("relu", "he_normal", 20, seed=seed).gradient_profile(X[:1], Y[:1])
        assert diagnose(profile).verdict == "healthy"


def test_the_boundaries():
    profile = network("relu", "he_normal", 5).gradient_profile(X, Y)
    dead = profile.dead_fraction.copy()
    for decades, want in ((1.99, "healthy"), (2.01, "vanishing"), (-1.99, "healthy"), (-2.01, "exploding")):
        delta = np.append(np.linspace(-decades, 0.0, 5), 0.0)
        assert diagnose(replace(profile, log10_delta=delta)).verdict == want
        saturated = replace(profile, log10_delta=delta, saturated_fraction=np.full(5, 0.6))
        assert diagnose(saturated).verdict == ("healthy" if want == "healthy" else "saturated")
        dead[2] = 0.95
        assert diagnose(replace(profile, log10_delta=delta, dead_fraction=dead)).verdict == "dead"
    blocked = np.append(np.full(5, -np.inf), 0.0)
    assert diagnose(replace(profile, log10_delta=blocked)).verdict == "vanishing"
    assert diagnose(replace(profile, log10_delta=np.full(6, -np.inf))).verdict == "healthy"
    unknown = np.full(6, math.nan)
    assert diagnose(replace(profile, log10_delta=unknown)).verdict != "healthy"


def test_evidence_holds_the_numbers():
    profile = network("sigmoid", "xavier_normal", 100).gradient_profile(X, Y)
    found = diagnose(profile)
    assert f"{profile.decades_lost:.2f} decades" in found.evidence
    assert f"layer {profile.float32_zero_layer}" in found.evidence
    assert found.decades_lost == profile.decades_lost
    assert found.causes == ()
    assert found.remedy is None


def by_change(found):
    return {c.change: c for c in found.causes}


def test_relu_with_the_default_of_pytorch_is_cured_by_he():
    found = diagnose_network(network("relu", "torch_linear", 30), X, Y)
    assert found.verdict == "vanishing"
    assert found.remedy.change == "he_normal"
    assert found.remedy.kind == "init"
    assert abs(found.remedy.decades_lost_after) <= 0.7
    assert abs(found.remedy.predicted_after) <= 1e-12
    causes = by_change(found)
    assert not causes["xavier_normal"].cures
    assert not causes["tanh"].cures
    assert causes["depth 3"].cures


def test_sigmoid_is_cured_by_another_activation_or_its_critical_gain():
    found = diagnose_network(network("sigmoid", "xavier_normal", 20), X, Y)
    causes = by_change(found)
    assert causes["tanh"].cures
    assert causes["xavier_normal(gain=10.1493)"].cures
    assert not causes["he_normal"].cures
    assert all(c.kind != "activation and init" for c in found.causes)
    assert found.remedy.cures


def test_every_counterfactual_agrees_with_theory():
    """Three seeds of width 64, depth 20: a standard deviation of 0.16 decades, and a shift of half that."""
    for act, init in (("sigmoid", "xavier_normal"), ("relu", "torch_linear"), ("elu", "torch_linear")):
        for c in diagnose_network(network(act, init, 20), X, Y).causes:
            assert abs(c.decades_lost_after - c.predicted_after) <= 0.5


def test_exploding_and_saturated_networks_are_cured():
    for act, want in (("relu", "exploding"), ("tanh", "saturated")):
        found = diagnose_network(network(act, initializer("normal", std=1.0), 30), X, Y)
        assert found.verdict == want
        assert found.decades_lost < 0
        assert found.remedy.cures
        assert by_change(found)["xavier_normal" if act == "tanh" else "he_normal"].cures


def test_a_shallower_network_is_the_last_resort():
    found = diagnose_network(network("relu", initializer("normal", std=0.01), 20), X, Y)
    assert found.remedy.change == "he_normal"
    assert found.causes[1].kind == "depth"  # level, having one layer


KINDS = ("init", "activation", "activation and init", "depth")


@pytest.fixture(scope="module")
def diagnoses():
    """{(activation, initialiser, depth): diagnosis} of every surveyed network that is not healthy."""
    found = {}
    for depth in (20, 50):
        cells = study.grid(ACTIVATIONS, SURVEYED, [depth], width=128, batch=64, seeds=range(3))
        results = [study.measure_cell(cell) for cell in cells]
        tried = [study.measure_cell(cell) for cell in remedies.needed(results)]
        found |= {(r.cell.activation.name, r.cell.init.name, depth): d for r, d in remedies.diagnoses(results, tried)}
    return found


def test_the_smallest_change_that_cures_comes_first(diagnoses):
    """The initialisation alone, then the activation alone, then both, then a shallower network."""
    assert len(diagnoses) >= 16
    for found in diagnoses.values():
        ranks = [KINDS.index(cure.kind) for cure in found.cures]
        assert ranks == sorted(ranks)
        assert found.remedy is found.cures[0]


def test_the_same_class_of_network_gets_the_same_remedy_at_any_depth(diagnoses):
    """sigmoid + Xavier got relu with He at depth 20, and a gain at depth 50."""
    for (act, init, depth), found in diagnoses.items():
        assert found.remedy.cures
        if depth == 20:
            assert found.remedy.kind == diagnoses[act, init, 50].remedy.kind, (act, init)


@pytest.mark.parametrize("depth", [10, 20, 50])
def test_tanh_with_the_default_of_pytorch_is_cured_by_xavier_alone(depth):
    found = diagnose_network(network("tanh", "torch_linear", depth), X, Y)
    assert (found.remedy.kind, found.remedy.change) == ("init", "xavier_normal")


def test_a_rectifiers_own_rule_is_hes_and_what_does_not_cure_is_sorted_by_level(diagnoses):
    for act in ("relu", "leaky_relu", "elu"):
        assert diagnoses[act, "torch_linear", 20].remedy.change.startswith("he_normal")
    for found in diagnoses.values():
        rest = [abs(c.decades_lost_after) for c in found.causes if not c.cures]
        assert rest == sorted(rest)


def test_the_depth_to_try_is_that_of_the_fitted_line():
    """A rate of 0.15 per layer loses one decade over 7.6 layers; one of nothing leaves the depth alone."""
    described = activation("relu"), initializer("xavier_normal"), (32, *range(40, 60), 10)

    def shallower(rate):
        return [c for c in diagnosis.changes(*described, rate) if c.kind == "depth"]

    (change,) = shallower(0.15)
    assert (change.name, len(change.sizes)) == ("depth 7", 9)
    assert change.sizes == (32, 40, 43, 46, 49, 53, 56, 59, 10)
    assert shallower(-0.15) == [change]
    assert shallower(1.0 / 19) == shallower(0.0) == []
    for rate in (math.inf, math.nan):
        assert [c.sizes for c in shallower(rate)] == [(32, 40, 10)]


def test_the_layer_that_blocks_is_the_one_nearest_the_output():
    found = diagnosis.judge(np.array([-math.inf, -math.inf, -2.0, -1.0, 0.0]), np.zeros(4), np.zeros(4))
    assert "exactly 0 from hidden layer 2 down" in found.evidence


def test_in_band_is_asked_for_the_mean_of_the_networks_tried(monkeypatch):
    asked = []
    real = theory.Prediction.in_band
    monkeypatch.setattr(theory.Prediction, "in_band", lambda *args: asked.append(args) or real(*args))
    net = network("relu", "xavier_normal", 20)
    found = diagnose_network(net, X[:64], Y[:64])
    slopes = {slope: seeds for _, slope, seeds in asked}
    assert set(slopes.values()) == {counterfactual.SEEDS}
    he = [network("relu", "he_normal", 20, seed=seed).gradient_profile(X[:64], Y[:64]) for seed in range(3)]
    assert found.remedy.change == "he_normal"
    assert np.mean([profile.decades_per_layer for profile in he]) in slopes


def test_two_lucky_networks_of_three_are_no_cure():
    lucky = Counterfactual("init", "x", 9.0, 2.5, 2.4, "healthy")
    assert not lucky.cures
    assert not replace(lucky, decades_lost_after=-2.5).cures  # what grows is no more level than what falls
    assert replace(lucky, decades_lost_after=1.5).cures
    assert replace(lucky, decades_lost_after=-1.5).cures
    assert not replace(lucky, decades_lost_after=1.5, verdict_after="dead").cures


def test_leaky_relu_gets_he_for_its_own_slope():
    found = diagnose_network(network(activation("leaky_relu", negative_slope=0.2), "torch_linear", 30), X, Y)
    assert found.remedy.change == "he_normal(negative_slope=0.2)"


def test_dead_layer_of_an_edited_network():
    net = network("relu", "he_normal", 6)
    net.biases[3][:] = -1000.0
    found = diagnose_network(net, X, Y)
    assert found.verdict == "dead"
    assert found.decades_lost == math.inf
    assert "100%" in found.evidence
    assert [c.kind for c in found.causes] == ["weights"]
    assert found.remedy is found.causes[0]


def test_one_hidden_layer_that_is_dead_gets_another_initialisation():
    found = diagnose_network(network("relu", initializer("normal", std=0.0), 1), X, Y)
    assert (found.verdict, found.remedy.kind, found.remedy.change) == ("dead", "init", "he_normal")


def test_weights_drawn_anew_are_no_remedy_where_the_rule_is_to_blame():
    net = network("relu", "torch_linear", 30)
    net.weights[0] *= 2
    found = diagnose_network(net, X, Y)
    assert found.remedy.change == "he_normal"
    assert "weights" not in [c.kind for c in found.causes]


def tried_networks(monkeypatch):
    """A list that every network tried goes into, with its seeds."""
    tried, real = [], counterfactual.profiles
    monkeypatch.setattr(counterfactual, "profiles", lambda *given: tried.append(given[:2]) or real(*given))
    return tried


def test_a_changed_network_is_the_same_but_for_the_change(monkeypatch):
    """What is tried, and what is then trained: biases, type and loss are the network's own; the latter's seed too."""
    tried = tried_networks(monkeypatch)
    ill = network("relu", "torch_linear", 20, seed=7, bias_std=0.5, dtype="float64", backend="numpy")
    cure = diagnose_network(ill, X, Y).remedy
    made = diagnosis.changed(ill, cure)
    assert (cure.kind, made.initializer.label, made.seed) == ("init", cure.change, 7)
    assert {seeds for _, seeds in tried} == {tuple(range(counterfactual.SEEDS))}
    for net in (*(net for net, _ in tried), made):
        assert (net.bias_std, net.dtype, net.loss, net.backend) == (0.5, np.float64, ill.loss, "numpy")
    expected = network("relu", cure.change, 20, seed=7, bias_std=0.5, dtype="float64")
    assert all(np.array_equal(a, b) for a, b in zip(made.weights, expected.weights, strict=True))


def test_healthy_needs_no_counterfactuals(monkeypatch):
    monkeypatch.setattr(counterfactual, "_try", lambda *_: pytest.fail("measured a counterfactual"))
    found = diagnose_network(network("relu", "he_normal", 5), X, Y)
    assert (found.verdict, found.causes, found.remedy) == ("healthy", (), None)


def test_profile_diagnosis():
    profile = network("relu", "torch_linear", 10).gradient_profile(X, Y)
    assert profile.diagnosis.verdict == "vanishing"
    assert profile.diagnosis.remedy.change == "he_normal"


def test_layers_of_different_width_and_mse():
    sizes = [32, 100, 50, 80, 60, 40, 30, 30, 20, 1]
    net = MLP(sizes, "sigmoid", "xavier_normal", 0, loss="mse")
    found = diagnose_network(net, X, RNG.standard_normal((100, 1)))
    assert found.verdict == "vanishing"
    assert found.remedy.cures


def test_text_and_json():
    found = diagnose_network(network("relu", "torch_linear", 30), X, Y)
    text = str(found)
    assert text.startswith("vanishing: delta falls by ")
    assert "(and theory's): he_normal, " in text
    assert "-0.00" not in text
    assert "\n" not in text
    assert len(text) < 400
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["verdict"] == "vanishing"
    assert plain["remedy"]["change"] == "he_normal"
    assert len(plain["causes"]) == len(found.causes)
    dead = diagnose(network("relu", initializer("normal", std=0.0), 3).gradient_profile(X, Y))
    assert json.loads(json.dumps(dead.to_dict(), allow_nan=False))["decades_lost"] == str(dead.decades_lost)


def test_beyond_the_deepest_networks_tried_cost_and_depth_are_bounded(monkeypatch):
    """Every network tried has ``DEEPEST`` hidden layers in place of more, and what is reported says so."""
    monkeypatch.setattr(counterfactual, "DEEPEST", 10)
    ill = network("sigmoid", "xavier_normal", 40, width=16)
    measured = tried_networks(monkeypatch)
    told = []
    found = diagnose_network(ill, X, Y, progress=lambda *args: told.append(args))
    assert found.decades_lost > 20  # the network's own, over its whole depth
    assert {net.depth for net, _ in measured} == {10, 2}
    assert {c.tried_depth for c in found.causes if c.kind != "depth"} == {10}
    assert by_change(found)["depth 2"].tried_depth is None
    assert "at most 10 hidden layers" in str(found)
    assert told == [(i + 1, told[-1][1]) for i in range(told[-1][1])]
    assert diagnosis.changed(ill, found.remedy).depth == 40
    assert diagnosis.changed(ill, by_change(found)["depth 2"]).depth == 2


def test_a_terminal_is_told_how_far_a_long_diagnosis_is(monkeypatch, capsys):
    ill = network("relu", "torch_linear", 10)
    diagnose_network(ill, X, Y)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    diagnose_network(ill, X, Y)
    assert capsys.readouterr().err == ""  # no sooner than after PATIENCE
    monkeypatch.setattr(counterfactual, "PATIENCE", -1.0)
    diagnose_network(ill, X, Y)
    said = capsys.readouterr().err.split("\r\x1b[K")
    assert said[1].startswith("diagnosis: 1 of ")
    assert said[-1] == ""


@pytest.mark.parametrize("depth", [5, 50])
def test_the_work_is_a_few_networks_per_change_at_any_depth(depth, monkeypatch):
    """``SEEDS`` networks for each of a dozen changes at most."""
    measured = tried_networks(monkeypatch)
    found = diagnose_network(network("sigmoid", "xavier_normal", depth), X, Y)
    assert len({*found.causes, *found.cures}) <= len(measured) <= 12
    assert {len(seeds) for _, seeds in measured} == {counterfactual.SEEDS}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_change_cures_if_the_verdict_is_healthy_and_the_loss_small(verdict):
    """A saturated or dead network may lose little, and a healthy most of several much on average."""
    small, large = (Counterfactual("init", "a change", 9.0, lost, 0.0, verdict) for lost in (-0.5, -5.0))
    assert small.cures == (verdict == "healthy")
    assert not large.cures
