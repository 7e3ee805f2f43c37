r"""The error bound of a kernel, fixed before a pair is computed.

Errors are carried through the recursion as numbers relative to the diagonal,

    |delta Sigma_ij| <= eps_sigma sqrt(Sigma_ii Sigma_jj), the same for Theta, D, E,

which Cauchy-Schwarz allows for every term: the truncation of Mehler's series, the
quadrature of its coefficients, rounding, and the errors of the covariance *and* of the two
variances that enter a layer (docs/theory/certificate.md).

Legend: R bounds the |rho| of the pairs at hand; tau is the truncation error allowed to a
layer; u is the unit roundoff; k_E, k_D, r_D are the amplification factors at R, and
v_E, v_D those of a relative error of the variances.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from analytic.machine import UNIT, Array
from analytic.recursion.error_amplification import Amplification
from analytic.recursion.error_propagation import (
    OWN,
    RADII,
    ErrorPropagation,
    Fixed,
    junction_factors,
    layer_factors,
)
from analytic.recursion.layer_equations import Average
from analytic.recursion.layer_errors import LayerFactors, SkipFactors

__all__ = [
    "LEVELS",
    "Bounds",
    "certify",
    "certify_behind",
    "factors_of",
    "junction_of",
    "own_bounds",
]


class Bounds(NamedTuple):
    """Radii, truncation errors and error constants of every layer.

    A group g stands for 8 (g + 1) terms of the series; ``radius`` is the largest |rho| for
    which they suffice. ``factors`` holds those of ``LayerFactors`` at every R of ``LEVELS``, and
    ``junctions`` those of ``SkipFactors``.
    """

    radius: Array  # (layers, groups), increasing in g
    truncation: Array  # what is added to add_e and add_d, the same
    factors: Array  # (layers, levels, factors)
    junctions: Array  # (layers, most sums that end at one of them, factors)
    in_kernel: Array  # ``shares.in_kernels``, (3,)
    lengths: NDArray[np.int64]  # coefficients of even and of odd order that matter, (layers, 2)
    closed: NDArray[np.bool_]  # whether the pairs of a layer have the closed form of erf, (layers,)
    start: float  # error of <x, x'>/d
    ceiling: float  # largest |rho| the bounds hold for; pairs above it are left out
    error: float  # bound of the kernel for all pairs below the ceiling
    diagonal: float  # bound of the kernel at x = x'


LEVELS = np.concatenate(
    [np.linspace(0, 0.6, 16), 1 - 0.4 * 2 ** (-np.arange(1, 12) / 2), 1 - 4.0 ** -np.arange(4, 14)]
)
LEVELS[-1] = 1.0
"""The |rho| for which factors are tabulated; a pair takes those of the next one."""
SMALL = 1 / 16
"""What truncation may cost where the bound shall be tight, as a part of rounding."""


@register_jitable
def factors_of(b: Bounds, at: int, radius: Any, group: int) -> LayerFactors:
    """What a layer does to errors at |rho| up to a radius, with the terms of a group."""
    level = 0
    while level < LEVELS.size - 1 and LEVELS[level] < radius:
        level += 1
    f, tau = b.factors[at, level], b.truncation[at, group]
    return LayerFactors(
        f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7] + tau, f[8] + tau, f[9], f[10], f[11]
    )


@register_jitable
def junction_of(b: Bounds, at: int, number: int) -> SkipFactors:
    """What one of the sums that end at a layer does to errors."""
    f = b.junctions[at, number]
    return SkipFactors(f[0], f[1], f[2], f[3], f[4], f[5])


def certify(
    layers: list[Amplification],
    tolerance: float,
    start: float,
    *,
    tight: bool = False,
    spread: float = 0.0,
    whole: bool = False,
    readout: Average = Average(),  # noqa: B008
    in_kernel: Sequence[float] = (1.0, 1.0, 0.0),
) -> Bounds:
    """Choose ceiling and truncation so that the bound meets the tolerance.

    Args:
        layers: how each layer amplifies errors.
        tolerance: wanted bound relative to sqrt(K(x, x) K(x', x')).
        start: relative rounding error of the scalar products <x, x'>/d.
        tight: whether truncation shall cost no more than a small part of what rounding does.
        spread: relative error of |x|^2/d beyond rounding.
        whole: whether no pair may be left out.
        readout: the averages before the readout.
        in_kernel: ``shares.in_kernels``.
    """
    chain = ErrorPropagation(layers, readout, start, spread, in_kernel)
    for index in range(1 if whole else len(RADII)):
        rounding = chain.error(index, 0.0)
        per_tau = chain.error(index, 1.0) - rounding
        tau = 0.9 * (tolerance - rounding) / per_tau if per_tau > 0 else 1.0  # 1: no series
        if tau >= 2 * UNIT:
            if tight and per_tau > 0:
                least = max(layer.rest for layer in layers)  # below, pairs would be left out
                cheap = rounding / per_tau
                tau = min(tau, max(SMALL * cheap, min(least, cheap), SMALL * UNIT))
            if chain.error(index, tau) <= tolerance:
                return _bounds(chain, index, tau, whole)
    return _bounds(chain, 0 if whole else len(RADII) - 1, 2 * UNIT, whole)


ENTERED = 2**9 * UNIT
"""An error of Sigma behind the first layer that the others may meet."""


def certify_behind(
    layers: list[Amplification],
    bounds: Bounds,
    start: float,
    *,
    spread: float = 0.0,
    in_kernel: Sequence[float] = (1.0, 1.0, 0.0),
) -> Bounds | None:
    """Bounds for pairs that came through the first layer by another way, at any |rho| behind it.

    None where they might be larger than ``bounds``, the ones of pairs that the series take through
    all layers, or where other layers leave out as many pairs as the first. See ``certify``.
    """
    first, alone = layers[0], len(layers) == 1
    if alone or first.step.opens or first.bent or first.closed or bounds.radius[0, -1] == 1:
        return None
    tau = float(bounds.truncation[0, -1])
    others = ErrorPropagation(layers[1:], Average(), ENTERED, spread, in_kernel)
    if not others.error(0, tau) <= bounds.error:
        return None
    found = _bounds(ErrorPropagation(layers, Average(), start, spread, in_kernel), 0, tau, False)
    return found if found.radius[0, -1] < found.radius[1:, -1].min() else None


GROUP = 8
"""Terms of the series (even and odd together) by which its length grows."""


def _bounds(chain: ErrorPropagation, index: int, tau: float, whole: bool) -> Bounds:
    layers, ceiling = chain.layers, float(RADII[index])
    groups = max(max(-(-layer.terms // GROUP) for layer in layers), 24)
    radius, lost = np.empty((2, len(layers), groups))
    for row, layer in enumerate(layers):
        radius[row], lost[row] = _radii(layer, groups, tau, ceiling, whole)
    levels = np.minimum(LEVELS, ceiling)
    parts = zip(layers, chain.fixed, strict=True)
    return Bounds(
        radius=radius,
        truncation=lost,
        factors=np.stack([_factors(layer, fixed, levels) for layer, fixed in parts]),
        junctions=_junctions(layers, chain.fixed),
        in_kernel=np.array(chain.in_kernel),
        lengths=np.array([_lengths(layer) for layer in layers]),
        closed=np.array([layer.closed for layer in layers]),
        start=chain.start,
        ceiling=ceiling,
        error=chain.error(index, tau, [float(last) for last in lost[:, -1]]),
        diagonal=chain.diagonal,
    )


def _junctions(layers: list[Amplification], fixed: Sequence[Fixed]) -> Array:
    """What the sums that end at each layer do to errors; 0 where there are none."""
    most = max(1, *(len(layer.in_junctions) for layer in layers))
    found = np.zeros((len(layers), most, len(SkipFactors._fields)))
    for row, (layer, here) in enumerate(zip(layers, fixed, strict=True)):
        for number in range(len(layer.in_junctions)):
            found[row, number] = junction_factors(layer, here, number)
    return found


def _factors(layer: Amplification, fixed: Fixed, levels: Array) -> Array:
    """Those of a layer at some R, (levels, factors), without truncation."""
    found = layer_factors(layer, layer.at(levels), fixed, 0.0)
    return np.stack(np.broadcast_arrays(*found), axis=1)


def own_bounds(layer: Amplification) -> Bounds:
    """Radii for pairs of positions of one input, at the least truncation; no errors."""
    groups = max(-(-layer.terms // GROUP), 24)
    radius, _ = _radii(layer, groups, OWN, 1.0, True)
    return Bounds(
        radius=radius[None, :],
        truncation=np.zeros((1, groups)),
        factors=np.zeros((1, LEVELS.size, len(LayerFactors._fields))),
        junctions=np.zeros((1, max(1, len(layer.in_junctions)), len(SkipFactors._fields))),
        in_kernel=np.array([1.0, 1.0, 0.0]),
        lengths=np.array([_lengths(layer)]),
        closed=np.array([layer.closed]),
        start=0.0,
        ceiling=1.0,
        error=0.0,
        diagonal=0.0,
    )


def _lengths(layer: Amplification) -> list[int]:
    """How many coefficients of even and of odd order exceed rounding, in fours."""
    if layer.closed:
        return [0, 0]
    tails = [np.cumsum(layer.r_d[start::2][::-1])[::-1] for start in (0, 1)]
    return [-4 * (-int(np.count_nonzero(tail > UNIT / 16)) // 4) for tail in tails]


def _radii(
    layer: Amplification, groups: int, tau: float, ceiling: float, whole: bool
) -> tuple[Array, Array]:
    """The largest R at which each group of terms is truncated below tau, and by how much.

    If ``whole`` the last group serves all R, whatever it leaves out.
    """
    closed = layer.bent or layer.closed
    lost = np.full(groups, 0.0 if closed else tau)
    if closed:
        radius = np.minimum(1 - 2.0 ** -np.arange(1.0, groups + 1), ceiling)
    else:
        terms = np.minimum(GROUP * np.arange(1, groups + 1), layer.terms)
        tails = layer.tails(terms)
        radius = np.minimum((tau / np.maximum(tails, tau * 1e-300)) ** (1 / terms), ceiling)
        radius = np.maximum.accumulate(np.where(radius < 1, radius * (1 - 4 * UNIT), 1.0))
        lost[-1] = max(tau, tails[-1] if whole else 0.0)
    if whole or layer.closed:
        radius[-1] = ceiling
    return radius, lost
