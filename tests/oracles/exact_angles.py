"""The angle of two units against closed forms of E w(u) w(v) and E w'(u) w'(v)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath


def errors_of_angle(found: Any, k: int, dual: Callable[..., Any], a: Any, b: Any, c: Any) -> tuple:
    """What the smaller complement and D of pair k err by, and the complement itself.

    Args:
        found: minus, plus and d of pairs, (pairs,) each.
        k: which pair.
        dual: E and D of (s^2, covariance, s'^2), in mpmath.
        a: s.
        b: s'.
        c: the covariance.

    Returns:
        |1 -+ cos - exact|, the exact one, and |D - exact| over the root of those of u and v.
    """
    e, d = dual(a**2, c, b**2)
    (e1, d1), (e2, d2) = dual(a**2, a**2, a**2), dual(b**2, b**2, b**2)
    cosine, slope = e / mpmath.sqrt(e1 * e2), mpmath.sqrt(d1 * d2)
    first = found.minus[k] < found.plus[k]
    exact = 1 - cosine if first else 1 + cosine
    value = found.minus[k] if first else found.plus[k]
    return abs(value - exact), exact, abs(found.d[k] - d) / slope
