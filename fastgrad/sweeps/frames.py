"""A store as tables for other tools: pandas and xarray in memory, Parquet, CSV and netCDF on disk."""

# Design: - Parquet and CSV are written row by row as the store is read, so memory stays flat; the xarray
#           Dataset holds everything, 11 numbers for every layer.
#         - Layers are counted from the input, and shallower networks are padded with NaN.

import csv
import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np

from fastgrad._notebook import Drawn
from fastgrad._validation import known, needed
from fastgrad.sweeps.cell import CellResult
from fastgrad.sweeps.rows import ARRAYS, DEFINITION, SCALARS
from fastgrad.sweeps.store import Store

FORMATS = ("parquet", "csv", "netcdf")
SUFFIXES = {".parquet": "parquet", ".csv": "csv", ".nc": "netcdf"}
ROWS_AT_ONCE = 2000
ENVIRONMENT = {  # columns, and what store and machine call them
    "code": "code", "kernels": "kernels", "cpu_features": "CPU features", "blas": "BLAS",
    "blas_kernels": "BLAS kernels", "flush_to_zero": "flush to zero",
}  # fmt: skip
# The derived columns are what reports and plots group by.
DERIVED = ("activation_label", "init_label", "weight_variance", "bias_variance")


class Sweep(Drawn):
    """What one store or several hold; get it with :func:`fastgrad.load`, or from :func:`fastgrad.sweep` without a path.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row for each cell: its definition, ``weight_variance`` and ``bias_variance`` (sigma_w^2 and sigma_b^2),
        what was measured and predicted for it as a whole, and what it was measured on.
    dataset : xarray.Dataset
        The same as variables of the dimension ``cell``, and the profiles as variables of ``cell`` and ``layer``
        (1 is the first hidden layer), NaN where a network has fewer layers.
    """

    def __init__(self, paths: Sequence[str | os.PathLike]):
        self._paths = paths

    def __repr__(self) -> str:
        try:
            with opened(self._paths) as stores:
                return f"<Sweep of {sum(len(store) for store in stores):,} cells>"
        except (OSError, ValueError):
            return f"<Sweep of {len(self._paths)} stores that cannot be read>"

    @cached_property
    def results(self) -> tuple[CellResult, ...]:
        """Every cell's result, in the order of the stores."""
        with opened(self._paths) as stores:
            return tuple(result for store in stores for result in store.results())

    def plot(self, **options):
        """Draw delta against the layer, of the deepest network of each kind, beside theory (needs matplotlib)."""
        from fastgrad.report import plots

        return plots.delta_figure(self.results, **options)

    def report(self, folder: str | os.PathLike) -> Path:
        """Write a page with phase diagrams, and its CSV and JSON, into a folder; return the page's path."""
        from fastgrad.report import page

        return page.write_folder(self._paths, folder)

    @cached_property
    def frame(self):
        """The cells as a pandas DataFrame."""
        with opened(self._paths) as stores:
            return _frame(stores)

    @cached_property
    def dataset(self):
        """The cells and their layers as an xarray Dataset."""
        with opened(self._paths) as stores:
            return _dataset(stores)


def load(*paths: str | os.PathLike) -> Sweep:
    """What one store holds, or several: ``load("a.db").frame`` and ``.dataset``.

    Parameters
    ----------
    *paths : str or path
        Stores of one code.

    Returns
    -------
    Sweep

    Raises
    ------
    StoreError
        If one is no store, is damaged, or holds another code's numbers than the first.
    TypeError
        If no path is given.
    ImportError
        When ``frame`` or ``dataset`` is asked for and pandas or xarray is not installed.
    """
    if not paths:
        raise TypeError("load needs the path of a store")
    with opened(paths):
        return Sweep(paths)


@contextmanager
def opened(paths: Sequence[str | os.PathLike]) -> Iterator[list[Store]]:
    """The stores, open to be read; StoreError or ValueError as :func:`fastgrad.load`."""
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(path)) for path in paths]
        codes = {str(store.path): store.code for store in stores}
        if len(set(codes.values())) > 1:
            raise ValueError(f"the stores were measured by different code: {codes}")
        yield stores


def export(paths: Sequence[str | os.PathLike], out: str | os.PathLike, form: str | None = None) -> int:
    """Write what stores hold into one file, and return the number of cells.

    Parameters
    ----------
    paths : sequence of path
    out : path
        Replaced if it is there, once the new one is whole.
    form : {"parquet", "csv", "netcdf"}, optional
        By default what the ending of ``out`` says: .parquet, .csv or .nc. CSV has no profiles of layers.

    Raises
    ------
    ValueError
        If the form is unknown.
    ImportError
        If a package for it is not installed.
    OSError
        If a store cannot be read or the file not be written.
    """
    out = Path(out)
    if form is None:
        if out.suffix not in SUFFIXES:
            raise ValueError(f"the file must end in {', '.join(SUFFIXES)}, or say the format, got {out.name!r}")
        form = SUFFIXES[out.suffix]
    write = _WRITERS[known("format", form, FORMATS)]
    with opened(paths) as stores:
        return _whole(write, stores, out)


