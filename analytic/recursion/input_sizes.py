r"""Fewer terms for pairs of which one input is smaller than others.

With R_N(s) = sum_{k >= N} c_k(s)^2, by Cauchy and Schwarz

    |sum_{k >= N} c_k(s) c_k(s') rho^k| <= |rho|^N (R_N(s) R_N(s'))^(1/2),

so that a pair needs about as many terms as its smaller deviation asks for: of N ~ s^2 on average
a third among inputs that are spread evenly, where series are long (``np.linspace(-6, 6, n)``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import rests, wave
from analytic.machine import LANES, UNIT, Array
from analytic.recursion.certificate import Bounds
from analytic.recursion.coefficient_bounds import ratio
from analytic.recursion.error_amplification import Amplification, larger_of_both
from analytic.recursion.layer_equations import Diagonal, Stage
from analytic.recursion.series_radii import GROUP

__all__ = ["with_sizes"]

SIZES = 16
"""Classes of inputs, by equal steps of |x|^2."""
LONG = 512
"""Terms from which on series are long."""


def with_sizes(
    bounds: Bounds, layers: list[Amplification], state: Diagonal, squares: Any, n: int
) -> Bounds:
    """The same bounds with radii of their own for tiles with smaller inputs.

    Args:
        bounds: those of all pairs, with one constant for all.
        layers: how the layers amplify errors.
        state: the recursion at x = x'.
        squares: |x|^2/d of the rows and, unless these are the same, of the columns.
        n: how many rows there are.
    """
    if max(layer.terms for layer in layers) < LONG:
        return bounds
    share = np.asarray(squares, dtype=np.float64) / max(float(squares.max()), 1e-300)
    size = np.minimum(share * SIZES, SIZES - 1).astype(np.int64)
    found = np.tile(bounds.radius, (SIZES, SIZES, 1, 1))
    for row, (layer, stage) in enumerate(zip(layers, state.stages, strict=True)):
        if layer.terms >= LONG and _is_tabulated(layer):
            found[:, :, row] = _radii_by_size(bounds, row, layer, stage, size)
    columns = size if n == len(size) else size[n:]
    padded = np.pad(columns, (0, LANES), mode="edge")
    return bounds._replace(sizes=found, row_sizes=size[:n], column_sizes=padded)


def _is_tabulated(layer: Amplification) -> bool:
    """Whether what its series leave out is known at every deviation."""
    known = layer.noise.certified and not (layer.bent or layer.closed)
    return known and wave(layer.step.layer.activation) is None


def _radii_by_size(
    bounds: Bounds, row: int, layer: Amplification, stage: Stage, size: NDArray[np.int64]
) -> Array:
    """The largest R of each group of terms for inputs up to two sizes, (SIZES, SIZES, groups)."""
    tau: Array = bounds.truncation[0, row]
    terms = np.minimum(GROUP * np.arange(1, len(tau) + 1), layer.terms)
    tails: Array = np.tile(layer.tails(terms), (SIZES, 1))
    for number in np.unique(size).tolist():
        tails[number] = np.minimum(tails[number], _tails(stage, size <= number, layer.terms)[terms])
    both: Array = np.sqrt(tails[:, None] * tails)
    radius = (tau / np.maximum(both, tau * 1e-300)) ** (1 / terms) * (1 - 4 * UNIT)
    radius = np.maximum.accumulate(np.minimum(radius, bounds.ceiling), axis=2)
    return np.maximum(radius, bounds.radius[row])


def _tails(stage: Stage, chosen: NDArray[np.bool_], terms: int) -> Array:
    """``Amplification.tails`` of the inputs that are chosen, after 0, 1, ... terms."""
    table, v = stage.moments, stage.variance[chosen]
    shares, _ = rests(stage.step.layer.activation, np.sqrt(v), terms)
    of_e: Array = np.asarray(ratio(v * table.slope[chosen], table.second[chosen]))
    return larger_of_both(shares, of_e)
