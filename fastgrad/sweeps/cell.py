"""A cell: one kind of network over several seeds, how it is measured, and the record of what was found."""

# Design: - A cell holds its activation and initialiser as records, from the command line to the page. Names become
#           records once, here; ``to_dict`` writes them as names, parameter and options, and ``from_dict`` reads them.
#         - CellResult is the one record of a measured kind of network. Networks whose seeds are spread over several
#           cells are one as well (networks.merged). It is plain data, so that it is compared, sent to another process
#           and stored. What it is made of is not merged with it: a GradientProfile is of one network and knows its
#           weights and data, and a DecayMeasurement keeps one for every seed, and arrays.

import math
import operator
from dataclasses import dataclass, fields

import numpy as np

from fastgrad import datasets, kernels, slopes
from fastgrad._validation import listed, plain, positive_int, real_number, unknown
from fastgrad.activations import Activation, activation
from fastgrad.draws import check_distinct
from fastgrad.initializers import Initializer, initializer

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Cell:
    """One square network to measure: ``depth`` hidden layers of ``width`` units and an affine output layer.

    Attributes
    ----------
    activation : Activation
        Or a name of ``ACTIVATIONS`` when the cell is made: ``Cell("tanh", "xavier_normal", 20)``.
    init : Initializer
        Or a name of ``INITIALIZERS`` likewise.
    depth, width, batch : int
        The batch is the first rows of the data.
    data : str
        One of ``datasets.DATASETS``.
    dtype : {"float32", "float64"}
    backend : str
        One of ``kernels.BACKENDS``.
    seeds : tuple of int
        One network each.
    bias_std : float or None
        As for :class:`fastgrad.MLP`: None for the biases that the initialiser gives.

    Raises
    ------
    ValueError, TypeError
        If a name is unknown, a size or a seed is out of range or of the wrong type, or a seed is there twice.
    """

    activation: Activation
    init: Initializer
    depth: int
    width: int = 128
    batch: int = 128
    data: str = "digits"
    dtype: str = "float32"
    backend: str = "compiled"
    seeds: tuple[int, ...] = tuple(range(10))
    bias_std: float | None = None

    def __post_init__(self):
        sizes = {name: positive_int(name, getattr(self, name)) for name in ("depth", "width", "batch")}
        if self.data not in datasets.DATASETS:
            raise unknown("data set", self.data, datasets.DATASETS)
        if self.dtype not in DTYPES:
            raise unknown("dtype", self.dtype, DTYPES)
        if self.backend not in kernels.BACKENDS:
            raise unknown("backend", self.backend, kernels.BACKENDS)
        seeds = listed("seeds", self.seeds)
        if not seeds:
            raise ValueError("seeds must name at least one seed, got none")
        check_distinct(seeds)
        if any(isinstance(seed, np.random.SeedSequence) for seed in seeds):
            raise TypeError("the seeds of a Cell must be integers, got a SeedSequence")
        normal_form = {  # equal cells compare equal
            **sizes,
            "activation": activation(self.activation),
            "init": initializer(self.init),
            "seeds": tuple(map(operator.index, seeds)),
            "bias_std": None if self.bias_std is None else real_number("bias_std", self.bias_std, minimum=0.0),
        }
        for name, value in normal_form.items():
            object.__setattr__(self, name, value)

    @property
    def init_label(self) -> str:
        """The initialiser, what is not its default, and the biases: ``xavier_normal(gain=2), bias 0.1``."""
        return self.init.label + ("" if self.bias_std is None else f", bias {self.bias_std:g}")

    @property
    def label(self) -> str:
        """Activation and initialiser: ``tanh + xavier_normal``."""
        return f"{self.activation.label} + {self.init_label}"

    @property
    def weight_variance(self) -> float:
        """sigma_w^2 = fan_in Var W of the square hidden layers."""
        return self.width * self.init.weight_variance(self.width, self.width)

    @property
    def bias_variance(self) -> float:
        """sigma_b^2 = Var b of the hidden layers."""
        return self.init.bias_variance(self.width, self.width) if self.bias_std is None else self.bias_std**2

    def to_dict(self) -> dict:
        """The cell in plain columns, those of ``COLUMNS``.

        ``activation`` is a name and ``parameter`` its number or None; ``init`` is a name and ``init_options`` a list
        of [name, value] in alphabetical order; ``seeds`` is a list.
        """
        found = {name: getattr(self, name, None) for name in COLUMNS}
        return found | {
            "activation": self.activation.name,
            "parameter": self.activation.parameter,
            "init": self.init.name,
            "init_options": [list(option) for option in sorted(self.init.options.items())],
            "seeds": list(self.seeds),
        }

    @classmethod
    def from_dict(cls, columns: dict) -> "Cell":
        """The inverse of :meth:`to_dict`; KeyError, TypeError or ValueError if it is something else."""
        others = {name: value for name, value in columns.items() if name not in ("parameter", "init_options")}
        return cls(
            **others
            | {
                "activation": Activation(columns["activation"], columns["parameter"]),
                "init": Initializer(columns["init"], dict(columns["init_options"])),
            }
        )


