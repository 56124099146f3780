"""Theory against quadrature that shares no code with it, and against known constants and laws."""

import math
import tracemalloc

import numpy as np
import pytest
from checks_network import PHI, SLOPE, mean, relative
from counting import calls_of
from scipy.special import expit

from fastgrad import finite_width, moments, theory
from fastgrad.activations import activation
from fastgrad.initializers import initializer
from fastgrad.network import MLP


def oracle_fixed_point(name, weight, bias=0.0):
    """The fixed point by bisection on the oracle's map."""
    low, high = 1e-9, 1e4
    while high / low > 1 + 1e-13:
        q = math.sqrt(low * high)
        grows = weight * mean(lambda x: PHI[name](x) ** 2, q) + bias > q
        low, high = (q, high) if grows else (low, q)
    return low


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize("q", [1e-12, 1e-3, 0.1, 1.0, 30.0, 1e3, 1e6])
@pytest.mark.parametrize("name", PHI)
def test_moments_against_adaptive_quadrature(name, q):
    phi, slope = PHI[name], SLOPE[name]
    assert relative(moments.second_moment(name, q), mean(lambda x: phi(x) ** 2, q)) <= 1e-12
    assert relative(moments.derivative_second_moment(name, q), mean(lambda x: slope(x) ** 2, q)) <= 1e-12
    assert relative(moments.fourth_moment(name, q), mean(lambda x: phi(x) ** 4, q)) <= 1e-12
    assert relative(moments.derivative_fourth_moment(name, q), mean(lambda x: slope(x) ** 4, q)) <= 1e-12


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 5.0])
def test_elu_closed_form_meets_its_series_and_its_quadrature(alpha):
    """Across the switch at q = 0.125, at both ends of the range, and as one array."""
    phi = activation("elu", alpha=alpha)
    q = np.array([1e-200, 1e-12, 1e-4, 0.124999, 0.125001, 1.0, 1e4, 1e6])
    exact = moments.gaussian_mean(lambda x: phi(x) ** 2, q)
    assert (relative(moments.second_moment(phi, q), exact) <= 1e-13).all()
    if alpha == 1.0:
        assert relative(moments.second_moment(phi, 1e-200), 1e-200) <= 1e-15
    half = (1 + alpha**2) / 2
    assert relative(moments.derivative_second_moment(phi, 0.0), half) <= 1e-15


def test_moments_are_vectorised_and_plain():
    q = np.array([[0.5, 1.0, 2.0]])
    for name in PHI:
        for function in (
            moments.second_moment,
            moments.derivative_second_moment,
            moments.derivative_fourth_moment,
        ):
            together = function(name, q)
            assert together.shape == q.shape
            assert isinstance(function(name, 1.0), float)
            assert relative(together[0, 1], function(name, 1.0)) <= 1e-15


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_q_out_of_range(bad):
    with pytest.raises(ValueError, match="q must be finite and at least 0"):
        moments.second_moment("tanh", bad)
    with pytest.raises(ValueError, match=f"at least 0, got {bad}$"):  # the first that is wrong
        moments.second_moment("tanh", [1.0, bad, -2.0])


# name, sigma_w^2, q*, chi at q*
FIXED_POINTS = [
    ("sigmoid", 1 / 3, 0.0850337649, 0.0200078293),
    ("sigmoid", 1.0, 0.2646868752, 0.0557207068),
    ("sigmoid", 2.0, 0.5552895914, 0.1009770807),
    ("sigmoid", 16.0, 5.8554035644, 0.3988790065),
    ("tanh", 2.0, 0.6179647698, 1.1055288204),
    ("tanh", 25 / 9, 1.1784804904, 1.2098313204),
]


@pytest.mark.parametrize(("name", "weight", "q", "chi"), FIXED_POINTS)
def test_fixed_points(name, weight, q, chi):
    oracle = oracle_fixed_point(name, weight)
    assert relative(theory.fixed_point(name, weight), oracle) <= 1e-11
    assert relative(theory.fixed_point(name, weight), q) <= 2e-9
    slope = SLOPE[name]
    oracle_chi = weight * mean(lambda x: slope(x) ** 2, oracle)
    assert relative(theory.chi(name, weight_variance=weight), oracle_chi) <= 1e-11
    assert relative(theory.chi(name, weight_variance=weight), chi) <= 3e-9


