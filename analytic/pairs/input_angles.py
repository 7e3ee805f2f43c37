r"""The angle of two inputs, by 1 - c and 1 + c to full relative accuracy.

Unit vectors are rounded, which 1 - c = |x/|x| - x'/|x'||^2/2 feels like u sqrt(1 - c). Nearly
parallel inputs leave a small rest x' - t x, whose entries are products without rounding (Dekker
1971) and differences of near numbers: with the t of the projection, rounded,

    |x'|^2 sin(angle)^2 = |x' - t x|^2 - ((x' - t x).x)^2/|x|^2.

Inputs that are exactly parallel, or equal, are told by their products.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import Angle, NormGap
from analytic.machine import UNIT, Array
from analytic.network import Network

__all__ = ["alike", "angle_of_inputs", "gap_of_inputs", "sine_less_cosine"]

Mask = NDArray[np.bool_]


def alike(network: Network, x: Array, y: Array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether two inputs are one for a network, or each the other's opposite, (pairs,) each.

    Then K(x, x') is K(x, x), or -K(x, x) where f is odd. Noise tells rows apart.
    """
    quiet = all(step.noise == 1 for step in network.steps)
    opposite = np.all(x == -y, axis=1) & _is_odd(network) & quiet
    return np.all(x == y, axis=1) & quiet, opposite


def _is_odd(network: Network) -> bool:
    """Whether f(-x) = -f(x) whatever the weights are."""
    layers = [step.layer.activation.parity == "odd" for step in network.steps]
    return all(layers) and all(step.bias == 0 for step in network.steps)


def angle_of_inputs(x: Array, y: Array) -> Angle:
    """That of pairs of inputs, (pairs, d) each; a right one where an input is 0."""
    size, size_ = (np.sqrt(np.sum(a**2, axis=1)) for a in (x, y))
    unit, unit_ = (a / np.where(r > 0, r, 1.0)[:, None] for a, r in ((x, size), (y, size_)))
    alive = (size > 0) & (size_ > 0)
    minus, plus = (np.sum((unit + sign * unit_) ** 2, axis=1) / 2 for sign in (-1, 1))
    minus, plus = np.where(alive, minus, 1.0), np.where(alive, plus, 1.0)
    # both unit vectors are rounded twice in every entry, and their norms
    sums = 2 * _sum_roundings(x.shape[1]) + 2  # of these sums of squares, and of the norms
    small = np.minimum(minus, plus)
    error = 4 * UNIT * (np.sqrt(small) + UNIT) + (sums + 4) * UNIT * small
    for sign, near in ((-1, minus), (1, plus)):
        close = np.flatnonzero(alive & (near < NEAR))
        if close.size == 0:
            continue
        found, wrong = _by_projection(x[close], -sign * y[close], size[close], size_[close], sums)
        better = wrong < error[close]
        chosen = close[better]
        near[chosen], error[chosen] = found[better], wrong[better]
        apart = np.flatnonzero(near[close] < PARALLEL)
        exact = close[apart][_are_parallel(x[close[apart]], y[close[apart]])]
        near[exact], error[exact] = 0.0, 0.0
    return Angle.of(minus, plus, error)


def gap_of_inputs(x: Array, y: Array) -> NormGap:
    """That of |x|/sqrt(d): (x - y).(x + y)/(|x| + |y|), as sharp as their difference."""
    terms = (x - y) * (x + y)
    size, size_ = (np.sqrt(np.mean(a**2, axis=1)) for a in (x, y))
    both = np.where(size + size_ > 0, size + size_, 1.0)
    roundings = 2 * _sum_roundings(x.shape[1]) + 10
    error = roundings * UNIT * np.mean(np.abs(terms), axis=1) / both
    return NormGap(np.mean(terms, axis=1) / both, error)


def _sum_roundings(count: int) -> int:
    """The most roundings of a term of numpy's sums: eight chains, in blocks of 128 terms."""
    if count < 8:
        return count
    block = min(count, 128)
    return block // 8 + 2 + 7 + max(math.ceil(math.log2(count / block)), 0)


def sine_less_cosine(t: Array) -> Array:
    """sin(t) - t cos(t) to some units of itself: t^3/3 at first, a difference of two t.

    Example:
        >>> f"{sine_less_cosine(np.array([3e-8]))[0]:.13g}"
        '9e-24'
    """
    square, series = np.minimum(t, 1.0) ** 2, np.zeros_like(t)
    for k in range(TAYLOR, 0, -1):
        series = 2 * k / math.factorial(2 * k + 1) - series * square
    return np.where(t < 1, t * square * series, np.sin(t) - t * np.cos(t))


TAYLOR = 9
"""Terms of the series up to t = 1: the next one is 1e-17 of the first."""
NEAR = 2.0**-8
"""1 - c below which the rest is looked at."""
PARALLEL = 2.0**-90
"""1 - c below which inputs may be parallel."""


def _by_projection(x: Array, y: Array, r: Array, r_: Array, sums: float) -> tuple[Array, Array]:
    """1 - c from y - t x, and its error."""
    t = np.sum(x * y, axis=1) / np.sum(x * x, axis=1)
    whole, rest = _product(t[:, None], x)
    apart = ((y - whole) - rest) / r_[:, None]
    along = apart * (x / r[:, None])
    square, radial = np.sum(apart**2, axis=1), np.sum(along, axis=1)
    sizes = np.sum(np.abs(along), axis=1)  # of the terms of ``radial``
    sine = np.maximum(square - radial**2, 0)
    wrong = (sums + 12) * UNIT * (square + 2 * np.abs(radial) * sizes)
    wrong += 8 * UNIT**2 * (np.sqrt(square) + UNIT**2)  # of the products of roundings
    return sine / (1 + np.sqrt(1 - sine)), wrong


def _are_parallel(x: Array, y: Array) -> Mask:
    """Whether x_a y_k = x_k y_a for all k, exactly, with the a of the largest |x_a|."""
    if len(x) == 0:
        return np.zeros(0, dtype=np.bool_)
    rows, top = np.arange(len(x)), np.argmax(np.abs(x), axis=1)
    one, other = x[rows, top][:, None], y[rows, top][:, None]
    first, second = _product(one, y), _product(x, other)
    return np.all((first[0] == second[0]) & (first[1] == second[1]), axis=1)


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """The product and its rounding error (Dekker 1971), scaled to where both are exact."""
    (a, e), (b, f) = np.frexp(a), np.frexp(b)
    high, high_ = (np.ldexp(np.rint(np.ldexp(c, 26)), -26) for c in (a, b))
    low, low_ = a - high, b - high_
    whole = a * b
    rest = ((high * high_ - whole) + high * low_ + low * high_) + low * low_
    scale = e + f
    return np.ldexp(whole, scale), np.ldexp(rest, scale)