COLUMNS = (
    *("activation", "init", "depth", "width", "batch", "data", "dtype", "backend", "seeds"),
    *("parameter", "init_options", "bias_std"),
)


@dataclass(frozen=True)
class CellResult:
    """What was measured and predicted for one cell. L = depth + 1 weight layers, the output layer last.

    Logarithms are log10 of the RMS over batch and units, averaged over seeds. The ratio is relative to delta
    at the output layer; its ``low`` and ``high``, like those of ``decades_per_layer``, are the 95 % Student-t
    interval of the mean over seeds, infinite with one seed. ``predicted_low`` and ``predicted_high`` are the
    theory's 95 % band of such a mean, ``predicted_decades_per_layer_low`` and ``_high`` that of the slope, and
    ``in_band`` says whether the slope lies in it: "yes", "no", "beyond" where depth/width is too large for that theory,
    "none" without a slope. ``settled_decades_per_layer`` is fitted over the layers past the first quarter, counted from
    the input: what phase diagrams draw. ``decades_lost`` counts from the last hidden layer to the first;
    ``half_life`` is in layers, infinite where delta does not decay. ``float32_zero_layer`` is the layer,
    counted from the input, from which plain backpropagation in float32 returns zeros only, or None.
    ``verdict`` is the commonest of the seeds' verdicts, held by ``verdict_seeds`` of them; ``evidence`` has the means.
    """

    cell: Cell
    version: str
    log10_delta: tuple[float, ...]
    log10_delta_ratio: tuple[float, ...]
    log10_delta_ratio_low: tuple[float, ...]
    log10_delta_ratio_high: tuple[float, ...]
    log10_weight_gradient: tuple[float, ...]
    log10_signal: tuple[float, ...]
    saturated_fraction: tuple[float, ...]
    dead_fraction: tuple[float, ...]
    predicted_ratio: tuple[float, ...]
    predicted_low: tuple[float, ...]
    predicted_high: tuple[float, ...]
    decades_per_layer: float
    decades_per_layer_low: float
    decades_per_layer_high: float
    predicted_decades_per_layer: float
    predicted_decades_per_layer_low: float
    predicted_decades_per_layer_high: float
    settled_decades_per_layer: float
    in_band: str
    decades_lost: float
    half_life: float
    float32_zero_layer: int | None
    float64_zero_layer: int | None
    verdict: str
    verdict_seeds: int
    evidence: str
    seconds: float

    @property
    def decades_per_layer_reach(self) -> float:
        """Half the 95 % interval of ``decades_per_layer``; infinite with one seed."""
        return (self.decades_per_layer_high - self.decades_per_layer_low) / 2

    @property
    def predicted_decades_lost(self) -> float:
        """As ``decades_lost``, by theory."""
        return slopes.decades_lost(self.predicted_ratio)

    @property
    def residual(self) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
        """Measured less predicted ratio, and the ends of theory's band less the predicted ratio, layer by layer."""
        return tuple(  # type: ignore[return-value]
            tuple(value - centre for value, centre in zip(values, self.predicted_ratio, strict=True))
            for values in (self.log10_delta_ratio, self.predicted_low, self.predicted_high)
        )

    @property
    def least_ratios(self) -> dict[str, float]:
        """log10 of the least number above 0 of float32 and float64, over delta at the output layer."""
        output = self.log10_delta[-1]
        return {name: math.log10(np.finfo(name).smallest_subnormal) - output for name in DTYPES}

    def to_dict(self) -> dict:
        """The result as JSON can hold it: what is not finite is the string "inf", "-inf" or "nan"."""
        return plain({field.name: getattr(self, field.name) for field in fields(self)} | {"cell": self.cell.to_dict()})

    @classmethod
    def from_dict(cls, record: dict) -> "CellResult":
        """The inverse of :meth:`to_dict`; KeyError, TypeError or ValueError if it is something else."""
        values = {field.name: record[field.name] for field in fields(cls)}
        values["cell"] = Cell.from_dict(record["cell"])
        for field in fields(cls):
            if field.type is float:
                values[field.name] = float(values[field.name])
            elif field.type == tuple[float, ...]:
                values[field.name] = tuple(float(number) for number in values[field.name])
        return cls(**values)