@pytest.mark.parametrize(
    ("name", "weight", "bias", "q", "chi"),
    [
        ("relu", 1.0, 0.0, 0.0, 0.5),
        ("relu", 2.0, 0.0, math.nan, 1.0),
        ("relu", 2.0, 0.1, math.inf, 1.0),
        ("relu", 1.0, 0.1, 0.2, 0.5),
        ("relu", 1 / 3, 0.0, 0.0, 1 / 6),
        ("relu", 3.0, 0.0, math.inf, 1.5),
        ("leaky_relu", 1.0, 0.0, 0.0, (1 + 0.01**2) / 2),
        ("leaky_relu", 2.0, 0.0, math.inf, 1 + 0.01**2),
        ("leaky_relu", 2 / (1 + 0.01**2), 0.0, math.nan, 1.0),
        ("tanh", 1.0, 0.0, 0.0, 1.0),
        ("tanh", 1 / 3, 0.0, 0.0, 1 / 3),
        ("elu", 1.0, 0.0, 0.0, 1.0),
        ("elu", 2.0, 0.0, math.inf, 1.0),
    ],
)
def test_limits_of_the_fixed_point(name, weight, bias, q, chi):
    got = theory.fixed_point(name, weight, bias)
    assert math.isnan(got) if math.isnan(q) else got == q or not (relative(got, q) > 1e-13)
    assert relative(theory.chi(name, weight_variance=weight, bias_variance=bias), chi) <= 1e-13


@pytest.mark.parametrize(
    ("name", "bias", "q", "weight"),
    [
        ("tanh", 0.01, 0.273301, 1.424205),
        ("tanh", 0.05, 0.570048, 1.760955),
        ("tanh", 0.25, 1.31794, 2.401489),
        ("elu", 0.05, 1.30091, 1.533718),
        ("elu", 0.25, 4.88663, 1.705928),
    ],
)
def test_critical_pairs(name, bias, q, weight):
    got_weight, got_q = theory.critical_point(name, bias)
    assert relative(got_q, q) <= 2e-6
    assert relative(got_weight, weight) <= 5e-7
    # at that pair the oracle's map stays and its chi is 1
    phi, slope = PHI[name], SLOPE[name]
    assert relative(got_weight * mean(lambda x: phi(x) ** 2, got_q) + bias, got_q) <= 1e-11
    assert relative(got_weight * mean(lambda x: slope(x) ** 2, got_q), 1.0) <= 1e-11


def test_critical_gain_of_sigmoid():
    weight, q = theory.critical_point("sigmoid")
    assert relative(theory.critical_gain("sigmoid"), 10.14926) <= 5e-7
    assert relative(q, 45.6243) <= 1e-6
    assert relative(weight * mean(lambda x: expit(x) ** 2, q), q) <= 1e-11
    assert relative(weight * mean(lambda x: (expit(x) * expit(-x)) ** 2, q), 1.0) <= 1e-11


@pytest.mark.parametrize(("name", "gain"), [("tanh", 1.0), ("elu", 1.0), ("relu", math.sqrt(2))])
def test_critical_gain_without_biases(name, gain):
    assert relative(theory.critical_gain(name), gain) <= 1e-13


@pytest.mark.parametrize(
    ("name", "gain"),
    [("sigmoid", 4.72264609), ("tanh", 1.46741359), ("elu", 1.22342856), ("relu", math.sqrt(2))],
)
def test_the_gain_keeps_delta_where_pre_activations_have_unit_variance(name, gain):
    assert relative(activation(name).gain, gain) <= 4e-9
    assert relative(theory.chi(name, weight_variance=activation(name).gain ** 2, q=1.0), 1.0) <= 1e-14


@pytest.mark.parametrize(
    ("name", "weight", "thousandth", "underflow"),
    [
        ("sigmoid", 1.0, 4.8, 60.5),
        ("sigmoid", 2.0, 6.0, 76.2),
        ("relu", 1.0, 19.9, 252.0),
        ("relu", 1 / 3, 7.7, 97.5),
    ],
)
def test_layers_until(name, weight, thousandth, underflow):
    """Layers until the RMS of delta is a thousandth, and until it is float32's smallest normal number."""
    per_layer = math.log(theory.chi(name, weight_variance=weight)) / 2
    assert round(math.log(1e-3) / per_layer, 1) == thousandth
    assert round(math.log(2.0**-126) / per_layer, 1) == underflow


