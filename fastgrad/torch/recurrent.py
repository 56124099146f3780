"""delta = dL/dz of nn.RNN, nn.LSTM and nn.GRU, and of their cells, at every time step.

z_t are the pre-activations of time step t: ``W_ih x_t + b_ih + W_hh h_(t-1) + b_hh``, of all gates of an LSTM; of a GRU
those of its two gates and the argument of the tanh. dL/dz_t is the total derivative, through the output of this step
and through all later steps.
"""

# Design: - PyTorch computes a sequence in one call and gives no access to its steps. In a measured pass the recurrence
#           is computed a second time from the same inputs, states and weights, and the gradients that reached the real
#           results are propagated back through it: exact, at the price of a loop in Python.
#         - That happens in the backward pass, once those gradients are known and before the weights change.

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn.functional import linear

SEQUENCES = ("rnn_tanh", "rnn_relu", "lstm", "gru")
CELLS = tuple(f"{kind}_cell" for kind in SEQUENCES)


@dataclass(frozen=True, eq=False)
class Recurrence:
    """One call of such a module or cell. A track is one layer in one direction; tracks are in PyTorch's order, layer by
    layer, and D is the number of directions.

    Attributes
    ----------
    kind : str
        One of ``SEQUENCES``.
    x : Tensor, shape (T, batch, features)
    states : list of tuple of Tensor
        (h_0,), or (h_0, c_0) of an LSTM, for each track, each of shape (batch, hidden).
    weights : list of tuple of Tensor
        w_ih, w_hh and, if there are biases, b_ih, b_hh for each track.
    directions : int
        D, 1 or 2.
    """

    kind: str
    x: torch.Tensor
    states: list[tuple[torch.Tensor, ...]]
    weights: list[tuple[torch.Tensor, ...]]
    directions: int = 1

    def deltas(self, d_output, d_states) -> Iterator[tuple[list, list]]:
        """(z, dL/dz) of each track: two lists of a tensor (batch, gates) per time step, in the order in which they run.

        Parameters
        ----------
        d_output : Tensor, shape (T, batch, D * hidden), or None
            dL/d(outputs) from whatever reads the outputs; None if nothing does.
        d_states : sequence of (Tensor or None)
            dL/dh_T and, of an LSTM, dL/dc_T, each of shape (tracks, batch, hidden).
        """
        with torch.enable_grad():
            tracks, output, states = self._unroll()
            parts = [part for track in tracks for z in track for part in z]
            given = [(y, dy) for y, dy in zip((output, *states), (d_output, *d_states), strict=True) if dy is not None]
            ys, dys = zip(*given, strict=True)
            gradients = iter(torch.autograd.grad(ys, parts, dys, allow_unused=True))
        for track in tracks:
            zs = [torch.cat(z, -1).detach() for z in track]
            dzs = [torch.cat([_or_zeros(next(gradients), part) for part in z], -1) for z in track]
            yield zs, dzs

    def _unroll(self):
        """z of every step of every track, the outputs (T, batch, D * hidden) and the last states in PyTorch's form."""
        below, tracks, last = self.x.detach().requires_grad_(), [], []
        for first in range(0, len(self.weights), self.directions):
            outputs = []
            for track in range(first, first + self.directions):
                backwards = track > first
                zs, hs, state = [], [], tuple(part.detach() for part in self.states[track])
                weights = [weight.detach() for weight in self.weights[track]]
                for x in reversed(below.unbind()) if backwards else below.unbind():
                    z, state = _step(self.kind, x, state, *weights)
                    zs.append(z)
                    hs.append(state[0])
                tracks.append(zs)
                last.append(state)
                outputs.append(torch.stack(hs[::-1] if backwards else hs))
            below = torch.cat(outputs, -1)
        return tracks, below, [torch.stack(parts) for parts in zip(*last, strict=True)]


def _step(kind, x, state, w_ih, w_hh, b_ih=None, b_hh=None):
    """(z, next state) of one step; z is in parts, in the order in which they are computed."""
    from_x, from_h = linear(x, w_ih, b_ih), linear(state[0], w_hh, b_hh)
    if kind == "gru":
        h, units = state[0], state[0].shape[-1]
        gates = from_x[..., : 2 * units] + from_h[..., : 2 * units]
        reset, keep = gates.sigmoid().chunk(2, -1)
        new = from_x[..., 2 * units :] + reset * from_h[..., 2 * units :]
        return (gates, new), (new.tanh() + keep * (h - new.tanh()),)
    z = from_x + from_h
    if kind == "lstm":
        take, keep, new, show = z.chunk(4, -1)
        c = keep.sigmoid() * state[1] + take.sigmoid() * new.tanh()
        return (z,), (show.sigmoid() * c.tanh(), c)
    return (z,), (z.tanh() if kind == "rnn_tanh" else z.relu(),)


def _or_zeros(gradient, like):
    return torch.zeros_like(like) if gradient is None else gradient


def of_sequence(name: str, kind: str, args: tuple) -> tuple[Recurrence, bool]:
    """The recurrence in the arguments of one of ``SEQUENCES``, and whether the batch comes first.

    Raises
    ------
    ValueError
        If the module, which the message names, got a packed sequence, drops out between layers or has projections.
    """
    if isinstance(args[3], list | tuple):
        raise ValueError(f"{name} got a packed sequence, which watch cannot follow step by step: pad it instead")
    x, hx, flat, has_biases, layers, dropout, training, bidirectional, batch_first = args
    if training and dropout and layers > 1:
        raise ValueError(f"{name} drops out between its layers, where watch cannot follow it: set its dropout to 0")
    directions = 2 if bidirectional else 1
    each = 4 if has_biases else 2
    if len(flat) != each * layers * directions:
        raise ValueError(f"{name} has projections (proj_size), which watch cannot follow")
    weights = [tuple(flat[i : i + each]) for i in range(0, len(flat), each)]
    parts = hx if isinstance(hx, list | tuple) else (hx,)
    states = list(zip(*(part.unbind() for part in parts), strict=True))
    return Recurrence(kind, x.transpose(0, 1) if batch_first else x, states, weights, directions), batch_first


def of_cell(kind: str, args: tuple) -> Recurrence:
    """The recurrence of one step in the arguments of one of ``CELLS``."""
    x, hx, *weights = args
    state = tuple(hx) if isinstance(hx, list | tuple) else (hx,)
    return Recurrence(kind, x[None], [state], [tuple(w for w in weights if w is not None)])
