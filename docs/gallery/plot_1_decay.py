"""
How gradients decay with depth
==============================

What does the first layer of a deep network receive of the last layer's gradient? This measures delta, the gradient of
the loss with respect to each layer's pre-activations, in networks at initialisation, on images of handwritten digits.
"""

import fastgrad

found = fastgrad.sweep(
    activation=["sigmoid", "tanh", "relu"],
    init=["xavier_normal", "he_normal", "torch_linear"],
    depth=[5, 10, 20, 30],
    width=64,
    batch=64,
    seeds=3,
)
print(found)

# %%
# Layer by layer, for the deepest networks: the first layer is on the left, and every line is at 1 in the last layer, on
# the right. On this logarithmic axis the lines are straight, theory's (dashed) too: each layer takes away the same
# share, so that the decay is exponential in depth.
figure = found.plot()

# %%
# Decades lost from the last hidden layer to the first: 2 are a factor of 100. Sigmoid's grow with depth under every
# initialisation; ReLU's do not with He's.
found.frame.pivot(index=["activation", "init"], columns="depth", values="decades_lost").round(1)
