"""Which nodes and tables serve an activation smoothed by a normal law: see ``heat_tables``."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import sympy

from analytic.activation import Activation
from analytic.expectations.heat_tables import Heat, empty_heat
from analytic.proofs import kinks

__all__ = ["HIGHEST", "POLYNOMIAL", "heat", "heats"]

HIGHEST = (12, 40)
"""Octaves of the largest standard deviation: the nodes reach 2 REACH times that.

What is asked for s below the first pays for no node beyond it.
"""


@lru_cache(maxsize=64)
def heat(activation: Activation, highest: int = HIGHEST[0]) -> Heat | None:
    """The tables of an activation, or None if it grows too fast or has kinks away from 0."""
    places = kinks(activation.expression)
    if any(order is None or order.rank > POLYNOMIAL for order in activation.growth):
        return None
    if not places.complete or any(place != 0 for place in places.places):
        return None
    smooth = not places.places
    scales = _bends(activation) if smooth else (2.0**FINEST,)
    found: list[Heat] = []
    for scale in scales:
        found += _with_steps(activation, scale, highest, smooth, halves=False)
        alike = [h for h in found if h.resolved and h.rule.step == found[-1].rule.step]
        if len(alike) > (found[-1].rule.step < WIDE):
            return alike[0]
    return min(found, key=lambda h: float(np.median(h.outer[-14:])))


@lru_cache(maxsize=64)
def heats(activation: Activation, highest: int = HIGHEST[0]) -> tuple[Heat, ...]:
    """All of them, those of the fewest nodes first."""
    table = heat(activation, highest)
    if table is None or table.smooth:
        return () if table is None else (table,)
    coarse = [_with_steps(activation, 2.0**k, highest, False, halves=True)[-1] for k in COARSER]
    return (*coarse, table)


def _with_steps(
    activation: Activation, scale: float, highest: int, smooth: bool, *, halves: bool
) -> list[Heat]:
    """Tables of smaller and smaller steps, until one resolves the outer law."""
    found: list[Heat] = []
    for step in STEPS:
        found.append(empty_heat(activation, scale, step, highest, smooth, halves))
        if found[-1].resolved:
            break
    return found


STEPS = (0.12, 0.1, 0.08, 0.06, 0.04)
"""The steps h that are tried; the nodes must resolve a bend away from 0 as well."""
WIDE = 0.1
"""A step that is fine enough only if beta is; a smaller one may serve the sum, not the tables."""
FINEST = -60
"""Octave of the nodes around a kink: 2^4 above it a jump of w' is smeared (``unresolved``)."""
COARSER = (-2, -10, -24)
"""Octaves of beta where each half of the line has its rule: it resolves tau from 4 beta on."""
POLYNOMIAL = (Fraction(0), Fraction(0), Fraction(10**6))


def _bends(activation: Activation) -> tuple[float, ...]:
    """A power of two below the width of the strip of analyticity; where w may be steep, several."""
    width = activation.strip
    if width is None or width == sympy.oo:
        return FINER
    d = min(float(width), math.pi)
    return (2.0 ** math.floor(math.log2(min(2 * d / math.pi, 2.0 if d >= 3 else 1.0))),)


FINER = (1.0, 2.0**-3, 2.0**-6, 2.0**-9)
"""What is tried where w may be steep."""
