"""Profile -> verdict and evidence; network -> cause, by changing one thing at a time, and remedy."""

# Design: - The verdict is on delta, relative between hidden layers: neither the loss' scale nor the
#           batch's size enters, and dL/dW does not (in a ReLU network without biases its profile is the
#           same for every scale of the weights).
#         - It is on the decades lost over the whole depth, not on the rate: one learning rate serves all
#           layers, and what it meets is the span between the first layer and the last. 0.1 decades per
#           layer is harmless in 5 layers and fatal in 50.
#         - Precedence: saturated and dead name a mechanism, vanishing and exploding the outcome. Saturated
#           comes first, since the derivative of a saturated sigmoid may round to 0 and its unit look dead,
#           and it needs the outcome too: sigmoid at its critical gain has 38 % of its units saturated and
#           keeps its delta. Dead needs no outcome: what the last few units let through says little.
#         - Causes are measured, not inferred: the network is drawn again with one thing changed. Theory's
#           number stands beside each.
#         - The remedy is the smallest change that cures, not the one that leaves delta most nearly level: an
#           initialisation, then an activation, then both, then a depth; of initialisations the activation's own rule,
#           the other usual one, then gains. How level delta is left within two decades is chance for three seeds, and
#           ordering by it gave one class of network one remedy at depth 20 and another at depth 50.

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

import numpy as np

from fastgrad import slopes, theory
from fastgrad._validation import plain
from fastgrad.activations import Activation, activation
from fastgrad.decay import GradientProfile
from fastgrad.initializers import Initializer, initializer
from fastgrad.network import MLP

VERDICTS = ("healthy", "vanishing", "exploding", "saturated", "dead")

# Decades between the first hidden layer's delta and the last's. One learning rate serves both: at two
# decades the first learns a hundred times slower, so that one epoch for it is a hundred for the other.
# Chance does not get there: a healthy ReLU network of width 64 and depth 50 varies by 0.43 decades (one
# standard deviation, theory.py).
DECADES = 2.0

# Share of a layer's units whose derivative is 0 on every sample. Half is normal for ReLU: with one sample,
# and deep down, where all samples look alike. Then 0.9 has a chance of 3e-4 in a layer of 16 units and of
# 5e-12 in one of 64.
DEAD = 0.9

# "Most": share of (sample, unit) pairs, mean over the hidden layers, whose derivative is below a hundredth
# of its bound (activations.SATURATED_SHARE).
SATURATED = 0.5

# Counterfactual networks: three seeds put a standard error of 0.25 decades on the healthy network above, an
# eighth of DECADES. More samples would not help: the noise is that of the weights.
SEEDS = 3
BATCH = 64

ALTERNATIVES = ("relu", "tanh", "elu")
ANEW = "weights and biases drawn anew"


