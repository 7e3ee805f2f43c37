"""Tables of wide pairs against closed forms and against rules of two dimensions."""

from __future__ import annotations

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import sympy

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


@pytest.mark.parametrize("name", ["elu", "atan(x)", "sin(x)", "relu", "softsign", "exp(x)"])
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
