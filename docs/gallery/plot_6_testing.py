"""
Guarding a model in CI
======================

A test that fails when somebody's change makes gradients vanish. In a suite it is a line with the fixture
``gradients_flow``; :doc:`/testing` shows a whole test file.
"""

import torch
from torch import nn

from fastgrad.testing import assert_gradients_flow


def make_model(activation):
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(32, 32), nn.BatchNorm1d(32), activation) for _ in range(10)]
    return nn.Sequential(*blocks, nn.Linear(32, 4))


torch.manual_seed(1)
batch = torch.randn(64, 32), torch.arange(64) % 4
assert_gradients_flow(make_model(nn.ReLU()), batch, decades=2)  # passes, and says nothing

# sphinx_gallery_thumbnail_path = "pictures/profile.png"
# %%
# Somebody takes out the normalisation and prefers sigmoid. The message of the failing test has every layer, by the name
# of its module.
plain = nn.Sequential(*(nn.Sequential(nn.Linear(32, 32), nn.Sigmoid()) for _ in range(10)), nn.Linear(32, 4))
try:
    assert_gradients_flow(plain, batch, decades=2)
except AssertionError as failure:
    print(failure)
