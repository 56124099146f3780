"""The plan of a sweep: axes, from Python lists or a TOML file -> cells, how many, and how long they take.

A plan is one grid or several. A grid is the product of its axes, named as the fields of
:class:`fastgrad.sweeps.cell.Cell` and the options of activations and initialisers are.
"""

# Design: - Cells are counted, and their time is estimated, from the axes alone; they are made one by one when
#           they are measured. A plan of 10^12 cells costs nothing to refuse.
#         - Each axis is checked by itself before any cell is made, so a NaN among a thousand gains is named at
#           once, and checking costs the sum of the axes' lengths rather than their product.
#         - An option goes to the activations and initialisers that take it: gains to Xavier's, alphas to ELU. One that
#           none takes is an error.
#         - Seeds run innermost: cells that differ in them alone share a prediction.

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean as mean

import numpy as np

from fastgrad._validation import known, positive_int
from fastgrad.activations import ACTIVATIONS, PARAMETER_NAMES, Activation, activation
from fastgrad.initializers import SURVEYED, Initializer, initializer
from fastgrad.sweeps.cell import Cell
from fastgrad.sweeps.study import check

INIT_OPTIONS = ("gain", "std")
# From the outermost to the innermost; each with its default. Cell knows the rest.
AXES = {
    "activation": ACTIVATIONS,
    "init": SURVEYED,
    "bias_std": (None,),
    "data": ("digits",),
    "dtype": ("float32",),
    "backend": ("compiled",),
    "batch": (128,),
    "width": (128,),
    "depth": (20,),
    "seeds": (tuple(range(10)),),
}
MAX_CELLS = 10**8
MAX_VALUES = 10**5  # of one axis

# Seconds, fitted to one core of an EPYC (Zen 4) with AVX-512, within -17 and +55 %: per cell, per seed, per layer of a
# seed, per layer of a cell, per weight drawn, per sample and unit, per multiplication of the three products. Only
# ratios matter once a sweep runs, since it corrects the scale by what it measures.
PER_CELL, PER_SEED, PER_LAYER, PER_CELL_LAYER = 3.7e-4, 1.4e-5, 6e-7, 2.4e-6
PER_WEIGHT, PER_UNIT, PER_PRODUCT = 6e-10, 1.3e-9, 1.8e-11


def with_options(record, names, options: Mapping[str, Sequence], takes) -> list:
    """These names' records, one for each value of the option they take.

    ``record(name, **options)`` makes one, and ``takes(record)`` names the options it knows. ValueError if none
    takes an option that has values.
    """
    records, used = [], set()
    for name in names:
        mine = [option for option, values in options.items() if values and option in takes(record(name))]
        used.update(mine)
        variants = [{option: value} for option in mine for value in options[option]] or [{}]
        records += [record(name, **variant) for variant in variants]
    for option, values in options.items():
        if values and option not in used:
            raise ValueError(f"{option} does not apply to {', '.join(map(str, names))}")
    return list(dict.fromkeys(records))


def activations_with(names, **options) -> list[Activation]:
    """Records of the named activations with each of ``PARAMETER_NAMES`` that applies."""
    return with_options(activation, names, options, lambda phi: (phi.parameter_name,))


def initializers_with(names, **options) -> list[Initializer]:
    """Records of the named initialisers with each ``gain`` and ``std`` that applies."""
    return with_options(initializer, names, options, lambda rule: rule.options)


@dataclass(frozen=True)
class Grid:
    """The product of checked axes; make one with :func:`grid`."""

    axes: Mapping[str, tuple]

    def __len__(self) -> int:
        return math.prod(map(len, self.axes.values()))

    def __iter__(self) -> Iterator[Cell]:
        for values in itertools.product(*self.axes.values()):
            yield Cell(**dict(zip(self.axes, values, strict=True)))

    def extremes(self) -> list[Cell]:
        """A few cells: :func:`fastgrad.sweeps.study.check` passes all if it passes these, each data set's largest."""
        shortest = {name: values[:1] for name, values in self.axes.items()}
        some = {"data": self.axes["data"], "backend": self.axes["backend"], "batch": (max(self.axes["batch"]),)}
        return list(Grid(shortest | some))

    def seconds(self) -> float:
        """An estimate of how long all its cells take on one core."""
        depth, width, batch = (self.axes[name] for name in ("depth", "width", "batch"))
        seeds = list(map(len, self.axes["seeds"]))
        square = mean(n * n for n in width)  # the axes are independent: a mean of products is one of means
        return len(self) * _seconds(mean(depth), mean(width), square, mean(batch), mean(seeds))

    def to_dict(self) -> dict:
        """The axes as JSON holds them."""
        return {name: [_text(value) for value in values] for name, values in self.axes.items()}


