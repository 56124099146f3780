"""fastgrad.torch.watch: the profile of any model, beside fastgrad's own and beside autograd's gradients."""

import copy
import json
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
    assert got.units == true.network.sizes[1:]
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
    assert profile.units == units
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
        assert_quiet(model)
        assert len(model._forward_pre_hooks) == 1  # all that an ordinary step pays for


def assert_quiet(model):
    """Nothing is watched now, but for the hook that counts the steps."""
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks or module._backward_hooks for module in model.children())
    assert not torch.overrides.has_torch_function((torch.ones(1),))


def test_an_error_on_the_way_leaves_nothing_behind():
    model = nn.Sequential(ft.Dense(12, 10, "tanh"), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 4))
    with ft.watch(model, every=1) as watched:
        with pytest.raises(RuntimeError, match="shapes"):
            model(torch.ones(2, 5))
        assert_quiet(model)
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


def test_watching_refuses_no_activation_that_pytorch_takes():
    model = mlp(nn.ELU(alpha=-0.5))  # ours is at least 0
    step(model)
    with ft.watch(model) as watched:
        step(model)
    assert watched.profile.saturated_fraction.max() == 0


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
        (
            lambda: ft.watch(nn.Sequential(nn.ReLU())),
            ValueError,
            "no parameter of the model has two or more dimensions",
        ),
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


GATES = {"RNN": 1, "RNN relu": 1, "LSTM": 4, "GRU": 3}


def recurrent(kind, *sizes, **options):
    if kind == "RNN relu":
        options["nonlinearity"] = "relu"
    return getattr(nn, kind.split()[0])(*sizes, **options).double()


def widened(module, track):
    """One track of a recurrent module as a module of its own that adds more inputs to z: dL/d(these) is dL/dz."""
    suffix = f"_l{track[0]}" + ("_reverse" if track[1] else "")
    weights = {name: getattr(module, name + suffix) for name in ("weight_ih", "weight_hh")}
    weights |= {name: getattr(module, name + suffix) for name in ("bias_ih", "bias_hh") if module.bias}
    gates, features = weights["weight_ih"].shape
    weights["weight_ih"] = torch.cat([weights["weight_ih"], torch.eye(gates, dtype=torch.float64)], 1)
    options = {"nonlinearity": module.nonlinearity} if isinstance(module, nn.RNN) else {}
    own = type(module)(features + gates, module.hidden_size, bias=module.bias, **options).double()
    own.load_state_dict({f"{name}_l0": weight.detach() for name, weight in weights.items()})
    return own, gates


def true_deltas(module, x, loss):
    """dL/dz of every step of every track, in the order in which the steps run."""
    extras, below = {}, x.transpose(0, 1) if module.batch_first else x
    for layer in range(module.num_layers):
        outputs = []
        for reverse in range(2 if module.bidirectional else 1):
            own, gates = widened(module, (layer, reverse))
            extra = torch.zeros(*below.shape[:2], gates, dtype=torch.float64, requires_grad=True)
            extras[f" l{layer}" + (" reverse" if reverse else "")] = extra
            steps = torch.cat([below.flip(0) if reverse else below, extra], -1)
            outputs.append(own(steps)[0].flip(0) if reverse else own(steps)[0])
        below = torch.cat(outputs, -1)
    loss(below.transpose(0, 1) if module.batch_first else below).backward()
    return {
        track: [float(delta.square().mean().log10() / 2) for delta in extra.grad] for track, extra in extras.items()
    }


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    "shape", [{}, {"num_layers": 2}, {"num_layers": 2, "bidirectional": True, "batch_first": True}]
)
@pytest.mark.parametrize("kind", GATES)
def test_recurrent_layers_have_the_delta_that_autograd_has_at_every_step(kind, shape, bias):
    module = recurrent(kind, 3, 5, bias=bias, **shape)
    x = torch.randn(9, 9, 3, dtype=torch.float64)

    def loss(output):
        return (output * torch.linspace(-1, 1, output.numel(), dtype=torch.float64).reshape(output.shape)).sum().exp()

    with ft.watch(module) as watched:
        loss(module(x)[0]).backward()
    gradients = [parameter.grad.clone() for parameter in module.parameters()]
    module.zero_grad()
    loss(module(x)[0]).backward()
    for watched_gradient, parameter in zip(gradients, module.parameters(), strict=True):
        assert torch.equal(watched_gradient, parameter.grad)
    profile, expected = watched.profile, true_deltas(module, x, loss)
    several = len(expected) > 1
    assert profile.layers == tuple(type(module).__name__ + (track if several else "") for track in expected)
    assert set(profile.units) == {5}
    for index, (name, true) in enumerate(zip(profile.layers, expected.values(), strict=True)):
        np.testing.assert_allclose(profile.log10_delta_by_time[name], true, rtol=1e-9)
        pooled = 0.5 * math.log10(np.mean(10 ** (2 * np.array(true))))
        assert profile.log10_delta[index] == pytest.approx(pooled, rel=1e-9)
        weights = [getattr(module, f"weight_{w}{suffix(name)}").grad for w in ("ih", "hh")]
        true_gradient = torch.cat([weight.flatten() for weight in weights]).square().mean().log10() / 2
        assert profile.log10_weight_gradient[index] == pytest.approx(float(true_gradient), rel=1e-9)
    assert not profile.not_watched


