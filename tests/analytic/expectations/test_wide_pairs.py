"""Tables of wide pairs against closed forms and against rules of two dimensions."""

from __future__ import annotations

import math
from dataclasses import replace
from math import inf

import mpmath
import numpy as np
import pytest
import sympy
from scipy.special import log_ndtr, ndtr

from analytic import dual
from analytic.activation import Activation
from analytic.expectations.broken_lines import line_and_rest
from analytic.expectations.wide_cells import MADE, REFUSED, WideTables, _summed, wide_tables
from analytic.expectations.wide_pairs import cell_of

Pair = tuple[float, float, float]


def _pairs(seed: int, count: int) -> list[Pair]:
    """s, c and tau: the first deviations are the larger ones."""
    rng = np.random.default_rng(seed)
    c, tau = rng.uniform(0.15, 0.98, count), np.exp(rng.uniform(0, math.log(80), count))
    s = np.maximum(np.exp(rng.uniform(4, 7.5, count)), 3 * tau / c)
    return list(zip(s.tolist(), c.tolist(), tau.tolist(), strict=True))


def _by_tables(of: WideTables, pairs: list[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """E w(u) w(v) and E w'(u) w'(v), and what they may err by."""
    s, c, tau = np.array(pairs).T
    s_ = np.hypot(c * s, tau)
    small = (tau / s_) ** 2 / (1 + c * s / s_)
    cells = np.array([cell_of(*pair) for pair in zip(s, s_, small, strict=True)])
    assert (cells >= 0).all()
    assert of.served(cells).size == cells.size
    found = _summed(of, cells, *(part[:, None] for part in (s, s_, small)))
    return found[:, :, 0], of.error[:, cells] / s


@pytest.mark.parametrize("name", ["erf(x)", "gelu", "exp(-x**2)", "1 + erf(x/2)", "x*erf(x)"])
def test_tables_agree_with_closed_forms(name: str) -> None:
    activation = Activation(name)
    of = wide_tables(activation)
    assert of is not None
    pairs = _pairs(1, 12)
    found, errors = _by_tables(of, pairs)
    symbols = sympy.symbols("Lambda_11, Lambda_12, Lambda_22")
    for k in range(2):
        form = dual(activation.expression if k == 0 else activation.differentiate(1))
        exact = sympy.lambdify([str(symbol) for symbol in symbols], form, "mpmath")
        with mpmath.workdps(40):
            for n, (s, c, tau) in enumerate(pairs):
                s, c, tau = map(mpmath.mpf, (s, c, tau))
                b = (c * s) ** 2 + tau**2
                norm = mpmath.sqrt(exact(s**2, s**2, s**2) * exact(b, b, b))
                wrong = abs(mpmath.mpf(float(found[k, n])) - exact(s**2, c * s**2, b))
                assert wrong <= errors[k, n] + 3e-14 * norm
                assert wrong <= 2e-11 * norm


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "silu"])
def test_tables_agree_with_a_rule_of_two_dimensions(name: str) -> None:
    """The trapezoidal rule of both: what it leaves out is exp(-2 pi d/h), d the strip of w."""
    activation = Activation(name)
    of = wide_tables(activation)
    assert of is not None
    pairs = [(70.0, 0.93, 0.9), (150.0, 0.3, 2.1), (110.0, 0.6, 7.0)]
    found, errors = _by_tables(of, pairs)
    for n, (s, c, tau) in enumerate(pairs):
        exact = _by_trapezoids(activation, s, c, tau)
        s_ = math.hypot(c * s, tau)
        norm = np.sqrt(_by_trapezoids(activation, s, 1, 0) * _by_trapezoids(activation, s_, 1, 0))
        assert (np.abs(found[:, n] - exact) <= errors[:, n] + 1e-13 * norm).all()
        assert (np.abs(found[:, n] - exact) <= 3e-11 * norm).all()


def _by_trapezoids(activation: Activation, s: float, c: float, tau: float) -> np.ndarray:
    """E f(u) f(v) of w and w'."""
    step = 0.2
    count = round(10 * s / step)
    u = step * np.arange(-count, count + 1).astype(np.float64)
    weights = step / s / math.sqrt(2 * math.pi) * np.exp(-((u / s) ** 2) / 2)
    first = np.stack(activation.derivatives(u, 1))
    if tau == 0:
        return first**2 @ weights
    inner = min(step / tau, 0.25)
    reach = round(9.5 / inner)
    z = inner * np.arange(-reach, reach + 1).astype(np.float64)
    density = inner / math.sqrt(2 * math.pi) * np.exp(-(z**2) / 2)
    second = np.stack(activation.derivatives(c * u[:, None] + tau * z, 1)) @ density
    return (first * second) @ weights


PIECES = {
    "relu6": [(-inf, 0, (0, 0, 0)), (0, 6, (0, 1, 0)), (6, inf, (6, 0, 0))],
    "hardswish": [(-inf, -3, (0, 0, 0)), (-3, 3, (0, 1 / 2, 1 / 6)), (3, inf, (0, 1, 0))],
    "softshrink": [(-inf, -0.5, (0.5, 1, 0)), (-0.5, 0.5, (0, 0, 0)), (0.5, inf, (-0.5, 1, 0))],
    "elu": [(-inf, 0, (-1, 0, 0)), (0, inf, (0, 1, 0))],
}
"""Quadratic pieces; elu has exp(x) on the left beside them."""


