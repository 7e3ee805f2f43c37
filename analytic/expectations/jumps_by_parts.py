r"""What jumps of w', w'', ... add to Hermite coefficients, compiled.

By parts, with the jumps J_(m, i) of the derivative of order m at x_i and a_i = x_i/s,

    c_k = E w'(s z) h_k = sum_m s^(m - 1) sqrt((k - m)!/k!) sum_i J_(m, i) h_(k - m)(a_i) phi(a_i)
          + what comes from derivatives of higher order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.machine import LANES, Array

__all__ = ["jump_sums"]

FAR = 35.0
"""Deviations from which on a jump is not seen."""


@compiled
def _add(a: Any, jumps: Any, s: Any, factors: Any, room: Any, c: Any) -> None:
    """Add the sums of LANES deviations or fewer; room has the last two h phi and s^(m - 1)."""
    orders, terms, n, old, older = jumps.shape[0], c.shape[0], s.size, 0, 1
    for e in range(jumps.shape[1]):
        for i in range(n):
            x = min(max(a[e, i], -FAR), FAR)
            room[2, i] = x
            room[old, i] = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
            room[older, i] = 0.0
        for k in range(terms - 1):
            for order in range(min(orders, terms - 1 - k)):
                factor = jumps[order, e] * factors[order, k + order + 1]
                if factor != 0.0:
                    for i in range(n):
                        c[k + order + 1, i] += factor * (room[3 + order, i] * room[old, i])
            before, after = math.sqrt(k), 1 / math.sqrt(k + 1)
            for i in range(n):
                new = (room[2, i] * room[old, i] - before * room[older, i]) * after
                room[older, i] = new
            old, older = older, old


@compiled
def _sums(a: Any, jumps: Any, s: Any, factors: Any, c: Any) -> None:
    room = np.empty((3 + jumps.shape[0], LANES))
    for start in range(0, s.size, LANES):
        stop = min(start + LANES, s.size)
        for order in range(jumps.shape[0]):
            for i in range(start, stop):
                room[3 + order, i - start] = s[i] ** order
        _add(a[:, start:stop], jumps, s[start:stop], factors, room, c[:, start:stop])


def jump_sums(a: Array, jumps: Array, s: Array, terms: int) -> Array:
    """What jumps add to c_k, k < terms, (terms, n).

    Args:
        a: places in units of s, (places, n).
        jumps: of w', w'' and so on at the places, (orders, places).
        s: deviations, (n,).
        terms: how many.
    """
    k, factors = np.arange(terms), np.ones((len(jumps), terms))
    for order in range(len(jumps)):
        lower = np.maximum(k[None] - np.arange(order + 1)[:, None], 1.0)
        factors[order] = 1 / np.sqrt(np.prod(lower, axis=0))
    c = np.zeros((terms, s.size))
    parts = (np.ascontiguousarray(part, dtype=np.float64) for part in (a, jumps, s, factors))
    _sums(*parts, c)
    return c
