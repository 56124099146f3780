"""
Your own PyTorch model
======================

``watch`` measures any ``torch.nn.Module`` while it trains as before. Here twenty sigmoid layers do not learn the
digits, and the profile says why.
"""

import torch
from torch import nn

import fastgrad
from fastgrad.datasets import load

images, labels = (torch.tensor(array) for array in load("digits"))
images = images.float()

torch.set_num_threads(1)  # for layers as small as these a second thread costs more than it brings
torch.manual_seed(0)
hidden = [nn.Sequential(nn.Linear(64, 64), nn.Sigmoid()) for _ in range(20)]
model = nn.Sequential(*hidden, nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters())

watched = fastgrad.torch.watch(model)  # one step in 20 is measured
for _ in range(61):
    rows = torch.randint(len(images), (32,))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
    loss.backward()
    optimizer.step()

print(f"loss {loss:.3f}; a guess among ten digits has {torch.log(torch.tensor(10.0)):.3f}")

# %%
# The latest profile, one line for each layer, and the verdict below them.
print(watched.profile)

# %%
# The same as a picture: the first layer is on the left.
figure = watched.profile.plot()