def test_fixed_points_far_from_1():
    assert relative(theory.fixed_point("tanh", 1 / 3, 1e-20), 1.5e-20) <= 1e-13
    assert relative(theory.fixed_point("relu", 1.0, 1e30), 2e30) <= 1e-13
    assert relative(theory.fixed_point("tanh", 1e12), 1e12 * (1 - 2e-6 / math.sqrt(2 * math.pi))) <= 1e-10


def recursion(name, weight, depth):
    """(q_l, prod chi up to l) of a square network with q_1 = 1, as predicted; index 0 is layer 1."""
    init = initializer("xavier_normal", gain=math.sqrt(weight))
    p = theory.predict(name, init, [64] * (depth + 2), q0=1 / weight)
    return 10.0 ** (2 * p.log10_signal), np.append(np.cumprod(p.chi), math.nan)


def test_power_laws_at_the_edge():
    """tanh + Xavier: q = 1/(2l), prod chi = .706/l; ELU + Xavier: 2 pi/l^2, 8.0/l^2; corrections ln(l)/l."""
    at = 3000
    q, product = recursion("tanh", 1.0, at)
    assert relative(q[at - 1] * 2 * at, 1.0) <= 3e-3
    assert relative(product[at - 1] * at, 0.706) <= 3e-3
    q, product = recursion("elu", 1.0, at)
    assert relative(q[at - 1] * at**2 / (2 * math.pi), 1.0) <= 1e-2
    assert relative(product[at - 1] * at**2, 8.0) <= 1e-2


def test_stretched_exponential_of_elu_with_he():
    product = recursion("elu", 2.0, 100)[1]
    for depth, want in ((10, 8.47), (30, 83.0), (100, 5.445e3)):
        assert relative(product[depth - 1], want) <= 5e-4


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "elu"])
def test_recursion_against_the_oracle(name):
    """Twelve layers by adaptive quadrature, layer by layer, from q_1 = 1."""
    q, product = recursion(name, 2.0, 12)
    want_q, want_product = 1.0, 1.0
    phi, slope = PHI[name], SLOPE[name]
    for layer in range(12):
        want_product *= 2.0 * mean(lambda x: slope(x) ** 2, want_q)
        assert relative(q[layer], want_q) <= 1e-11
        assert relative(product[layer], want_product) <= 1e-11
        want_q = 2.0 * mean(lambda x: phi(x) ** 2, want_q)


def test_layers_that_are_not_square():
    """Two hidden layers by hand: each layer's own variances, forwards with N_l and backwards with N_(l+1)."""
    sizes, q0 = [7, 40, 90, 3], 0.8
    p = theory.predict("tanh", "torch_linear", sizes, q0=q0)
    bias = [1 / (3 * n) for n in sizes]
    q1 = q0 / 3 + bias[0]
    q2 = moments.second_moment("tanh", q1) / 3 + bias[1]
    q3 = moments.second_moment("tanh", q2) / 3 + bias[2]
    last = 3 / (3 * 90) * moments.derivative_second_moment("tanh", q2)
    first = 90 / (3 * 40) * moments.derivative_second_moment("tanh", q1) * last
    assert (relative(10 ** (2 * p.log10_signal), np.array([q1, q2, q3])) <= 1e-13).all()
    assert (relative(10 ** (2 * p.log10_delta_ratio), np.array([first, last, 1.0])) <= 1e-13).all()
    he = theory.predict("relu", "he_normal", [7, 40, 90, 3], q0=q0)
    assert (relative(he.chi, np.array([90 / 40, 3 / 90])) <= 1e-13).all()


def test_bias_std_replaces_the_initializers():
    p = theory.predict("relu", "torch_linear", [8, 8, 8, 8], q0=3.0, bias_std=0.5)
    assert relative(10 ** (2 * p.log10_signal[0]), 3.0 / 3 + 0.25) <= 1e-14


