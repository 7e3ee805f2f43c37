r"""Units that are drawn, since they are no Gaussian ones, and their moments.

A linear stem hands on sums u = W x of a few numbers. Weights behind it make Gaussian units of them;
but a skip takes them along, and an activation on

    h = u + g,    g Gaussian, independent of u, of covariance Sigma - E u u',

needs the law of u. So samples of u are carried as far as they go unchanged, and E w(h) w(h') is the
mean over them and as many of g.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.network import Averaging, Flatten
from empirical.network import pointwise

__all__ = [
    "DrawnUnits",
    "PointMoments",
    "averaged_units",
    "moments_of",
    "second_moments",
    "summed",
]

Array = NDArray[np.float64]


class DrawnUnits(NamedTuple):
    """The part of units that is not Gaussian.

    Attributes:
        units: samples, shape (draws, n, P).
        sigma: their second moments, shape (n, P, n, P).
    """

    units: Array
    sigma: Array

    def divided(self, deviation: Array) -> DrawnUnits:
        """Over numbers (n, P)."""
        return DrawnUnits(
            self.units / deviation, self.sigma / np.multiply.outer(deviation, deviation)
        )


class PointMoments(NamedTuple):
    """What a network knows of its units at P positions of n inputs.

    Attributes:
        sigma, theta: shape (n, P, n, P).
        mean: shape (n, P).
        shape: the spatial shape, of P positions; () for vectors.
        drawn: the part of the units that is not Gaussian, if there is one.
    """

    sigma: Array
    theta: Array
    mean: Array
    shape: tuple[int, ...]
    drawn: DrawnUnits | None = None


def second_moments(activation: Activation, sums: Array) -> tuple[Array, Array, Array]:
    """E w(u) w(u'), E w'(u) w'(u') and E w(u) over pre-activations (draws, points)."""
    u = torch.from_numpy(sums)
    units, slopes = (pointwise(activation, order)(u).numpy() for order in (0, 1))
    sigma, slope = (values.T @ values / len(values) for values in (units, slopes))
    return sigma, slope, units.mean(axis=0)


def moments_of(activation: Activation, state: PointMoments, noise: Array) -> PointMoments:
    """Behind an activation: its sigma, the moments of its slopes in place of theta, its mean.

    Args:
        activation: that reads the units.
        state: units that are drawn in part.
        noise: independent normal numbers, (draws, n P or more).
    """
    drawn = state.drawn
    assert drawn is not None
    n, positions = state.mean.shape
    size = n * positions
    rest = (state.sigma - drawn.sigma).reshape(size, size)
    values, vectors = np.linalg.eigh((rest + rest.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    units = drawn.units.reshape(-1, size) + noise[:, :size] @ root.T
    sigma, slope, mean = second_moments(activation, units)
    shape = state.sigma.shape
    return PointMoments(sigma.reshape(shape), slope.reshape(shape), mean.reshape(n, positions), ())


def averaged_units(
    layer: Averaging, table: NDArray[np.int64], drawn: DrawnUnits | None
) -> DrawnUnits | None:
    """Behind an average; where positions become units, no activation reads them without weights.

    Args:
        layer: the average.
        table: the positions that it reads, (P', reads).
        drawn: the part that is not Gaussian.
    """
    if drawn is None or isinstance(layer, Flatten):
        return None
    sigma = drawn.sigma[:, table].mean(2)[..., table].mean(-1)
    return DrawnUnits(drawn.units[:, :, table].mean(-1), sigma)


def summed(one: DrawnUnits | None, other: DrawnUnits | None) -> DrawnUnits | None:
    """The sum of independent units."""
    if one is None or other is None:
        return one or other
    return DrawnUnits(one.units + other.units, one.sigma + other.sigma)
