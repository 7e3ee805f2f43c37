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
from analytic.recursion.amplification_factors import LEVELS, RADII, Factors
from analytic.recursion.averages import Average
from analytic.recursion.error_amplification import Amplification
from analytic.recursion.error_propagation import (
    ErrorPropagation,
    Fixed,
    junction_factors,
    layer_factors,
)
from analytic.recursion.layer_errors import LayerFactors, SkipFactors
from analytic.recursion.series_radii import GROUP, lengths, radii

__all__ = [
    "Bounds",
    "certify",
    "certify_behind",
    "constants",
    "factors_of",
    "first_beyond",
    "junction_of",
]


class Bounds(NamedTuple):
    """Radii, truncation errors and error constants of every layer.

    A group g stands for 8 (g + 1) terms of the series, or all there are; ``radius`` is the largest
    |rho| for which they suffice. ``factors`` holds those of ``LayerFactors`` at every R of
    ``LEVELS``, and ``junctions`` those of ``SkipFactors``. Kind 0 is all pairs; where inputs are
    sorted into classes, others are the pairs of two of them (``analytic.recursion.classes``).
    """

    radius: Array  # (layers, groups), increasing in g
    truncation: Array  # what is added to add_e and add_d, (kinds, layers, groups)
    factors: Array  # (kinds, layers, levels, factors)
    junctions: Array  # (kinds, layers, most sums that end at one of them, factors)
    in_kernel: Array  # ``shares.in_kernels``, (kinds, 3)
    kinds: NDArray[np.int64]  # that of the pairs of two classes, (classes, classes)
    rows: NDArray[np.int64]  # the classes of the rows, (n,), and
    columns: NDArray[np.int64]  # of the columns, padded; empty where there is one
    sizes: Array  # ``radius`` for tiles of smaller inputs, (sizes, sizes, layers, groups)
    row_sizes: NDArray[np.int64]  # those of the rows, (n,); empty where all have one
    column_sizes: NDArray[np.int64]  # the same of the columns, padded
    lengths: NDArray[np.int64]  # coefficients of even and of odd order that matter, (layers, 2)
    closed: NDArray[np.bool_]  # whether the pairs of a layer have the closed form of erf, (layers,)
    start: float  # error of <x, x'>/d
    ceiling: float  # largest |rho| the bounds hold for; pairs above it are left out
    error: float  # bound of the kernel for all pairs below the ceiling
    diagonal: float  # bound of the kernel at x = x',
    diagonals: Array  # the same for each kind, (kinds,)


SMALL = 1 / 16
"""What truncation may cost where the bound shall be tight, as a part of rounding."""
LONGER = 8
"""The same of nearly parallel pairs that would be left out."""
LAST = 16
"""Groups of the longest series beyond its last term: they grant it more and more truncation."""


@register_jitable
def first_beyond(increasing: Any, value: Any) -> int:
    """The first number of an increasing list that is not below a value, or the last one."""
    low, high = 0, increasing.size - 1
    while low < high:
        middle = (low + high) // 2
        if increasing[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@register_jitable
def factors_of(b: Bounds, kind: int, at: int, radius: Any, group: int) -> LayerFactors:
    """What a layer does to errors at |rho| up to a radius, with the terms of a group."""
    level = first_beyond(LEVELS, radius)
    f, tau = b.factors[kind, at, level], b.truncation[kind, at, group]
    return LayerFactors(
        f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7] + tau, f[8] + tau, f[9], f[10], f[11],
        f[12], f[13],
    )  # fmt: skip


