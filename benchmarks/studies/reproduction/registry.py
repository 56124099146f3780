"""Which experiments there are, and how they are run and shown."""

from collections.abc import Callable, Iterable, Iterator

from benchmarks.studies.reproduction import at_start, learning
from benchmarks.studies.reproduction.findings import KINDS, Finding, Reproduction
from fastgrad._validation import each_known
from fastgrad.report.tables import Table

EXPERIMENTS: dict[str, Callable[[], Reproduction]] = {
    "chi": at_start.chi_laws,
    "jacobians": at_start.jacobians,
    "speeds": at_start.layer_speeds,
    "depth": learning.depth_contrast,
    "activations": learning.activation_order,
    "errors": learning.error_order,
}
COLUMNS = ("finding", "expected", "ours", "must lie in", "verdict", "because")
NOTE = (
    "Expected: as published, or as our theory predicts, each under its own heading; no number where an order was "
    "published. Because: a factor where theirs are other data or one random draw; theory's band is that of the mean of "
    "so many networks at this width and depth. Data: the digits, and 5,000 images of MNIST. Every number is the same "
    "each time on one kind of processor."
)


def reproduce(names: Iterable[str] = tuple(EXPERIMENTS)) -> Iterator[Reproduction]:
    """Run these experiments, one after the other.

    ValueError for an unknown name, before any is run; ImportError if a data set's package is missing.
    """
    chosen = each_known("experiment", names, EXPERIMENTS)
    return (EXPERIMENTS[name]() for name in chosen)


def table(found: Reproduction) -> Table:
    """The findings of one experiment: what was published apart from what our theory predicts."""
    groups = {
        heading: [_row(finding) for finding in found.findings if finding.kind == kind]
        for kind, heading in KINDS.items()
    }
    return Table(
        f"{found.title} ({found.source})", COLUMNS, {heading: rows for heading, rows in groups.items() if rows}
    )


def verdict(all_found: list[Reproduction]) -> list[str]:
    """How many findings of each kind hold, and which do not."""
    findings = [finding for found in all_found for finding in found.findings]
    lines = []
    for kind, heading in KINDS.items():
        hold = [finding.holds for finding in findings if finding.kind == kind]
        if hold:
            lines.append(f"{sum(hold)} of {len(hold)} {heading} hold.")
    for found in all_found:
        failed = [finding for finding in found.findings if not finding.holds]
        lines += [
            f"Not reproduced: {finding.what}: {finding.ours:z.4g}, not {finding.low:z.5g} to {finding.high:z.5g} "
            f"({found.source})."
            for finding in failed
        ]
        if failed and found.remark:
            lines.append(found.remark)
    return lines


def _row(finding: Finding):
    return (
        finding.what,
        "" if finding.expected is None else f"{finding.expected:.4g}",
        f"{finding.ours:z.4g}",
        f"{finding.low:z.5g} to {finding.high:z.5g}",
        "holds" if finding.holds else "FAILS",
        finding.reason,
    )
