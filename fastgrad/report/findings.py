"""What was found as text: the headline, and the columns and rows of every table of networks; no arithmetic."""

import math
from collections import Counter
from collections.abc import Sequence

from fastgrad.activations import ACTIVATIONS, Activation, activation
from fastgrad.diagnosis import VERDICTS
from fastgrad.finite_width import FIRST_ORDER
from fastgrad.initializers import SURVEYED
from fastgrad.report.tables import count, interval, number, plus_minus, significant
from fastgrad.sweeps.cell import CellResult
from fastgrad.sweeps.networks import deepest

SPEED_COLUMNS = ("kernel", "size", "type", "ns per element", "peer", "peer's ns", "times faster")


DEFINITIONS = {
    "Delta": "is the gradient that backpropagation carries from the output to the input: the derivative of the loss "
    "with respect to a layer's pre-activations z. The gradient of the layer's weights is made from it. Its size is the "
    "root mean square over units and rows.",
    "A decade": "is a factor of ten: delta that loses three decades on its way arrives a thousand times smaller.",
    "Healthy": "is a network whose delta loses or gains fewer than two decades between its last hidden layer and its "
    "first, so that one learning rate suits all layers. Vanishing networks lose more, exploding ones gain more; in "
    "saturated ones most units are where the activation is flat, and in dead ones a layer passes nothing.",
    "Theory": "is the mean-field prediction for networks of these sizes at initialisation. Nothing in it is fitted.",
}
# What people call them, in sentences.
PROSE = {
    "relu": "ReLU", "leaky_relu": "Leaky ReLU", "elu": "ELU", "torch_linear": "PyTorch's default initialisation",
    "he_normal": "He's initialisation", "xavier_normal": "Xavier's initialisation",
}  # fmt: skip


def extremes(results: Sequence[CellResult]) -> tuple[CellResult, ...]:
    """Of the deepest networks the worst and the best, or the only one; none where delta has no two layers."""
    depth = max((result.cell.depth for result in results), default=1)
    found = [result for result in results if result.cell.depth == depth and not math.isnan(result.decades_lost)]
    if depth == 1 or not found:
        return ()
    worst, best = (choose(found, key=lambda result: abs(result.decades_lost)) for choose in (max, min))
    return (worst,) if worst is best else (worst, best)


def opening(results: Sequence[CellResult]) -> str:
    """What the first layer of the deepest networks receives of the last one's gradient, at worst and at best."""
    ends = extremes(results)
    if not ends:
        return headline(results)
    worst, best = ends[0], ends[-1]
    depth = worst.cell.depth
    text = (
        f"With {in_prose(worst.cell)} the first of {depth} hidden layers receives {share(worst.decades_lost)} of the "
        "last one's gradient"
    )
    if worst is best:
        return f"{text}."
    return f"{text}; with {in_prose(best.cell)}, {share(best.decades_lost)}."


def share(decades: float) -> str:
    """What is left after so many decades, in words: "one part in 10⁴²", "93 %", "12 times as much"."""
    if decades == math.inf:
        return "nothing"
    if decades >= 6:
        return f"one part in 10{f'{decades:.0f}'.translate(SUPERSCRIPT)}"
    if decades >= 1:
        return f"one part in {10**decades:,.0f}"
    return f"{100 * 10**-decades:.0f} %" if decades > -0.3 else f"{significant(10**-decades)} times the size"


SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def plain_label(phi: Activation) -> str:
    """The activation without a parameter that is at its default: ``leaky_relu``, but ``elu(alpha=0.5)``."""
    return phi.name if phi == activation(phi.name) else phi.label


def network_name(cell) -> str:
    """Activation and initialisation of a cell or a kind: ``relu + he_normal``."""
    return f"{plain_label(cell.activation)} + {cell.init.label}"


def in_prose(cell) -> str:
    """The same in a sentence: "ReLU and He's initialisation"; of a cell with its biases, if they are others."""
    phi, rule = plain_label(cell.activation), getattr(cell, "init_label", cell.init.label)
    return f"{PROSE.get(phi, phi)} and {PROSE.get(rule, rule)}"


def headline(results: Sequence[CellResult]) -> str:
    """The steepest slope among the deepest networks, and the verdicts, in two sentences."""
    return f"{_steepest(results)} {counts(results)}"


def summary(results: Sequence[CellResult]) -> str:
    """What the opening's two networks are among, and :func:`counts`."""
    depth = max(result.cell.depth for result in results)
    deep = sum(result.cell.depth == depth for result in results)
    these = f"These are the worst and the best of {deep} kinds of network of that depth. " if deep > 1 < depth else ""
    return these + counts(results)


def counts(results: Sequence[CellResult]) -> str:
    """How many networks have which verdict."""
    verdicts = Counter(result.verdict for result in results)
    found = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS if verdicts[verdict])
    return f"Of {len(results)} {'network' if len(results) == 1 else 'networks'}: {found}."


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
        number(result.float32_zero_layer, 0, ""),
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
        groups.setdefault(plain_label(result.cell.activation), []).append(_remedy_row(result, diagnosis))
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


def decay_command(results: Sequence[CellResult]) -> str:
    """The command that measures these networks, where they are a grid of names and depths."""
    cells = [result.cell for result in results]
    axes = {
        "-a": (cell.activation.name for cell in cells), "-i": (cell.init.name for cell in cells),
        "-d": (cell.depth for cell in cells), "--width": (cell.width for cell in cells),
        "--batch": (cell.batch for cell in cells), "--seeds": (len(cell.seeds) for cell in cells),
        "--data": (cell.data for cell in cells),
    }  # fmt: skip
    usual = {"-a": ACTIVATIONS, "-i": SURVEYED, "--data": ("digits",)}
    chosen = {name: tuple(dict.fromkeys(values)) for name, values in axes.items()}
    words = [f"{name} {value}" for name, values in chosen.items() if values != usual.get(name) for value in values]
    return " ".join(["fastgrad decay", *words, "--out decay"])


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
    """The results of each activation, by its :func:`plain_label`."""
    groups = {}
    for result in results:
        groups.setdefault(plain_label(result.cell.activation), []).append(result)
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
