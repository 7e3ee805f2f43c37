"""W, W' and V at the nodes, against mpmath and against closed forms."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from oracles import dense

from analytic.activation import Activation, X
from analytic.expectations.conditioning import SUM_ROUNDING, _half_octave, _segments, conditional
from analytic.expectations.halved_steps import outer_errors
from analytic.expectations.heat_choice import heat
from analytic.expectations.heat_tables import DEGREES, Heat
from analytic.expectations.outer_nodes import OuterNodes
from analytic.machine import UNIT

WHERE = (0, 11, 40)
"""Nodes that are looked at, counted from the middle."""


def _values(table: Heat, tau: float) -> np.ndarray:
    """The series at tau by numpy, shape (3, nodes)."""
    k = int(_segments(table, np.array([tau]))[0])
    table.fill(np.array([k]))
    if k == 0:
        x = 2 * (tau / 2.0**table.lowest) ** 2 - 1
    else:
        x = 4 * (np.log2(tau) - table.lowest) - 2 * (k - 1) - 1
    basis = np.polynomial.chebyshev.chebvander(np.array([x]), DEGREES - 1)[0]
    return np.tensordot(table.table[k], basis, axes=(2, 0)).T


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "softplus", "gelu"])
@pytest.mark.parametrize("tau", [1e-4, 0.2, 1.7, 40.0])
def test_smooth_activations_agree_with_mpmath(name: str, tau: float) -> None:
    table = heat(Activation(name))
    assert table is not None
    found = _values(table, tau)
    w, w1 = (
        sympy.lambdify(X, dense.elementary(Activation(name).differentiate(k)), "mpmath")
        for k in (0, 1)
    )
    middle = int(np.flatnonzero(table.nodes == 0)[0])
    for q in (middle + np.array(WHERE)).tolist():
        y, t = mpmath.mpf(float(table.nodes[q])), mpmath.mpf(tau)
        exact = _by_quadrature(w, w1, y, t)
        top = max(t, mpmath.mpf(2) ** table.lowest)  # the bound is that of the segment
        root = float(mpmath.sqrt(exact[0] ** 2 + top**2 * exact[2]))
        sizes = root, max(float(mpmath.sqrt(exact[2])), 1e-3), max(float(exact[2]), 1e-3)
        for row, size in enumerate(sizes):
            error = abs(float(found[row, q] - exact[row]))
            assert error <= table.noise[_segments(table, np.array([tau]))[0], row] * size


def _by_quadrature(w: Any, w1: Any, y: Any, tau: Any) -> tuple[Any, Any, Any]:
    with mpmath.workdps(25):
        bends = [float(min(max((b - y) / tau, -10), 10)) for b in (-6, -2, 0, 2, 6)]
        ends = sorted({-10.0, -3.0, 0.0, 3.0, 10.0, *bends})
        mean = mpmath.quad(lambda b: w(y + tau * b) * mpmath.npdf(b), ends)
        slope = mpmath.quad(lambda b: w1(y + tau * b) * mpmath.npdf(b), ends)
        spread = mpmath.quad(lambda b: (w(y + tau * b) - mean) ** 2 * mpmath.npdf(b), ends)
    return mean, slope, spread / tau**2


@pytest.mark.parametrize("tau", [1e-8, 1e-3, 0.5, 20.0])
def test_a_kink_at_zero_agrees_with_its_closed_form_at_every_scale(tau: float) -> None:
    """|y + tau b|: a folded normal law; W = y erf(y/(tau sqrt 2)) + 2 tau phi(y/tau)."""
    table = heat(Activation("abs(x)"))
    assert table is not None
    assert not table.smooth
    found = _values(table, tau)
    noise = table.noise[_segments(table, np.array([tau]))[0]]
    for y, w, w1, v in zip(table.nodes[::7], *found[:, ::7], strict=True):
        with mpmath.workdps(40):
            z = mpmath.mpf(float(y)) / mpmath.mpf(tau)
            mean = z * mpmath.erf(z / mpmath.sqrt(2)) + 2 * mpmath.npdf(z)
            slope, spread = mpmath.erf(z / mpmath.sqrt(2)), 1 + z**2 - mean**2
        size = float(mpmath.sqrt(1 + z**2))
        assert abs(float(w / mpmath.mpf(tau) - mean)) <= noise[0] * size
        assert abs(float(w1 - slope)) <= noise[1]
        assert abs(float(v - spread)) <= noise[2]


def test_far_above_its_bend_softplus_is_relu() -> None:
    """Beyond s = 2^12, the first tables: arc-cosine kernels up to 1/(s tau), here 1e-19."""
    s, s_ = 2.0**37, 2.0**36.3
    small = np.array([1e-2, 1e-4, 1e-6, 1e-2, 1e-6])
    flip = np.array([False, False, False, True, True])
    minus, plus = np.where(flip, 2 - small, small), np.where(flip, small, 2 - small)
    table = heat(Activation("softplus"), 40)
    assert table is not None
    root = np.full(5, math.sqrt(2))
    found = conditional(
        table, np.full(5, s), np.full(5, s_), minus, plus, root / s, root / s_
    )  # E relu(u)^2 = s^2/2
    for k in range(5):
        with mpmath.workdps(40):
            d = mpmath.mpf(float(small[k]))
            turn = 2 * mpmath.asin(mpmath.sqrt(d / 2))
            theta, rho = (mpmath.pi - turn, d - 1) if flip[k] else (turn, 1 - d)
            cosine = (mpmath.sin(theta) + (mpmath.pi - theta) * rho) / mpmath.pi
            slope = (mpmath.pi - theta) / (2 * mpmath.pi)
            errors = [abs(float(found[0, k] - (1 - cosine))), abs(float(found[2, k] - slope))]
        apart, *noise = found[3:, k]
        e, lost = 2 * (noise[0] + 2 * UNIT), 4 * table.outer.max() + SUM_ROUNDING
        bound = e * math.sqrt(2 * apart) + e**2 + (noise[2] + lost) * float(min(found[:2, k]))
        assert errors[0] <= bound
        assert errors[1] <= (2 * noise[1] + lost) / 2


def test_what_grows_too_fast_or_has_other_kinks_has_no_table() -> None:
    assert heat(Activation("cosh(x)")) is None
    assert heat(Activation("max(x, 1)")) is None


def test_half_octaves_begin_at_powers_of_the_root_of_two() -> None:
    x = np.array([1.0, 1.3, 1.5, 2.0, 2.7, 2.9, 0.6, 0.8])
    assert _half_octave(x).tolist() == [0, 0, 1, 2, 2, 3, -2, -1]


@pytest.mark.parametrize("text", ["sin(exp(x))", "x**64"])
def test_nothing_is_said_of_sums_over_what_float64_cannot_hold(text: str) -> None:
    """Infinity less infinity was taken for an error of 0; warnings are errors here."""
    outer = outer_errors(Activation(text), OuterNodes(1.0, 0.12, 100, False), 12, True, 0.0)
    assert not np.isnan(outer).any()
    assert np.isinf(outer[-1])
    assert outer[0] > 0


def test_sums_of_what_turns_fast_are_not_said_to_be_exact() -> None:
    """E w'(y)^2 and E (y w')^2 of sin(exp(y)), sigma = 2^(1.8), by a sixteenth of the step."""
    outer = outer_errors(
        Activation("sin(exp(x))"), OuterNodes(1.0, 0.12, 100, False), 12, True, 0.0
    )
    y = np.sinh(0.12 / 16 * np.arange(-1600, 1601))
    y, sigma = y[np.abs(y) < 300], 2.0**1.8
    p = np.exp(-((y / sigma) ** 2) / 2) * np.hypot(y, 1)
    w1 = np.exp(y) * np.cos(np.exp(y))
    middle = y.size // 2
    coarse, fine = (float(w1[k] ** 2 @ p[k] / p[k].sum()) for k in (
        slice(middle % 16, None, 16), slice(None)
    ))  # fmt: skip
    assert 0.1 * abs(coarse / fine - 1) < outer[3]
