"""``watch(model)``: the gradient profile and the diagnosis of any PyTorch model in training, without changing it.

watched = fastgrad.torch.watch(model)
...                                     # train
print(watched.profile)                  # delta first, dL/dW second, the verdict below
"""

# Design: - A layer is a product of data with a parameter of two or more dimensions (products.py); layers are in the
#           order in which they ran. The result of the product is the pre-activation z, and the gradient that reaches it
#           is delta. Nothing else is assumed of the model: branches and residual connections appear as a sequence. A
#           recurrent module is followed step by step (recurrent.py).
#         - One step in `every` is measured. Any other step costs one call of a hook.
#         - This measures plain backpropagation as PyTorch runs it. A delta that underflows is -inf here; an MLP of
#           fastgrad carries exponents instead (exponents.py).

import math
from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.autograd.graph import register_multi_grad_hook
from torch.utils.hooks import RemovableHandle

from fastgrad._validation import positive_int, real_number
from fastgrad.diagnosis import Diagnosis
from fastgrad.learning.alarm import PERSISTENCE, stuck
from fastgrad.torch import recurrent
from fastgrad.torch.products import Products, name_of
from fastgrad.torch.profile import Layer, WatchedProfile, pooled, profile_of, size_of
from fastgrad.torch.saturation import saturated_share

_CHANNELS = {f"conv{kind}{n}d": -1 - n for kind in ("", "_transpose") for n in (1, 2, 3)}


