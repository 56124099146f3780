"""
A network that cannot learn, and its repair
===========================================

``repair`` trains a network, asks what is wrong, changes that and trains again.
"""

import fastgrad
from fastgrad.datasets import load
from fastgrad.report.curves import training_figure

images, labels = load("digits")
net = fastgrad.MLP([64, *[64] * 20, 10], activation="tanh", init="torch_linear", seed=0)

# %%
# Before a single step: what is wrong, by which evidence, and what would cure it. Each cure was tried on this network;
# in brackets is what theory predicts for it.
print(net.gradient_profile(images[:128], labels[:128]).diagnosis)

# %%
# The trainings, and what was changed between them.
found = fastgrad.repair.repair(net, images, labels, epochs=6, test=0.2)
for attempt in found.attempts:
    net, history = attempt.network, attempt.history
    print(f"{net.activation} + {net.initializer}: {attempt.verdict}, test accuracy {history.test_accuracy:.2f}")
print("changed:", *(change.what for change in found.changes))

# %%
# The loss and the accuracy of both, over the epochs.
figure = training_figure({"as it was": found.attempts[0].history, "repaired": found.final.history})
