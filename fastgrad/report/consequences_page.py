"""What vanishing gradients lead to, as sections of a page, and as a page of its own with JSON and CSV beside it."""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

import fastgrad
from fastgrad._validation import strict_json
from fastgrad.activations import activation
from fastgrad.initializers import initializer
from fastgrad.learning.history import TrainingHistory
from fastgrad.machine import machine
from fastgrad.report import charts, watched
from fastgrad.report.consequences import (
    COLUMNS,
    NOTE,
    REMEDY_COLUMNS,
    correlation,
    grouped,
    groups,
    headline,
    remedy_rows,
    row,
    setting,
)
from fastgrad.report.findings import DEFINITIONS, network_name, plain_label
from fastgrad.report.html import (
    Page,
    contents,
    definitions,
    html_matrix,
    key,
    made_section,
    paragraph,
    scroll,
    section,
)
from fastgrad.report.html import charts as side_by_side
from fastgrad.report.tables import html_table, number, percent
from fastgrad.sweeps.consequences import Consequences
from fastgrad.sweeps.trainings import Case

NAME = "fastgrad: what vanishing gradients lead to"
FILES = ("consequences.json", "consequences.csv")
TITLES = {
    "consequences": "Consequences", "detection": "Detection", "remedies": "Remedies", "made": "How this was made",
}  # fmt: skip


def write_folder(found: Consequences, out: str | os.PathLike, command: str = "", facts: Mapping | None = None) -> Path:
    """Write the page, consequences.json and consequences.csv into the folder, made if need be; return the page's path.

    ``facts`` are those of the machine, this one if there are none.
    """
    out, facts = Path(out), machine() if facts is None else facts
    out.mkdir(parents=True, exist_ok=True)
    (out / "consequences.json").write_text(to_json(found, command, facts), encoding="utf-8")
    (out / "consequences.csv").write_text(to_csv(found), encoding="utf-8")
    path = out / "index.html"
    path.write_text(to_html(found, command, facts), encoding="utf-8")
    return path


def to_html(found: Consequences, command: str, facts: Mapping) -> str:
    """The page, which says the command that made all of it at its end."""
    page = Page()
    parts = {
        "consequences": consequences_section(page, found),
        "detection": detection_section(page, found),
        "remedies": remedies_section(page, found),
        "made": made_section(command, facts),
    }
    titles = {name: title for name, title in TITLES.items() if parts[name]}
    lead = paragraph(correlation(found), "lead") + definitions("terms", DEFINITIONS) + contents(titles)
    return page.write(NAME, headline(found), lead, parts.values(), FILES, scatter(page, found))


def to_json(found: Consequences, command: str, facts: Mapping) -> str:
    """What was found, with the machine and the command, as strict JSON."""
    return strict_json({"fastgrad": fastgrad.__version__, "command": command, "machine": facts} | found.to_dict())


def to_csv(found: Consequences) -> str:
    """A row for each kind of network, with a header."""
    text = io.StringIO()
    rows = [kind.to_dict() | {"seeds": len(kind.seeds)} for kind in found.kinds]
    columns = [name for name in rows[0] if name != "accuracy_by_epoch"]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def scatter(page: Page, found: Consequences) -> str:
    """The figure of decades lost and accuracy."""
    return page.figure(
        "scatter",
        "What is lost at initialisation, and what is learned",
        f"{len(found.kinds)} kinds of network; their numbers are in the table below",
        "Each point is a kind of network: to the right its gradient vanishes more, further up it generalises better. "
        "Bars are 95 % intervals over seeds. Look for networks on the right that are low, and for those that are not.",
        **charts.scatter(found),
    )


def consequences_section(page: Page, found: Consequences, *first: str, command: str = "") -> str:
    """What became of the networks; ``first`` is HTML that it begins with, ``command`` makes it alone."""
    learning = [
        page.figure("curves", phi, _told(kinds), **charts.learning_curves(kinds))
        for phi, kinds in grouped(found).items()
    ]
    table = html_table(COLUMNS, groups(found, row), f"Target: a test accuracy of {number(found.target, 3)}")
    return section(
        "consequences",
        "Consequences: what becomes of these networks",
        *first,
        paragraph(
            "Test accuracy after every epoch, mean over seeds. Look for curves that rise late, that stay flat, and "
            "that end low."
        ),
        side_by_side(*learning),
        scroll(table, "consequences"),
        paragraph(NOTE),
        note=f"The small updates of the first layers slow learning down or stop it. {setting(found)}",
        commands=(command,),
    )


def _told(kinds):
    return "; ".join(f"{kind.init.label} ends at {percent(kind.test_accuracy)}" for kind in kinds)


def detection_section(page: Page, found: Consequences) -> str:
    """A vanishing and a healthy training side by side: what to look at while a network learns."""
    if found.worst.verdict == "healthy" or found.example.verdict != "healthy":
        return ""
    runs = _runs(found, found.worst, found.example)
    return section(
        "detection",
        "Detection: what shows while a network learns",
        *side_by_side_trainings(page, runs),
        note="What to watch: delta of each layer, how far a step moves its weights, the training loss, and the "
        "accuracy on rows that are not trained on. On one side the worst network of the table above, on the other a "
        "healthy one, both with seed 0.",
        commands=(
            _train_command(found, found.worst, "vanishing"),
            _train_command(found, found.example, "healthy"),
        ),
    )


