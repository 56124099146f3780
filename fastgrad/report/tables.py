"""A table of text, which the terminal, Markdown and pages show alike."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A title, the columns' names, and rows of text in groups: {name of the group: [row, ...]}."""

    title: str
    columns: tuple[str, ...]
    groups: dict[str, list[tuple[str, ...]]]


def markdown(table: Table) -> str:
    """The table in Markdown; the groups' names, if there are any, are the first column."""
    named = any(table.groups)
    head = (*(("",) if named else ()), *table.columns)
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for group, rows in table.groups.items():
        for number, row in enumerate(rows):
            lines.append((*((group if number == 0 else "",) if named else ()), *row))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def three_digits(value: float) -> str:
    """A positive figure to three significant digits, without an exponent where it is large."""
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"
