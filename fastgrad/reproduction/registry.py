"""Which experiments there are, and how they are run and shown."""

from collections.abc import Callable, Iterable, Iterator

from fastgrad._errors import known
from fastgrad.bench.tables import Table
from fastgrad.reproduction import at_start, learning
from fastgrad.reproduction.findings import Finding, Reproduction

EXPERIMENTS: dict[str, Callable[[], Reproduction]] = {
    "chi": at_start.chi_laws,
    "jacobians": at_start.jacobians,
    "speeds": at_start.layer_speeds,
    "depth": learning.depth_contrast,
    "activations": learning.activation_order,
    "errors": learning.error_order,
}
COLUMNS = ("finding", "theirs", "ours", "must lie in", "verdict")
NOTE = (
    "Theirs: as published; no number where an order was published. On the digits and on 5,000 images of MNIST, so that "
    "accuracies are compared as orders and differences. Every number is the same each time on one kind of processor."
)


def reproduce(names: Iterable[str] = tuple(EXPERIMENTS)) -> Iterator[Reproduction]:
    """Run these experiments, one after the other.

    ValueError for an unknown name, before any is run; ImportError if a data set's package is missing.
    """
    chosen = [known("experiment", name, EXPERIMENTS) for name in dict.fromkeys(names)]
    return (EXPERIMENTS[name]() for name in chosen)


def table(found: Reproduction) -> Table:
    """The findings of one experiment."""
    return Table(f"{found.title} ({found.source})", COLUMNS, {"": [_row(finding) for finding in found.findings]})


def verdict(all_found: list[Reproduction]) -> list[str]:
    """How many findings hold, and which do not."""
    findings = [finding for found in all_found for finding in found.findings]
    lines = [f"{sum(finding.holds for finding in findings)} of {len(findings)} findings hold."]
    for found in all_found:
        lines += [
            f"Not reproduced: {finding.what} ({found.source})." for finding in found.findings if not finding.holds
        ]
    return lines


def _row(finding: Finding):
    high = f"{finding.high:.3g}" if finding.high < 1e300 else "inf"
    return (
        finding.what,
        "" if finding.theirs is None else f"{finding.theirs:.4g}",
        f"{finding.ours:z.4g}",
        f"{finding.low:z.3g} to {high}",
        "holds" if finding.holds else "FAILS",
    )
