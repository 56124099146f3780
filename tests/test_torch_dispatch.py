"""fastgrad.torch where PyTorch does more than compute: traces, tensors without memory, torch.func, forward mode."""

import io

import numpy as np
import pytest

import fastgrad

torch = pytest.importorskip("torch")
import torch.autograd.forward_ad as forward_ad  # noqa: E402
from torch import nn  # noqa: E402
from torch._subclasses import FakeTensorMode  # noqa: E402
from torch.fx.experimental.proxy_tensor import make_fx  # noqa: E402

import fastgrad.torch as ft  # noqa: E402
from fastgrad.ffi import ACTIVATION_NUMBERS  # noqa: E402

# of torch itself, which loads its decompositions with it
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
NAMES = ("sigmoid", "tanh", "elu")  # ReLU and Leaky ReLU are torch's own
OTHER = torch.linspace(-2, 20, 7)  # with a tail, where torch's derivatives are 0


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def sample(requires_grad=False):
    return torch.linspace(-3, 3, 7).requires_grad_(requires_grad)


def slope(name, z=None):
    """phi'(z), by the NumPy functions."""
    return torch.as_tensor(getattr(fastgrad, f"{name}_derivative")((sample() if z is None else z).detach().numpy()))


def same(got, expected):
    np.testing.assert_array_equal(got.detach().numpy(), expected.detach().numpy())


def network():
    torch.manual_seed(0)
    return nn.Sequential(ft.Dense(7, 5, "tanh"), nn.Linear(5, 5), ft.Sigmoid(), ft.Dense(5, 3, "elu"))


def gradients(model, x, *parameters):
    return torch.autograd.grad(model(x).square().sum(), parameters or tuple(model.parameters()))


class TestTraces:
    @pytest.mark.parametrize("enabled", [True, False])
    @pytest.mark.parametrize("make", [lambda: ft.Tanh(), network])
    def test_torch_jit_trace_computes_anew_and_can_be_saved(self, make, enabled):
        model, file = make(), io.BytesIO()
        with torch.set_grad_enabled(enabled):
            torch.jit.save(torch.jit.trace(model, sample()), file)
        file.seek(0)
        same(torch.jit.load(file)(OTHER), model(OTHER))

    def test_onnx_gets_operators_that_it_knows(self, monkeypatch):
        monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
        traced = torch.jit.trace(network(), sample())
        assert "fastgrad::" not in str(traced.inlined_graph)
        assert all(f"aten::{operator}(" in str(traced.inlined_graph) for operator in ("tanh", "sigmoid", "elu"))

    @pytest.mark.parametrize("pre_dispatch", [True, False])
    def test_make_fx_forward(self, name, pre_dispatch):
        function = getattr(ft, name)
        for enabled in (True, False):
            with torch.set_grad_enabled(enabled):
                same(make_fx(lambda x: function(x), pre_dispatch=pre_dispatch)(sample())(OTHER), function(OTHER))

    def test_make_fx_forward_and_backward(self, name):
        def both(x):
            return torch.autograd.grad(getattr(ft, name)(x).sum(), x)[0]

        graph = make_fx(both)(sample(True))
        same(graph(OTHER.clone().requires_grad_()), slope(name, OTHER))
        model = network()
        graph = make_fx(lambda x, *parameters: gradients(model, x, *parameters))(sample(), *model.parameters())
        for got, expected in zip(graph(OTHER, *model.parameters()), gradients(model, OTHER), strict=True):
            assert (got - expected).abs().max() <= 1e-6 * expected.abs().max()

    def test_make_fx_of_the_backward_pass_alone(self, name):
        x = sample(True)
        y = getattr(ft, name)(x)
        graph = make_fx(lambda dy: torch.autograd.grad(y, x, dy, retain_graph=False)[0])(torch.ones(7))
        for scale in (1.0, 2.0, 2.0):  # the graph may be run again
            same(graph(torch.full((7,), scale)), scale * slope(name))

    def test_torch_export(self):
        model = network()
        exported = torch.export.export(model, (sample(),))
        assert "fastgrad.activation" in str(exported.graph)
        assert (exported.module()(OTHER) - model(OTHER)).abs().max() <= 1e-6 * model(OTHER).abs().max()


