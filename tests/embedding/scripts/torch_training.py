"""Train a PyTorch model on digits with fastgrad's layers, and watch its gradients."""

import torch
from sklearn.datasets import load_digits
from torch import nn

from fastgrad.torch import Dense, watch


def train(epochs=5):
    """The model, the mean loss of the last epoch and the watcher."""
    torch.manual_seed(0)
    X, y = load_digits(return_X_y=True)
    X, y = torch.as_tensor(X / 16, dtype=torch.float32), torch.as_tensor(y)
    model = nn.Sequential(Dense(64, 128, "tanh"), Dense(128, 128, "tanh"), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with watch(model) as watched:
        for _ in range(epochs):
            losses = []
            for rows in torch.randperm(len(X)).split(64):
                loss = nn.functional.cross_entropy(model(X[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    return model, sum(losses) / len(losses), watched


if __name__ == "__main__":
    _, loss, watched = train()
    print(f"loss {loss:.3f}")
    print(watched.profile)
