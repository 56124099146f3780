"""A network of rate neurons, tau dv/dt = -v + coupling tanh(v of the neighbour), compiled by Numba as one loop."""

import numba
import numpy as np

import fastgrad


@numba.njit
def simulate(v, coupling, dt, steps):
    """v, shape (neurons,), after so many steps of Euler's method."""
    for _ in range(steps):
        rates = np.empty_like(v)
        for i in range(v.size):
            rates[i] = fastgrad.tanh(v[i])  # becomes part of this loop and is vectorised with it
        for i in range(v.size):
            v[i] += dt * (coupling * rates[i - 1] - v[i])
    return v


if __name__ == "__main__":
    start = np.random.default_rng(0).standard_normal(1000)
    print(f"{simulate(start, 1.5, 0.1, 200).std():.4f}")