class TestWithoutMemory:
    def test_fake_tensors(self, name):
        with FakeTensorMode():
            x, layer = torch.ones(4, 5, requires_grad=True), ft.Dense(5, 3, name)
            layer(getattr(ft, name)(x)).sum().backward()
            with torch.no_grad():
                assert getattr(ft, name)(x.bfloat16()).dtype == torch.bfloat16
                assert layer(x).shape == (4, 3)
        assert x.grad.shape == x.shape
        assert layer.weight.grad.shape == (3, 5)

    def test_zeros(self, name):
        zeros = torch._efficientzerotensor(5)
        same(getattr(ft, name)(zeros), getattr(ft, name)(torch.zeros(5)))
        x = torch.ones(5, requires_grad=True)
        layer = ft.Dense(5, 5, name)
        for y in (getattr(ft, name)(x), layer(x)):
            (gradient,) = torch.autograd.grad(y, x, zeros)
            same(gradient.clone(), torch.zeros(5))
        same(layer(zeros), layer(torch.zeros(5)))

    def test_a_view_of_the_negative(self, name):
        same(getattr(ft, name)(torch._neg_view(OTHER)), getattr(ft, name)(-OTHER))
        x = torch._neg_view(OTHER).detach().requires_grad_()
        same(torch.autograd.grad(getattr(ft, name)(x).sum(), x)[0], slope(name, -OTHER))

    @pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
    def test_nested_tensors_are_refused(self, name):
        nested = torch.nested.nested_tensor([torch.ones(3), torch.ones(2)])
        with pytest.raises(TypeError, match=r"dense tensors, got a nested one: .to_padded_tensor\(0.0\) makes one"):
            getattr(ft, name)(nested)

    def test_no_features(self, name):
        for n_in, n_out, shape in ((0, 5, (2, 0)), (0, 5, (0,)), (5, 0, (2, 5)), (5, 4, (0, 5))):
            with pytest.warns(UserWarning, match="zero-element") if 0 in (n_in, n_out) else no_warning():
                layer = ft.Dense(n_in, n_out, name)
            x = torch.ones(shape, requires_grad=True)
            layer(x).sum().backward()
            assert x.grad.shape == x.shape
            if n_in == 0:
                expected = layer.bias.detach().requires_grad_()
                (2 * getattr(ft, name)(expected) if len(shape) > 1 else getattr(ft, name)(expected)).sum().backward()
                same(layer.bias.grad, expected.grad)


def no_warning():
    import contextlib

    return contextlib.nullcontext()


class TestForwardMode:
    @pytest.mark.parametrize("enabled", [True, False])
    def test_tangents(self, name, enabled):
        with torch.set_grad_enabled(enabled), forward_ad.dual_level():
            x = forward_ad.make_dual(sample(), torch.full((7,), 2.0))
            y, tangent = forward_ad.unpack_dual(getattr(ft, name)(x))
            same(y, getattr(ft, name)(sample()))
            same(tangent, 2 * slope(name))
            layer = ft.Dense(7, 3, name)
            y, tangent = forward_ad.unpack_dual(layer(x))
            z, dz = forward_ad.unpack_dual(nn.functional.linear(x, layer.weight, layer.bias))
            same(tangent, dz * slope(name, z))


