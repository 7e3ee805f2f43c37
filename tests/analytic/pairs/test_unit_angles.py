"""Angles of units without their means, where norms and means are wrong, against ball arithmetic."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from analytic.expectations import Angle
from analytic.pairs import angle_of_sum, normalized_angle
from analytic.recursion import Junction

NOISE = 1e-9
"""Relative errors of norms and means, so large that roundings are nothing beside them."""


def _complements(c: float, norms: tuple[arb, arb], means: tuple[arb, arb]) -> tuple[arb, arb]:
    """1 - c' and 1 + c' of units with the cosine c, from their norms and means."""
    (r, r_), (m, m_) = norms, means
    inner = (r * r_ * arb(c) - m * m_) / ((r * r - m * m) * (r_ * r_ - m_ * m_)).sqrt()
    return 1 - inner, 1 + inner


@pytest.mark.parametrize(("r", "m", "r_", "m_"), [
    (2**0.5, 1.0, 2**0.5, 1.0), (1.0, 0.8, 2.0, 1.6), (1.0, 0.8, 3.0, 0.8), (2.0, 1.9, 0.5, -0.1),
])  # fmt: skip
@pytest.mark.parametrize("goal", [0.0, 1 - 1e-6, 0.7, -0.5, -1 + 1e-6])
def test_errors_of_norms_and_means_are_within_the_bound(
    r: float, m: float, r_: float, m_: float, goal: float
) -> None:
    """``goal`` is about the cosine behind it; the largest error is half the bound, at least."""
    ctx.dps = 40
    spread, spread_ = np.sqrt(r * r - m * m), np.sqrt(r_ * r_ - m_ * m_)
    minus = 1 - (goal * spread * spread_ + m * m_) / (r * r_)
    angle = Angle.of(*(np.array([v]) for v in (minus, 2 - minus, 0.0)))
    stage: Any = SimpleNamespace(
        mu=np.array([m, m_]), trained=np.array([r * r - m * m, r_ * r_ - m_ * m_])
    )
    i, j = np.array([0]), np.array([1])
    found = normalized_angle(stage, NOISE, i, j, angle)
    largest = 0.0
    for signs in itertools.product((-1, 1), repeat=4):
        e = [arb(NOISE) * sign for sign in signs]
        norms = arb(r) * (1 + e[0]), arb(r_) * (1 + e[1])
        means = arb(m) + arb(r) * e[2], arb(m_) + arb(r_) * e[3]
        exact = _complements(1 - minus, norms, means)
        for value, true in zip((found.minus, found.plus), exact, strict=True):
            largest = max(largest, abs(float(arb(float(value[0])) - true)))
    assert largest <= 1.001 * float(found.error[0]) + 1e-13
    assert float(found.error[0]) <= 2 * largest + 1e-13


def _cosine_of_sum(
    norms: list[Any], means: list[Any], alpha: float, branch: float
) -> arb:  # fmt: skip
    """That of (r0, r1) and (m, e) of two units, from the cosines of what is added."""
    (r, r_), (q, q_) = norms[:2], norms[2:]
    (m, m_), (e, e_) = means[:2], means[2:]
    inner = r * r_ * arb(alpha) + q * q_ * arb(branch) + m * e_ + e * m_
    return inner / ((r * r + q * q + 2 * m * e) * (r_ * r_ + q_ * q_ + 2 * m_ * e_)).sqrt()


@pytest.mark.parametrize(
    "means", [(0.0, 0.0, 0.0, 0.0), (0.5, 0.5, 0.6, 0.6), (0.3, -0.4, 0.9, 0.1)]
)
@pytest.mark.parametrize(
    "norms", [(1.0, 1.0, 1.0, 1.0), (1.0, 2.0, 1.5, 1.5), (3.0, 1.0, 1.0, 2.0)]
)
@pytest.mark.parametrize("small", [1e-9, 1e-3, 0.3, 1.0])
def test_errors_of_norms_and_means_move_a_sum_by_what_is_said(
    means: tuple[float, ...], norms: tuple[float, ...], small: float
) -> None:
    """Norms r0, r0', r1, r1' and means in this order; branches have 1 - c ``small`` and half."""
    ctx.dps = 40
    alpha, branch = (
        Angle.of(*(np.array([v]) for v in (a, 2 - a, 0.0))) for a in (small, small / 2)
    )
    (r, q), (m, e) = ((np.array(part[:2]), np.array(part[2:])) for part in (norms, means))
    none = np.zeros(2)
    junction = Junction((r**2, none, m), (q**2, none, e))
    found = angle_of_sum(junction, NOISE, np.array([0]), np.array([1]), alpha, branch)
    largest = 0.0
    for signs in itertools.product((-1, 1), repeat=8):
        wrong = [1 + NOISE * arb(sign) for sign in signs[:4]]
        moved = [arb(v) * a for v, a in zip(norms, wrong, strict=True)]
        shifts = [
            arb(v) + NOISE * arb(r) * s for v, r, s in zip(means, norms, signs[4:], strict=True)
        ]
        exact = _cosine_of_sum(moved, shifts, 1 - small, 1 - small / 2)
        largest = max(largest, abs(float(1 - arb(float(found.minus[0])) - exact)))
    assert largest <= float(found.error[0]) + 1e-15
    assert float(found.error[0]) <= 5 * largest + 1e-15
