"""Causes and remedies of networks that are not healthy: the cells in which one thing is changed, and their results."""

# Design: - One network, one measurement: a changed cell has the same seeds and batch, and where the survey has measured
#           it already its result is taken. With networks and seeds of their own,
#           relu + He at depth 50 lost .3 decades in the table of remedies and .1 in the one above.
#         - These cells are measured like all others, by ``run_study``: in parallel, kept, and interrupted by Ctrl-C.

from collections.abc import Iterable
from dataclasses import replace

from fastgrad import diagnosis, slopes
from fastgrad.diagnosis import Change, Counterfactual, Diagnosis
from fastgrad.sweeps import study
from fastgrad.sweeps.cell import Cell, CellResult
from fastgrad.sweeps.networks import deepest


def needed(results: Iterable[CellResult]) -> list[Cell]:
    """The cells that :func:`diagnoses` needs and that are not among the results."""
    results = list(results)
    known = {result.cell for result in results}
    tried = (_changed(result, change) for result in _ill(results) for change in _changes(result))
    return [cell for cell in dict.fromkeys(tried) if cell not in known]


def diagnoses(results: Iterable[CellResult], tried: Iterable[CellResult]) -> list[tuple[CellResult, Diagnosis]]:
    """The diagnosis of the deepest network of each pair of activation and initialiser that is not healthy.

    Parameters
    ----------
    results : iterable of CellResult
    tried : iterable of CellResult
        Those of the cells that :func:`needed` names.

    Returns
    -------
    list of (CellResult, Diagnosis)
        What is tried, and its order, are those of :func:`fastgrad.diagnosis.diagnose_network`.

    Raises
    ------
    KeyError
        If the result of a cell that is needed is missing.
    """
    results = list(results)
    known = {result.cell: result for result in (*results, *tried)}
    found = []
    for result in _ill(results):
        causes = [_counterfactual(result, change, known[_changed(result, change)]) for change in _changes(result)]
        verdict = Diagnosis(result.verdict, result.evidence, result.decades_lost)
        found.append((result, diagnosis.with_causes(verdict, causes)))
    return found


def _ill(results):
    return [result for result in deepest(results) if result.verdict != "healthy"]


def _changes(result):
    cell = result.cell
    return diagnosis.changes(cell.activation, cell.init, study.sizes(cell), result.decades_per_layer)


def _changed(result, change):
    return replace(result.cell, activation=change.activation, init=change.init, depth=len(change.sizes) - 2)


def _counterfactual(before: CellResult, change: Change, after: CellResult) -> Counterfactual:
    return Counterfactual(
        change.kind,
        change.name,
        before.decades_lost,
        after.decades_lost,
        slopes.decades_lost(after.predicted_ratio),
        after.verdict,
        after.in_band,
    )
