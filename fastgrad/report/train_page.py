"""A training, and what repairing it did, as a page with JSON and CSV beside it; no arithmetic."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from fastgrad.learning.history import TrainingHistory
from fastgrad.learning.repair import Repair
from fastgrad.report import charts, training
from fastgrad.report.consequences_page import HEAT, course, said
from fastgrad.report.findings import DEFINITIONS
from fastgrad.report.html import Page, contents, definitions, folded, made_section, paragraph, scroll, section
from fastgrad.report.html import charts as side_by_side
from fastgrad.report.tables import html_table, number, percent

NAME = "fastgrad: a network learns"
FILES = ("training.json", "training.csv")
TITLES = {
    "progress": "Progress", "gradients": "Gradients", "verdict": "Verdict", "repair": "Before and after",
    "made": "How this was made",
}  # fmt: skip
CSV_COLUMNS = ("network", "epoch", *training.EPOCH_MEASURES, "epoch_test_loss", "epoch_test_accuracy", "learning_rate",
               "seconds")  # fmt: skip


def write_folder(found: Repair, text: str, out: str | Path, command: str, machine: dict[str, str]) -> Path:
    """Write the page, ``text`` as training.json, and training.csv into the folder; return the page's path."""
    out, runs = Path(out), _runs(found)
    (out / "training.json").write_text(text, encoding="utf-8")
    (out / "training.csv").write_text(to_csv(runs), encoding="utf-8")
    page = out / "index.html"
    page.write_text(to_html(found, command, machine), encoding="utf-8")
    return page


def to_csv(runs: Mapping[str, TrainingHistory]) -> str:
    """A row for each epoch of each training, with a header; an empty field is "none"."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for name, history in runs.items():
        for epoch in range(history.epochs):
            values = (getattr(history, column) for column in CSV_COLUMNS[2:])
            writer.writerow((name, epoch + 1, *(each[epoch] if each else "" for each in values)))
    return text.getvalue()


def to_html(found: Repair, command: str, machine: dict[str, str]) -> str:
    """The page."""
    page, runs, verdicts = Page(), _runs(found), training.verdicts(found)
    parts = {
        "progress": _progress(page, runs),
        "gradients": _gradients(page, found, runs),
        "verdict": section("verdict", TITLES["verdict"], *(paragraph(line, "lead") for line in verdicts)),
        "repair": _repair(found),
        "made": made_section(command, machine),
    }
    lead = definitions("terms", DEFINITIONS) + contents({name: TITLES[name] for name, part in parts.items() if part})
    return page.write(NAME, headline(found), lead, parts.values(), FILES)


def headline(found: Repair) -> str:
    """The network, its verdict, and what became of it."""
    first, final = found.attempts[0], found.final
    text = f"{training.describe(first)}: {first.verdict}, test accuracy {percent(first.history.test_accuracy, 1)}."
    if final is first:
        return text
    changes = ", then ".join(change.what for change in found.changes[: found.attempts.index(final)])
    return f"{text} With {changes}: {final.verdict}, {percent(final.history.test_accuracy, 1)}."


def _runs(found):
    return dict(zip(training.names(found), (attempt.history for attempt in found.attempts), strict=True))


def _progress(page, runs):
    losses, accuracies, plateaus = {}, {}, {}
    for name, history in runs.items():
        for kind, loss, accuracy in (
            ("training", history.loss, history.accuracy),
            ("validation", history.validation_loss, history.validation_accuracy),
            ("test", history.epoch_test_loss, history.epoch_test_accuracy),
        ):
            if kind == "validation" and len(runs) > 2:  # a chart has eight lines at the most
                continue
            label = f"{name}, {kind}" if len(runs) > 1 else kind
            losses[label], accuracies[label] = loss, accuracy
            if kind == "training":
                plateaus[label] = history
    told = "; ".join(f"{name}: loss {number(_last(h.loss), 4)}" for name, h in runs.items())
    figures = [
        page.figure(
            "curves", "Loss", told,
            "In nats, on a logarithmic axis. Where the training loss stands still it is shaded.",
            **charts.loss_curves(losses, plateaus),
        ),
        page.figure(
            "curves", "Accuracy", "; ".join(f"{name}: {percent(h.test_accuracy, 1)}" for name, h in runs.items()),
            "Test: on a fifth of the rows, which are held out and by which nothing is chosen. The gap between the two "
            "is what does not generalise.",
            **charts.accuracy_curves(accuracies),
        ),
    ]  # fmt: skip
    lines = [f"{name}: {said(history)}" if len(runs) > 1 else said(history) for name, history in runs.items()]
    return section("progress", TITLES["progress"], side_by_side(*figures), *map(paragraph, lines))


def _gradients(page, found, runs):
    watched = {name: history for name, history in runs.items() if history.readings}
    if not watched:
        return ""
    reach, limits = charts.heat_reach(watched.values()), charts.update_limits(watched.values())
    heats = [
        page.figure(
            "heat", f"Delta of each layer: {name}",
            f"{len(history.readings)} readings, the latest {history.readings[-1].verdict}",
            course(history),
            **charts.heat(history.readings, reach),
        )
        for name, history in watched.items()
    ]  # fmt: skip
    updates = [
        page.figure(
            "curves", f"Update ratio: {name}", "log10 of one step's change of the weights over the weights",
            "log10 of what a step changes the weights by, over their size. About -3 is usual; below -5 a layer stands "
            "still, above -1.5 steps overshoot.",
            **charts.update_curves(history, limits),
        )
        for name, history in watched.items() if any(r.log10_update_ratio is not None for r in history.readings)
    ]  # fmt: skip
    layers = training.layer_table(found.final) if found.final.history.readings else None
    table = html_table(layers.columns, layers.groups, layers.title) if layers else ""
    epochs = training.epoch_table(found.final)
    return section(
        "gradients",
        TITLES["gradients"],
        paragraph(HEAT),
        side_by_side(*heats),
        side_by_side(*updates),
        folded(
            "The epochs and layers of what remains, in numbers",
            scroll(html_table(epochs.columns, epochs.groups, epochs.title), "gradients"),
            scroll(table, "gradients"),
            paragraph(training.NOTE),
        ),
        note="Each reading sends a fixed window of training rows through the network and measures every layer. A layer "
        "whose delta is decades below the last one's learns that much more slowly under plain gradient descent.",
    )


def _repair(found):
    table = training.repair_table(found)
    if table is None:
        return ""
    return section(
        "repair",
        TITLES["repair"],
        scroll(html_table(table.columns, table.groups, "Every network that was trained"), "repair"),
        paragraph(training.NOTE),
    )


def _last(values):
    return values[-1] if values else None