class Watcher:
    """What was measured of a model's gradients. :func:`watch` makes one; as a context manager it closes itself.

    Parameters
    ----------
    model : torch.nn.Module
        The model that is watched.
    every : int
        One step in so many is measured.

    Attributes
    ----------
    step : int
        Forward passes with gradients so far.
    history : list of WatchedProfile
        The measured steps that are complete.
    """

    def __init__(self, model: nn.Module, every: int) -> None:
        _check_model(model)
        self.model, self.every = model, positive_int("every", every)
        self.step, self.history = 0, []
        self._layers, self._hooks, self._gradients = [], [], {}
        self._before: dict[str, torch.Tensor] | None = None
        self._weights_of_layers = []
        self._first_loss: float | None = None
        self._losses = {}
        self._seeing: Products | None = None
        self._last_hook: RemovableHandle  # there while it sees
        self._hook = model.register_forward_pre_hook(self._begin)

    @property
    def profile(self) -> WatchedProfile:
        """The profile of the latest measured step; RuntimeError if no measured step has run backward yet.

        Its verdict is "not finite" also if a parameter or its gradient has become so since.
        """
        if any(layer.delta is not None for layer in self._layers):
            self._finish()
        if not self.history:
            raise RuntimeError("nothing has been measured: run a step, forward and backward, after watch(model)")
        self._note_update(final=False)
        return replace(self.history[-1], fault=self._not_finite())

    @property
    def diagnosis(self) -> Diagnosis:
        """The verdict on the latest measured step, a :class:`fastgrad.Diagnosis`."""
        return self.profile.diagnosis

    def alarm(self, loss: float | torch.Tensor) -> Diagnosis | None:
        """Whether training should stop at this step, and why. Call it at every step, or at some.

        There is an alarm if the loss or the gradients of the latest measured step are not finite, or if the last
        ``fastgrad.alarm.PERSISTENCE`` measured steps all have the same bad verdict while the loss, relative to the
        first one given, is :func:`fastgrad.learning.alarm.stuck`. A single bad verdict is no alarm: networks pass
        through such states, and some learn in spite of them.

        Parameters
        ----------
        loss : float or Tensor of one number
            The loss at this step.

        Returns
        -------
        Diagnosis or None
            None if there is no alarm; ``str()`` of a diagnosis is the sentence to raise or to log.

        Raises
        ------
        TypeError
            If the loss is not one real number.
        """
        if isinstance(loss, torch.Tensor) and loss.numel() == 1:
            loss = float(loss.detach())
        if isinstance(loss, float | np.floating) and not math.isfinite(loss):
            return Diagnosis("not finite", f"the loss is {loss} at step {self.step}", math.nan)
        loss = real_number("loss", loss)
        if self._first_loss is None:
            self._first_loss = loss
        recent = [profile.diagnosis for profile in self.history[-PERSISTENCE:]]
        if recent and recent[-1].verdict == "not finite":
            return recent[-1]
        # the latest loss given at each measured step, relative to the first of all; a loss may be negative
        self._losses[len(self.history)] = 1 + (loss - self._first_loss) / (abs(self._first_loss) or 1)
        verdicts = {found.verdict for found in recent}
        if not stuck(list(self._losses.values())) or len(recent) < PERSISTENCE or len(verdicts) > 1:
            return None
        if verdicts & {"healthy", "nothing to compare"}:
            return None
        evidence = f"{recent[-1].evidence}; so at {PERSISTENCE} measured steps in a row, and the loss is {loss:.4g}"
        return replace(recent[-1], evidence=f"{evidence} after {self._first_loss:.4g}")

    def close(self) -> None:
        """Remove the hooks from the model; ``history`` stays."""
        self._leave()
        self._finish()
        self._hook.remove()

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def _begin(self, model, inputs):
        if not torch.is_grad_enabled():
            return
        self.step += 1
        measured = (self.step - 1) % self.every == 0
        if self._layers or self._before:
            self._leave()  # for a pass that Ctrl-C ended: it runs no forward hook
            self._finish()
            self._note_update(final=measured)
        if measured:
            self._measured_step, self._runs, self._gradients = self.step, Counter(), {}
            self._seeing = Products(model, self._see_product, self._see_activation)
            self._last_hook = model.register_forward_hook(self._leave, always_call=True)  # also after an error
            self._seeing.__enter__()

    def _leave(self, *_):
        """The end of a measured forward pass."""
        if self._seeing is None:
            return
        self._seeing.__exit__(None, None, None)
        self._last_hook.remove()
        self._seeing = None
        parameters = dict(self.model.named_parameters())
        names = {name for layer in self._layers for name in layer.weights}
        learning = {name: parameters[name] for name in sorted(names) if parameters[name].requires_grad}
        self._hooks += [p.register_hook(partial(self._see_weight_gradient, name)) for name, p in learning.items()]
        self._before = {name: parameter.detach().clone() for name, parameter in learning.items()}

    def _see_product(self, kind, weights, args, result):
        z = result[0] if isinstance(result, tuple | list) else result
        if not isinstance(z, torch.Tensor) or not z.requires_grad or z.ndim < 2 or not z.numel():
            return result
        name = name_of(self.model, weights)
        if kind in recurrent.SEQUENCES:
            self._see_sequence(name, kind, weights, args, result)
        elif kind in recurrent.CELLS:
            result = self._see_cell(name, kind, weights, args, result)
        else:
            layer = Layer(self._name_of_run(name), weights, _unit_axis(kind, args, z))
            layer.see_signal(z.detach())
            self._layers.append(layer)
            self._hooks.append(z.register_hook(layer.see_delta))
        return result

    def _see_sequence(self, name, kind, weights, args, result):
        run, batch_first = recurrent.of_sequence(name, kind, args)
        name, tracks = self._name_of_run(name), []
        for track, used in enumerate(run.weights):
            suffix = _track(track, run.directions, len(run.weights))
            own = {id(weight) for weight in used}
            names = [n for n, p in self.model.named_parameters() if id(p) in own and p.ndim >= 2]
            tracks.append(Layer(name + suffix, names or weights, recurrent=True))
        self._layers += tracks

        def see(gradients):
            output, *states = gradients
            output = output.transpose(0, 1) if batch_first and output is not None else output
            self._see_steps(run, tracks, output, states)

        self._hooks.append(register_multi_grad_hook(result, see))

    def _see_cell(self, name, kind, weights, args, result):
        run = recurrent.of_cell(kind.removesuffix("_cell"), args)
        layer = next((layer for layer in self._layers if layer.recurrent and layer.name == name), None)
        if layer is None:
            layer = Layer(name, weights, recurrent=True)
            self._layers.append(layer)
        time, layer.runs = layer.runs, layer.runs + 1

        def see(gradients):
            states = [None if gradient is None else gradient[None] for gradient in gradients]
            self._see_steps(run, [layer], None, states, time)

        if isinstance(result, tuple):  # h is computed from c: views, so that dL/dc does not contain the path through h
            result = tuple(part.view_as(part) for part in result)
        self._hooks.append(register_multi_grad_hook(result if isinstance(result, tuple) else (result,), see))
        return result

    @staticmethod
    def _see_steps(run, tracks, output, states, first=0):
        for layer, (zs, deltas) in zip(tracks, run.deltas(output, states), strict=True):
            for time, (z, delta) in enumerate(zip(zs, deltas, strict=True), start=first):
                layer.see_signal(z, units=run.states[0][0].shape[-1], run=time)
                layer.see_delta(delta, run=time)

    def _see_activation(self, func, args, kwargs):
        """Count what is saturated at the first activation behind a layer."""
        if self._layers and self._layers[-1].saturated is None:
            self._layers[-1].saturated = saturated_share(func, args, kwargs)

    def _see_weight_gradient(self, name, gradient):
        self._gradients[name] = size_of(gradient)

    def _name_of_run(self, name):
        self._runs[name] += 1
        return name if self._runs[name] == 1 else f"{name} ({self._runs[name]})"

    def _finish(self):
        """Append the profile of the last measured step to the history, if that step ran backward."""
        if not self._layers:
            return
        for hook in self._hooks:
            hook.remove()
        layers = [layer for layer in self._layers if layer.delta is not None]
        self._layers, self._hooks = [], []
        if layers:
            self.history.append(profile_of(self.model, layers, self._measured_step, self._gradients))
            self._weights_of_layers = [layer.weights for layer in layers]
        else:
            self._before = None

    def _note_update(self, final):
        """Put the update ratio into the latest profile, if the weights have changed since, or if this is ``final``.

        They may change some passes later, where gradients are accumulated over several.
        """
        if self._before is None or self._layers:
            return
        parameters = dict(self.model.named_parameters())
        pairs = {name: (old, parameters[name].detach()) for name, old in self._before.items()}
        if not final and all(torch.equal(old, new) for old, new in pairs.values()):
            return
        ratios = {name: (size_of(new - old), size_of(old)) for name, (old, new) in pairs.items()}
        found = [_ratio([ratios[name] for name in names if name in ratios]) for names in self._weights_of_layers]
        self.history[-1] = replace(self.history[-1], log10_update_ratio=np.array(found))
        self._before = None

    def _not_finite(self):
        for name, parameter in self.model.named_parameters():
            for what, values in ((name, parameter), (f"dL/d({name})", parameter.grad)):
                if values is not None and not torch.isfinite(values).all():
                    return f"{what} is not finite at step {self.step}"
        return ""


