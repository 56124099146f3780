"""Counterfactuals: the network with one thing changed, drawn and measured again; what to change, and in which order."""

# Design: - Causes are measured, not inferred: the network is drawn again with one thing changed. Theory's
#           number stands beside each.
#         - The order is from the smallest change to the largest: an initialisation, then an activation, then both, then
#           a depth; of initialisations the activation's own rule, the other usual one, then gains.
#         - A network of more than DEEPEST hidden layers is tried with that many, which bounds what layers cost beside
#           their arithmetic: they are drawn, checked and predicted one by one in Python. Beyond, the noise of the
#           weights alone moves delta by decades at any usual width.

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastgrad import slopes, theory, verdicts
from fastgrad.activations import Activation, activation
from fastgrad.decay import profiles
from fastgrad.initializers import Initializer, initializer
from fastgrad.network import MLP
from fastgrad.verdicts import DECADES

# Counterfactual networks: three seeds put a standard error of 0.25 decades on the healthy network above, an
# eighth of DECADES. More samples would not help: the noise is that of the weights.
SEEDS = 3
BATCH = 64
DEEPEST = 1000
PATIENCE = 2.0  # seconds before a terminal is told how far it is

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
    tried_depth : int or None
        The hidden layers that the networks tried had, where these are ``DEEPEST`` in place of more.
    """

    kind: str
    change: str
    decades_lost_before: float
    decades_lost_after: float
    predicted_after: float
    verdict_after: str
    in_band: str = "none"
    tried_depth: int | None = None

    @property
    def cures(self) -> bool:
        """Whether the changed networks are healthy, most of them and on average."""
        return self.verdict_after == "healthy" and abs(self.decades_lost_after) < DECADES

    def __str__(self) -> str:
        return f"{self.change}, {self.decades_lost_after:z.2f} ({self.predicted_after:z.2f})"


def changes(act: Activation, init: Initializer, sizes: tuple[int, ...], decades_per_layer: float) -> Iterator[Change]:
    """Every change to try on a network whose delta loses so many decades per layer, the smallest first."""
    yield from _redescribed(act, init, sizes)
    depth = _harmless_depth(len(sizes) - 2, decades_per_layer)
    if depth < len(sizes) - 2:
        yield _shallower(act, init, sizes, depth)


def changed(network: MLP, change: Counterfactual) -> MLP:
    """The network with that change, drawn anew from its own seed.

    ValueError if it is not one of the changes that ``try_changes`` may try on such a network.
    """
    description = network.activation, network.initializer, network.sizes
    options = [Change("weights", ANEW, *description), *_redescribed(*description)]
    depths = (depth for depth in range(1, network.depth) if _depth_name(depth) == change.change)
    options += [_shallower(*description, depth) for depth in depths]
    for option in options:
        if (option.kind, option.name) == (change.kind, change.change):
            return _like(network, option, network.seed)
    raise ValueError(f"{change.kind}: {change.change} is no change of {network!r}")


def _redescribed(act, init, sizes):
    """Changes of the initialisation, of the activation, and of both."""
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
    """The change to so many hidden layers, evenly spaced ones of the network."""
    kept = np.linspace(1, len(sizes) - 2, depth).round().astype(int)
    return Change("depth", _depth_name(depth), act, init, (sizes[0], *(sizes[layer] for layer in kept), sizes[-1]))


def _depth_name(depth):
    return f"depth {depth}"


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
    fans = set(pairwise(sizes[1:-1])) or {sizes[:2]}
    return any(
        not math.isclose(rule.weight_variance(*fan), other.weight_variance(*fan), rel_tol=1e-9)
        or rule.bias_variance(*fan) != other.bias_variance(*fan)
        for fan in fans
    )


def _harmless_depth(depth, decades_per_layer):
    """The hidden layers over which a loss of this rate stays within half of ``DECADES``; 1 if the rate is unknown."""
    harmless = slopes.depth_of(DECADES / 2, decades_per_layer)
    return 1 if math.isnan(harmless) else int(min(depth, harmless))


def try_changes(
    network: MLP, X, y, lost: float, decades_per_layer: float, progress: Callable[[int, int], object] | None = None
) -> list[Counterfactual]:
    """What each change does to a network that loses so many decades, in the order of :func:`changes`.

    Weights drawn anew come first where the network's are not those of its seed; if they cure, nothing else is tried.

    Parameters
    ----------
    network : MLP
    X, y : array_like
        As for :meth:`fastgrad.MLP.gradient_profile`; of more rows ``BATCH`` are taken, evenly spaced.
    lost, decades_per_layer : float
        Of the network as it is.
    progress : callable, optional
        Called with the changes tried and those to try. Without it a terminal is told on stderr, after ``PATIENCE``.
    """
    rows = np.linspace(0, len(X) - 1, min(len(X), BATCH)).astype(int)
    X, y = np.asarray(X)[rows], np.asarray(y)[rows]
    description = network.activation, network.initializer, network.sizes
    if network.depth > DEEPEST:
        description = *description[:2], _shallower(*description, DEEPEST).sizes
    if not _as_drawn(network):
        redrawn = _try(network, X, y, lost, Change("weights", ANEW, *description))
        if redrawn.cures:
            return [redrawn]
    some, tried, progress = list(changes(*description, decades_per_layer)), [], progress or _on_a_terminal()
    for change in some:
        tried.append(_try(network, X, y, lost, change))
        progress(len(tried), len(some))
    return tried


def _on_a_terminal():
    """A function of (done, total) that shows both on stderr, if that is a terminal, and erases the line in the end."""
    start = time.monotonic()

    def show(done, total):
        if time.monotonic() - start > PATIENCE and sys.stderr is not None and sys.stderr.isatty():
            text = f"diagnosis: {done} of {total} changes tried" if done < total else ""
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    return show


def _as_drawn(network):
    """Whether the weights and biases are still those that the seed gives."""
    fresh = network.like()
    pairs = zip(network.weights + network.biases, fresh.weights + fresh.biases, strict=True)
    return all(np.array_equal(now, then) for now, then in pairs)


def _like(network, change, seed):
    return network.like(sizes=change.sizes, activation=change.activation, init=change.init, seed=seed)


def _try(network, X, y, before, change):
    """Measure and predict one changed network."""
    found = profiles(_like(network, change, 0), tuple(range(SEEDS)), X, y)
    predicted = theory.predict(change.activation, change.init, change.sizes, X, bias_std=network.bias_std)
    verdict = Counter(verdicts.of_each(found.log10_delta, found.saturated_fraction, found.dead_fraction))
    return Counterfactual(
        change.kind,
        change.name,
        before,
        float(np.mean(verdicts.decades_lost(found.log10_delta))),
        verdicts.decades_lost(predicted.log10_delta_ratio),
        verdict.most_common(1)[0][0],
        predicted.in_band(float(np.mean(slopes.decades_per_layer(found.log10_delta))), SEEDS),
        DEEPEST if network.depth > DEEPEST and change.kind != "depth" else None,
    )
