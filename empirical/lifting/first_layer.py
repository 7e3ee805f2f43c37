r"""How far the units of a first layer are from the Gaussian ones of the description.

A first layer reads d entries of the data, d does not grow, and its pre-activation
u = sum_k W_k x_k + b is Gaussian only if the weights are. The first correction is that of the
fourth cumulant: with kappa_4 that of W, the cumulant of u is kappa_4 sum_k x_k^4, relative to
Var(u)^2 of the order 1/d (Edgeworth; Petrov 1975, chapter VI). Here the moments themselves are
compared, E w(u) w(u'), for the true law and for the Gaussian one, from the same uniform numbers,
each by its quantile function, so that what both have in common drops out of the error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from analytic.activation import Activation
from empirical.lifting.initial_laws import InitialLaw
from empirical.lifting.numbers_of_parts import Numbers
from empirical.lifting.units import InputData, Weights
from empirical.network import pointwise

__all__ = ["FirstLayer", "first_laws", "first_layer_moments"]

Array = NDArray[np.float64]
UNITS_DRAWN = 2**15
"""Units that are drawn."""
PLACES_COMPARED = 6
"""Inputs, or positions of inputs, at which moments are compared."""
MOST_DRAWN = 2**24
"""Most weights that are drawn: fewer units where each has many."""


@dataclass(frozen=True, slots=True)
class FirstLayer:
    """The second moments of a first layer's units and slopes, off the Gaussian ones.

    Attributes:
        read: entries of the data that a unit reads.
        units: largest difference of E w(u) w(u'), relative to the geometric mean of the squares.
        units_error: its standard error.
        slopes: the same for w'.
        slopes_error: its standard error.
    """

    read: int
    units: float
    units_error: float
    slopes: float
    slopes_error: float

    def __str__(self) -> str:
        return (
            f"E w(u) w(u') differs by {self.units:.2%} ± {self.units_error:.2%} and E w'(u) w'(u')"
            f" by {self.slopes:.2%} ± {self.slopes_error:.2%}"
        )


def first_laws(
    parts: Sequence[Weights], numbers: Sequence[Numbers]
) -> tuple[tuple[InitialLaw, InitialLaw], ...] | None:
    """The laws of weights and biases, as they enter the sums, of each layer that reads the data.

    Returns:
        None if all their sums are Gaussian.
    """
    first = [(p, n) for p, n in zip(parts, numbers, strict=True) if isinstance(p.source, InputData)]
    if not any(_has_other_sums(one) for _, one in first):
        return None
    none = InitialLaw("zeros", "constant", 0.0)
    return tuple(
        (
            replace(one.law, std=one.law.std * abs(part.weight.factor)),
            replace(one.bias_law or none, std=one.keywords.get("bias_std", 0.0)),
        )
        for part, one in first
    )


def _has_other_sums(one: Numbers) -> bool:
    """Whether sums of a few of these numbers are not Gaussian, as far as their law is known."""
    laws = [law for law in (one.law, one.bias_law) if law is not None and law.std > 0]
    return any(law.family in ("uniform", "truncated normal") for law in laws)


def first_layer_moments(
    part: Weights, numbers: Numbers, activation: Activation, data: Tensor
) -> FirstLayer | None:
    r"""The moments of a first layer, None if its pre-activations are Gaussian.

    An orthogonal matrix with more rows than columns has rows that are nearly uniform on a sphere,
    whose sums are Gaussian but for a relative 1/units, which is part of the rate; so it counts as
    Gaussian here.

    Args:
        part: weights that read the data.
        numbers: their laws.
        activation: of its units.
        data: what they read, (n, channels, \*spatial).
    """
    if not _has_other_sums(numbers):
        return None
    patches = _patches(part, data)
    count = max(1024, min(UNITS_DRAWN, MOST_DRAWN // patches.shape[1]))
    uniform = np.random.default_rng(0).random((count, patches.shape[1] + 1))
    uniform = np.clip(uniform, 1e-12, 1 - 1e-12)
    pairs: list[tuple[Array, Array]] = []
    for drawn in (True, False):
        u = _drawn(numbers.law, drawn, uniform[:, :-1]) * abs(part.weight.factor) @ patches.T
        if part.bias is not None and numbers.bias_law is not None and numbers.bias_law.std > 0:
            u += abs(part.bias.factor) * _drawn(numbers.bias_law, drawn, uniform[:, -1:])
        values = torch.from_numpy(u)
        found = (pointwise(activation, order)(values).numpy() for order in (0, 1))
        pairs.append(tuple(found))  # pyright: ignore[reportArgumentType]
    (units, slopes), (normal, normal_slopes) = pairs
    return FirstLayer(patches.shape[1], *_off(units, normal), *_off(slopes, normal_slopes))


def _drawn(law: InitialLaw, true: bool, uniform: Array) -> Array:
    normal = InitialLaw("normal", "normal", law.std)
    return (law if true else normal).draw(uniform)


def _off(true: Array, normal: Array) -> tuple[float, float]:
    """The largest difference of second moments, and its standard error."""
    scale = np.sqrt((normal**2).mean(axis=0))
    products = np.einsum("di,dj->dij", true, true) - np.einsum("di,dj->dij", normal, normal)
    products /= np.maximum(np.outer(scale, scale), 1e-300)
    mean, error = products.mean(axis=0), products.std(axis=0) / math.sqrt(len(products))
    worst = np.unravel_index(np.abs(mean).argmax(), mean.shape)
    return float(abs(mean[worst])), float(error[worst])


def _patches(part: Weights, data: Tensor) -> Array:
    """What units read at some inputs and positions, shape (patches, entries)."""
    some = data[:PLACES_COMPARED]
    if part.window is None:
        return some.flatten(1).numpy()
    sizes = part.weight.tensor.shape[2:]
    if not sizes:
        return some.flatten(2).movedim(1, 2).flatten(0, 1)[:: max(1, some[0, 0].numel())].numpy()
    whole = some[..., None] if some.ndim == 3 else some
    window = (*sizes, 1) if some.ndim == 3 else tuple(sizes)
    if len(window) > 2:
        centre = tuple(
            slice((p - k) // 2, (p - k) // 2 + k)
            for p, k in zip(some.shape[2:], sizes, strict=True)
        )
        return some[(slice(None), slice(None), *centre)].flatten(1).numpy()
    columns = functional.unfold(whole, window)  # (n, entries, positions)
    middle = columns.shape[2] // 2
    return columns[:, :, middle].numpy()
