"""Decades lost -> a meaning and a colour, the same in the terminal, on the pages and in the pictures."""

import math

# Upper edge in decades lost from the last hidden layer to the first, meaning, background, ink that reads on
# it. The middle one is what ``diagnosis.DECADES`` calls healthy.
# Blue grows, red shrinks; after ColorBrewer's RdBu, which the colour-blind can tell apart.
BINS = (
    (-4.0, "grows over 10,000-fold", "#2166ac", "#ffffff"),
    (-2.0, "grows 100- to 10,000-fold", "#92c5de", "#10161c"),
    (2.0, "healthy: within a factor of 100", "#eef0f2", "#10161c"),
    (4.0, "loses 2 to 4 decades", "#fddbc7", "#10161c"),
    (7.0, "loses 4 to 7 decades", "#f4a582", "#10161c"),
    (38.0, "loses 7 to 38 decades, more than float32's precision", "#c23b3b", "#ffffff"),
    (math.inf, "loses over 38 decades, more than float32's range", "#67001f", "#ffffff"),
)
# The same on a dark page: background and ink of each bin. What is healthy recedes there too; the worst is brightest.
DARK = (
    ("#8fd0ff", "#10161c"),
    ("#2b6a9e", "#ffffff"),
    ("#262d35", "#e6e9ec"),
    ("#5a3430", "#ffffff"),
    ("#96423a", "#ffffff"),
    ("#f0705c", "#10161c"),
    ("#ffd9c2", "#10161c"),
)
# The same in the 16 colours that every terminal has, as rich names them; the nearest of these to the colours above are
# white on yellow, and one colour for what is healthy and what is not.
SIXTEEN = (
    "bright_white on blue",
    "black on bright_cyan",
    "default",
    "black on bright_yellow",
    "black on yellow",
    "black on bright_red",
    "bold bright_white on red",
)
# Lines of a chart, on a light and on a dark page: after Okabe and Ito, whom the colour-blind can tell apart.
LINES = ("#0072b2", "#c25100", "#007f5b", "#8f4a8b", "#7d6200", "#56747f", "#b3003b", "#3b3f8f")
DARK_LINES = ("#56b4e9", "#f28e3c", "#2fc79a", "#d99bd0", "#e3c74f", "#a3b4bd", "#ff8fa8", "#a9b1ff")


def decade_bin(decades: float) -> int:
    """Index in ``BINS`` of a number of decades lost; all lost (inf) and NaN are in the last."""
    return next((i for i, (edge, *_) in enumerate(BINS) if decades < edge), len(BINS) - 1)


def terminal_style(decades: float, color_system: str | None) -> str:
    """The bin's colours for a ``rich.console.Console`` of this ``color_system``."""
    found = decade_bin(decades)
    _, _, back, ink = BINS[found]
    return SIXTEEN[found] if color_system in ("standard", "windows") else f"{ink} on {back}"


def css() -> str:
    """The colours as CSS: ``--line0`` and so on, ``--bin0`` and ``--ink0``, for a light and for a dark page."""
    light = _variables(LINES, [(back, ink) for _, _, back, ink in BINS])
    dark = _variables(DARK_LINES, DARK)
    classes = "\n".join(f".bin{i} {{ background: var(--bin{i}); color: var(--ink{i}); }}" for i in range(len(BINS)))
    return f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n{classes}"


def _variables(lines, bins):
    named = [f"--line{i}: {colour};" for i, colour in enumerate(lines)]
    named += [f"--bin{i}: {back}; --ink{i}: {ink};" for i, (back, ink) in enumerate(bins)]
    return " ".join(named)