class TestFunctionTransforms:
    def test_grad_vmap_and_jvp(self, name):
        function, rows = getattr(ft, name), torch.stack([sample(), OTHER])
        same(torch.func.grad(lambda x: function(x).sum())(OTHER), slope(name, OTHER))
        same(torch.func.vmap(function)(rows), function(rows))
        same(torch.func.vmap(function, in_dims=1, out_dims=1)(rows), function(rows))
        same(torch.func.vmap(torch.func.grad(lambda x: function(x).sum()))(rows), slope(name, rows))
        same(torch.func.grad(lambda x: torch.func.vmap(function)(x).sum())(rows), slope(name, rows))
        y, tangent = torch.func.jvp(function, (OTHER,), (torch.full((7,), 2.0),))
        same(y, function(OTHER))
        same(tangent, 2 * slope(name, OTHER))
        for jacobian in (torch.func.jacrev, torch.func.jacfwd):
            same(jacobian(function)(OTHER), slope(name, OTHER).diag())
        same(torch.func.functionalize(function)(OTHER), function(OTHER))

    def test_a_layer(self, name):
        layer, x = ft.Dense(7, 3, name), sample()
        parameters = dict(layer.named_parameters())
        got = torch.func.grad(lambda p: torch.func.functional_call(layer, p, (x,)).sum())(parameters)
        layer(x).sum().backward()
        for key, parameter in layer.named_parameters():
            assert (got[key] - parameter.grad).abs().max() <= 1e-6 * parameter.grad.abs().max()
        rows = torch.stack([x, OTHER])
        assert (torch.func.vmap(layer)(rows) - layer(rows)).abs().max() <= 1e-6 * layer(rows).abs().max()

    def test_gradients_in_batches(self, name):
        for retain in (True, False):
            x = sample(True)
            y = getattr(ft, name)(x)
            for _ in range(1 + retain):
                (got,) = torch.autograd.grad(y, x, torch.eye(7), is_grads_batched=True, retain_graph=retain)
                same(got, slope(name).diag())

    @pytest.mark.parametrize(
        "twice",
        [
            lambda f: torch.func.grad(lambda x: torch.func.grad(lambda x: f(x).sum())(x).sum()),
            lambda f: torch.func.hessian(lambda x: f(x).sum()),
            lambda f: torch.func.jacfwd(torch.func.jacfwd(f)),
            lambda f: torch.func.jacrev(torch.func.jacrev(f)),
            lambda f: torch.func.jacrev(torch.func.jacfwd(f)),
            lambda f: lambda x: torch.func.jvp(torch.func.grad(lambda x: f(x).sum()), (x,), (x,)),
        ],
    )
    def test_a_second_derivative_is_refused_rather_than_zero(self, name, twice):
        with pytest.raises(RuntimeError, match="differentiable once"):
            twice(getattr(ft, name))(sample())

    def test_no_grad_inside_a_transform_is_kept_to(self, name):
        def frozen(x):
            with torch.no_grad():
                y = getattr(ft, name)(x)
            return (y + x).sum()

        outer = torch.func.grad(lambda x: torch.func.grad_and_value(frozen)(x)[1])
        same(outer(sample()), torch.ones(7))  # as with torch's own

    def test_what_is_not_transformed_keeps_its_graph(self, name):
        w = sample(True)
        got = torch.func.grad(lambda x: (getattr(ft, name)(w) * x).sum())(OTHER)
        same(torch.autograd.grad(got.sum(), w)[0], slope(name))
        same(torch.func.vmap(lambda x: getattr(ft, name)(w) * x)(OTHER[:1, None])[0], getattr(ft, name)(w) * OTHER[0])


