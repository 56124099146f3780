"""A training run, and what repairing it did, as tables of text; no arithmetic."""

from fastgrad.learning.history import TrainingHistory
from fastgrad.learning.repair import Attempt, Repair
from fastgrad.report.findings import plain_label
from fastgrad.report.palette import terminal_style
from fastgrad.report.tables import Table, number, percent, significant, without_empty_columns

EPOCH_ROWS = 12  # of a longer run every so many epochs are shown, and the last
STRIP = 40  # layers shown in a strip, which fits 80 columns; of a deeper network every so many
EPOCH_MEASURES = ("loss", "accuracy", "validation_loss", "validation_accuracy")
EPOCH_COLUMNS = ("epoch", "loss", "accuracy", "val. loss", "val. accuracy", "learning rate", "ms")
LAYER_COLUMNS = ("layer", "delta", "dL/dW", "signal", "update/weight", "saturated", "dead")
REPAIR_COLUMNS = ("network", "chi", "decades lost", "theory", "loss", "train acc.", "test acc.", "verdict")
TRENDS = {
    "falling": "falls", "slow": "falls slowly", "plateau": "stands still", "rising": "rises",
    "unclear": "scatters too much to show a trend", "too short": "has too few epochs to show a trend",
}  # fmt: skip
NOTE = (
    "delta, dL/dW, signal and update/weight: log10 of root mean squares on a window of training rows, at the latest "
    "reading. chi: what theory says one layer leaves of |delta|^2. Decades lost: at the start, last hidden layer to "
    "the first."
)


def tables(found: Repair) -> list[Table]:
    """The epochs of the best attempt, its layers as last measured, and all attempts below each other."""
    best = found.final
    shown = [epoch_table(best.history, describe(best))]
    if best.history.readings:
        shown.append(layer_table(best.history))
    return [without_empty_columns(table) for table in (*shown, repair_table(found)) if table is not None]


def repair_table(found: Repair) -> Table | None:
    """All attempts below each other; None if there is one."""
    if not found.changes:
        return None
    predictions = [None, *(change.predicted_decades for change in found.changes)]
    rows = [
        (name, *_result(*facts))
        for name, *facts in zip(names(found), found.attempts, predictions, outcomes(found), strict=True)
    ]
    return Table("Before and after", REPAIR_COLUMNS, {"": rows})


def names(found: Repair) -> list[str]:
    """What to call each attempt."""
    return ["as it was", *(change.what for change in found.changes)]


def outcomes(found: Repair) -> list[str]:
    """What became of each attempt: one is "kept", those after it are "rejected", those before it "changed"."""
    kept = found.attempts.index(found.final)
    return [*["changed"] * kept, "kept", *["rejected"] * len(found.rejected)]