@pytest.mark.parametrize("q0", [[0.1, 1.0, 9.0], [0.1, 0.1, 1, 2, 3, 4, 5, 6, 9.0]])  # two samples in one of 8 groups
def test_samples_are_averaged_as_the_batch_norm_is(q0):
    """Samples of different size: the mean of |delta|^2, not the logarithm's mean nor the size's."""
    sizes, q0 = [16] * 6, np.array(q0)
    batch = theory.predict("tanh", "he_normal", sizes, q0=q0)
    each = [10 ** (2 * theory.predict("tanh", "he_normal", sizes, q0=q).log10_delta_ratio) for q in q0]
    assert (relative(10 ** (2 * batch.log10_delta_ratio), np.mean(each, axis=0)) <= 1e-13).all()


def test_a_large_batch_is_well_represented():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 64)) * rng.uniform(0.5, 1.5, (400, 1))
    for name in ("sigmoid", "tanh", "elu"):
        batch = theory.predict(name, "he_normal", [64] * 12, X)
        alone = [theory.predict(name, "he_normal", [64] * 12, q0=np.mean(x * x)) for x in X]
        each = [10 ** (2 * p.log10_delta_ratio) for p in alone]
        err = np.abs(batch.log10_delta_ratio - np.log10(np.mean(each, axis=0)) / 2)
        assert (err <= 0.0025).all()  # decades; the band of one network of this width reaches 0.25 to 0.35


def test_band_of_relu_is_that_of_hanin_and_nica():
    """ln(|g_0|^2/|g_L|^2) ~ Normal(-5L/2N, 5L/N)."""
    p = theory.predict("relu", "he_normal", [64] * 51 + [10], q0=1.0)
    assert relative(p.variance[0], 5 * 50 / 64) <= 1e-13
    low, high = (end[0] - p.log10_delta_ratio[0] for end in p.mean_band(10**12))
    assert relative((low + high) * 2 * math.log(10), -5 * 50 / 128) <= 1e-12


def test_forward_noise_adds_to_the_variance():
    """Backward noise alone is 1.00 for tanh + Xavier at width 64, depth 30; 1500 networks measured 1.27."""
    p = theory.predict("tanh", "xavier_normal", [64] * 32, q0=1.0)
    assert relative(p.variance[0], 1.271) <= 0.05


def test_slope_variance_is_that_of_a_sum_of_independent_layers():
    """ReLU's layers are independent, 5/N each: the slope's variance by hand."""
    depth, width = 20, 32
    p = theory.predict("relu", "he_normal", [width] * (depth + 1) + [10], q0=1.0)
    x = np.arange(depth) - (depth - 1) / 2
    want = 5 / width * np.sum(np.cumsum(x / (x @ x)) ** 2)
    assert relative(p.slope_variance, want) <= 1e-12
    low, high = p.decades_per_layer_band(4)
    assert low < p.decades_per_layer < high


@pytest.mark.parametrize("name", PHI)
def test_memory_and_response_are_the_derivatives_of_the_recursion(name):
    """With biases: d ln q_(l+1)/d ln q_l and d ln chi/d ln q_l by differences of the public functions."""
    variances = {"weight_variance": 1.3, "bias_variance": 0.4}
    q = np.array([0.02, 0.7, 5.0])
    after = theory.q_map(name, q, **variances)
    terms = [
        finite_width.noise(activation(name), np.log([a, b]), np.log([0.4]), np.array([64]))
        for a, b in zip(q, after, strict=True)
    ]
    for found, function in (("memory", theory.q_map), ("response", theory.chi)):
        up, down = (function(name, q=q * math.exp(h), **variances) for h in (1e-3, -1e-3))
        got = np.array([getattr(term, found)[0] for term in terms])
        assert (np.abs(got - np.log(up / down) / 2e-3) <= 1e-5).all()


