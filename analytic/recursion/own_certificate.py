"""Radii for pairs of positions of one input, which need no bounds of errors."""

from __future__ import annotations

import numpy as np

from analytic.recursion.amplification_factors import LEVELS
from analytic.recursion.certificate import Bounds
from analytic.recursion.error_amplification import Amplification
from analytic.recursion.error_propagation import OWN
from analytic.recursion.layer_errors import LayerFactors, SkipFactors
from analytic.recursion.series_radii import GROUP, lengths, radii

__all__ = ["own_bounds"]


def own_bounds(layer: Amplification) -> Bounds:
    """Radii for pairs of positions of one input, at the least truncation; no errors."""
    groups = max(-(-layer.terms // GROUP), 24)
    radius, _ = radii(layer, groups, (OWN, OWN), 1.0, True)
    none = np.empty(0, dtype=np.int64)
    return Bounds(
        radius=radius[None, :],
        truncation=np.zeros((1, 1, groups)),
        factors=np.zeros((1, 1, LEVELS.size, len(LayerFactors._fields))),
        junctions=np.zeros((1, 1, max(1, len(layer.in_junctions)), len(SkipFactors._fields))),
        in_kernel=np.array([[1.0, 1.0, 0.0]]),
        kinds=np.zeros((1, 1), dtype=np.int64),
        rows=none,
        columns=none,
        sizes=np.empty((0, 0, 1, groups)),
        row_sizes=none,
        column_sizes=none,
        lengths=np.array([lengths(layer)]),
        closed=np.array([layer.closed]),
        start=0.0,
        ceiling=1.0,
        error=0.0,
        diagonal=0.0,
        diagonals=np.zeros(1),
    )
