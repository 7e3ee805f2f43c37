r"""The coefficients of a layer over all its inputs: the largest of them, and sums over them.

c_k = sqrt(k + 1) b_k are the coefficients of w'(s z) in Hermite polynomials.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from analytic.compilation import compiled
from analytic.expectations import Coefficients, Noise, coefficients, orders
from analytic.machine import REASSOCIATED, Array
from analytic.recursion.layer_equations import Stage

__all__ = ["BATCH", "CoefficientSums", "coefficient_sums", "ratio"]

BATCH = 2048
"""Inputs whose coefficients are held at a time."""


class CoefficientSums(NamedTuple):
    """The largest coefficients (terms,), and sums for every input (n,).

    ``k_e`` and ``r_d`` hold the largest c_k^2 s^2/E[w^2] and c_k^2/E[w'^2]; ``once`` and ``twice``
    the sums of k c_k^2 and k (k - 1) c_k^2, ``rest`` what the terms leave out of E[w'^2].
    """

    k_e: Array
    r_d: Array
    once: Array
    twice: Array
    rest: Array
    b_1: Array
    noise: Noise


def coefficient_sums(
    stage: Stage, terms: int, share_e: Array, share_d: Array, given: Coefficients | None = None
) -> CoefficientSums:
    """Those of the first terms; the shares are s^2/E[w^2] and 1/E[w'^2] of every input.

    The terms may be ``given``.
    """
    table, s, activation = stage.moments, stage.deviation, stage.step.layer.activation
    k_e, r_d = np.zeros((2, terms))
    once, twice, rest, b_1 = np.empty((4, s.size))
    noise, wanted = table.noise, orders(activation)
    order = np.arange(terms)[wanted]
    batch = max(BATCH, 2**18 // terms) if given is None else max(s.size, 1)
    for start in range(0, s.size, batch):
        part = slice(start, start + batch)
        found = given or coefficients(activation, s[part], terms, wanted, known=table.take(part))
        shares = share_e[part], share_d[part]
        _envelope(found.b, order, *shares, k_e, r_d, once[part], twice[part])
        rest[part] = found.rest * table.slope[part]
        b_1[part] = found.b[order == 1].sum(axis=0)
        noise = noise.joined(found.noise)
    return CoefficientSums(k_e, r_d, once, twice, rest, b_1, noise)


@partial(compiled, flags=REASSOCIATED)
def _envelope(
    b: Any, order: Any, share_e: Any, share_d: Any, k_e: Any, r_d: Any, once: Any, twice: Any
) -> None:
    """Raise k_e and r_d to the largest c_k^2 share_e and c_k^2 share_d of these inputs.

    b (orders, n) has the coefficients of some orders, those of all others are 0.

    once and twice become the sums of k c_k^2 and of k (k - 1) c_k^2 over k: v curvature and
    v^2 jerk if complete.
    """
    once[:] = 0.0
    twice[:] = 0.0
    for m in range(order.size):
        k = order[m]
        most_e, most_d = k_e[k], r_d[k]
        for i in range(b.shape[1]):
            c2 = (k + 1) * (b[m, i] * b[m, i])
            most_e = max(most_e, c2 * share_e[i])
            most_d = max(most_d, c2 * share_d[i])
            once[i] += k * c2
            twice[i] += k * (k - 1) * c2
        k_e[k], r_d[k] = most_e, most_d


def ratio(part: Any, whole: Array) -> Array:
    """part / whole, 0 where there is nothing."""
    part = np.asarray(part, dtype=np.float64)
    out = np.zeros(np.broadcast_shapes(part.shape, whole.shape))
    return np.divide(part, whole, out=out, where=whole > 0)
