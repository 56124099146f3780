"""
The kernels in your own Numba code
==================================

Inside ``@njit`` the functions of fastgrad are a part of your loop: no call, no copy. This follows the gradient through
300 time steps of a recurrent unit, h = tanh(w h + b), which multiplies it by w tanh'(z) at every step.
"""

import matplotlib.pyplot as plt
import numba
import numpy as np

import fastgrad


@numba.njit
def decades_lost(w, b, steps):
    """Of dL/dz, from the last time step to the first."""
    h, lost = 0.0, 0.0
    for _ in range(steps):
        z = w * h + b
        h = fastgrad.tanh(z)
        lost -= np.log10(abs(w) * fastgrad.tanh_derivative(z))
    return lost


# %%
# The derivative comes from z, not from the rounded h: where 1 - h*h is exactly 0, at |z| above 19, this is not.
print(fastgrad.tanh_derivative(25.0), 1 - fastgrad.tanh(25.0) ** 2)

# %%
# Without an input a gradient keeps its size at w = 1 only: it vanishes below, and explodes above, where less than
# nothing is lost. A constant input saturates the unit, and the gradient vanishes for every w.
weights = np.linspace(0.1, 3.0, 200)
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for b in (0.0, 0.1, 1.0):
    ax.plot(weights, [decades_lost(w, b, 300) for w in weights], label=f"b = {b}")
ax.set(xlabel="w", ylabel="decades lost over 300 steps")
ax.legend(title="input")
plt.show()