@dataclass(frozen=True)
class Change:
    """One thing to change about a network, and what it then is.

    Attributes
    ----------
    kind : {"weights", "init", "activation", "activation and init", "depth"}
    name : str
        What it is changed to.
    activation : Activation
    init : Initializer
    sizes : tuple of int
        Of the changed network.
    """

    kind: str
    name: str
    activation: Activation
    init: Initializer
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Counterfactual:
    """The same network with one thing changed.

    Attributes
    ----------
    kind : {"activation", "init", "depth", "weights", "activation and init"}
        What changed; "weights" are those of a trained or edited network.
    change : str
        What it was changed to.
    decades_lost_before, decades_lost_after : float
        Measured; the second is the mean over ``SEEDS`` networks. Negative where delta grows instead.
    predicted_after : float
        By mean-field theory.
    verdict_after : str
        The verdict on most of the changed networks.
    in_band : {"yes", "no", "beyond", "none"}
        Whether their decades per layer lie in theory's band: :meth:`fastgrad.theory.Prediction.in_band`.
    """

    kind: str
    change: str
    decades_lost_before: float
    decades_lost_after: float
    predicted_after: float
    verdict_after: str
    in_band: str = "none"

    @property
    def cures(self) -> bool:
        """Whether the changed networks are healthy, most of them and on average."""
        return self.verdict_after == "healthy" and abs(self.decades_lost_after) < DECADES

    def __str__(self) -> str:
        return f"{self.change}, {self.decades_lost_after:z.2f} ({self.predicted_after:z.2f})"


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a network's gradients, if anything.

    Attributes
    ----------
    verdict : {"healthy", "vanishing", "exploding", "saturated", "dead"}
    evidence : str
        The verdict's reasons in numbers.
    decades_lost : float
        From the last hidden layer to the first; inf where delta is exactly 0 on the way.
    causes : tuple of Counterfactual
        One thing changed at a time: what cures, the smallest change first, then what does not, the most nearly
        level first. Empty if healthy, and if diagnosed from a profile alone. If a trained or edited network
        would be healthy with its weights drawn anew, that is the only one.
    remedy : Counterfactual or None
        The smallest change that cures: of the initialisation, the activation, both, the depth; None if nothing does.
    cures : tuple of Counterfactual
        Everything that cures, the smallest change first; the remedy is the first of them.
    """

    verdict: str
    evidence: str
    decades_lost: float
    causes: tuple[Counterfactual, ...] = ()
    remedy: Counterfactual | None = None
    cures: tuple[Counterfactual, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.evidence}."]
        cures = [c for c in self.causes if c.cures and c != self.remedy]
        others = [c for c in self.causes if not c.cures]
        if self.remedy:
            lines.append(f"Remedy, with the decades then lost (and theory's): {self.remedy}.")
        if cures:
            lines.append(f"Also cured by: {'; '.join(map(str, cures))}.")
        if others:
            lines.append(f"Not cured by: {'; '.join(map(str, others))}.")
        return " ".join(lines)

    def to_dict(self) -> dict:
        """The diagnosis as JSON can hold it: what is not finite is the string "inf", "-inf" or "nan"."""
        return plain(asdict(self))


def diagnose(profile: GradientProfile) -> Diagnosis:
    """The verdict on one profile, with its evidence; no causes (see :func:`diagnose_network`).

    TypeError if it is something else than a :class:`fastgrad.GradientProfile`.
    """
    if not isinstance(profile, GradientProfile):
        got = type(profile).__name__
        raise TypeError(f"profile must be a GradientProfile, as network.gradient_profile(X, y) gives it, got {got}")
    return judge(profile.log10_delta, profile.saturated_fraction, profile.dead_fraction, profile.float32_zero_layer)


def judge(log10_delta, saturated_fraction, dead_fraction, float32_zero_layer: int | None = None) -> Diagnosis:
    """As :func:`diagnose`, from a profile's numbers: arrays of shape (L,), (L - 1,) and (L - 1,)."""
    if log10_delta[-1] == -math.inf:
        return Diagnosis("healthy", "delta is 0 at the output already: the loss is at its minimum here", 0.0)
    (verdict,) = verdicts(log10_delta[None], saturated_fraction[None], dead_fraction[None])
    found = evidence(verdict, log10_delta, saturated_fraction, dead_fraction, float32_zero_layer)
    return Diagnosis(verdict, found, float(_lost(log10_delta)))


def verdicts(log10_delta, saturated_fraction, dead_fraction) -> list[str]:
    """The verdict of each of several profiles: arrays of shape (n, L) and, of the hidden layers, twice (n, L - 1)."""
    rows = zip(
        (log10_delta[:, -1] == -math.inf).tolist(),  # the loss is at its minimum
        _lost(log10_delta).tolist(),
        saturated_fraction.mean(axis=1).tolist(),
        dead_fraction.max(axis=1).tolist(),
        strict=True,
    )
    return ["healthy" if least else _verdict(*row) for least, *row in rows]


def _verdict(lost, saturated, dead):
    """The verdict from the decades lost, the mean share of saturated units and the largest share of dead ones."""
    level = abs(lost) < DECADES
    if saturated >= SATURATED and not level:
        return "saturated"
    if dead >= DEAD:
        return "dead"
    return "healthy" if level else "vanishing" if lost > 0 else "exploding"