def write_csv(stores: Sequence[Store], out: Path) -> int:
    """:func:`export` of open stores as CSV."""
    return _whole(_write_csv, stores, out)


def _whole(write, stores, out):
    """What ``write`` returns; the file is there only once it is whole."""
    partial = out.with_name(out.name + ".partial")
    try:
        count = write(stores, partial)
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _frame(stores):
    return needed("pandas").DataFrame.from_records(list(_records(stores)), columns=_columns())


def _dataset(stores):
    xarray = needed("xarray")
    frame = _frame(stores)
    found = [result for store in stores for result in store.results()]
    depth = max((len(result.log10_delta) for result in found), default=0)
    layers = np.full((len(ARRAYS), len(found), depth), np.nan)
    for i, result in enumerate(found):
        for values, name in zip(layers, ARRAYS, strict=True):
            array = getattr(result, name)
            values[i, : len(array)] = array
    variables = {name: ("cell", frame[name].to_numpy()) for name in frame}
    variables |= {name: (("cell", "layer"), values) for name, values in zip(ARRAYS, layers, strict=True)}  # type: ignore[misc]
    return xarray.Dataset(variables, coords={"layer": np.arange(1, depth + 1)}).set_coords(
        [*DEFINITION, *DERIVED, "environment", *ENVIRONMENT]
    )


def _write_csv(stores, out):
    count = 0
    with open(out, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_columns())
        for record in _records(stores):
            writer.writerow(record)
            count += 1
    return count


def _write_parquet(stores, out):
    pyarrow, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    arrays = [pyarrow.field(name, pyarrow.list_(pyarrow.float64())) for name in ARRAYS]
    schema = pyarrow.schema([*(pyarrow.field(n, _arrow_type(pyarrow, n)) for n in _columns()), *arrays])
    count, pairs = 0, _pairs(stores)
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        while some := list(itertools.islice(pairs, ROWS_AT_ONCE)):
            records = [(*record, *(getattr(result, name) for name in ARRAYS)) for result, record in some]
            by_column = zip(zip(*records, strict=True), schema, strict=True)
            columns = [pyarrow.array(values, field.type) for values, field in by_column]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
            count += len(some)
    return count


def _write_netcdf(stores, out):
    dataset = _dataset(stores)
    for name, variable in dataset.variables.items():
        if variable.dtype.kind not in "fiu":  # netCDF has no None: "" is none
            dataset[name] = (variable.dims, np.array(["" if v is None else str(v) for v in variable.values]))
    dataset.to_netcdf(out)
    return dataset.sizes["cell"]


_WRITERS = {"parquet": _write_parquet, "csv": _write_csv, "netcdf": _write_netcdf}


def _columns():
    return [*DEFINITION, *DERIVED, *SCALARS, "seconds", "environment", *ENVIRONMENT]


def _arrow_type(pyarrow, name):
    if name in _TEXT:
        return pyarrow.string()
    return pyarrow.int64() if name in _WHOLE else pyarrow.float64()


_WHOLE = ("depth", "width", "batch", "float32_zero_layer", "float64_zero_layer", "verdict_seeds", "environment")
_TEXT = (
    *("activation", "init", "data", "dtype", "backend", "seeds", "init_options", "activation_label", "init_label"),
    *("verdict", "evidence", "in_band", *ENVIRONMENT),
)


def _records(stores):
    return (record for _, record in _pairs(stores, layers=False))


def _pairs(stores, layers=True):
    """Every result, and its row as plain values: seeds and options are text."""
    for store in stores:
        environments = store.environments()
        for result, number in store.rows(layers):
            scalars = (getattr(result, name) for name in (*SCALARS, "seconds"))
            facts = (environments[number].get(name) for name in ENVIRONMENT.values())
            yield result, (*_definition(result.cell), *scalars, number, *facts)


def _definition(cell):
    """The columns of a cell, and those that are derived from it."""
    columns = cell.to_dict()
    columns["seeds"] = " ".join(map(str, cell.seeds))
    columns["init_options"] = ", ".join(f"{name}={value}" for name, value in columns["init_options"])
    return *columns.values(), cell.activation.label, cell.init_label, cell.weight_variance, cell.bias_variance