def suffix(name):
    return "_" + name.split(" ", 1)[1].replace(" ", "_") if " " in name else "_l0"


class OverTime(nn.Module):
    """A recurrent module, or a cell in a loop, whose last output a head reads."""

    def __init__(self, module, hidden=8):
        super().__init__()
        self.module, self.head = module, nn.Linear(hidden, 4)

    def forward(self, x):
        if isinstance(self.module, nn.RNNBase):
            return self.head(self.module(x)[0][-1])
        state = None
        for step in x:
            state = self.module(step, state)
        return self.head(state[0] if isinstance(state, tuple) else state)


@pytest.mark.parametrize("kind", GATES)
def test_a_cell_in_a_loop_has_the_delta_of_the_module(kind):
    module = recurrent(kind, 3, 8)
    options = {"nonlinearity": "relu"} if kind == "RNN relu" else {}
    cell = getattr(nn, kind.split()[0] + "Cell")(3, 8, **options).double()
    cell.load_state_dict({name.removesuffix("_l0"): weight for name, weight in module.state_dict().items()})
    looped, whole = OverTime(cell).double(), OverTime(module).double()
    looped.head = whole.head
    x = torch.randn(12, 16, 3, dtype=torch.float64)
    profiles = []
    for model in (looped, whole):
        with ft.watch(model) as watched:
            step(model, x)
        profiles.append(watched.profile)
        gradients = [parameter.grad for parameter in model.parameters()]
        model.zero_grad()
        step(model, x)
        assert all(torch.equal(a, p.grad) for a, p in zip(gradients, model.parameters(), strict=True))
        model.zero_grad()
    found, expected = profiles
    np.testing.assert_allclose(found.log10_delta, expected.log10_delta, rtol=1e-9)
    np.testing.assert_allclose(found.log10_signal, expected.log10_signal, rtol=1e-9)
    np.testing.assert_allclose(found.log10_weight_gradient, expected.log10_weight_gradient, rtol=1e-9)
    by_time = found.log10_delta_by_time["module"], expected.log10_delta_by_time["module"]
    np.testing.assert_allclose(*by_time, rtol=1e-9)
    assert len(by_time[0]) == 12
    assert found.layers == expected.layers == ("module", "head")


@pytest.mark.parametrize("kind", ["RNN", "RNN cell", "LSTM", "GRU"])
def test_what_vanishes_over_time_is_vanishing(kind):
    module = nn.RNNCell(3, 8) if kind == "RNN cell" else getattr(nn, kind)(3, 8)
    model = OverTime(module)
    x = torch.randn(200, 16, 3, requires_grad=True)
    with ft.watch(model) as watched:
        step(model, x)
    if "RNN" in kind:
        assert not x.grad[0].any()
        assert watched.profile.log10_delta_by_time["module"][0] == -math.inf
        assert "delta of module is exactly 0 from time step" in watched.diagnosis.evidence
    assert watched.diagnosis.verdict == "vanishing"
    assert watched.profile.to_dict()["verdict"] == "vanishing"
    assert "200 time steps" in str(watched.profile)
    with ft.watch(model) as watched:
        step(model, x[:3])
    assert watched.diagnosis.verdict == "healthy"
    assert watched.diagnosis.decades_lost < 2