def evidence(verdict: str, log10_delta, saturated_fraction, dead_fraction, float32_zero_layer: int | None) -> str:
    """The reasons for a verdict in numbers: those of one profile, or the means of several."""
    saturated, worst = float(np.mean(saturated_fraction)), int(np.argmax(dead_fraction))
    parts = [_course(log10_delta, float32_zero_layer)]
    if saturated >= SATURATED or verdict == "saturated":
        parts.append(f"{saturated:.0%} of the units are saturated")
    if dead_fraction[worst] >= DEAD or verdict == "dead":
        parts.append(f"{dead_fraction[worst]:.0%} of the units of hidden layer {worst + 1} pass nothing")
    return "; ".join(parts)


def diagnose_network(network: MLP, X, y, profile: GradientProfile | None = None) -> Diagnosis:
    """The verdict on a network, its causes by counterfactual, and the remedy with its effect.

    Parameters
    ----------
    network : MLP
    X, y
        As for :meth:`fastgrad.MLP.gradient_profile`, which also lists the errors.
    profile : GradientProfile, optional
        That of ``network`` on ``X`` and ``y``, if it has been measured.

    Returns
    -------
    Diagnosis
    """
    profile = network.gradient_profile(X, y) if profile is None else profile
    found = diagnose(profile)
    if found.verdict == "healthy":
        return found
    rows = np.linspace(0, len(X) - 1, min(len(X), BATCH)).astype(int)
    X, y = np.asarray(X)[rows], np.asarray(y)[rows]
    if not _as_drawn(network):
        redrawn = _try(network, X, y, found.decades_lost, _anew(network))
        if redrawn.cures:
            return replace(found, causes=(redrawn,), remedy=redrawn, cures=(redrawn,))
    description = network.activation, network.initializer, network.sizes
    some = changes(*description, slopes.decades_per_layer(profile.log10_delta))
    return with_causes(found, [_try(network, X, y, found.decades_lost, change) for change in some])


def with_causes(found: Diagnosis, tried: Iterable[Counterfactual]) -> Diagnosis:
    """A verdict with what was tried, in the order of :func:`changes`."""
    tried = sorted(tried, key=_worth)
    causes = tuple(c for c in tried if c.kind != "activation and init")
    cures = tuple(c for c in tried if c.cures)
    return replace(found, causes=causes, remedy=cures[0] if cures else None, cures=cures)


def changed(network: MLP, change: Counterfactual) -> MLP:
    """The network with that change, drawn anew from its own seed.

    ValueError if it is not one of the changes that :func:`diagnose_network` may try on such a network.
    """
    description = network.activation, network.initializer, network.sizes
    options = [_anew(network), *_redescribed(*description)]
    options += [_shallower(*description, depth) for depth in range(1, network.depth)]
    for option in options:
        if (option.kind, option.name) == (change.kind, change.change):
            return _like(network, option, network.seed)
    raise ValueError(f"{change.kind}: {change.change} is no change of {network!r}")


def _worth(tried):
    """What to sort by: of cures the order of trying decides, which the sort keeps; of the rest how level delta is."""
    after = abs(tried.decades_lost_after)
    level = after if math.isfinite(after) else math.inf
    return not tried.cures, 0.0 if tried.cures else level


def _lost(log10_delta):
    """As :func:`slopes.decades_lost`, and inf where delta is exactly 0 at every hidden layer."""
    return np.where(log10_delta[..., -2] == -math.inf, math.inf, slopes.decades_lost(log10_delta))


def _course(log10_delta, float32_zero_layer):
    """How delta runs from the last hidden layer to the first, in words and numbers."""
    lost, depth = float(_lost(log10_delta)), len(log10_delta) - 1
    if math.isinf(lost):
        blocked = int(np.flatnonzero(log10_delta == -math.inf)[-1]) + 1
        return f"delta is exactly 0 from hidden layer {blocked} down to the first"
    if depth == 1:
        return "there is one hidden layer only"
    verb = "falls" if lost >= 0 else "grows"
    text = f"delta {verb} by {abs(lost):.2f} decades from hidden layer {depth} to the first"
    along = slopes.decades_per_layer(log10_delta) * (1 if lost >= 0 else -1)
    text += f", {along:z.3f} per layer along the fitted line"
    if float32_zero_layer:
        text += f"; in float32 plain backpropagation gives 0 from layer {float32_zero_layer} down"
    return text


