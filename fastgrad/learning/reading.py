"""What was measured of a network at one step of its training."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastgrad.diagnosis import Diagnosis, judge


@dataclass(frozen=True, eq=False)
class Reading:
    """What was measured at one step. L weight layers, from the input; logarithms are log10 of root mean squares.

    Attributes
    ----------
    step : int
        Updates made before it.
    log10_delta : ndarray, shape (L,), or None
        Of dL/dz; None if no delta was fed.
    log10_weight_gradient : ndarray, shape (L,)
        Of dL/dW, without weight decay.
    log10_signal : ndarray, shape (L,), or None
        Of the pre-activations.
    log10_update_ratio : ndarray, shape (L,), or None
        Of one step's change of the weights, over the weights; about -3 is usual. -inf where nothing moves.
    saturated_fraction, dead_fraction : ndarray, shape (L - 1,), or None
        As in :class:`fastgrad.GradientProfile`, over the window.
    diagnosis : Diagnosis or None
        The verdict on it; None without delta.
    relative_loss : float or None
        The loss on the window over that of the best constant outputs there; None if it was fed.
    """

    step: int
    log10_delta: np.ndarray | None
    log10_weight_gradient: np.ndarray
    log10_signal: np.ndarray | None = None
    log10_update_ratio: np.ndarray | None = None
    saturated_fraction: np.ndarray | None = None
    dead_fraction: np.ndarray | None = None
    diagnosis: Diagnosis | None = None
    relative_loss: float | None = None

    @property
    def verdict(self) -> str | None:
        """``diagnosis.verdict``, or None."""
        return None if self.diagnosis is None else self.diagnosis.verdict

    def to_dict(self) -> dict:
        """Plain lists, numbers and strings."""
        arrays = ("log10_delta", "log10_weight_gradient", "log10_signal", "log10_update_ratio",
                  "saturated_fraction", "dead_fraction")  # fmt: skip
        found = {name: getattr(self, name) for name in arrays}
        lists = {name: None if array is None else array.tolist() for name, array in found.items()}
        evidence = None if self.diagnosis is None else self.diagnosis.evidence
        scalars = {"step": self.step, "relative_loss": self.relative_loss}
        return scalars | {"verdict": self.verdict, "evidence": evidence} | lists

    @classmethod
    def from_dict(cls, record: dict) -> "Reading":
        """The inverse of :meth:`to_dict`; lists may hold "inf", "-inf" and "nan"."""
        arrays: dict[str, Any] = {
            name: None if values is None else np.array([float(value) for value in values])
            for name, values in record.items()
            if name not in ("step", "relative_loss", "verdict", "evidence")
        }
        loss = record.get("relative_loss")
        return cls(record["step"], **arrays, relative_loss=None if loss is None else float(loss)).judged()

    def judged(self) -> "Reading":
        """With its diagnosis, if there are what a verdict needs: delta, and the saturated and dead fractions."""
        if self.log10_delta is None or self.saturated_fraction is None:
            return self
        return replace(self, diagnosis=judge(self.log10_delta, self.saturated_fraction, self.dead_fraction))
