"""What a user sees of an activation, from its name to the page, for every one of the registry."""

import numpy as np
import pytest
from scipy.integrate import quad
from test_cli import TINY, call

import fastgrad
from fastgrad import ACTIVATIONS, activation, ffi
from fastgrad.bench import activations as speed
from fastgrad.bench import peers
from fastgrad.bench.audit.audit import Audit
from fastgrad.report import page as pages
from fastgrad.report.findings import plain_label

each = pytest.mark.parametrize("name", ACTIVATIONS)


@each
def test_from_a_sweep_to_the_page(name, tmp_path):
    path = tmp_path / "a.db"
    fastgrad.sweep(
        path, activation=name, init=["xavier_normal", "he_normal"], depth=[4, 8],
        width=8, batch=8, data="normal", seeds=2, workers=1,
    )  # fmt: skip
    frame = fastgrad.load(path).frame
    assert set(frame["activation"]) == {name}
    assert np.isfinite(frame["decades_per_layer"]).all()
    page = pages.write_folder([path], tmp_path / "report", "fastgrad report a.db")
    assert f'"{plain_label(activation(name))}' in page.read_text(encoding="utf-8")


@each
def test_the_decay_command_takes_it(name):
    result = call("decay", "-a", name, "-i", "xavier_normal", "-d", "4", *TINY)
    assert result.exit_code in (0, 1), result.output
    assert name in result.stdout


@each
def test_the_audits_sample_finds_no_fault_in_our_kernels(name):
    sweep = Audit(quick=True, activations=[name], group="ours")
    sweep.run()
    rows = sweep.rows()
    assert len(rows) >= 6
    assert [row["faults"] for row in rows] == [[]] * len(rows)


@each
def test_c_gets_a_derivative_whose_integral_is_the_value(name):
    phi = activation(name)
    for low, high in ((-3, 0), (0, 3)):
        integral = quad(ffi.low_level_callable(phi, "derivative"), low, high, epsabs=0, epsrel=1e-12)[0]
        assert abs(integral - (phi(float(high)) - phi(float(low)))) <= 1e-12


@each
def test_a_library_that_does_not_offer_it_is_left_out_and_the_others_agree(name, monkeypatch):
    monkeypatch.setitem(peers.PEERS, "without it", lambda *case: None)
    here = [peer for peer in peers.installed() if peer not in ("torch.compile", "without it")]
    for operation in peers.OPERATIONS:
        case = speed.ActivationCase(name, operation, "float32", 1000)
        rows = speed.time_activation(case, [*here, "without it"], 1)
        assert rows[0].contestant == "fastgrad"
        assert "without it" not in [row.contestant for row in rows]
        assert [row.difference for row in rows] == [None] * len(rows)


@each
def test_a_model_of_pytorch_is_read_and_watched(name):
    torch = pytest.importorskip("torch")
    from torch import nn

    from fastgrad.torch import reader, watch

    phi = activation(name)
    own = getattr(nn, phi.facts.title)
    assert reader.activation_of(own()) == phi
    model = nn.Sequential(*(layer for _ in range(3) for layer in (nn.Linear(6, 6), own())), nn.Linear(6, 3))
    for layer in model[::2]:
        nn.init.normal_(layer.weight, std=8.0)
    watched = watch(model)
    x, zs = torch.linspace(-3, 3, 60).reshape(10, 6), []
    for layer in model[:-1:2]:
        layer.register_forward_hook(lambda layer, given, z: zs.append(z.detach().double().numpy()))
    model(x).square().sum().backward()
    share = [np.mean(phi.derivative(z) < phi.saturation_threshold) for z in zs]
    assert watched.profile.saturated_fraction == pytest.approx(share, abs=1e-12)
