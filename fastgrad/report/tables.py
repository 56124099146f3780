"""A number as text, and a table of text, which the terminal, Markdown and pages show alike."""

# Design: - Every number that a table shows becomes text here. What is absent (None, or NaN where there was nothing to
#           measure) is "none" or, where a column is mostly empty, "". Infinity is "inf". There is no "-0.0".
#         - Sentences of the diagnosis, which stands below the report, format their numbers in place.

import math
from dataclasses import dataclass
from html import escape as as_html

TEXT_COLUMNS = (  # and their text is on the left
    "network",
    "kernel",
    "type",
    "peer",
    "seeds",
    "activation",
    "contestant",
    "other faults",
    "remedy",
    "in band",
    "other cures",
    "detector",
    "finding",
    "case",
    "speed",
    "count",
)


# Characters that turn around what is written after them, and what is shown of them on a page.
TURNING = {code: f"\\u{code:04x}" for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def escape(text: str) -> str:
    """Text as HTML that shows it as it is written, and leaves what stands beside it alone."""
    return as_html(text.translate(TURNING))


def number(value: float | None, digits: int = 3, absent: str = "none") -> str:
    """With so many decimals: ``0.013``, ``-2.0``; ``absent`` for None and NaN."""
    return absent if value is None or math.isnan(value) else f"{value:z.{digits}f}"


def significant(value: float | None, absent: str = "none") -> str:
    """With three digits: ``0.00123``, ``12.3``, ``1234``; ``absent`` for None and NaN."""
    if value is None or math.isnan(value):
        return absent
    return f"{value:.0f}" if 999.5 <= abs(value) < 1e6 else f"{value:.3g}"


def percent(share: float | None, digits: int = 0, absent: str = "none", sign: str = "") -> str:
    """A share of 1: ``37%``, with ``sign="+"`` ``+37%``; ``absent`` for None and NaN."""
    return absent if share is None or math.isnan(share) else f"{share:{sign}.{digits}%}"


def count(value: int) -> str:
    """How many: ``65,536``."""
    return f"{value:,}"


def interval(low: float, high: float, digits: int = 3) -> str:
    """Both ends: ``0.012 to 0.014``; "none" unless both are finite."""
    ends = number(low, digits), number(high, digits)
    return " to ".join(ends) if math.isfinite(low) and math.isfinite(high) else "none"


def plus_minus(value: float, reach: float, digits: int = 3) -> str:
    """A mean and half its interval: ``0.013 ± 0.001``; the mean alone if the interval is not finite."""
    half = f" ± {number(reach, digits)}" if math.isfinite(reach) else ""
    return number(value, digits) + half


@dataclass(frozen=True)
class Table:
    """A title, the columns' names, and rows of text in groups: {name of the group: [row, ...]}."""

    title: str
    columns: tuple[str, ...]
    groups: dict[str, list[tuple[str, ...]]]


def without_empty_columns(table: Table) -> Table:
    """The table without the columns in which no row has anything."""
    rows = [row for rows in table.groups.values() for row in rows]
    kept = [index for index in range(len(table.columns)) if any(row[index] for row in rows)]
    return Table(
        table.title,
        tuple(table.columns[index] for index in kept),
        {group: [tuple(row[index] for index in kept) for row in rows] for group, rows in table.groups.items()},
    )


def markdown(table: Table) -> str:
    """The table in Markdown; the groups' names, if there are any, are the first column."""
    named = any(table.groups)
    head = (*(("",) if named else ()), *table.columns)
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for group, rows in table.groups.items():
        for index, row in enumerate(rows):
            lines.append((*((group if index == 0 else "",) if named else ()), *row))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def html_table(columns, groups, caption):
    """A table of ``{group: [row, ...]}``, each group under a line with its name, if it has one.

    Groups and rows carry their names, for a page that filters.
    """
    head = "".join(f'<th scope="col"{_css(name)}>{escape(name)}</th>' for name in columns)
    bodies = []
    for group, rows in groups.items():
        title = f'<tr><th scope="rowgroup" colspan="{len(columns)}">{escape(group)}</th></tr>' if group else ""
        rows = "".join(_html_row(columns, row) for row in rows)
        bodies.append(f'<tbody data-group="{escape(group)}">{title}{rows}</tbody>')
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>{''.join(bodies)}</table>"


def _html_row(columns, row):
    first, *rest = row
    cells = "".join(f"<td{_css(name)}>{escape(text)}</td>" for name, text in zip(columns[1:], rest, strict=True))
    return f'<tr data-name="{escape(first)}"><th scope="row">{escape(first)}</th>{cells}</tr>'


def _css(column):
    kinds = {"verdict": "verdict", "evidence": "prose", "other cures": "prose"} | dict.fromkeys(TEXT_COLUMNS, "")
    name = kinds.get(column, "number")
    return f' class="{name}"' if name else ""


def rich_table(columns, groups):
    """A table of ``{group: [row, ...]}`` for a ``rich.console.Console``; a cell is text or rich's own."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for name in columns:
        text = name in (*TEXT_COLUMNS, "verdict", "because")
        table.add_column(
            name,
            justify="left" if text else "right",
            no_wrap=name in ("network", "contestant", "remedy"),
        )
    for group, rows in groups.items():
        if group:
            table.add_row(Text(group))
        for first, *rest in rows:
            cells = [f"  {first}" if group else first, *rest]
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))
    return table
