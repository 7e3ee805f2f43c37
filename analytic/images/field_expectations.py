r"""E and D of a vector of lanes, compiled: by Mehler's series, or by a closed form.

Both images of a pair have their own coefficients at every lane; the cost of a closed form does
not depend on s. References to arrays are not counted (``analytic.compilation.elementwise``): that
cost twice the time of a short series.

Legend: as in ``analytic.images.fields`` and ``analytic.pairs.pair_recursion``; numbers of the first
images are lines (images, Q / LANES, LANES), those of the second one moved to lanes (5, LANES), and
fields are (F, Q / LANES, LANES).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from analytic.compilation import elementwise
from analytic.expectations import arcsine
from analytic.machine import LANES
from analytic.recursion import centred, plain

__all__ = [
    "ARCCOSINE",
    "ARCSINE",
    "DIVIDED",
    "NORMALIZED",
    "SERIES",
    "FieldLayer",
    "Place",
    "closed_form",
    "correlate",
    "divide",
    "mehler",
    "normalize",
    "terms",
]

_plain: Any = elementwise(plain)
_centred: Any = elementwise(centred)

SERIES, ARCCOSINE, ARCSINE, NORMALIZED, DIVIDED = range(5)
"""Where E and D come from."""


class FieldLayer(NamedTuple):
    """What the compiled code knows of a layer."""

    number: int
    weight: float
    bias: float
    rate: float
    bias_rate: float
    form: int  # one of SERIES, ARCCOSINE, ARCSINE, NORMALIZED, DIVIDED
    even: bool  # whether the coefficients of even order matter
    odd: bool
    groups: int  # of terms that matter
    line: float  # a^2 of a x + b |x|
    bend: float  # b^2
    shares: tuple[float, float]  # of the first units that are concatenated here, 1 for sums


class Place(NamedTuple):
    """A vector of lanes: its field, the first image, and its number in these."""

    f: int
    i: int
    chunk: int


@elementwise
def terms(layer: FieldLayer) -> int:
    """The coefficients of a group that matter."""
    return 4 * (layer.even + layer.odd)


@elementwise
def correlate(at: Place, inverse: Any, moved: Any, sigma: Any, lanes: Any) -> None:
    """The correlation and its square; 1/s of the first images and of the second one."""
    f, i, q = at
    for j in range(LANES):
        r = sigma[f, q, j] * (inverse[i, q, j] * moved[0, j])
        r = r if r < 1.0 else 1.0
        r = r if r > -1.0 else -1.0
        lanes[0, j] = r
        lanes[1, j] = r * r


@elementwise
def mehler(
    layer: FieldLayer, at: Place, own: Any, other: Any, second: Any, groups: int, mean: Any,
    moved: Any, lanes: Any, sigma: Any, theta: Any,
) -> None:  # fmt: skip
    """E and D Gamma by the series: D = d/d rho (rho P), P = P_even(x) + rho P_odd(x).

    Args:
        layer: the layer.
        at: the lanes.
        own: coefficients of the first images, (images, Q / LANES, coefficients, LANES).
        other: those of the second ones, or of one at these lanes.
        second: where they stand in ``other``, (image, chunk).
        groups: of terms.
        mean: E[w] of the first images.
        moved: that of the second one at these lanes is ``moved[1]``.
        lanes: rho and its square, and four lines to write to.
        sigma: Lambda, becomes E.
        theta: Gamma, the same, becomes D Gamma.
    """
    (f, i, q), step = at, terms(layer)
    _clear(lanes, 2)
    for k in range((groups - 1) * step, -1, -step):
        if layer.even:
            _four(at, own, other, second, k, lanes, 2)
    if layer.odd:
        _clear(lanes, 4)
        for k in range(groups * step - 4, -1, -step):
            _four(at, own, other, second, k, lanes, 4)
        for j in range(LANES):
            rho, x, value0, value1 = lanes[0, j], lanes[1, j], lanes[2, j], lanes[4, j]
            p1 = value1 + x * lanes[5, j]
            e = mean[i, q, j] * moved[1, j] + sigma[f, q, j] * (value0 + rho * value1)
            d = value0 + 2.0 * (x * lanes[3, j] + rho * p1)
            sigma[f, q, j], theta[f, q, j] = _plain(e, d, theta[f, q, j])
    else:
        for j in range(LANES):
            x, value0 = lanes[1, j], lanes[2, j]
            e = mean[i, q, j] * moved[1, j] + sigma[f, q, j] * value0
            d = value0 + 2.0 * (x * lanes[3, j])
            sigma[f, q, j], theta[f, q, j] = _plain(e, d, theta[f, q, j])


@elementwise
def _clear(lanes: Any, first: int) -> None:
    for j in range(LANES):
        lanes[first, j] = 0.0
        lanes[first + 1, j] = 0.0


@elementwise
def _four(
    at: Place, own: Any, other: Any, second: Any, k: int, lanes: Any, first: int
) -> None:  # fmt: skip
    """Four steps of Horner's scheme and of its derivative, in two lines of ``lanes``."""
    (_, i, q), (c, place) = at, second
    for j in range(LANES):
        y, v, d = lanes[1, j], lanes[first, j], lanes[first + 1, j]
        d = d * y + v
        v = v * y + own[i, q, k + 3, j] * other[c, place, k + 3, j]
        d = d * y + v
        v = v * y + own[i, q, k + 2, j] * other[c, place, k + 2, j]
        d = d * y + v
        v = v * y + own[i, q, k + 1, j] * other[c, place, k + 1, j]
        d = d * y + v
        lanes[first, j] = v * y + own[i, q, k, j] * other[c, place, k, j]
        lanes[first + 1, j] = d