@pytest.mark.parametrize("name", PIECES)
def test_tables_of_kinks_agree_with_an_integral(name: str) -> None:
    """The inner one is known, the outer one is taken panel by panel."""
    of = wide_tables(Activation(name))
    assert of is not None
    pairs = [(70.0, 0.93, 3.7), (150.0, 0.3, 8.0), (1100.0, 0.999, 12.0)]
    found, errors = _by_tables(of, pairs)
    for n, (s, c, tau) in enumerate(pairs):
        s_ = math.hypot(c * s, tau)
        exact = _by_pieces(name, s, c, tau)
        norm = np.sqrt(_by_pieces(name, s, 1, 0) * _by_pieces(name, s_, 1, 0))
        assert (np.abs(found[:, n] - exact) <= errors[:, n] + 2e-13 * norm).all()
        assert (np.abs(found[:, n] - exact) <= 6e-11 * norm).all()


def _by_pieces(name: str, s: float, c: float, tau: float) -> np.ndarray:
    """E f(u) f(cu + tau z) of w and w'."""
    places = np.array([-6, -3, -0.5, 0, 0.5, 3, 6])
    beside = tau * np.array([-9, -6, -3, -1.5, 0, 1.5, 3, 6, 9])
    bent = (places[:, None] + beside).ravel() / c
    ends = np.concatenate(
        [places, places * 2.0, bent, np.arange(-10, 11) * s, -(2.0 ** np.arange(8))]
    )
    ends = np.unique(ends[np.abs(ends) <= 10 * s])
    nodes, weights = np.polynomial.legendre.leggauss(30)
    half, middle = np.diff(ends) / 2, (ends[1:] + ends[:-1]) / 2
    u = (middle[:, None] + half[:, None] * nodes).ravel()
    p = (half[:, None] * weights).ravel() * np.exp(-((u / s) ** 2) / 2) / s / math.sqrt(2 * math.pi)
    return np.array(
        [np.sum(p * _smoothed(name, u, 0, k) * _smoothed(name, c * u, tau, k)) for k in (0, 1)]
    )


def _smoothed(name: str, m: np.ndarray, tau: float, k: int) -> np.ndarray:
    """E w(m + tau z), or that of w'."""
    total = np.zeros_like(m)
    for low, high, (p0, p1, p2) in PIECES[name]:
        q0, q1, q2 = (p1, 2 * p2, 0) if k else (p0, p1, p2)
        straight, slope = q0 + m * (q1 + q2 * m), q1 + 2 * q2 * m
        if tau == 0:
            total += np.where((low <= m) & (m < high), straight, 0)
            continue
        a, b = (low - m) / tau, (high - m) / tau
        m0 = np.where(a < 0, ndtr(b) - ndtr(a), ndtr(-a) - ndtr(-b))
        bells = [np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) for x in (a, b)]
        first, last = (
            np.where(np.isfinite(x), x, 0) * bell for x, bell in zip((a, b), bells, strict=True)
        )
        total += (
            straight * m0 + tau * slope * (bells[0] - bells[1]) + q2 * tau**2 * (m0 + first - last)
        )
    if name == "elu" and tau > 0:
        total += np.exp(m + tau**2 / 2 + log_ndtr(-m / tau - tau))
    elif name == "elu":
        total += np.where(m < 0, np.exp(np.minimum(m, 0)), 0)
    return total


@pytest.mark.parametrize("name", ["x**3", "atan(x)", "sin(x)", "relu", "softsign", "exp(x)"])
def test_others_have_no_tables(name: str) -> None:
    assert line_and_rest(Activation(name)) is None or wide_tables(Activation(name)) is None


def test_a_cell_that_is_wrong_is_refused() -> None:
    of = wide_tables(Activation("tanh"))
    assert of is not None
    arrays = of.arrays._replace(line=of.arrays.line * (1 + 1e-9))
    own = {"error": 0 * of.error, "noise": 0 * of.noise}
    other = replace(of, arrays=arrays, state=0 * of.state, **own)
    cells = np.array([cell_of(100.0, 90.0, 1e-3)])
    assert of.served(cells).size == 1
    assert of.state[cells[0]] == MADE
    assert other.served(cells).size == 0
    assert other.state[cells[0]] == REFUSED


def test_no_number_depends_on_what_was_asked_before() -> None:
    cells = np.array([cell_of(100.0, 90.0, 1e-3), cell_of(300.0, 80.0, 1e-2)])
    alone = [_copy_of_tables("tanh") for _ in range(3)]
    for of, part in zip(alone, (cells, cells[:1], cells[1:]), strict=True):
        assert of.served(part).size == part.size
    a, b, c = (of.arrays.coefficients for of in alone)
    assert (a[cells[0]] == b[cells[0]]).all()
    assert (a[cells[1]] == c[cells[1]]).all()
    assert not (b[cells[1]] != 0).any()


def _copy_of_tables(name: str) -> WideTables:
    of = wide_tables(Activation(name))
    assert of is not None
    arrays = of.arrays._replace(coefficients=0 * of.arrays.coefficients)
    return replace(of, arrays=arrays, state=0 * of.state, error=0 * of.error, noise=0 * of.noise)
