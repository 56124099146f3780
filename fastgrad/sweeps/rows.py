"""Results <-> rows of a store, and its SQLite schema: the only place that knows columns."""

# Design: - A row's key is a digest of the cell's definition, so a sweep asks which keys are there and never
#           holds them all: memory does not grow with the store.
#         - SQLite notices a broken page only where it breaks its own structure, hence a checksum for each row.
#         - The layers' numbers are one blob of float64, (arrays, L), little-endian. In JSON they would be
#           three times as long, and as columns of their own eleven.

import hashlib
import json
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fastgrad.sweeps.cell import COLUMNS as DEFINITION
from fastgrad.sweeps.cell import Cell, CellResult

APPLICATION = 0x66677364  # "fgsd", in the file's header
SCHEMA = 3

ARRAYS = tuple(field.name for field in fields(CellResult) if field.type == tuple[float, ...])
SCALARS = tuple(field.name for field in fields(CellResult) if field.name not in (*ARRAYS, "cell", "version", "seconds"))
_NUMBERS = (*SCALARS, "seconds")
COLUMNS = (*DEFINITION, *_NUMBERS, "layers", "checksum")
_JSON = ("seeds", "init_options")
_SQL: dict[Any, str] = {str: "TEXT", int: "INTEGER", float: "REAL", int | None: "INTEGER", float | None: "REAL"}
_TYPES: dict[str, Any] = {field.name: field.type for record in (Cell, CellResult) for field in fields(record)}
_TYPES |= {"activation": str, "parameter": float | None, "init": str, "layers": bytes, "checksum": int}
_TYPES |= dict.fromkeys(_JSON, str)


class StoreError(OSError):
    """The store cannot be used, in one sentence; nothing in it was changed."""


@dataclass(frozen=True)
class Failure:
    """A cell that could not be measured, and why."""

    cell: Cell
    error: str


def schema() -> str:
    """The statements that make an empty store."""
    columns = ", ".join(f"{name} {_SQL.get(_TYPES[name], 'BLOB')}" for name in COLUMNS)
    return f"""
        CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
        CREATE TABLE environments (id INTEGER PRIMARY KEY, facts TEXT NOT NULL UNIQUE);
        CREATE TABLE cells (key BLOB PRIMARY KEY, {columns}, environment INTEGER REFERENCES environments);
        CREATE TABLE failures (key BLOB PRIMARY KEY, cell TEXT, error TEXT,
            environment INTEGER REFERENCES environments);
        PRAGMA application_id = {APPLICATION};
        PRAGMA user_version = {SCHEMA};
    """


def key(cell: Cell) -> bytes:
    """A digest of the cell's definition, 16 bytes."""
    return hashlib.blake2b(definition(cell).encode(), digest_size=16).digest()


def definition(cell: Cell) -> str:
    """The cell as one text, that of a failure's column."""
    return _json(list(cell.to_dict().values()))


def cell_of(text: str) -> Cell:
    """The inverse of :func:`definition`."""
    return Cell.from_dict(dict(zip(DEFINITION, json.loads(text), strict=True)))


def encode(result: CellResult) -> tuple:
    """A result as a row of ``cells`` without its environment."""
    array = np.full((len(ARRAYS), len(result.log10_delta)), np.nan)
    for row, name in zip(array, ARRAYS, strict=True):
        values = getattr(result, name)
        row[: len(values)] = values
    blob = array.astype("<f8", copy=False).tobytes()
    named = result.cell.to_dict()
    named |= {name: _json(named[name]) for name in _JSON}
    values = (*named.values(), *(getattr(result, name) for name in _NUMBERS))
    return (key(result.cell), *values, blob, _checksum(values, blob))


def decode(row: Sequence, version: str, layers: bool = True) -> CellResult:
    """The result that :func:`encode` made ``row`` of, its arrays empty without ``layers``; ValueError if damaged."""
    _, *values, blob, checksum = row
    named: dict[str, Any] = dict(zip(COLUMNS, values, strict=False))
    for name in _NUMBERS:
        if named[name] is None and _TYPES[name] is float:  # SQLite has no NaN
            named[name] = math.nan
    if _checksum(named.values(), blob) != checksum:
        raise ValueError(f"the row of {named['activation']}, {named['init']} is not what was written")
    columns = {name: named.pop(name) for name in DEFINITION}
    columns |= {name: json.loads(columns[name]) for name in _JSON}
    array = np.frombuffer(blob, "<f8").reshape(len(ARRAYS), -1)
    arrays: dict[str, Any] = dict(zip(ARRAYS, map(tuple, (array if layers else array[:, :0]).tolist()), strict=True))
    for name in ("saturated_fraction", "dead_fraction"):  # of the hidden layers alone
        arrays[name] = arrays[name][:-1]
    return CellResult(cell=Cell.from_dict(columns), version=version, **named, **arrays)


def _json(value):
    return json.dumps(value, separators=(",", ":"))


def _checksum(values, blob):
    """CRC-32 of the row; floats by their bits, as NaN has no equal and its text no sign."""
    text = repr([struct.pack("<d", v) if isinstance(v, float) else v for v in values])
    return zlib.crc32(blob, zlib.crc32(text.encode()))