def test_the_dictionary_is_strict_json_whatever_has_vanished():
    model = OverTime(nn.RNN(3, 8))
    model.head.weight.requires_grad_(False)
    with ft.watch(model, every=1) as watched:
        step(model, torch.randn(200, 16, 3))
        step(model, torch.randn(200, 16, 3))
    profile = watched.history[0]
    assert profile.log10_delta_by_time["module"][0] == -math.inf
    assert np.isneginf(profile.log10_update_ratio[0])  # no optimizer step
    assert np.isnan(profile.log10_update_ratio[1])  # frozen
    loaded = json.loads(json.dumps(profile.to_dict(), allow_nan=False))
    assert loaded["log10_delta_by_time"]["module"][0] == "-inf"
    assert loaded["log10_update_ratio"] == ["-inf", "nan"]


def test_steps_that_the_loss_does_not_depend_on_are_left_out():
    model = nn.RNN(3, 8)
    with ft.watch(model) as watched:
        model(torch.randn(30, 4, 3))[0][4].square().sum().backward()
    assert len(watched.profile.log10_delta_by_time["RNN"]) == 5
    assert np.isfinite(watched.profile.log10_delta_by_time["RNN"]).all()


def test_a_reverse_direction_that_vanishes_is_seen_beside_one_that_does_not():
    model = nn.RNN(3, 8, bidirectional=True)
    with ft.watch(model) as watched:
        model(torch.randn(150, 4, 3))[0][0].square().sum().backward()
    assert len(watched.profile.log10_delta_by_time["RNN l0"]) == 1
    assert watched.diagnosis.verdict == "vanishing"
    assert "delta of RNN l0 reverse" in watched.diagnosis.evidence


def packed():
    return nn.utils.rnn.pack_sequence([torch.ones(3, 3), torch.ones(2, 3)])