@register_jitable
def junction_of(b: Bounds, kind: int, at: int, number: int) -> SkipFactors:
    """What one of the sums that end at a layer does to errors."""
    f = b.junctions[kind, at, number]
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
    chain: ErrorPropagation | None = None,
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
        chain: all of these, if they are at hand.
    """
    chain = chain or ErrorPropagation(layers, readout, start, spread, in_kernel)
    forms = [layer.beyond.error for layer in layers if layer.beyond is not None]
    for index in range(1 if whole else len(RADII)):
        rounding = chain.error(index, 0.0)
        per_tau = chain.error(index, 1.0) - rounding
        tau = 0.9 * (tolerance - rounding) / per_tau if per_tau > 0 else 1.0  # 1: no series
        if tau >= max([2 * UNIT, *forms]):
            small = tau
            if tight and per_tau > 0:
                least = max(layer.rest for layer in layers)  # below, pairs would be left out
                cheap = rounding / per_tau
                tau = min(tau, max(SMALL * cheap, min(least, LONGER * cheap), SMALL * UNIT))
                small = min(tau, SMALL * UNIT)
            if chain.error(index, tau) <= tolerance:
                if not (tight or whole):
                    index, tau = _lowered(chain, index, tolerance, tau)
                    small = tau
                return _bounds(chain, index, (small, tau), whole)
    small = SMALL * UNIT if whole else 2 * UNIT  # averages may multiply it by thousands
    return _bounds(chain, 0 if whole else len(RADII) - 1, (small, 2 * UNIT), whole)


def _lowered(
    chain: ErrorPropagation, index: int, tolerance: float, tau: float
) -> tuple[int, float]:
    """The lowest ceiling that all series end before, and tau: it grants them the most."""
    end = _reach(chain, index, (tau, tau), False).radius[:, -1].max()
    while end < RADII[index] and index + 1 < len(RADII) and end < RADII[index + 1]:
        rounding = chain.error(index + 1, 0.0)
        per_tau = chain.error(index + 1, 1.0) - rounding
        if not per_tau > 0:
            break
        more = 0.9 * (tolerance - rounding) / per_tau
        found = _reach(chain, index + 1, (more, more), False)
        end = found.radius[:, -1].max()
        if end >= RADII[index + 1] or not found.error <= tolerance:
            break
        index, tau = index + 1, more
    return index, tau


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

    Or up to the ceiling of ``bounds``, if other layers cannot do more. None where they might be
    larger than ``bounds``, the ones of pairs that the series take through all layers, or where
    other layers leave out as many pairs as the first. See ``certify``.
    """
    first, alone = layers[0], len(layers) == 1
    if alone or first.step.opens or first.bent or first.closed or bounds.radius[0, -1] == 1:
        return None
    tau = float(bounds.truncation[0, 0, -1])
    others = ErrorPropagation(layers[1:], Average(), ENTERED, spread, in_kernel)
    ends = (0, int(np.flatnonzero(bounds.ceiling == RADII)[0]))
    served = [index for index in ends if others.error(index, tau) <= bounds.error]
    if not served:
        return None
    chain = ErrorPropagation(layers, Average(), start, spread, in_kernel)
    found = _bounds(chain, served[0], (tau, tau), False)
    return found if found.radius[0, -1] < found.radius[1:, -1].min() else None


class _Reach(NamedTuple):
    """The radii of all layers, what their groups of terms leave out, and the bound."""

    radius: Array
    lost: Array
    error: float


def _reach(chain: ErrorPropagation, index: int, taus: tuple[float, float], whole: bool) -> _Reach:
    """Below a ceiling; see ``_bounds``."""
    layers, ceiling = chain.layers, float(RADII[index])
    last = LAST if taus[0] < taus[1] else 0
    groups = max(max(-(-layer.terms // GROUP) for layer in layers) + last, 24)
    radius, lost = np.empty((2, len(layers), groups))
    for row, layer in enumerate(layers):
        radius[row], lost[row] = radii(layer, groups, taus, ceiling, whole)
    return _Reach(radius, lost, chain.error(index, taus[1], [float(a) for a in lost[:, -1]]))


def _bounds(chain: ErrorPropagation, index: int, taus: tuple[float, float], whole: bool) -> Bounds:
    """With the first truncation error where a series is long enough, up to the second else."""
    layers, ceiling = chain.layers, float(RADII[index])
    radius, lost, error = _reach(chain, index, taus, whole)
    groups, none = radius.shape[1], np.empty(0, dtype=np.int64)
    factors, junctions = constants(chain, ceiling)
    return Bounds(
        radius=radius,
        truncation=lost[None],
        factors=factors[None],
        junctions=junctions[None],
        in_kernel=np.array([chain.in_kernel]),
        kinds=np.zeros((1, 1), dtype=np.int64),
        rows=none,
        columns=none,
        sizes=np.empty((0, 0, len(layers), groups)),
        row_sizes=none,
        column_sizes=none,
        lengths=np.array([lengths(layer) for layer in layers]),
        closed=np.array([layer.closed for layer in layers]),
        start=chain.start,
        ceiling=ceiling,
        error=error,
        diagonal=chain.diagonal,
        diagonals=np.array([chain.diagonal]),
    )


def constants(chain: ErrorPropagation, ceiling: float) -> tuple[Array, Array]:
    """``factors`` and ``junctions`` of one kind of pairs, without truncation."""
    levels = np.minimum(LEVELS, ceiling)
    found = chain.levels if ceiling == 1 else [layer.at(levels) for layer in chain.layers]
    parts = zip(chain.layers, found, chain.fixed, strict=True)
    factors = np.stack([_factors(*part) for part in parts])
    return factors, _junctions(chain.layers, chain.fixed)


def _junctions(layers: list[Amplification], fixed: Sequence[Fixed]) -> Array:
    """What the sums that end at each layer do to errors; 0 where there are none."""
    most = max(1, *(len(layer.in_junctions) for layer in layers))
    found = np.zeros((len(layers), most, len(SkipFactors._fields)))
    for row, (layer, here) in enumerate(zip(layers, fixed, strict=True)):
        for number in range(len(layer.in_junctions)):
            found[row, number] = junction_factors(layer, here, number)
    return found


def _factors(layer: Amplification, at: Factors, fixed: Fixed) -> Array:
    """Those of a layer at some R, (levels, factors), without truncation."""
    found = layer_factors(layer, at, fixed, 0.0)
    return np.stack(np.broadcast_arrays(*found), axis=1)
