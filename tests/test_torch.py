"""fastgrad.torch: the kernels' bits in any layout, gradients from z, and one clear sentence for what it cannot take."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import fastgrad
from fastgrad.formulas import PARAMETERS, VALUES

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import fastgrad.torch as ft  # noqa: E402

OPTIONS = {name: {PARAMETERS[name][0]: 0.5} if name in PARAMETERS else {} for name in VALUES}
FUNCTIONS = {name: (getattr(ft, name), options) for name, options in OPTIONS.items()}
MODULES = {
    name: getattr(ft, fastgrad.activation(name).facts.title)(*options.values()) for name, options in OPTIONS.items()
}
LAYOUTS = {
    "as it lies": lambda t: t,
    "transposed": lambda t: t.transpose(0, 2),
    "every second": lambda t: t[:, ::2, 1:],
    "expanded": lambda t: t[:1].expand(4, -1, -1),
    "channels last": lambda t: t[None].contiguous(memory_format=torch.channels_last),
    "one number": lambda t: t[0, 0, 0],
    "nothing": lambda t: t[:0],
    "negated view": lambda t: torch.complex(t, t).conj().imag,
}


@pytest.fixture(params=FUNCTIONS)
def name(request):
    return request.param


def sample(dtype=torch.float32):
    return torch.as_tensor(np.random.default_rng(0).uniform(-20, 20, (6, 8, 10))).to(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_bits_of_the_numpy_functions_in_any_layout(name, dtype, layout):
    function, options = FUNCTIONS[name]
    z = LAYOUTS[layout](sample(dtype)).detach().requires_grad_()
    dy = LAYOUTS[layout](sample(dtype).flip(0)).detach()
    y = function(z, **options)
    y.backward(dy)
    true_y, true_d = fastgrad.activation(name, **options).value_and_derivative(z.detach().resolve_neg().numpy())
    np.testing.assert_array_equal(y.detach(), true_y)
    np.testing.assert_array_equal(z.grad, dy.resolve_neg().numpy() * true_d)
    with torch.no_grad():
        np.testing.assert_array_equal(function(z, **options), true_y)


def test_no_copy_of_a_dense_layout():
    z = sample().transpose(0, 2)
    assert ft.tanh(z).stride() == z.stride()


def test_gradients_in_the_tails_where_torch_gives_zero():
    for ours, theirs, number in ((ft.tanh, torch.tanh, -20.0), (ft.sigmoid, torch.sigmoid, 30.0)):
        z = torch.tensor(number, requires_grad=True)
        (theirs_gradient,) = torch.autograd.grad(theirs(z), z)
        (gradient,) = torch.autograd.grad(ours(z), z)
        assert theirs_gradient == 0
        assert gradient > 1e-18


def test_gradcheck(name):
    function, options = FUNCTIONS[name]
    z = torch.linspace(-3, 3, 20, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: function(z, **options), z)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_are_computed_in_float32_and_rounded_once(name, dtype):
    function, options = FUNCTIONS[name]
    z = sample(dtype).requires_grad_()
    y = function(z, **options)
    y.backward(torch.ones_like(y))
    true_y, true_d = fastgrad.activation(name, **options).value_and_derivative(z.detach().float().numpy())
    assert torch.equal(y, torch.as_tensor(true_y).to(dtype))
    assert torch.equal(z.grad, torch.as_tensor(true_d).to(dtype))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: np.ones(3), TypeError, "takes tensors, got ndarray: torch.as_tensor"),
        (lambda: torch.ones(3, dtype=torch.int64), TypeError, "takes float32, float64, float16, bfloat16, got int64"),
        (lambda: torch.ones(3, dtype=torch.complex64), TypeError, "got complex64"),
        (lambda: torch.ones(3, device="meta"), ValueError, r"on the CPU, got a tensor on meta: move it with .cpu\(\)"),
        (lambda: torch.eye(3).to_sparse(), TypeError, r"dense tensors, got torch.sparse_coo: .to_dense\(\)"),
    ],
)
def test_what_it_cannot_take(name, make, error, says):
    function, options = FUNCTIONS[name]
    with pytest.raises(error, match=says):
        function(make(), **options)


def test_bad_parameters_and_names():
    with pytest.raises(ValueError, match="alpha must be between 0 and"):
        ft.elu(torch.ones(2), alpha=-1.0)
    with pytest.raises(TypeError, match="negative_slope must be a real number"):
        ft.LeakyReLU("steep")
    with pytest.raises(ValueError, match="unknown activation 'rleu'; did you mean 'relu'"):
        ft.Dense(2, 3, "rleu")


@pytest.mark.parametrize("make", [lambda: ft.Tanh(), lambda: ft.Dense(4, 4, "tanh")])
def test_a_second_derivative_is_refused_rather_than_zero(make):
    z = torch.linspace(-1, 1, 4).requires_grad_()
    with pytest.raises(RuntimeError, match="differentiable once"):
        torch.autograd.grad(make()(z).sum(), z, create_graph=True)


def test_modules_are_the_functions(name):
    function, options = FUNCTIONS[name]
    module = MODULES[name]
    assert torch.equal(module(sample()), function(sample(), **options))
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(sample()), module(sample()))
    assert str(module) == type(module).__name__ + "(" + ", ".join(f"{k}={v}" for k, v in options.items()) + ")"


def test_classes_have_the_names_and_arguments_of_torchs_own(name):
    module, options = MODULES[name], FUNCTIONS[name][1]
    theirs = getattr(nn, type(module).__name__)(**options)
    for parameter, number in options.items():
        assert getattr(theirs, parameter) == number
    z = torch.linspace(-3, 3, 21, dtype=torch.float64)
    assert torch.allclose(module(z), theirs(z), rtol=1e-14, atol=0)


class TestDense:
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("shape", [(5,), (7, 5), (2, 3, 5)])
    def test_gradcheck_and_the_bits_of_the_steps(self, shape, bias):
        layer = ft.Dense(5, 4, fastgrad.activation("elu", alpha=0.5), bias=bias, dtype=torch.float64)
        x = torch.linspace(-2, 2, int(np.prod(shape)), dtype=torch.float64).reshape(shape).requires_grad_()
        assert torch.autograd.gradcheck(lambda x, *parameters: layer(x), (x, *layer.parameters()))
        z = nn.functional.linear(x, layer.weight, layer.bias)
        np.testing.assert_array_equal(layer(x).detach(), fastgrad.elu(z.detach().numpy(), 0.5))
        y = ft.elu(z, alpha=0.5)
        wanted = torch.autograd.grad(y.square().sum(), (x, *layer.parameters()))
        got = torch.autograd.grad(layer(x).square().sum(), (x, *layer.parameters()))
        for ours, theirs in zip(got, wanted, strict=True):
            assert ours.shape == theirs.shape
            error = (ours - theirs).abs().max()
            assert error <= 1e-14 * theirs.abs().max()

    def test_it_is_a_linear_layer(self):
        layer, linear = ft.Dense(5, 4, "tanh"), nn.Linear(5, 4)
        layer.load_state_dict(linear.state_dict())
        x = sample()[:, :1, :5]
        with torch.no_grad():
            assert torch.equal(layer(x), ft.tanh(linear(x)))
        assert str(layer) == "Dense(in_features=5, out_features=4, bias=True, activation=tanh)"

    def test_frozen_weights_get_no_gradient(self):
        layer = ft.Dense(5, 4).requires_grad_(False)
        x = torch.ones(2, 5, requires_grad=True)
        layer(x).sum().backward()
        assert x.grad is not None
        assert layer.weight.grad is None

    def test_autocast(self):
        layer, x = ft.Dense(5, 4, "tanh"), torch.ones(2, 5)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = layer(x)
        assert y.dtype == torch.bfloat16
        y.sum().backward()
        assert torch.isfinite(layer.weight.grad).all()

    def test_half_weights(self):
        layer = ft.Dense(5, 4, "tanh").to(torch.bfloat16)
        assert layer(torch.ones(2, 5, dtype=torch.bfloat16)).dtype == torch.bfloat16

    def test_another_device(self):
        layer = ft.Dense(5, 4, device="meta")
        with pytest.raises(ValueError, match="on the CPU, got a tensor on meta"):
            layer(torch.ones(2, 5, device="meta"))


def test_compile_without_a_graph_break():
    model = nn.Sequential(ft.Dense(5, 4, "elu"), nn.Linear(4, 4), ft.Tanh())
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    x = sample()[:, 0, :5].contiguous()
    gradients = [torch.autograd.grad(run(x).square().sum(), tuple(model.parameters())) for run in (model, compiled)]
    for eager, traced in zip(*gradients, strict=True):
        error = (eager - traced).abs().max()
        assert error <= 1e-5 * eager.abs().max()


def test_a_pytorch_without_what_is_needed_is_refused_by_one_sentence():
    code = "import torch; del torch._C._autograd._get_current_graph_task_keep_graph; import fastgrad.torch"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    error = run.stderr.splitlines()[-1]
    assert error.startswith("ImportError: fastgrad.torch is tested with PyTorch 2.13 and needs what ")
    assert error.endswith(f"{torch.__version__} has not: pip install --upgrade torch")


def test_without_torch_the_import_says_what_to_do(monkeypatch):
    for module in [name for name in sys.modules if name.startswith("fastgrad.torch")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"fastgrad.torch needs PyTorch: pip install torch"):
        import fastgrad.torch  # noqa: F401
