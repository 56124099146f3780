"""fastgrad.torch.watch: the profile of any model, beside fastgrad's own and beside autograd's gradients."""

import math

import numpy as np
import pytest

import fastgrad

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import fastgrad.torch as ft  # noqa: E402

X, Y = torch.randn(16, 12, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 4
THEIRS = {"sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "relu": nn.ReLU(), "elu": nn.ELU()}
OURS = {"sigmoid": ft.Sigmoid(), "tanh": ft.Tanh(), "relu": ft.ReLU(), "elu": ft.ELU()}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def step(model, x=X, y=Y):
    nn.functional.cross_entropy(model(x), y).backward()


def mlp(activation, depth=3, width=10):
    hidden = [layer for n_in in [12, *[width] * (depth - 1)] for layer in (nn.Linear(n_in, width), activation)]
    return nn.Sequential(*hidden, nn.Linear(width, 4))


def twin(name, init, kind):
    """A network of fastgrad, and the same in PyTorch: of torch's modules, of ours, or of fused layers."""
    net = fastgrad.MLP([12, *[10] * 8, 4], activation=name, init=init, seed=1, bias_std=0.3)
    layers = []
    for weight, bias in zip(net.weights, net.biases, strict=True):
        last = len(layers) and weight is net.weights[-1]
        fused = kind == "fused" and not last
        linear = ft.Dense(*weight.shape, name) if fused else nn.Linear(*weight.shape)
        linear.load_state_dict({"weight": torch.as_tensor(weight.T.copy()), "bias": torch.as_tensor(bias)})
        layers.append(linear)
        if not last and not fused:
            layers.append((THEIRS if kind == "torch" else OURS)[name])
    return net, nn.Sequential(*layers)


@pytest.mark.parametrize("kind", ["torch", "ours", "fused"])
@pytest.mark.parametrize("init", ["xavier_normal", "he_normal"])
@pytest.mark.parametrize("name", THEIRS)
def test_an_mlp_has_the_profile_that_fastgrad_measures(name, init, kind):
    net, model = twin(name, init, kind)
    with ft.watch(model) as watched:
        step(model)
    got, true = watched.profile, net.gradient_profile(X.numpy(), Y.numpy())
    for field in ("log10_delta", "log10_weight_gradient", "log10_signal"):
        error = np.max(np.abs(getattr(got, field) - getattr(true, field)))
        assert error <= 1e-5, field
    np.testing.assert_allclose(got.saturated_fraction, true.saturated_fraction, rtol=1e-12)
    np.testing.assert_allclose(got.dead_fraction, true.dead_fraction, rtol=1e-12)
    assert got.decades_lost == pytest.approx(true.decades_lost, rel=1e-3)
    assert got.widths == true.widths
    assert watched.diagnosis.verdict == fastgrad.diagnose(true).verdict


class Block(nn.Module):
    """A transformer block over a sequence, and a head."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(30, 16)
        self.block = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, tokens):
        return self.head(self.block(self.embed(tokens)).mean(1))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(6, 8, 3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(8 * 16, 4),
    )


REAL = {
    "mlp": (lambda: mlp(nn.Tanh()), X, ("0", "2", "4", "6"), (10, 10, 10, 4)),
    "convolutional": (convolutional, torch.randn(16, 1, 8, 8), ("0", "2", "5"), (6, 8, 4)),
    "transformer": (
        Block,
        torch.arange(16 * 5).reshape(16, 5) % 30,
        ("block.self_attn", "block.linear1", "block.linear2", "head"),
        (16, 32, 16, 4),
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_models_have_the_deltas_that_autograd_has(name):
    make, x, layers, units = REAL[name]
    model = make()
    outputs = {}

    def keep(module, inputs, output):
        output = output[0] if isinstance(output, tuple) else output
        output.retain_grad()
        outputs[module] = output

    modules = dict(model.named_modules())
    plain = [nn.ReLU() if isinstance(m, nn.ReLU) else m for m in model] if isinstance(model, nn.Sequential) else None
    oracle = nn.Sequential(*plain) if plain else model  # not in place, or z would be lost
    hooks = [modules[layer].register_forward_hook(keep) for layer in layers]
    torch.manual_seed(1)
    step(oracle, x)
    for hook in hooks:
        hook.remove()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()

    torch.manual_seed(1)  # dropout
    with ft.watch(model) as watched:
        step(model, x)
    profile = watched.profile
    assert profile.layers == layers
    assert profile.widths == units
    assert profile.batch == 16
    for index, layer in enumerate(layers):
        delta = outputs[modules[layer]].grad.double()
        true = math.log10(delta.square().mean().sqrt())
        assert abs(profile.log10_delta[index] - true) <= 1e-5
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.equal(parameter.grad, gradient)  # watching changes nothing
    assert watched.diagnosis.verdict == "healthy"
    assert layers[-1] in str(profile)
    assert profile.to_dict()["layers"] == list(layers)


def test_every_so_many_steps_and_only_those_with_gradients():
    model = mlp(nn.Tanh())
    watched = ft.watch(model, every=3)
    for _ in range(7):
        step(model)
        with torch.no_grad():
            model(X)
    assert watched.step == 7
    assert watched.profile.step == 7
    assert [profile.step for profile in watched.history] == [1, 4, 7]
    watched.close()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    step(model)
    assert watched.step == 7


def test_nothing_stays_on_the_model_between_measured_steps():
    model = nn.Sequential(ft.Dense(12, 10, "tanh"), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 4))
    with ft.watch(model):
        step(model)
        assert not any(module._forward_hooks for module in model)
        assert model[0].on_preactivation is None


def test_an_error_on_the_way_leaves_nothing_behind():
    model = nn.Sequential(ft.Dense(12, 10, "tanh"), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 4))
    with ft.watch(model, every=1) as watched:
        with pytest.raises(RuntimeError, match="shapes"):
            model(torch.ones(2, 5))
        assert not any(module._forward_hooks for module in model)
        assert model[0].on_preactivation is None
        step(model, X[:0], Y[:0])  # an empty batch is no layer
        step(model)
    assert [profile.step for profile in watched.history] == [3]


def test_a_layer_that_runs_twice_is_there_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.again, self.last = nn.Linear(12, 10), nn.Linear(10, 10), nn.Linear(10, 4)

        def forward(self, x):
            return self.last(torch.tanh(self.again(torch.tanh(self.again(torch.tanh(self.first(x)))))))

    model = Twice()
    with ft.watch(model) as watched:
        step(model)
    assert watched.profile.layers == ("first", "again", "again (2)", "last")


def test_verdicts():
    with ft.watch(deep := mlp(nn.Sigmoid(), depth=20)) as watched:
        step(deep)
    assert watched.diagnosis.verdict == "vanishing"
    with torch.no_grad():
        for layer in (large := mlp(nn.Tanh(), depth=12)):
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(60)
    with ft.watch(large) as watched:
        step(large)
    assert watched.diagnosis.verdict == "saturated"
    assert abs(watched.profile.decades_lost) > 2
    with torch.no_grad():
        (blocked := mlp(nn.ReLU()))[2].bias.fill_(-1e3)
    with ft.watch(blocked) as watched:
        step(blocked)
    assert watched.diagnosis.verdict == "dead"
    assert watched.profile.dead_fraction[1] == 1
    assert watched.profile.dead_fraction[0] == 0  # nothing reaches it, which is not its doing


def test_what_float32_loses_is_vanishing_and_not_dead():
    model = mlp(nn.Sigmoid(), depth=120)
    with ft.watch(model) as watched:
        step(model)
    profile = watched.profile
    assert profile.log10_delta[0] == -math.inf
    assert profile.log10_delta[profile.float32_zero_layer - 1] == -math.inf
    assert profile.log10_delta[profile.float32_zero_layer] > -46
    assert watched.diagnosis.verdict == "vanishing"
    assert profile.dead_fraction.max() == 0


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_norms_beyond_the_range_of_their_squares(scale):
    model = mlp(nn.Tanh())
    with ft.watch(model, every=1) as watched:
        step(model)
        (nn.functional.cross_entropy(model(X), Y) * scale).backward()
    error = np.max(np.abs(watched.history[1].log10_delta - watched.history[0].log10_delta - math.log10(scale)))
    assert error <= 1e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_dtypes(dtype):
    model = mlp(nn.Tanh()).to(dtype)
    with ft.watch(model) as watched:
        step(model, X.to(dtype))
    assert np.isfinite(watched.profile.log10_delta).all()


def test_frozen_weights_and_a_nan():
    model = mlp(nn.Tanh())
    model[0].requires_grad_(False)
    model[2].weight.requires_grad_(False)
    with ft.watch(model, every=1) as watched:
        step(model)
        step(model, X * math.nan)
    assert watched.history[0].layers == ("2", "4", "6")  # nothing goes back beyond the first that learns
    assert math.isnan(watched.history[0].log10_weight_gradient[0])
    assert np.isnan(watched.profile.log10_delta).all()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: ft.watch("model"), TypeError, "model must be a torch.nn.Module, got str"),
        (lambda: ft.watch(nn.Linear(3, 3)), ValueError, "two layers with weights, .* the model has Linear"),
        (lambda: ft.watch(nn.Sequential(nn.ReLU())), ValueError, "the model has none"),
        (lambda: ft.watch(mlp(nn.ReLU()), every=0), ValueError, "every must be at least 1, got 0"),
        (
            lambda: ft.watch(torch.compile(mlp(nn.ReLU()), backend="eager")),
            ValueError,
            "watch the model that was given to torch.compile",
        ),
        (lambda: ft.watch(mlp(nn.ReLU())).profile, RuntimeError, "run a step, forward and backward"),
    ],
)
def test_wrong_calls(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_it_can_be_drawn():
    pytest.importorskip("matplotlib")
    model = mlp(nn.Tanh())
    with ft.watch(model) as watched:
        step(model)
    assert watched.profile.plot().axes
