"""
A phase diagram
===============

Over the variances of weights and biases there are networks whose gradients vanish and others whose gradients explode,
and between them the line on which deep networks can learn (Poole et al. 2016, Schoenholz et al. 2017). 128 kinds of
tanh network are measured here, and theory's line is drawn over them.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastgrad

found = fastgrad.sweep(
    activation="tanh",
    init="xavier_normal",  # sigma_w^2 is the square of its gain
    gain={"start": 0.7, "stop": 1.8, "num": 16},
    bias_std={"start": 0.0, "stop": 0.7, "num": 8},
    depth=20,
    width=64,
    batch=32,
    seeds=2,
)
decades = found.frame.pivot(index="bias_variance", columns="weight_variance", values="settled_decades_per_layer")

# %%
# Delta decays towards the input where it is red, and grows where it is blue; the line is where theory's chi, the factor
# of delta's square per layer, is 1. The slope is that of the layers behind the first few, where the signal has settled.
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
reach = abs(decades.to_numpy()).max()
mesh = ax.pcolormesh(decades.columns, decades.index, decades, cmap="RdBu_r", vmin=-reach, vmax=reach)
variances = np.linspace(0, 0.7, 30) ** 2
line = [fastgrad.theory.critical_point("tanh", bias)[0] for bias in variances]
ax.plot(line, variances, color="black", label="theory: chi = 1")
ax.set(xlabel="variance of weights, sigma_w^2", ylabel="variance of biases, sigma_b^2", title="tanh, 20 layers")
ax.legend(loc="upper left")
fig.colorbar(mesh, label="decades of delta lost per layer")
plt.show()