def epoch_table(history: TrainingHistory, title: str) -> Table:
    """Loss, accuracy and time by epoch."""
    every = -(-history.epochs // EPOCH_ROWS)
    shown = [e for e in range(history.epochs) if (e + 1) % every == 0 or e in (0, history.epochs - 1)]
    rows = [
        (
            str(epoch + 1),
            *(number(_at(getattr(history, name), epoch), 4, "") for name in EPOCH_MEASURES),
            significant(history.learning_rate[epoch]),
            significant(1000 * history.seconds[epoch]),
        )
        for epoch in shown
    ]  # fmt: skip
    return Table(title, EPOCH_COLUMNS, {"": rows})


def layer_table(history: TrainingHistory) -> Table:
    """What the latest reading measured, layer by layer."""
    reading = history.readings[-1]
    layers = range(len(reading.log10_delta))  # type: ignore[arg-type]
    shown = layers[:: max(1, len(layers) // EPOCH_ROWS)]
    rows = [
        (
            str(layer + 1),
            *(number(_at(values, layer), 2, "") for values in (
                reading.log10_delta, reading.log10_weight_gradient, reading.log10_signal, reading.log10_update_ratio)),
            *(percent(_at(values, layer), absent="") for values in (reading.saturated_fraction, reading.dead_fraction)),
        )
        for layer in shown
    ]  # fmt: skip
    return Table(f"Gradients at step {reading.step}", LAYER_COLUMNS, {"": rows})


def verdicts(found: Repair) -> list[str]:
    """What is wrong and why, what was changed, what was promised and what came of it: a line each."""
    lines = [_verdict(found.attempts[0])]
    for change, attempt in zip(found.changes, found.attempts[1:], strict=True):
        if change.diagnosis is not None:
            cures = "; ".join(
                f"{cure}, loss {number(change.trials[cure.change], 4)}" for cure in change.diagnosis.cures
            )
            lines.append(f"Cures, with decades then lost (theory's) and the loss of a short trial: {cures}.")
        lines.append(f"Changed to {change.what} and trained again: {_verdict(attempt)}")
    if found.hopeless is not None:
        lines.append(f"Nothing that was tried cures it. {found.hopeless}")
    if found.rejected:
        lines.append(_rejection(found))
    if found.cost is not None:
        lines.append(_cost(found.cost))
    return lines


def describe(attempt: Attempt) -> str:
    """The network in a line."""
    net = attempt.network
    width = ", ".join(map(str, dict.fromkeys(net.sizes[1:-1])))
    return f"{plain_label(net.activation)} + {net.initializer}, {net.depth} hidden layers of {width}"


def strip(decades, color_system: str | None) -> list[tuple[str, str]]:
    """A character and a rich style per hidden layer, from the input: how far its delta lies below the last one's."""
    every = -(-len(decades) // STRIP)
    return [("■", terminal_style(lost, color_system)) for lost in decades[::every]]


def _verdict(attempt):
    history, trend = attempt.history, attempt.history.trend
    parts = [f"{attempt.verdict}"]
    latest = history.readings[-1] if history.readings else None
    if latest is not None and latest.diagnosis is not None:
        parts.append(latest.diagnosis.evidence)
    parts.append(f"the loss {TRENDS[trend.kind]}" + (f": {trend.cause}" if trend.cause else ""))
    if history.stopped != "epochs":
        parts.append(f"{history.stopped}: {history.reason}")
    if history.test_accuracy is not None:
        parts.append(f"test accuracy {percent(history.test_accuracy, 1)}")
    return "; ".join(parts) + "."


def _rejection(found):
    kept = found.attempts.index(found.final)
    rows = "validation" if found.final.history.validation_loss else "training"
    worse = [
        f"{change.what} (ends at {number(attempt.history.reached, 4)})"
        for change, attempt in zip(found.rejected, found.attempts[kept + 1 :], strict=True)
    ]
    name = f"with {names(found)[kept]}" if kept else names(found)[kept]
    return (
        f"Rejected for a worse {rows} loss: {', '.join(worse)}. The network {name} remains "
        f"({number(found.final.history.reached, 4)}): {found.final.verdict}."
    )


def _cost(cost):
    reached = "never" if cost.epochs is None else f"after {cost.epochs} epochs"
    theirs = "never" if cost.twin_epochs is None else f"after {cost.twin_epochs}"
    lost = "" if cost.accuracy_lost is None else f"; it cost {number(100 * cost.accuracy_lost, 1)} points of accuracy"
    return f"The network as it was reached {significant(cost.target)} {reached}, the changed one {theirs}{lost}."


def _result(attempt, predicted, outcome):
    history = attempt.history
    return (
        significant(attempt.chi),
        number(attempt.decades_lost, 2, ""),
        number(predicted, 2, ""),
        number(_at(history.loss, -1), 4, ""),
        number(_at(history.accuracy, -1), 4, ""),
        number(history.test_accuracy, 4, ""),
        f"{attempt.verdict}; rejected" if outcome == "rejected" else attempt.verdict,
    )


def _at(values, index):
    """The entry at an index, None where there is none."""
    return None if values is None or not -len(values) <= index < len(values) else float(values[index])
