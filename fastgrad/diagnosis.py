"""Profile -> verdict and evidence; network -> cause, by counterfactual, and remedy."""

# Design: The remedy is the smallest change that cures, not the one that leaves delta most nearly level. How level delta
#         is left within two decades is chance for three seeds, and ordering by it gave one class of network one remedy
#         at depth 20 and another at depth 50.

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace

from fastgrad import counterfactual, slopes, verdicts
from fastgrad._validation import plain
from fastgrad.counterfactual import Change, Counterfactual, changed, changes, own_rule
from fastgrad.decay import GradientProfile
from fastgrad.network import MLP
from fastgrad.verdicts import DECADES, VERDICTS, evidence

__all__ = [
    "DECADES", "VERDICTS", "Change", "Counterfactual", "Diagnosis", "changed", "changes", "diagnose",
    "diagnose_network", "evidence", "judge", "own_rule", "with_causes",
]  # fmt: skip


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
        if any(c.tried_depth for c in self.causes):
            lines.append(f"Networks tried have at most {counterfactual.DEEPEST} hidden layers.")
        return " ".join(lines)

    def to_dict(self) -> dict:
        """The diagnosis as JSON can hold it: what is not finite is the string "inf", "-inf" or "nan"."""
        return plain(asdict(self))


def diagnose(profile: GradientProfile) -> Diagnosis:
    """The verdict on one profile, with its evidence; no causes (see :func:`fastgrad.diagnosis.diagnose_network`).

    Parameters
    ----------
    profile : GradientProfile
        As ``network.gradient_profile(X, y)`` gives it.

    Returns
    -------
    Diagnosis
        Its ``causes`` and ``cures`` are empty, its ``remedy`` is None.

    Raises
    ------
    TypeError
        If ``profile`` is something else.
    """
    if not isinstance(profile, GradientProfile):
        got = type(profile).__name__
        raise TypeError(f"profile must be a GradientProfile, as network.gradient_profile(X, y) gives it, got {got}")
    return judge(profile.log10_delta, profile.saturated_fraction, profile.dead_fraction, profile.float32_zero_layer)


def judge(log10_delta, saturated_fraction, dead_fraction, float32_zero_layer: int | None = None) -> Diagnosis:
    """As :func:`fastgrad.diagnose`, from a profile's numbers: arrays of shape (L,), (L - 1,) and (L - 1,)."""
    if log10_delta[-1] == -math.inf:
        return Diagnosis("healthy", "delta is 0 at the output already: the loss is at its minimum here", 0.0)
    measured = log10_delta, saturated_fraction, dead_fraction
    verdict = verdicts.verdict(*measured)
    return Diagnosis(verdict, evidence(verdict, *measured, float32_zero_layer), verdicts.decades_lost(log10_delta))


def diagnose_network(
    network: MLP,
    X,
    y,
    profile: GradientProfile | None = None,
    *,
    progress: Callable[[int, int], object] | None = None,
) -> Diagnosis:
    """The verdict on a network, its causes by counterfactual, and the remedy with its effect.

    Of a network with more than 1000 hidden layers (``counterfactual.DEEPEST``) changes are tried on so many of them,
    evenly spaced, and the counterfactuals say so.

    Parameters
    ----------
    network : MLP
    X, y : array_like
        As for :meth:`fastgrad.MLP.gradient_profile`, which also lists the errors.
    profile : GradientProfile, optional
        That of ``network`` on ``X`` and ``y``, if it has been measured.
    progress : callable, optional
        Called with the changes tried and those to try. Without it a terminal is told on stderr, after two seconds.

    Returns
    -------
    Diagnosis
    """
    profile = network.gradient_profile(X, y) if profile is None else profile
    found = diagnose(profile)
    if found.verdict == "healthy":
        return found
    rate = slopes.decades_per_layer(profile.log10_delta)
    tried = counterfactual.try_changes(network, X, y, found.decades_lost, rate, progress)
    return with_causes(found, tried)


def with_causes(found: Diagnosis, tried: Iterable[Counterfactual]) -> Diagnosis:
    """A verdict with what was tried, in the order of :func:`changes`."""
    tried = sorted(tried, key=_worth)
    causes = tuple(c for c in tried if c.kind != "activation and init")
    cures = tuple(c for c in tried if c.cures)
    return replace(found, causes=causes, remedy=cures[0] if cures else None, cures=cures)


def _worth(tried):
    """The key to sort by: cures first, in the order in which they were tried; then the rest, by how level delta is."""
    after = abs(tried.decades_lost_after)
    level = after if math.isfinite(after) else math.inf
    return not tried.cures, 0.0 if tried.cures else level