def remedies_section(page: Page, found: Consequences, command: str = "") -> str:
    """What each initialisation and each activation cures, and a repaired network beside the broken one."""
    if not found.remedies:
        return ""
    rules = list(dict.fromkeys(kind.init.label for kind in found.kinds))
    kinds = {(plain_label(kind.activation), kind.init.label): kind for kind in found.kinds}
    matrix = html_matrix(
        f"Decades lost before training over {found.case.depth} hidden layers, and test accuracy after it",
        rules,
        {phi: [_cell(kinds.get((phi, rule))) for rule in rules] for phi in grouped(found)},
    )
    table = html_table(REMEDY_COLUMNS, {"": remedy_rows(found)}, "Each change, to all that are not healthy")
    pairs = [pair for pair in (found.repaired_by_init, found.repaired_by_activation) if pair is not None]
    parts = [
        paragraph(
            f"With {changed} changed alone, {network_name(before)} to {network_name(after)}, test accuracy goes from "
            f"{percent(before.test_accuracy)} to {percent(after.test_accuracy)}.",
            "finding",
        )
        for (before, after), changed in zip(pairs, _changed(found), strict=True)
    ]
    repair = ""
    if pairs:
        parts += side_by_side_trainings(page, _runs(found, *pairs[0]))
        repair = _train_command(found, pairs[0][0], "repair", " --repair")
    return section(
        "remedies",
        "Remedies: what each change cures",
        scroll(matrix, "remedies"),
        key(),
        scroll(table, "remedies"),
        paragraph(
            "Tried: networks of the table above that are not healthy and can be changed so. Cured: those that are "
            "healthy before the first step once they are. Decades lost and test accuracies: means over these networks. "
            "The initialisation is changed with the activation as it was, and the other way round."
        ),
        *parts,
        note="ReLU, Leaky ReLU and ELU do not squash what is above 0. Xavier's initialisation keeps the size of delta "
        "where the activation is nearly linear around 0, He's where it is 0 for half of its inputs.",
        commands=(command, repair),
    )


def _cell(kind):
    return (
        None if kind is None else (kind.decades_lost, f"{number(kind.decades_lost, 1)}, {percent(kind.test_accuracy)}")
    )


def _changed(found):
    if found.repaired_by_init is not None:
        yield "the initialisation"
    if found.repaired_by_activation is not None:
        yield "the activation"


def side_by_side_trainings(page: Page, runs: Mapping[str, TrainingHistory]) -> list[str]:
    """Charts of several trainings: delta over the steps, a panel for each, then losses and accuracies together."""
    trends = "; ".join(f"{name}: {watched.loss_trend(history)}" for name, history in runs.items())
    losses = page.figure(
        "curves",
        "Training loss",
        trends,
        f"{trends}. Where a loss stands still it is shaded, over the epochs of which that is shown. A loss that stands "
        "still high up is the first sign.",
        **charts.loss_curves({name: history.loss for name, history in runs.items()}, runs),
    )
    accuracies = page.figure(
        "curves",
        "Test accuracy",
        "; ".join(f"{name}: {percent(_last(history), 1)}" for name, history in runs.items()),
        "On rows that are held out. A network that does not learn stays where guessing is.",
        **charts.accuracy_curves({name: history.epoch_test_accuracy for name, history in runs.items()}),
    )
    return [*watched.figures(page, runs), side_by_side(losses, accuracies)]


def _last(history):
    return history.epoch_test_accuracy[-1] if history.epoch_test_accuracy else None


def _runs(found, *kinds):
    return {f"{plain_label(kind.activation)} + {kind.init.label}": found.of(kind)[0].history for kind in kinds}


def consequences_command(found: Consequences) -> str:
    """The command that trains every activation with every usual initialisation like these."""
    return f"fastgrad consequences {_options(found.case)} --seeds {len(found.kinds[0].seeds)} --out consequences"


def _train_command(found, kind, folder, more=""):
    """The command that trains the first network of a kind; "" if its records have what no option says."""
    if kind.activation != activation(kind.activation.name) or kind.init != initializer(kind.init.name):
        return ""
    case = found.of(kind)[0].case
    seed = f" --seed {case.seed}" if case.seed else ""
    names = f"-a {kind.activation.name} -i {kind.init.name}"
    return f"fastgrad train {names} {_options(case)}{seed}{more} --out {folder}"


def _options(case):
    """How a case is trained, as options; what is usual is left out."""
    usual = Case(case.activation, case.init, optimizer=case.optimizer)
    words = [f"--{name} {getattr(case, name)}" for name in ("depth", "width", "epochs")]
    words += [
        f"--{name.replace('_', '-')} {getattr(case, name)}"
        for name in ("data", "batch", "learning_rate")
        if getattr(case, name) != getattr(usual, name)
    ]
    return " ".join([*words, *([] if case.optimizer == Case.optimizer else [f"--optimizer {case.optimizer}"])])
