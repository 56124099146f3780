"""Decades lost -> a meaning and a colour, the same in the terminal, on the page and in the pictures."""

import math

# Upper edge in decades lost from the last hidden layer to the first, meaning, background, ink that reads on
# it. The middle one is what ``diagnosis.DECADES`` calls healthy.
# Blue grows, red shrinks; after ColorBrewer's RdBu, which the colour-blind can tell apart.
BINS = (
    (-4.0, "grows over 10,000-fold", "#2166ac", "#ffffff"),
    (-2.0, "grows 100- to 10,000-fold", "#92c5de", "#10161c"),
    (2.0, "within a factor of 100", "#eef0f2", "#10161c"),
    (4.0, "loses 2 to 4 decades", "#fddbc7", "#10161c"),
    (7.0, "loses 4 to 7 decades", "#f4a582", "#10161c"),
    (38.0, "loses 7 to 38 decades, more than float32's precision", "#c23b3b", "#ffffff"),
    (math.inf, "loses over 38 decades, more than float32's range", "#67001f", "#ffffff"),
)


def decade_bin(decades: float) -> int:
    """Index in ``BINS`` of a number of decades lost; all lost (inf) and NaN are in the last."""
    return next((i for i, (edge, *_) in enumerate(BINS) if decades < edge), len(BINS) - 1)
