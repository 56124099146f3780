"""Trainings that a monitor watched, as figures: delta and update ratio of the layers over the steps, and sentences."""

from collections.abc import Mapping

from fastgrad.learning.history import TrainingHistory
from fastgrad.report import charts
from fastgrad.report.html import Page, paragraph
from fastgrad.report.html import charts as side_by_side
from fastgrad.report.training import TRENDS

HEAT = (
    "Below, each row is a reading, the first step at the top, and each column a layer, the input on the left. A layer "
    "of the page's own shade receives as much as the last one; the stronger its colour, the less reaches it (red) or "
    "the more (blue)."
)
UPDATES = (
    "How far a step moves the first, the middle and the last layer: log10 of what it changes the weights by, over "
    "their size. About -3 is usual; below -5 a layer stands still, above -1.5 steps overshoot. At the lower edge a "
    "step is less than the weights' last digit and changes nothing."
)


def figures(page: Page, runs: Mapping[str, TrainingHistory]) -> list[str]:
    """Delta of every layer, training by training, then update ratios; the trainings share their scales."""
    runs = {name: history for name, history in runs.items() if history.readings}
    heats, updates = list(_heats(page, runs)), list(_updates(page, runs))
    told = [paragraph(UPDATES), side_by_side(*updates)] if updates else []
    return [paragraph(HEAT), side_by_side(*heats), *told]


def _heats(page, runs):
    reach = charts.heat_reach(runs.values())
    for name, history in runs.items():
        told = f"{len(history.readings)} readings, the latest {history.readings[-1].verdict}"
        heat = charts.heat(history.readings, reach)
        yield page.figure("heat", _of("Delta of each layer", name, runs), told, course(history), **heat)


def _updates(page, runs):
    limits = charts.update_limits(runs.values())
    for name, history in runs.items():
        if any(reading.log10_update_ratio is not None for reading in history.readings):
            title, told = _of("Update ratio", name, runs), "log10 of one step's change of the weights over the weights"
            yield page.figure("curves", title, told, **charts.update_curves(history, limits))


def _of(title, name, runs):
    """The title, with the name of the training where there are several."""
    return f"{title}: {name}" if len(runs) > 1 else title


def course(history: TrainingHistory) -> str:
    """What the first and the latest reading found."""
    told = [f"{reading.verdict}, {reading.diagnosis.evidence}" for reading in history.readings if reading.diagnosis]
    return f"Before the first step: {told[0]}. At the latest reading: {told[-1]}." if told else ""


def said(history: TrainingHistory) -> str:
    """The verdict of the latest reading with its evidence, and where the loss is going."""
    latest = history.readings[-1] if history.readings else None
    verdict = f"{latest.verdict}; {latest.diagnosis.evidence}; " if latest and latest.diagnosis else ""
    return f"{verdict}{loss_trend(history)}."


def loss_trend(history: TrainingHistory) -> str:
    """Where the loss is going, and why."""
    trend = history.trend
    return f"the loss {TRENDS[trend.kind]}" + (f" ({trend.cause})" if trend.cause else "")
