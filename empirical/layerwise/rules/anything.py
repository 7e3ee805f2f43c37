r"""The gradients of any operation, by its own backward applied to one sample's signal at a time.

The signals of n samples, each with zeros in the rows of the others, go through the backward of
this one operation side by side: n times its cost, whatever it is, and nothing else is repeated.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from empirical.layerwise.gradients import WORKSPACE, Gradient
from empirical.layerwise.rules.call import Call
from empirical.layerwise.samples import Samples

__all__ = ["sample_by_sample"]


def sample_by_sample(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    """See ``Rule``; None if the operation cannot be asked."""
    parts = samples.split(signal)  # (n, ...)
    step = max(1, WORKSPACE // (signal.numel() * signal.element_size()))
    blocks = [
        _pulled(call, torch.stack([_alone(parts, a, samples, signal) for a in range(start, stop)]))
        for start, stop in _ranges(samples.count, step)
    ]
    if any(block is None for block in blocks):
        return None
    found = torch.cat([block for block in blocks if block is not None])
    if found.numel() != samples.count * call.shape.numel():
        return None  # broadcast in a way that only the engine sums over
    return Gradient(call.shape, dense=found.reshape(samples.count, *call.shape))


def _ranges(count: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, count)) for start in range(0, count, step)]


def _alone(parts: Tensor, a: int, samples: Samples, signal: Tensor) -> Tensor:
    """The signal with zeros but for sample a."""
    kept = torch.zeros_like(signal)
    samples.split_view(kept)[a] = parts[a]
    return kept


def _pulled(call: Call, signals: Tensor) -> Tensor | None:
    """The argument's gradient for each of some signals."""
    outputs = len(call.node._input_metadata)  # pyright: ignore[reportAttributeAccessIssue]
    backward: Any = call.node if callable(call.node) else call.node.apply  # pyright: ignore

    def pull(signal: Tensor) -> Tensor:
        given = [signal if k == call.output else None for k in range(outputs)]
        found = backward(*given)
        gradient = found[call.argument] if isinstance(found, tuple) else found
        return gradient.to_dense() if gradient.layout != torch.strided else gradient

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that it makes a loop of some operation
            return torch.vmap(pull)(signals)
    except (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError):
        pass
    try:
        return torch.stack([pull(signal) for signal in signals])
    except (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError):
        return None