def test_variance_by_perturbing_the_recursion():
    """With biases: nudge the forward noise of one layer at a time, and see what it does to ln |delta_1|^2."""
    weight, bias, depth, width, q1, nudge = 2.4, 0.25, 6, 64, 0.8, 1e-5

    def log_delta(forward):
        q, total = q1, 0.0
        for noise in forward:
            total += math.log(theory.chi("tanh", weight_variance=weight, q=q))
            q = weight * moments.second_moment("tanh", q) * (1 + noise) + bias
        return total

    want, q = 0.0, q1
    for layer in range(depth):
        step = nudge * np.eye(depth)[layer]
        onward = (log_delta(step) - log_delta(-step)) / (2 * nudge)
        square = moments.second_moment("tanh", q)
        slope = moments.derivative_second_moment("tanh", q)
        both = mean(lambda x: (PHI["tanh"](x) * SLOPE["tanh"](x)) ** 2, q)
        want += 3 * moments.derivative_fourth_moment("tanh", q) / slope**2 - 1
        want += 2 * onward * (both / (slope * square) - 1)
        want += onward**2 * (moments.fourth_moment("tanh", q) / square**2 - 1)
        q = weight * square + bias
    init = initializer("xavier_normal", gain=math.sqrt(weight))
    p = theory.predict("tanh", init, [width] * (depth + 2), q0=(q1 - bias) / weight, bias_std=math.sqrt(bias))
    assert relative(p.variance[0], want / width) <= 1e-7


def test_variances_are_those_of_the_sums_written_out():
    """Every ln q_l and every sum as a vector of what it takes of each layer's forward noise f and backward noise b."""
    layers, rng = 7, np.random.default_rng(0)
    noise = finite_width.Noise(*rng.uniform(0.2, 1.2, (6, layers)))
    unit, x = np.eye(layers), [np.zeros(layers)]
    for layer in range(layers - 1):
        x.append(noise.memory[layer] * x[layer] + noise.weight[layer] * unit[layer])

    def variance(weights):
        f = sum(w * response * deviation for w, response, deviation in zip(weights, noise.response, x, strict=True))
        return np.sum(weights**2 * noise.backward + 2 * weights * f * noise.shared + f**2 * noise.forward)

    for weights in rng.standard_normal((5, layers)):
        assert relative(finite_width.variance_of_sum(noise, weights), variance(weights)) <= 1e-13
    want = [variance((np.arange(layers) >= layer).astype(float)) for layer in range(layers)]
    assert (relative(finite_width.variance_of_delta(noise), np.array(want)) <= 1e-13).all()


def test_variances_beyond_the_range_of_floats():
    """sigmoid is 1/2 at 0 and its mean square 1/2 at infinity; tanh is bounded too."""
    for std, square in ((1e-120, 0.25), (1e120, 0.5)):
        p = theory.predict("sigmoid", initializer("normal", std=std), [8, 8, 8, 8], q0=1.0)
        assert (relative(p.log10_signal[1:], math.log10(std) + math.log10(8 * square) / 2) <= 1e-4).all()
    p = theory.predict("tanh", initializer("normal", std=1e120), [8, 8, 8, 8], q0=1.0)
    assert (relative(p.log10_signal, 120 + math.log10(8) / 2) <= 1e-4).all()


@pytest.mark.parametrize("name", PHI)
def test_depth_1000(name):
    """No overflow, no underflow, no warning, from vanishing to exploding."""
    for gain in (1e-3, 1.0, 30.0):
        init = initializer("xavier_normal", gain=gain)
        p = theory.predict(name, init, [64] + [128] * 1000 + [10], np.ones((100, 64)))
        for values in (p.log10_delta_ratio, p.log10_signal, p.variance, p.chi, *p.mean_band(20)):
            assert np.isfinite(values).all()


@pytest.mark.parametrize("name", PHI)
def test_the_work_of_a_prediction_is_proportional_to_depth(name):
    """Each layer calls as many functions as the one before it, and as many for 100 samples as for 10."""

    def calls(depth, samples=10):
        init, X = initializer("xavier_normal"), np.ones((samples, 64))
        return calls_of(lambda: theory.predict(name, init, [64] + [128] * depth + [10], X))

    calls(2)  # what is computed once and kept
    per_layer = (calls(200) - calls(100)) / 100
    assert 20 <= per_layer <= 200
    assert (calls(800) - calls(200)) / 600 == pytest.approx(per_layer, rel=0.01)
    assert calls(100, samples=100) == calls(100)


def test_the_memory_of_a_prediction_is_proportional_to_depth():
    """The variance of delta at each layer was once a product with a triangular matrix: 800 MB for 10,000 layers."""

    def peak(depth):
        tracemalloc.start()
        theory.predict("relu", "he_normal", [8] * depth, q0=1.0)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(3)  # what is computed once and kept
    assert peak(2000) <= 5 * peak(500)


