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

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.machine import UNIT, Array
from analytic.recursion.error_amplification import Amplification
from analytic.recursion.error_propagation import OWN, RADII, ErrorPropagation, added
from analytic.recursion.layer_equations import Average

__all__ = ["Bounds", "certify", "own_bounds"]


class Bounds(NamedTuple):
    """Radii and error constants of every layer (rows) and group of terms (columns).

    A group g stands for 8 (g + 1) terms of the series; ``radius`` is the largest |rho| for
    which they suffice, and the others are the factors of ``layer_error`` at that |rho|.
    """

    radius: Array  # (layers, groups), increasing in g
    k_e: Array
    k_d: Array
    r_d: Array
    add_e: Array
    add_d: Array
    share: Array  # of weight_std^2 Sigma in Lambda, (layers,)
    lengths: NDArray[np.int64]  # coefficients of even and of odd order that matter, (layers, 2)
    skip_ratio: Array  # (layers,)
    skip_add: Array
    start: float  # error of <x, x'>/d
    ceiling: float  # largest |rho| the bounds hold for; pairs above it are left out
    error: float  # bound of the kernel for all pairs below the ceiling
    diagonal: float  # bound of the kernel at x = x'


SMALL = 1 / 16
"""What truncation may cost where the bound shall be tight, as a part of rounding."""


def certify(
    layers: list[Amplification],
    tolerance: float,
    start: float,
    *,
    tight: bool = False,
    spread: float = 0.0,
    whole: bool = False,
    readout: Average = Average(),  # noqa: B008
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
    """
    chain = ErrorPropagation(layers, readout, start, spread)
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


GROUP = 8
"""Terms of the series (even and odd together) by which its length grows."""


def _bounds(chain: ErrorPropagation, index: int, tau: float, whole: bool) -> Bounds:
    layers, ceiling = chain.layers, float(RADII[index])
    least: list[float] = []
    groups = max(max(-(-layer.terms // GROUP) for layer in layers), 24)
    shape = (len(layers), groups)
    radius = np.full(shape, ceiling)
    k_e, k_d, r_d, add_e, add_d = np.zeros((5, *shape))
    for row, (layer, add) in enumerate(zip(layers, chain.fixed, strict=True)):
        radius[row], lost = _radii(layer, groups, tau, ceiling, whole)
        least.append(float(lost[-1]))
        at = layer.at(radius[row])
        k_e[row], k_d[row], r_d[row] = at.k_e, at.k_d, at.r_d
        add_e[row], add_d[row] = added(at, add, lost)
    return Bounds(
        radius=radius,
        k_e=k_e,
        k_d=k_d,
        r_d=r_d,
        add_e=add_e,
        add_d=add_d,
        share=np.array([layer.share for layer in layers]),
        lengths=np.array([_lengths(layer.r_d) for layer in layers]),
        skip_ratio=np.array([layer.skip for layer in layers]),
        skip_add=np.array([add.skip for add in chain.fixed]),
        start=chain.start,
        ceiling=ceiling,
        error=chain.error(index, tau, least),
        diagonal=chain.diagonal,
    )


def own_bounds(layer: Amplification) -> Bounds:
    """Radii for pairs of positions of one input, at the least truncation; no errors."""
    groups = max(-(-layer.terms // GROUP), 24)
    radius, _ = _radii(layer, groups, OWN, 1.0, True)
    none = np.zeros((1, groups))
    return Bounds(
        radius=radius[None, :],
        k_e=none,
        k_d=none,
        r_d=none,
        add_e=none,
        add_d=none,
        share=np.ones(1),
        lengths=np.array([_lengths(layer.r_d)]),
        skip_ratio=np.zeros(1),
        skip_add=np.zeros(1),
        start=0.0,
        ceiling=1.0,
        error=0.0,
        diagonal=0.0,
    )


def _lengths(shares: Array) -> list[int]:
    """How many coefficients of even and of odd order exceed rounding, in fours."""
    tails = [np.cumsum(shares[start::2][::-1])[::-1] for start in (0, 1)]
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
    if whole:
        radius[-1] = ceiling
    return radius, lost