class TestTheGraph:
    def test_that_is_kept_can_be_used_again(self, name):
        for make in (getattr(ft, name), ft.Dense(7, 7, name)):
            x, dy = sample(True), torch.linspace(1, 2, 7)
            y = make(x)
            first = torch.autograd.grad(y, x, dy, retain_graph=True)[0].clone()
            for retain in (True, False):
                same(torch.autograd.grad(y, x, dy, retain_graph=retain)[0], first)
            with pytest.raises(RuntimeError, match="second time"):
                torch.autograd.grad(y, x, dy)

    def test_nothing_else_is_overwritten(self, name):
        x, dy = sample(True), torch.linspace(1, 2, 7)
        y = getattr(ft, name)(x)
        y.retain_grad()
        same(torch.autograd.grad(y, x, dy)[0], dy * slope(name))
        same(x, sample())
        same(dy, torch.linspace(1, 2, 7))
        same(y, getattr(ft, name)(sample()))

    def test_does_not_need_what_is_overwritten(self, name):
        x = sample(True)
        z = 1 * x
        y = getattr(ft, name)(z)
        z += 1
        y += 1
        same(torch.autograd.grad(y.sum(), x)[0], slope(name))

    def test_its_gradient_is_not_copied(self, name):
        x = sample(True)
        y = getattr(ft, name)(x)
        address = y.grad_fn.saved_tensors[0].data_ptr()
        y.sum().backward()
        assert x.grad.data_ptr() == address  # phi'(z) has become the gradient

    @pytest.mark.parametrize("reentrant", [True, False])
    def test_is_computed_anew_by_a_checkpoint(self, reentrant):
        from torch.utils.checkpoint import checkpoint

        model = network()
        checkpoint(model, sample(True), use_reentrant=reentrant).square().sum().backward()
        for parameter, expected in zip(model.parameters(), gradients(model, sample()), strict=True):
            same(parameter.grad, expected)

    def test_may_save_its_tensors_elsewhere(self, name):
        with torch.autograd.graph.save_on_cpu():
            y = getattr(ft, name)(x := sample(True))
        same(torch.autograd.grad(y.sum(), x)[0], slope(name))


class TestCompiled:
    @pytest.mark.parametrize("transform", ["grad", "vmap", "jvp"])
    def test_transforms(self, transform, name):
        function = getattr(ft, name)
        run = {
            "grad": torch.func.grad(lambda x: function(x).sum()),
            "vmap": torch.func.vmap(function),
            "jvp": lambda x: torch.func.jvp(function, (x,), (torch.ones_like(x),))[1],
        }[transform]
        got = torch.compile(run, backend="aot_eager", fullgraph=True)(sample())
        same(got, function(sample()) if transform == "vmap" else slope(name))

    @pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's own look
    def test_backward_pass(self):
        model = network()
        expected = gradients(model, sample())
        with torch._dynamo.compiled_autograd._enable(torch.compile(backend="eager")):
            model(sample()).square().sum().backward()
        for parameter, gradient in zip(model.parameters(), expected, strict=True):
            assert (parameter.grad - gradient).abs().max() <= 1e-6 * gradient.abs().max()


class TestOperators:
    @pytest.mark.parametrize("name", ["activation", "activation_derivative"])
    def test_they_pass_torchs_own_checks(self, name):
        operator = getattr(torch.ops.fastgrad, name).default
        for dtype in (torch.float32, torch.bfloat16):
            z = torch.linspace(-2, 2, 12).reshape(3, 4).to(dtype).requires_grad_(name == "activation")
            torch.library.opcheck(operator, (z, ACTIVATION_NUMBERS["tanh"], 0.0))

    @pytest.mark.parametrize("name", ["activation", "activation_derivative"])
    @pytest.mark.parametrize("fake", [True, False])
    def test_one_sentence_for_a_wrong_choice(self, name, fake):
        operator = getattr(torch.ops.fastgrad, name)
        for number in (99, -1, len(ACTIVATION_NUMBERS)):
            with pytest.raises(ValueError, match=f"there is no activation number {number}; known: 0 sigmoid, 1 tanh"):
                operator(torch.ones(3, device="meta" if fake else "cpu"), number, 0.0)
        for parameter in (-1.0, float("nan")):
            with pytest.raises(ValueError, match=r"alpha must be between 0 and 2\*\*100"):
                operator(torch.ones(3, device="meta" if fake else "cpu"), ACTIVATION_NUMBERS["elu"], parameter)

    def test_one_sentence_for_a_wrong_tensor(self):
        with pytest.raises(TypeError, match="takes float32, float64, float16, bfloat16, got int32"):
            torch.ops.fastgrad.activation(torch.ones(3, dtype=torch.int32), 1, 0.0)