def changes(act: Activation, init: Initializer, sizes: tuple[int, ...], decades_per_layer: float) -> Iterator[Change]:
    """Every change to try on a network whose delta loses so many decades per layer, the smallest first."""
    yield from _redescribed(act, init, sizes)
    depth = _harmless_depth(len(sizes) - 2, decades_per_layer)
    if depth < len(sizes) - 2:
        yield _shallower(act, init, sizes, depth)


def _redescribed(act, init, sizes):
    """The initialisation, the activation, or both are others."""
    for rule in _other_rules(act, init, sizes):
        yield Change("init", str(rule), act, rule, sizes)
    for name in ALTERNATIVES:
        if name != act.name:
            yield Change("activation", name, activation(name), init, sizes)
    for name, rule in (("relu", "he_normal"), ("tanh", "xavier_normal")):
        if name != act.name and _differs(initializer(rule), init, sizes):
            both = activation(name), initializer(rule)
            yield Change("activation and init", f"{name} with {rule}", *both, sizes)


def _shallower(act, init, sizes, depth):
    """So many hidden layers, their widths spread evenly over those of the network."""
    kept = np.linspace(1, len(sizes) - 2, depth).round().astype(int)
    return Change("depth", f"depth {depth}", act, init, (sizes[0], *(sizes[layer] for layer in kept), sizes[-1]))


def _other_rules(act, init, sizes):
    """The activation's own rule, the other usual one, and Xavier with gains that suit the activation.

    No repetition, and not the present one.
    """
    usual = initializer("xavier_normal"), initializer("he_normal", negative_slope=_slope(act))
    gains = (initializer("xavier_normal", gain=gain) for gain in (theory.critical_gain(act), act.gain))
    seen = [init]
    for rule in (own_rule(act), *usual, *gains):
        if all(_differs(rule, other, sizes) for other in seen):
            seen.append(rule)
    return seen[1:]


def own_rule(act: Activation) -> Initializer:
    """The initialisation that is made for an activation: Xavier's for a bounded one, He's for the others."""
    if act.bounded:
        return initializer("xavier_normal")
    return initializer("he_normal", negative_slope=_slope(act))


def _slope(act):
    return act.parameter if act.name == "leaky_relu" else 0.0


def _differs(rule, other, sizes):
    """Whether two rules give different networks of these sizes: by the variances of the hidden layers."""
    fans = list(pairwise(sizes[1:-1])) or [sizes[:2]]
    return any(
        not math.isclose(rule.weight_variance(*fan), other.weight_variance(*fan), rel_tol=1e-9)
        or rule.bias_variance(*fan) != other.bias_variance(*fan)
        for fan in fans
    )


def _harmless_depth(depth, decades_per_layer):
    """The hidden layers over which a loss of this rate stays within half of ``DECADES``; 1 if the rate is unknown."""
    harmless = slopes.depth_of(DECADES / 2, decades_per_layer)
    return 1 if math.isnan(harmless) else int(min(depth, harmless))


def _as_drawn(network):
    """Whether the weights and biases are still those that the seed gives."""
    fresh = network.like()
    pairs = zip(network.weights + network.biases, fresh.weights + fresh.biases, strict=True)
    return all(np.array_equal(now, then) for now, then in pairs)


def _anew(network):
    return Change("weights", ANEW, network.activation, network.initializer, network.sizes)


def _like(network, change, seed):
    return network.like(sizes=change.sizes, activation=change.activation, init=change.init, seed=seed)


def _try(network, X, y, before, change):
    """Measure and predict one changed network."""
    profiles = [_like(network, change, seed).gradient_profile(X, y) for seed in range(SEEDS)]
    predicted = theory.predict(change.activation, change.init, change.sizes, X, bias_std=network.bias_std)
    return Counterfactual(
        change.kind,
        change.name,
        before,
        float(np.mean([_lost(p.log10_delta) for p in profiles])),
        float(_lost(predicted.log10_delta_ratio)),
        Counter(diagnose(p).verdict for p in profiles).most_common(1)[0][0],
        predicted.in_band(float(np.mean([p.decades_per_layer for p in profiles])), SEEDS),
    )
