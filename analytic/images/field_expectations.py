r"""E and D of a vector of lanes, compiled: by Mehler's series, or by a closed form.

Both images of a pair have their own coefficients at every lane; the cost of a closed form does
not depend on s.

Legend: as in ``analytic.images.fields`` and ``analytic.pairs.pair_recursion``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from analytic.compilation import compiled
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
    "closed_form",
    "correlate",
    "divide",
    "mehler",
    "normalize",
    "terms",
]

_plain: Any = compiled(plain)
_centred: Any = compiled(centred)

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


@compiled
def terms(layer: FieldLayer) -> int:
    """The coefficients of a group that matter."""
    return 4 * (layer.even + layer.odd)


@compiled
def correlate(scale: Any, inverse: Any, sigma: Any, lanes: Any) -> None:
    """The correlation and its square."""
    rho, x = lanes[0], lanes[1]
    for j in range(LANES):
        r = sigma[j] * (scale[j] * inverse[j])
        r = r if r < 1.0 else 1.0
        r = r if r > -1.0 else -1.0
        rho[j] = r
        x[j] = r * r


@compiled
def mehler(
    layer: FieldLayer, own: Any, other: Any, groups: int, eta: Any, etas: Any, lanes: Any,
    sigma: Any, theta: Any,
) -> None:  # fmt: skip
    """E and D Gamma by the series: D = d/d rho (rho P), P = P_even(x) + rho P_odd(x)."""
    rho, x, step = lanes[0], lanes[1], terms(layer)
    value0, slope0, value1, slope1 = lanes[2], lanes[3], lanes[4], lanes[5]
    value0[:] = 0.0
    slope0[:] = 0.0
    for k in range((groups - 1) * step, -1, -step):
        if layer.even:
            _four(own, other, k, x, value0, slope0)
    if layer.odd:
        value1[:] = 0.0
        slope1[:] = 0.0
        for k in range(groups * step - 4, -1, -step):
            _four(own, other, k, x, value1, slope1)
        for j in range(LANES):
            p1 = value1[j] + x[j] * slope1[j]
            e = eta[j] * etas[j] + sigma[j] * (value0[j] + rho[j] * value1[j])
            d = value0[j] + 2.0 * (x[j] * slope0[j] + rho[j] * p1)
            sigma[j], theta[j] = _plain(e, d, theta[j])
    else:
        for j in range(LANES):
            e = eta[j] * etas[j] + sigma[j] * value0[j]
            d = value0[j] + 2.0 * (x[j] * slope0[j])
            sigma[j], theta[j] = _plain(e, d, theta[j])


@compiled
def _four(own: Any, other: Any, k: int, x: Any, value: Any, slope: Any) -> None:
    """Four steps of Horner's scheme and of its derivative."""
    a0, a1, a2, a3 = own[k], own[k + 1], own[k + 2], own[k + 3]
    b0, b1, b2, b3 = other[k], other[k + 1], other[k + 2], other[k + 3]
    for j in range(LANES):
        y, v, d = x[j], value[j], slope[j]
        d = d * y + v
        v = v * y + a3[j] * b3[j]
        d = d * y + v
        v = v * y + a2[j] * b2[j]
        d = d * y + v
        v = v * y + a1[j] * b1[j]
        d = d * y + v
        value[j] = v * y + a0[j] * b0[j]
        slope[j] = d


@compiled
def normalize(scale: Any, inverse: Any, mu: Any, mus: Any, sigma: Any, theta: Any) -> None:
    """Sigma and Theta of normalised units."""
    for j in range(LANES):
        value, theta[j] = _centred(sigma[j], theta[j], mu[j], mus[j], scale[j] * inverse[j])
        value = value if value < 1.0 else 1.0
        sigma[j] = value if value > -1.0 else -1.0


@compiled
def divide(scale: Any, inverse: Any, sigma: Any, theta: Any) -> None:
    """Sigma and Theta of units that are normalised over all positions."""
    for j in range(LANES):
        sigma[j] *= scale[j] * inverse[j]
        theta[j] *= scale[j] * inverse[j]


@compiled
def closed_form(
    layer: FieldLayer, scale: Any, inverse: Any, size: Any, sizes: Any, sigma: Any, theta: Any
) -> None:
    """E and D Gamma of erf, Williams (1997), and of a x + b |x|, Cho and Saul (2009)."""
    if layer.form == ARCSINE:
        for j in range(LANES):
            root = size[j] * sizes[j]
            z = 2.0 * (sigma[j] * root)
            z = z if z < 1.0 else 1.0
            z = z if z > -1.0 else -1.0
            left = (1.0 - z) * (1.0 + z)
            left = left if left > 1e-300 else 1e-300
            e, d = arcsine(z) * (2.0 / np.pi), (4.0 / np.pi) * root / np.sqrt(left)
            sigma[j], theta[j] = _plain(e, d, theta[j])
        return
    line, part = layer.line, layer.bend * (2.0 / np.pi)
    for j in range(LANES):
        rho = sigma[j] * (scale[j] * inverse[j])
        rho = rho if rho < 1.0 else 1.0
        rho = rho if rho > -1.0 else -1.0
        angle = arcsine(rho)
        product = size[j] * sizes[j]
        alive = 1.0 if product > 0.0 else 0.0
        root = np.sqrt((1.0 - rho) * (1.0 + rho))
        e = product * (line * rho + part * (root + rho * angle))
        sigma[j], theta[j] = _plain(e, alive * (line + part * angle), theta[j])
