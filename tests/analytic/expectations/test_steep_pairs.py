"""Close pairs of steep activations, against closed forms in 50 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from analytic import FullyConnected, Network, kernel_estimate

mp: Any = mpmath


def steep_erf(a: int, own: Any, other: Any, both: Any) -> tuple[Any, Any]:
    """E w(u) w(v) and E w'(u) w'(v) of erf(a x) (Williams 1997)."""
    q, q_, c = 1 + 2 * a**2 * own, 1 + 2 * a**2 * other, 2 * a**2 * both
    return 2 / mp.pi * mp.asin(c / mp.sqrt(q * q_)), 4 * a**2 / mp.pi / mp.sqrt(q * q_ - c**2)


def bump(a: int, own: Any, other: Any, both: Any) -> tuple[Any, Any]:
    """The same of exp(-a^2 x^2): det^(-1/2), and its derivative by both."""
    q, q_, c = 1 + 2 * a**2 * own, 1 + 2 * a**2 * other, 2 * a**2 * both
    determinant = q * q_ - c**2
    return determinant ** mp.mpf("-0.5"), 2 * a**2 * c * determinant ** mp.mpf("-1.5")


def exact_entry(closed: Any, a: int, x: np.ndarray, y: np.ndarray) -> Any:
    """K_inf of one layer without bias."""
    with mp.workdps(50):
        u, v = ([mp.mpf(float(t)) for t in part] for part in (x, y))
        own, other, both = (mp.fdot(s, t) / len(u) for s, t in ((u, u), (v, v), (u, v)))
        second, slope = closed(a, own, other, both)
        return second + both * slope


@pytest.mark.parametrize("distance", [3e-1, 3e-2, 1e-2, 1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize(
    ("text", "closed", "a"),
    [
        ("erf(7*x)", steep_erf, 7),
        ("erf(60*x)", steep_erf, 60),
        ("erf(300*x)", steep_erf, 300),
        ("exp(-100*x**2)", bump, 10),
        ("exp(-3600*x**2)", bump, 60),
    ],
)
def test_close_pairs_are_within_their_bounds(
    text: str, closed: Any, a: int, distance: float
) -> None:
    rng = np.random.default_rng(a)
    x = rng.standard_normal((2, 5)) * [[1], [distance]]
    x[1] += x[0]
    found = kernel_estimate(Network(FullyConnected(text)), x)
    entry, bound = found.value[0, 1], found.error[0, 1]
    scale = np.sqrt(found.value[0, 0] * found.value[1, 1])
    assert abs(entry - float(exact_entry(closed, a, *x))) <= bound
    assert bound <= 1e-10 * scale