def watch(model: nn.Module, every: int = 20) -> Watcher:
    """Measure how gradients change from layer to layer of a model while it is trained.

    Parameters
    ----------
    model : torch.nn.Module
        Any model with a parameter of two or more dimensions, on any device. A layer is whatever multiplies data by such
        a parameter, a module or an expression. Not a model that ``torch.compile`` returned: it runs no hooks.
    every : int
        One step in so many is measured, the first included. A step is a forward pass of the model with gradients.

    Returns
    -------
    Watcher
        ``.profile`` and ``.diagnosis`` of the latest measured step, ``.history`` of all, ``.alarm(loss)``;
        ``.close()`` ends it.

    Raises
    ------
    TypeError
        If ``model`` is no ``torch.nn.Module``, or ``every`` is no integer.
    ValueError
        If the model has no such parameter or was compiled, or if ``every`` is below 1. In a measured forward pass: if a
        recurrent module gets a packed sequence, drops out between its layers or has projections.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    >>> with watch(model) as watched:
    ...     model(torch.ones(3, 4)).sum().backward()
    >>> watched.profile.layers
    ('0', '2', '4')
    >>> watched.diagnosis.verdict
    'healthy'
    """
    return Watcher(model, every)


def _check_model(model):
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if hasattr(model, "_orig_mod"):
        raise ValueError("a compiled model does not run hooks: watch the model that was given to torch.compile")
    if not any(parameter.ndim >= 2 for parameter in model.parameters()):
        raise ValueError("watch needs layers with weights: no parameter of the model has two or more dimensions")


def _track(track, directions, tracks):
    """The suffix of a recurrent module's name for one layer in one direction."""
    if tracks == 1:
        return ""
    layer, reverse = divmod(track, directions)
    return f" l{layer}" + (" reverse" if reverse else "")


def _unit_axis(kind, args, z):
    """The axis of the units: channels of a convolution, rows if the weight is the left factor, else the last axis."""
    first = args[0] if args and kind in ("matmul", "__matmul__", "mm") else None
    on_the_left = isinstance(first, nn.Parameter) and first.ndim == 2
    return -2 if on_the_left else _CHANNELS.get(kind, -1)


def _ratio(sizes):
    """log10 of RMS(change) / RMS(weights) over the weights of a layer; NaN if none of them learns."""
    if not sizes:
        return math.nan
    change, weights = zip(*sizes, strict=True)
    with np.errstate(invalid="ignore"):
        return float(np.subtract(pooled(change), pooled(weights)))