def grid(**axes) -> Grid:
    """A grid of the given axes, the others at their defaults.

    Parameters
    ----------
    **axes
        Names are those of ``AXES``, ``alpha``, ``negative_slope``, ``gain`` and ``std``. Each is a value, a list
        of values, or for a number ``{"start": ..., "stop": ..., "num": ...}``, evenly spaced with both ends.
        ``seeds`` is a number of seeds, a list of them, or a list of lists: then each is a cell of its own.

    Raises
    ------
    ValueError, TypeError
        If an axis is unknown or empty, an option applies to nothing, or a value is none that a Cell takes.
    """
    for name in axes:
        known("axis", name, (*AXES, *PARAMETER_NAMES, *INIT_OPTIONS))
    listed = {name: _values(name, values) for name, values in axes.items()}
    values = {name: listed.get(name, default) for name, default in AXES.items()}
    values["activation"] = activations_with(values["activation"], **_chosen(listed, PARAMETER_NAMES))
    values["init"] = initializers_with(values["init"], **_chosen(listed, INIT_OPTIONS))
    first = {name: items[0] for name, items in values.items()}
    for name, items in values.items():
        # As the cell has them: NumPy integers are plain, seeds are tuples.
        values[name] = [getattr(Cell(**first | {name: item}), name) for item in items]
    return Grid({name: tuple(dict.fromkeys(items)) for name, items in values.items()})


def read(plan) -> list[Grid]:
    """The grids of a plan, checked.

    Parameters
    ----------
    plan : path, mapping, or sequence of mappings
        A path is that of a TOML file: axes at its top hold for every table ``[[grid]]`` that does not replace
        them; without such tables they are the one grid. Mappings are the axes of a grid each.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError, TypeError, ImportError
        If it is not TOML, an axis is wrong (see :func:`grid`), a data set or backend cannot be used (see
        :func:`fastgrad.sweeps.study.check`), or there are more than ``MAX_CELLS`` cells.
    """
    grids = [grid(**axes) for axes in _axes(plan)]
    if not grids:
        raise ValueError("the plan has no grid")
    for one in grids:
        check(one.extremes())
    cells = sum(map(len, grids))
    if cells > MAX_CELLS:
        years = sum(g.seconds() for g in grids) / (365.25 * 86400)
        raise ValueError(
            f"the plan has {cells:,} cells, about {years:,.0f} years on one core; at most {MAX_CELLS:,} are swept"
        )
    return grids


def seconds(cell: Cell) -> float:
    """An estimate of how long a cell takes on one core."""
    return _seconds(cell.depth, cell.width, cell.width**2, cell.batch, len(cell.seeds))


def _axes(plan):
    if isinstance(plan, str | Path):
        with open(plan, "rb") as file:
            try:
                plan = tomllib.load(file)
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise ValueError(f"{plan} is not TOML: {error}") from None
        grids = plan.pop("grid", [{}])
        if not isinstance(grids, list) or not all(isinstance(table, dict) for table in grids):
            raise TypeError("grid must be tables, [[grid]]")
        return [plan | table for table in grids]
    if isinstance(plan, Mapping):
        return [plan]
    if not isinstance(plan, Sequence) or not all(isinstance(axes, Mapping) for axes in plan):
        raise TypeError(f"a plan is the path of a TOML file, a mapping of axes or several of them, got {plan!r}")
    return list(plan)


def _values(name, values):
    """An axis as a list, not empty."""
    if name == "seeds":
        values = _seed_groups(values)
    elif isinstance(values, Mapping):
        values = _spaced(name, values)
    elif isinstance(values, str) or not np.iterable(values):
        values = [values]
    values = list(values)
    if not values:
        raise ValueError(f"{name} must have at least one value, got none")
    if len(values) > MAX_VALUES:
        raise ValueError(f"{name} must have at most {MAX_VALUES:,} values, got {len(values):,}")
    return values


def _seed_groups(seeds):
    if not np.iterable(seeds) or isinstance(seeds, str):
        return [tuple(range(positive_int("seeds", seeds)))]
    seeds = list(seeds)
    return seeds if all(np.iterable(group) and not isinstance(group, str) for group in seeds) else [tuple(seeds)]


def _spaced(name, spec):
    if set(spec) != {"start", "stop", "num"}:
        raise ValueError(f"{name} as a table takes start, stop and num, got {', '.join(map(str, spec)) or 'nothing'}")
    for end in ("start", "stop"):
        if isinstance(spec[end], bool) or not isinstance(spec[end], int | float) or not math.isfinite(spec[end]):
            raise ValueError(f"{name}: {end} must be a finite number, got {spec[end]!r}")
    count = positive_int(f"{name}: num", spec["num"])
    if count > MAX_VALUES:
        raise ValueError(f"{name}: num must be at most {MAX_VALUES:,}, got {count:,}")
    values = np.linspace(spec["start"], spec["stop"], count).tolist()
    whole = name in ("depth", "width", "batch") and all(value.is_integer() for value in values)
    return [int(value) for value in values] if whole else values


def _chosen(values, names):
    return {name: values.get(name, ()) for name in names}


def _seconds(depth, width, weights, batch, seeds):
    layer = PER_LAYER + PER_WEIGHT * weights + PER_UNIT * batch * width + 3 * PER_PRODUCT * batch * weights
    return PER_CELL + depth * PER_CELL_LAYER + seeds * (PER_SEED + depth * layer)


def _text(value):
    if isinstance(value, Initializer):
        return [value.name, dict(value.options)]
    if isinstance(value, Activation):
        return [value.name, value.parameter]
    return list(value) if isinstance(value, tuple) else value
