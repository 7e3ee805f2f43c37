"""The types of the rules, and a gradient that is a plain sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from empirical.layerwise.gradients import Gradient
from empirical.layerwise.samples import Samples

__all__ = ["Rule", "Share", "dense"]

Share = Callable[[Tensor, Samples], Gradient | None]
"""df/dh and the place of the samples -> gradients, or None if they cannot be taken apart."""
Rule = Callable[..., list[tuple[Any, Share]] | None]


def dense(parameter: Tensor, values: Tensor, samples: Samples, shape: Any = None) -> Any:
    """Gradients that are ``values`` summed over all that the parameter was broadcast along.

    Args:
        parameter: the parameter.
        values: df/dparameter before the sum, of the shape of h.
        samples: the place of the samples in h.
        shape: the parameter's shape as it is broadcast to h; its own if None.
    """
    summed = samples.reduce(values, parameter.shape if shape is None else shape)
    if summed is None:
        return None
    return Gradient(parameter.shape, dense=summed.reshape(samples.count, *parameter.shape))
