"""A training, and what repairing it did, as a page with JSON and CSV beside it; no arithmetic."""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

import fastgrad
from fastgrad._validation import strict_json
from fastgrad.learning.history import TrainingHistory
from fastgrad.learning.repair import Repair
from fastgrad.machine import machine
from fastgrad.report import charts, training, watched
from fastgrad.report.findings import DEFINITIONS
from fastgrad.report.html import Page, contents, definitions, folded, made_section, paragraph, scroll, section
from fastgrad.report.html import charts as side_by_side
from fastgrad.report.tables import html_table, number, percent, without_empty_columns

NAME = "fastgrad: a network learns"
FILES = ("training.json", "training.csv")
TITLES = {
    "progress": "Progress", "gradients": "Gradients", "verdict": "Verdict", "repair": "Before and after",
    "made": "How this was made",
}  # fmt: skip
CSV_COLUMNS = ("network", "epoch", *training.EPOCH_MEASURES, "epoch_test_loss", "epoch_test_accuracy", "learning_rate",
               "seconds")  # fmt: skip


def write_folder(found: Repair, text: str, out: str | Path, command: str, facts: Mapping) -> Path:
    """Write the page, ``text`` as training.json, and training.csv into the folder; return the page's path."""
    return _write(out, to_html(found, command, facts), text, _runs(found))


def write_history(history: TrainingHistory, out: str | os.PathLike) -> Path:
    """Write the page of one training, training.json and training.csv into the folder; return the page's path."""
    facts = machine()
    text = strict_json({"fastgrad": fastgrad.__version__, "machine": facts, "rows": [history.to_dict()]})
    page, runs = Page(), {"training": history}
    parts = {
        "progress": _progress(page, runs),
        "gradients": _gradients(page, runs, history, f"{history.epochs} epochs"),
        "made": made_section("", facts),
    }
    html = page.write(NAME, _summary(history), _lead(parts), parts.values(), FILES)
    return _write(out, html, text, runs)


def _summary(history):
    told = [history.readings[-1].verdict] if history.readings else []
    told += [watched.loss_trend(history)]
    told += [f"test accuracy {percent(history.test_accuracy, 1)}"] if history.test_accuracy is not None else []
    return f"After {history.epochs} epochs: {', '.join(told)}."


def _write(out, html, text, runs):
    out, page = Path(out), Path(out, "index.html")
    out.mkdir(parents=True, exist_ok=True)
    for name, content in {"training.json": text, "training.csv": to_csv(runs), page.name: html}.items():
        (out / name).write_text(content, encoding="utf-8")
    return page


def _lead(parts):
    return definitions("terms", DEFINITIONS) + contents({name: TITLES[name] for name, part in parts.items() if part})


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


def to_html(found: Repair, command: str, facts: Mapping) -> str:
    """The page."""
    page, runs, verdicts = Page(), _runs(found), training.verdicts(found)
    parts = {
        "progress": _progress(page, runs),
        "gradients": _gradients(page, runs, found.final.history, training.describe(found.final)),
        "verdict": section("verdict", TITLES["verdict"], *(paragraph(line, "lead") for line in verdicts)),
        "repair": _repair(found),
        "made": made_section(command, facts),
    }
    return page.write(NAME, headline(found), _lead(parts), parts.values(), FILES)


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
            "On a logarithmic axis. Where the training loss stands still it is shaded: far from its minimum that is "
            "the first sign of gradients that vanish.",
            **charts.loss_curves(losses, plateaus),
        ),
    ]  # fmt: skip
    if any(accuracies.values()):
        told = "; ".join(f"{name}: {percent(h.test_accuracy, 1)}" for name, h in runs.items())
        figures.append(
            page.figure(
                "curves", "Accuracy", told,
                "Test: on rows that are held out and by which nothing is chosen. The gap between training and test is "
                "what does not generalise.",
                **charts.accuracy_curves(accuracies),
            )
        )  # fmt: skip
    lines = [
        f"{name}: {watched.said(history)}" if len(runs) > 1 else watched.said(history) for name, history in runs.items()
    ]
    return section("progress", TITLES["progress"], side_by_side(*figures), *map(paragraph, lines))


def _gradients(page, runs, kept, title):
    """``kept`` is the history whose epochs, under this title, and layers are shown in numbers."""
    if not any(history.readings for history in runs.values()):
        return ""
    figures = watched.figures(page, runs)
    layers = training.layer_table(kept) if kept.readings else None
    table = html_table(layers.columns, layers.groups, layers.title) if layers else ""
    epochs = without_empty_columns(training.epoch_table(kept, title))
    return section(
        "gradients",
        TITLES["gradients"],
        *figures,
        folded(
            "The epochs and layers in numbers",
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