@elementwise
def normalize(at: Place, scale: Any, mean: Any, moved: Any, sigma: Any, theta: Any) -> None:
    """Sigma and Theta of normalised units."""
    f, i, q = at
    for j in range(LANES):
        inverse, mu, eta = scale[i, q, j] * moved[0, j], mean[i, q, j], moved[1, j]
        value, theta[f, q, j] = _centred(sigma[f, q, j], theta[f, q, j], mu, eta, inverse)
        value = value if value < 1.0 else 1.0
        sigma[f, q, j] = value if value > -1.0 else -1.0


@elementwise
def divide(at: Place, scale: Any, moved: Any, sigma: Any, theta: Any) -> None:
    """Sigma and Theta of units that are normalised over all positions."""
    f, i, q = at
    for j in range(LANES):
        sigma[f, q, j] *= scale[i, q, j] * moved[0, j]
        theta[f, q, j] *= scale[i, q, j] * moved[0, j]


@elementwise
def closed_form(
    layer: FieldLayer, at: Place, inverse: Any, size: Any, moved: Any, sigma: Any, theta: Any
) -> None:
    """E and D Gamma of erf, Williams (1997), and of a x + b |x|, Cho and Saul (2009)."""
    f, i, q = at
    if layer.form == ARCSINE:
        for j in range(LANES):
            root = size[i, q, j] * moved[3, j]
            z = 2.0 * (sigma[f, q, j] * root)
            z = z if z < 1.0 else 1.0
            z = z if z > -1.0 else -1.0
            left = (1.0 - z) * (1.0 + z)
            left = left if left > 1e-300 else 1e-300
            e, d = arcsine(z) * (2.0 / np.pi), (4.0 / np.pi) * root / np.sqrt(left)
            sigma[f, q, j], theta[f, q, j] = _plain(e, d, theta[f, q, j])
        return
    line, part = layer.line, layer.bend * (2.0 / np.pi)
    for j in range(LANES):
        rho = sigma[f, q, j] * (inverse[i, q, j] * moved[0, j])
        rho = rho if rho < 1.0 else 1.0
        rho = rho if rho > -1.0 else -1.0
        angle = arcsine(rho)
        product = size[i, q, j] * moved[3, j]
        alive = 1.0 if product > 0.0 else 0.0
        root = np.sqrt((1.0 - rho) * (1.0 + rho))
        e, slope = product * (line * rho + part * (root + rho * angle)), line + part * angle
        sigma[f, q, j], theta[f, q, j] = _plain(e, alive * slope, theta[f, q, j])
