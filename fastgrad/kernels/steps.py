"""One step of each optimiser as formulas of a parameter w and its gradient g.

This page is the only place where these formulas are written: NumPy runs it (``optimizers.py``), and the build prints it
as C (``kernels/as_c.py``), so it keeps to the subset that ``formulas.py`` describes. No sum is fused with its
product, so both give the same bits.
"""

# ruff: noqa: F821 - the names below are bound per backend


def decayed(g, w, decay):
    """The gradient of loss + decay/2 |w|^2."""
    return g + decay * w


def descent(w, g, rate):
    """A step against the gradient."""
    return w - rate * g


def velocity(v, g, rate, momentum):
    """What is left of the last step, and a new one against the gradient (Polyak 1964)."""
    return momentum * v - rate * g


def coasting(w, v):
    """A step along the velocity."""
    return w + v


def nesterov(w, v, g, rate, momentum):
    """Where the velocity will have led, and against the gradient from there (Sutskever et al. 2013, section 2)."""
    return w + (momentum * v - rate * g)


def first_moment(m, g, beta):
    """Running mean of the gradient."""
    return beta * m + (one - beta) * g


def second_moment(v, g, beta):
    """Running mean of the gradient's square."""
    return beta * v + (one - beta) * (g * g)


def adam(w, m, v, rate, scale, epsilon):
    """Kingma & Ba 2015, algorithm 1; rate and scale hold the corrections of the two moments' bias."""
    return w - rate * m / (scale * sqrt(v) + epsilon)