@pytest.mark.parametrize(
    ("module", "x", "says"),
    [
        (nn.LSTM(3, 8), packed, "LSTM got a packed sequence.*: pad it"),
        (nn.GRU(3, 8, 2, dropout=0.5), lambda: torch.ones(4, 2, 3), "GRU drops out between its layers.*dropout to 0"),
        (nn.LSTM(3, 8, proj_size=2), lambda: torch.ones(4, 2, 3), r"LSTM has projections \(proj_size\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_recurrent_modules_that_cannot_be_followed_are_refused(module, x, says):
    with ft.watch(module), pytest.raises(ValueError, match=says):
        module(x())
    assert_quiet(module)
    module.eval()
    if module.dropout:
        with ft.watch(module) as watched:
            module(x())[0].sum().backward()
        assert watched.profile.layers == ("GRU l0", "GRU l1")


class Custom(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.W, self.b = nn.Parameter(linear.weight.detach().T.clone()), nn.Parameter(linear.bias.detach().clone())

    def forward(self, x):
        return torch.tanh(x @ self.W + self.b)


class OneModule(nn.Module):
    """All weights in one module: a list of parameters, and one by name."""

    def __init__(self, linears):
        super().__init__()
        self.hidden = nn.ParameterList([linear.weight.detach().clone() for linear in linears[:-1]])
        self.biases = nn.ParameterList([linear.bias.detach().clone() for linear in linears[:-1]])
        self.last, self.unused = nn.Parameter(linears[-1].weight.detach().clone()), nn.Parameter(torch.ones(3, 3))
        self.last_bias = nn.Parameter(linears[-1].bias.detach().clone())

    def forward(self, x):
        for weight, bias in zip(self.hidden, self.biases, strict=True):
            x = nn.functional.linear(x, weight, bias).tanh()
        return torch.matmul(input=x, other=self.last.T) + self.last_bias


def forms_of(model):
    """The same network as modules that own their matrix, as one module, with parametrised and masked weights."""
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    custom = nn.Sequential(*[Custom(linear) for linear in linears[:-1]], linears[-1])
    yield custom, tuple(str(n) for n in range(len(linears))), ()
    names = (*(f"hidden.{n}" for n in range(len(linears) - 1)), "last")
    yield OneModule(linears), names, ("unused",)
    normed = copy.deepcopy(model)
    for layer in normed[::2]:
        nn.utils.parametrizations.weight_norm(layer)
    yield normed, tuple(str(2 * n) for n in range(len(linears))), ()
    columns = copy.deepcopy(model)
    yield Columns(columns), tuple(f"model.{2 * n}" for n in range(len(linears))), ()


class Columns(nn.Module):
    """Samples as columns: the weight stands on the left."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        x = x.T
        for layer in self.model:
            x = layer.weight @ x + layer.bias[:, None] if isinstance(layer, nn.Linear) else layer(x)
        return x.T


@pytest.mark.parametrize("which", range(4))
def test_layers_of_any_form_are_seen_before_their_activation(which):
    model = mlp(nn.Tanh(), depth=20)
    with torch.no_grad():
        model[4].weight.mul_(100)  # something for the saturated share
    with ft.watch(model) as expected:
        step(model)
    form, names, not_watched = list(forms_of(model))[which]
    with ft.watch(form) as watched:
        step(form)
    found, expected = watched.profile, expected.profile
    assert found.layers == names
    assert found.not_watched == not_watched
    assert np.abs(found.log10_delta - expected.log10_delta).max() <= 1e-5
    np.testing.assert_allclose(found.saturated_fraction, expected.saturated_fraction, rtol=1e-12)
    assert found.units == expected.units
    assert found.diagnosis.verdict == expected.diagnosis.verdict == "vanishing"


def test_custom_layers_are_not_healthy_because_they_are_not_linear():
    linears = [nn.Linear(8, 8) for _ in range(20)]
    model = nn.Sequential(*map(Custom, linears))
    with ft.watch(model) as watched:
        model(torch.randn(6, 8)).square().sum().backward()
    assert len(watched.profile.layers) == 20
    assert watched.diagnosis.verdict == "vanishing"


class Hidden(torch.autograd.Function):
    """A product that no public function of PyTorch makes."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        return dy @ weight.T, x.T @ dy


class Unseen(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.place = nn.Embedding(9, 6), nn.Parameter(torch.ones(1, 6))
        self.weight, self.hidden, self.last = nn.Parameter(torch.randn(6, 6)), nn.Linear(6, 6), nn.Linear(6, 4)
        self.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)

    def forward(self, tokens):
        x = self.embed(tokens) + self.place
        return self.last(self.hidden(Hidden.apply(x, self.weight)).relu())


def test_parameters_that_no_layer_owns_are_said():
    model = Unseen()
    with ft.watch(model) as watched:
        step(model, torch.arange(16) % 9)
    profile = watched.profile
    assert profile.layers == ("hidden", "last")
    assert set(profile.not_watched) == {"embed.weight", "place", "weight"}
    for said in (str(profile), str(watched.diagnosis), profile.to_dict()["evidence"]):
        assert "not watched: " in said
        assert "embed.weight" in said
    assert set(profile.to_dict()["not_watched"]) == {"embed.weight", "place", "weight"}


def test_one_layer_is_nothing_to_compare():
    for model, only in ((nn.Linear(12, 4), "one layer only"), (mlp(nn.Tanh(), depth=1), "one hidden layer only")):
        with ft.watch(model) as watched:
            step(model)
        assert watched.diagnosis.verdict == "nothing to compare"
        assert only in str(watched.profile)


def test_what_is_not_finite_is_never_healthy():
    model = mlp(nn.Tanh())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with ft.watch(model) as watched:
        for number in range(8):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(X), Y) * (math.nan if number >= 5 else 1)
            assert (watched.alarm(loss) is not None) == (number >= 5)
            loss.backward()
            assert (watched.diagnosis.verdict == "healthy") == (number < 5)
            optimizer.step()
    assert watched.profile.step == 1
    assert watched.diagnosis.verdict == "not finite"
    assert "0.weight" in watched.diagnosis.evidence
    assert "not finite" in str(watched.profile)
    assert watched.history[0].diagnosis.verdict == "healthy"  # as it was
    for scale in (math.nan, math.inf):
        with ft.watch(fresh := mlp(nn.Tanh())) as watched:
            (nn.functional.cross_entropy(fresh(X), Y) * scale).backward()
        fresh.zero_grad()
        assert watched.diagnosis.verdict == "not finite"


def test_the_update_ratio_is_that_of_the_step_that_follows():
    model = mlp(nn.Tanh())
    model[2].weight.requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with ft.watch(model, every=3) as watched:
        for passes in range(2):
            before = [layer.weight.detach().clone() for layer in model[::2]]
            step(model)
            assert watched.profile.log10_update_ratio is None
            step(model)  # gradients are summed over two passes
            optimizer.step()
            found = watched.profile.log10_update_ratio
            for old, layer, ratio in zip(before, model[::2], found, strict=True):
                change = float((layer.weight.detach() - old).norm() / old.norm())
                if layer.weight.requires_grad:
                    assert ratio == pytest.approx(math.log10(change), rel=1e-5)
                else:
                    assert math.isnan(ratio)
            assert watched.history[passes].to_dict()["log10_update_ratio"] is not None
            step(model)
        step(model)
        step(model, Y.new_zeros(16, 12).float())
        for _ in range(2):
            step(model)
    assert np.isneginf(watched.history[2].log10_update_ratio[0])  # no optimizer step for as long as one could wait


def test_alarms_need_persistence_and_a_loss_that_stays():
    vanishing, healthy = mlp(nn.Sigmoid(), depth=20), mlp(nn.Tanh())
    for model, losses, expected in (
        (vanishing, [1.0] * 8, 6),  # a measured step is complete when the next begins
        (vanishing, [1.0, 0.9, 0.35, 0.35, 0.35, 0.35, 0.35, 0.35], None),  # it has learned
        (vanishing, [1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.82, 0.79], None),  # it learns
        (vanishing, [-1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.1], 6),
        (healthy, [1.0] * 8, None),
        (healthy, [1.0, 1.0, math.inf], 3),
    ):
        with ft.watch(model, every=1) as watched:
            alarms = []
            for loss in losses:
                step(model)
                alarms.append(watched.alarm(loss))
        first = next((number for number, alarm in enumerate(alarms, start=1) if alarm), None)
        assert first == expected
        if model is vanishing and expected:
            assert alarms[first - 1].verdict == "vanishing"
            assert "5 measured steps in a row" in str(alarms[first - 1])
    with pytest.raises(TypeError, match="loss must be a real number"):
        watched.alarm("high")
    assert watched.alarm(torch.tensor(math.nan)).verdict == "not finite"


def test_asking_for_an_alarm_before_the_backward_pass_loses_nothing():
    model = mlp(nn.Tanh())
    with ft.watch(model, every=1) as watched:
        for _ in range(3):
            loss = nn.functional.cross_entropy(model(X), Y)
            assert watched.alarm(loss) is None
            loss.backward()
    assert [profile.step for profile in watched.history] == [1, 2, 3]


def test_an_interrupted_pass_is_left_by_the_next():
    class Interrupted(nn.Sequential):
        interrupt = True

        def forward(self, x):
            y = super().forward(x)
            if self.interrupt:
                raise KeyboardInterrupt
            return y

    model = Interrupted(nn.Linear(12, 10), nn.Tanh(), nn.Linear(10, 4))
    with ft.watch(model) as watched:
        with pytest.raises(KeyboardInterrupt):
            model(X)
        model.interrupt = False
        step(model)
        assert_quiet(model)
        assert watched.step == 2
