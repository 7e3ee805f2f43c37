"""The correlations of a sample of pairs before each layer, roughly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analytic.expectations import coefficients
from analytic.machine import Array
from analytic.pairs.pair_sums import share_or_zero, some_places
from analytic.recursion import Diagonal

__all__ = ["rough_correlations"]

TERMS = 32
"""Terms of the series that tell them."""


def rough_correlations(state: Diagonal, inputs: Array, n: int, own: bool) -> Iterator[Array]:
    """|rho| of sampled pairs before each layer, roughly, and as far as there are series."""
    i = some_places(n)
    j = i if own else n + some_places(len(inputs) - n)
    covariance = inputs[i] @ inputs[j].T / inputs.shape[1]
    for stage in state.stages:
        weight, bias, *_ = stage.step.coefficients
        s = np.sqrt(stage.variance)
        both = np.outer(s[i], s[j])
        rho = np.clip(share_or_zero(weight * covariance + bias, both), -1, 1)  # roughly, it is
        size = np.abs(rho)
        if own:
            np.fill_diagonal(size, 0.0)
        yield size
        activation = stage.step.layer.activation
        if activation.bent_line is not None:
            return
        b, b_ = (coefficients(activation, s[k], TERMS).b for k in (i, j))
        total = np.zeros_like(rho)
        for one, other in zip(b[::-1], b_[::-1], strict=True):
            total = total * rho + np.outer(one, other)
        covariance = np.outer(stage.moments.mean[i], stage.moments.mean[j]) + both * rho * total
