"""Rows of the speed comparisons as tables of text, and where ours is slower."""

import math
from collections.abc import Sequence

from fastgrad.bench.activations import SpeedRow
from fastgrad.bench.network import NetworkRow
from fastgrad.bench.parts import PartRow
from fastgrad.report.tables import Table

SPEED_NOTE = (
    "ns: ours, per element. Peers: their time over ours; ! marks where ours is slower. Limit: a copy of as many "
    "bytes, or one exp per element. One thread each. All write into arrays that are there already, but JAX makes its "
    "results; it runs in the thread that calls it, since handing a ReLU to another takes several times as long as the"
    " ReLU. Every array starts on a cache line. All took turns in one process; the least of the samples counts."
)


def speed_tables(rows: Sequence[SpeedRow]) -> list[Table]:
    """A table for each operation and type: ours in figures, the peers relative to ours."""
    tables = []
    for operation, dtype in dict.fromkeys((row.operation, row.dtype) for row in rows):
        mine = [row for row in rows if (row.operation, row.dtype) == (operation, dtype)]
        peers = list(dict.fromkeys(row.contestant for row in mine if row.contestant != "fastgrad"))
        body = {}
        for row in mine:
            body.setdefault((row.activation, row.size), {})[row.contestant] = row
        lines = [
            (name, f"{size:,}", *_speed_cells(body[name, size], peers)) for name, size in sorted(body, key=_order(mine))
        ]
        columns = ("activation", "size", "ns", "GB/s", "% of limit", *peers)
        tables.append(Table(f"{operation}, {dtype}", columns, {"": lines}))
    return tables


def _order(rows):
    names = list(dict.fromkeys(row.activation for row in rows))
    return lambda key: (names.index(key[0]), key[1])


def _speed_cells(found, peers):
    ours = found["fastgrad"]
    limit = f"{ours.percent_of_limit:.0f} {ours.limit}"
    return (_figure(ours.ns_per_element), _figure(ours.gb_per_s), limit, *(_times(found.get(peer)) for peer in peers))


def _figure(value):
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def _times(row):
    if row is None:
        return ""
    if row.difference is not None:
        return "differs"
    return _figure(row.ratio) + (" !" if row.ratio < 1 else "")


def speed_verdict(rows: Sequence[SpeedRow]) -> list[str]:
    """In how many comparisons ours is slower, and every result that differs from ours."""
    return _verdict(rows, lambda row: f"{row.operation} of {row.activation} ({row.dtype}, {row.size:,})")


def _relative(difference):
    return f"{difference:.1e} of ours" if math.isfinite(difference) else "more than any number"


NETWORK_NOTE = (
    "us: ours, per pass. Peers: their time over ours; ! marks where ours is slower. GFLOP/s: of the three matrix "
    "products per layer; peak: multiply-adds that wait for nothing. tanh, Xavier weights, float32, one thread each. "
    "NumPy writes into arrays that are there already, JAX runs in the thread that calls it. The loss and every "
    "gradient agree with ours to 1e-4, or nothing is timed. All took turns; the least sample counts."
)


def network_tables(rows: Sequence[NetworkRow]) -> list[Table]:
    """A table for each operation: ours in figures, the peers relative to ours."""
    tables = []
    for operation in dict.fromkeys(row.operation for row in rows):
        body = {}
        for row in rows:
            if row.operation == operation:
                body.setdefault((row.depth, row.width, row.batch), {})[row.contestant] = row
        peers = list(dict.fromkeys(row.contestant for row in rows if row.contestant != "fastgrad"))
        lines = [
            (*map(str, network), *_pass_cells(found["fastgrad"]), *(_times(found.get(peer)) for peer in peers))
            for network, found in body.items()
        ]
        tables.append(Table(operation, ("depth", "width", "batch", "us", "GFLOP/s", "% of peak", *peers), {"": lines}))
    return [*tables, *_memory_tables(rows)]


def _pass_cells(ours):
    return _figure(ours.seconds * 1e6), _figure(ours.gflops), f"{ours.percent_of_peak:.0f}"


def _memory_tables(rows):
    """MB of each contestant, where they were measured."""
    names = list(dict.fromkeys(row.contestant for row in rows))
    lines, columns = {}, ("depth", "width", "batch", "operation", *names)
    for row in rows:
        if row.megabytes is not None:
            case = (str(row.depth), str(row.width), str(row.batch), row.operation)
            lines.setdefault(case, dict.fromkeys(names, ""))[row.contestant] = _figure(row.megabytes)
    body = [(*case, *cells.values()) for case, cells in lines.items()]
    return [Table("memory of a pass, MB", columns, {"": body})] if body else []


def network_verdict(rows: Sequence[NetworkRow]) -> list[str]:
    """In how many comparisons ours is slower, and every result that differs from ours."""
    return _verdict(rows, lambda row: f"{row.operation} at depth {row.depth}, width {row.width}")


PART_NOTE = (
    "us: ours, per call. Peers: their time over ours; ! marks where ours is slower. float32, one thread each. NumPy "
    "and PyTorch write into arrays that are there already, ours makes its outputs. All took turns; the least sample "
    "counts."
)


def part_tables(rows: Sequence[PartRow]) -> list[Table]:
    """A table for each operation: ours in figures, the peers relative to ours."""
    tables = []
    for operation in dict.fromkeys(row.operation for row in rows):
        body = {}
        for row in rows:
            if row.operation == operation:
                body.setdefault(row.shape, {})[row.contestant] = row
        peers = list(dict.fromkeys(row.contestant for found in body.values() for row in found.values()))[1:]
        lines = [
            (" x ".join(map(str, shape)), *_part_cells(found["fastgrad"]), *(_times(found.get(peer)) for peer in peers))
            for shape, found in body.items()
        ]
        tables.append(Table(operation, ("shape", "us", "ns each", *peers), {"": lines}))
    return tables


def _part_cells(ours):
    return _figure(ours.seconds * 1e6), _figure(ours.seconds / ours.count * 1e9)


def part_verdict(rows: Sequence[PartRow]) -> list[str]:
    """In how many comparisons ours is slower, and every result that differs from ours."""
    return _verdict(rows, lambda row: f"{row.operation} of {' x '.join(map(str, row.shape))}")


def _verdict(rows, what):
    compared = [row for row in rows if row.contestant != "fastgrad" and row.difference is None]
    lines = [f"Ours is slower in {sum(row.ratio < 1 for row in compared)} of {len(compared)} comparisons."]
    for row in rows:
        if row.difference is not None:
            lines.append(f"{row.contestant} differs: its {what(row)} is off by {_relative(row.difference)}; not timed.")
    return lines if compared else lines[1:]
