"""What vanishing gradients lead to, as sentences and tables; no arithmetic."""

import math

from fastgrad.report.findings import facts, in_prose, plain_label
from fastgrad.report.tables import interval, number, percent, rich_table
from fastgrad.sweeps.consequences import Consequences, Kind

COLUMNS = (
    "network", "decades lost", "95 % interval", "epochs to target", "seconds to target", "train acc.", "test acc.",
    "± 95 %", "stalled", "verdict",
)  # fmt: skip
TERMINAL_COLUMNS = ("network", "lost", "epochs", "seconds", "test acc. ± 95 %", "stalled", "verdict")
REMEDY_COLUMNS = ("remedy", "tried", "cured", "lost before", "lost after", "test acc. before", "test acc. after")
TERMINAL_REMEDY_COLUMNS = ("remedy", "tried", "cured", "lost", "then", "test acc.", "then")
NOTE = (
    "Decades lost: of delta, last hidden layer to the first, before the first step. Target: nine tenths of the best "
    "test accuracy. Epochs and seconds: until the test accuracy is there, median over seeds. Stalled: seeds whose "
    "training loss stands still, or nearly, far from its minimum. Accuracies: after the last epoch, means over seeds."
)


def setting(found: Consequences) -> str:
    """How the networks were trained, in a sentence."""
    case, seeds = found.case, sorted({len(kind.seeds) for kind in found.kinds})
    return (
        f"{case.depth} hidden layers of {case.width} units learn {case.data} for {case.epochs} epochs with "
        f"{case.optimizer} at a learning rate of {case.learning_rate:g}, in batches of {case.batch}; "
        f"{' or '.join(map(str, seeds))} {'seed' if seeds == [1] else 'seeds'} of each kind. A fifth of the rows is "
        "held out for the test accuracy, and nothing is chosen by it."
    )


def headline(found: Consequences) -> str:
    """The worst and the best kind in a sentence."""
    worst, best = found.worst, found.best
    if worst == best:
        return f"Networks with {in_prose(worst)} get {percent(worst.test_accuracy)} of the test rows right."
    return (
        f"After {found.case.epochs} epochs, networks with {in_prose(worst)}, whose delta loses "
        f"{number(worst.decades_lost, 1)} decades, get {percent(worst.test_accuracy)} of the test rows right; those "
        f"with {in_prose(best)}, which lose {number(best.decades_lost, 1)}, {percent(best.test_accuracy)}."
    )


def correlation(found: Consequences) -> str:
    """The rank correlation in a sentence, whatever it is."""
    if math.isnan(found.rank_correlation):
        return "There are too few kinds of network for a rank correlation, or all are alike."
    return (
        f"Spearman's rank correlation between decades lost and test accuracy, over {len(found.kinds)} kinds of "
        f"network: {number(found.rank_correlation, 2)} (p = {found.p_value:.2g})."
    )


def _epochs(kind):
    return "never" if math.isinf(kind.epochs_to_target) else number(kind.epochs_to_target, 0)


def _seconds(kind):
    return "never" if math.isinf(kind.seconds_to_target) else number(kind.seconds_to_target, 2)


def _stalled(kind):
    return f"{kind.stalled} of {len(kind.seeds)}"


def _reach(kind):
    """Half the interval of the test accuracy; "none" with one seed."""
    return number(kind.test_accuracy_reach, 3) if math.isfinite(kind.test_accuracy_reach) else "none"


def row(kind: Kind) -> tuple[str, ...]:
    """The kind in ``COLUMNS``."""
    return (
        kind.init.label, number(kind.decades_lost, 1), interval(kind.decades_lost_low, kind.decades_lost_high, 1),
        _epochs(kind), _seconds(kind), number(kind.train_accuracy, 3), number(kind.test_accuracy, 3), _reach(kind),
        _stalled(kind), kind.verdict,
    )  # fmt: skip


def terminal_row(kind: Kind) -> tuple[str, ...]:
    """The kind in ``TERMINAL_COLUMNS``."""
    reach = f" ± {_reach(kind)}" if math.isfinite(kind.test_accuracy_reach) else ""
    return (
        kind.init.label, number(kind.decades_lost, 1), _epochs(kind), _seconds(kind),
        number(kind.test_accuracy, 3) + reach, _stalled(kind), kind.verdict,
    )  # fmt: skip


def groups(found: Consequences, row_of) -> dict[str, list[tuple[str, ...]]]:
    """Rows by activation."""
    return {phi: list(map(row_of, kinds)) for phi, kinds in grouped(found).items()}


def grouped(found: Consequences) -> dict[str, list[Kind]]:
    """The kinds by activation."""
    kinds = {}
    for kind in found.kinds:
        kinds.setdefault(plain_label(kind.activation), []).append(kind)
    return kinds


def remedy_rows(found: Consequences) -> list[tuple[str, ...]]:
    """Rows of ``REMEDY_COLUMNS``."""
    return [
        (
            remedy.change, str(remedy.tried), str(remedy.cured), number(remedy.decades_lost_before, 1),
            number(remedy.decades_lost_after, 1), number(remedy.test_accuracy_before, 3),
            number(remedy.test_accuracy_after, 3),
        )
        for remedy in found.remedies
    ]  # fmt: skip


def terminal_tables(found: Consequences) -> dict:
    """Tables for a ``rich.console.Console``, by title."""
    tables = {"What became of the networks": rich_table(TERMINAL_COLUMNS, groups(found, terminal_row))}
    if found.remedies:
        tables["What each remedy cures"] = rich_table(TERMINAL_REMEDY_COLUMNS, {"": remedy_rows(found)})
    return tables


def print_consequences(found: Consequences, machine: dict[str, str], console, only: str | None = None) -> None:
    """The findings on a ``rich.console.Console``; with ``only``, the table of this title alone among the tables.

    ValueError if there is none.
    """
    from rich.text import Text

    titles = terminal_tables(found)
    if only not in (None, *titles):
        raise ValueError(f"--table: there is no {only!r}; there is {', '.join(map(repr, titles))}")
    if only is None:
        console.print(Text(headline(found), style="bold"))
    console.print(Text(setting(found)))
    for title, table in titles.items():
        if only in (None, title):
            console.print(Text(f"\n{title}", style="bold"))
            console.print(table)
    console.print(Text(f"\n{correlation(found)}", style="bold"))
    console.print(Text(f"\n{NOTE}\n{facts(machine)}" if only is None else f"\n{facts(machine)}", style="dim"))