def test_homogeneous_networks_at_depth_1000():
    """ReLU + Xavier halves q and |delta|^2 at every layer, 300 decades past float64's range."""
    p = theory.predict("relu", "xavier_normal", [64] * 2002, q0=1.0)
    layer = np.arange(2001)
    assert (np.abs(p.log10_signal[1:] / (-layer[1:] * math.log10(2) / 2) - 1) <= 1e-12).all()
    assert relative(p.decades_per_layer, math.log10(2) / 2) <= 1e-12
    tanh = theory.predict("tanh", initializer("xavier_normal", gain=0.1), [64] * 2002, q0=1.0)
    assert (relative(-np.diff(tanh.log10_signal)[1000:], 1.0) <= 1e-9).all()


def test_predict_network():
    X = np.random.default_rng(0).standard_normal((5, 8))
    net = MLP([8, 9, 9, 3], "tanh", "he_normal", bias_std=0.3)
    want = theory.predict("tanh", "he_normal", [8, 9, 9, 3], X, bias_std=0.3)
    assert (theory.predict_network(net, X).log10_delta_ratio == want.log10_delta_ratio).all()


def test_a_blank_sample():
    """A row of zeros among others: no warning, and the band is near that of the others."""
    for name in PHI:
        both = theory.predict(name, "he_normal", [16] * 8, q0=np.array([0.0, 1.0]))
        alone = theory.predict(name, "he_normal", [16] * 8, q0=1.0)
        for field in (both.log10_delta_ratio, both.log10_signal, both.variance):
            assert np.isfinite(field).all()
        assert relative(both.variance[0], alone.variance[0]) <= 0.3  # its q is half of the other


def test_weights_of_zero():
    p = theory.predict("relu", initializer("normal", std=0.0), [4, 4, 4, 4], q0=1.0)
    assert (p.log10_delta_ratio[:-1] == -np.inf).all()
    assert (p.log10_signal == -np.inf).all()


def test_errors():
    with pytest.raises(ValueError, match="hidden layer"):
        theory.predict("relu", "he_normal", [4, 3])
    with pytest.raises(ValueError, match="X or q0, not both"):
        theory.predict("relu", "he_normal", [4, 4, 3], np.ones((2, 4)), q0=1.0)
    with pytest.raises(ValueError, match="q0 must be finite and at least 0, got -1"):
        theory.predict("relu", "he_normal", [4, 4, 3], q0=-1.0)
    with pytest.raises(ValueError, match="shape"):
        theory.predict("relu", "he_normal", [4, 4, 3], np.ones((2, 5)))
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        theory.chi("rleu", weight_variance=1.0)
    with pytest.raises(ValueError, match="weight_variance"):
        theory.chi("relu", weight_variance=-1.0)


def test_a_bias_beyond_every_q_overflows_without_a_warning():
    assert theory.fixed_point("relu", 1e-300, 1e300) == math.inf


def test_in_band_has_two_sides_a_limit_and_a_word_for_nothing_to_fit():
    found = theory.predict("elu", "he_normal", [64, *[64] * 32, 10])
    assert found.depth_over_width == finite_width.FIRST_ORDER == 0.5
    for seeds in (1, 10):
        low, high = found.decades_per_layer_band(seeds)
        step = 1e-9 * (high - low)
        inside, outside = (low + step, high - step), (low - step, high + step, -math.inf, math.inf)
        assert {found.in_band(slope, seeds) for slope in inside} == {"yes"}
        assert {found.in_band(slope, seeds) for slope in outside} == {"no"}
    assert found.in_band(math.nan) == "none"
    assert theory.predict("relu", "he_normal", [64, 64, 10]).in_band(0.0) == "none"
    deep = theory.predict("elu", "he_normal", [64, *[64] * 33, 10])
    assert deep.in_band(deep.decades_per_layer) == "beyond"
    uneven = theory.predict("relu", "he_normal", [64, 10, 40, 2, 64])
    assert relative(uneven.depth_over_width, 1 / 10 + 1 / 40 + 1 / 2) <= 1e-15
