"""What was found as text: the headline, and the columns and rows of every table of networks; no arithmetic."""

import math
from collections import Counter
from collections.abc import Sequence

from fastgrad.diagnosis import VERDICTS
from fastgrad.finite_width import FIRST_ORDER
from fastgrad.report.tables import count, interval, number, plus_minus, significant
from fastgrad.sweeps.cell import CellResult
from fastgrad.sweeps.networks import deepest

SPEED_COLUMNS = ("kernel", "size", "type", "ns per element", "peer", "peer's ns", "times faster")


def headline(results: Sequence[CellResult]) -> str:
    """What was found, in two sentences: the steepest slope among the deepest networks, and the verdicts."""
    verdicts = Counter(result.verdict for result in results)
    counts = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS if verdicts[verdict])
    networks = "network" if len(results) == 1 else "networks"
    return f"{_steepest(results)} Of {len(results)} {networks}: {counts}."


def _steepest(results):
    fitted = [result for result in deepest(results) if not math.isnan(result.decades_per_layer)]
    if not fitted:
        return "There is no slope of delta to fit."
    result = max(fitted, key=lambda result: abs(result.decades_per_layer))
    verb, sign = ("loses", 1) if result.decades_per_layer >= 0 else ("gains", -1)
    slope, expected = sign * result.decades_per_layer, sign * result.predicted_decades_per_layer
    lost = "all" if slope == math.inf else f"{number(slope)} decades"
    at = f"(theory {number(expected)}) at depth {result.cell.depth}"
    return f"{result.cell.label} {verb} {lost} of gradient per layer {at}."


CELL_COLUMNS = (
    "network", "depth", "decades per layer", "95 % interval", "theory", "in band", "decades lost", "half-life, layers",
    "float32 zero at layer", "verdict",
)  # fmt: skip

# With these an ordinary survey fits 80 columns; the interval is symmetric, so that half of it says it all.
TERMINAL_COLUMNS = ("network", "depth", "per layer ± 95 %", "theory", "in band", "f32 0 at", "verdict")


# What "in band" means, and what it cannot say; the limit is finite_width.FIRST_ORDER.
IN_BAND = (
    "In band: whether decades per layer, a mean over seeds, lies in theory's 95 % band of such a mean; one in twenty "
    "at most lies outside by chance."
)
BEYOND = (
    f"In band, beyond: depth/width is above {FIRST_ORDER:g}, and theory's band is of first order in depth/width. There "
    "the measurement stands alone."
)


def beyond(results) -> bool:
    """Whether one of the results is too deep for its width for theory's band."""
    return any(result.in_band == "beyond" for result in results)


def band_note(results) -> str:
    """What the page says below a table that shows the band."""
    return f"{IN_BAND} {BEYOND}" if beyond(results) else IN_BAND


def cell_row(result):
    """The result in ``CELL_COLUMNS``."""
    return (
        result.cell.init_label,
        str(result.cell.depth),
        number(result.decades_per_layer),
        interval(result.decades_per_layer_low, result.decades_per_layer_high),
        number(result.predicted_decades_per_layer),
        result.in_band,
        number(result.decades_lost, 1),
        number(result.half_life, 1),
        number(result.float32_zero_layer, 0),
        result.verdict,
    )


def terminal_row(result):
    """The result in ``TERMINAL_COLUMNS``."""
    return (
        result.cell.init_label,
        str(result.cell.depth),
        plus_minus(result.decades_per_layer, result.decades_per_layer_reach),
        number(result.predicted_decades_per_layer),
        result.in_band,
        number(result.float32_zero_layer, 0),
        result.verdict,
    )


EVIDENCE_COLUMNS = ("network", "depth", "verdict", "seeds", "evidence")


def evidence_row(result):
    """The result in ``EVIDENCE_COLUMNS``."""
    share = f"{result.verdict_seeds} of {len(result.cell.seeds)}"
    return result.cell.init_label, str(result.cell.depth), result.verdict, share, result.evidence


REMEDY_COLUMNS = ("network", "depth", "lost", "remedy", "then lost", "by theory", "in band", "other cures")
TERMINAL_REMEDY_COLUMNS = {  # what they lose stands in the heat map above, other cures on the page
    "network": "network", "depth": "depth", "remedy": "remedy", "then lost": "lost", "by theory": "theory",
    "in band": "in band",
}  # fmt: skip


def remedy_rows(remedies):
    """Rows of ``REMEDY_COLUMNS`` in groups, by the activation's label."""
    groups = {}
    for result, diagnosis in remedies:
        groups.setdefault(result.cell.activation.label, []).append(_remedy_row(result, diagnosis))
    return groups


def _remedy_row(result, diagnosis):
    best = diagnosis.remedy
    cures = [found.change for found in diagnosis.causes if found.cures and found != best]
    effect = (number(best.decades_lost_after, 1), number(best.predicted_after, 1), best.in_band) if best else [""] * 3
    return (
        result.cell.init_label,
        str(result.cell.depth),
        number(result.decades_lost, 1),
        best.change if best else "none",
        *effect,
        "; ".join(cures),
    )


def speed_row(row):
    """A row of ``quick_speed()`` in ``SPEED_COLUMNS``."""
    return (
        row["kernel"],
        count(row["size"]),
        row["dtype"],
        significant(row["ns_per_element"]),
        row["peer"],
        significant(row["peer_ns_per_element"]),
        number(row["ratio"], 2),
    )


def facts(machine: dict[str, str]) -> str:
    """The facts of a machine in a line."""
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def setting(results):
    """The fields that all cells share, in a sentence."""
    parts = []
    for name, words in {"width": "width {}", "batch": "batch {}", "data": "data: {}", "dtype": "{}"}.items():
        values = sorted({getattr(result.cell, name) for result in results})
        parts.append(words.format(", ".join(map(str, values))))
    seeds = sorted({len(result.cell.seeds) for result in results})
    return f"Networks at initialisation, {', '.join(parts)}, {', '.join(map(str, seeds))} seeds each."


def by_activation(results):
    """The results of each activation, by its label."""
    groups = {}
    for result in results:
        groups.setdefault(result.cell.activation.label, []).append(result)
    return groups


def init_label(result):
    """What names a result's row under its activation."""
    return result.cell.init_label


def by_depth(results, name=init_label):
    """The depths, and {activation: {name: {depth: result}}}."""
    groups = {}
    for phi, members in by_activation(results).items():
        for result in members:
            groups.setdefault(phi, {}).setdefault(name(result), {})[result.cell.depth] = result
    return sorted({result.cell.depth for result in results}), groups


def rows(results, row):
    """The rows that ``row(result)`` makes, in groups, by the activation's label."""
    return {phi: [row(result) for result in members] for phi, members in by_activation(results).items()}
