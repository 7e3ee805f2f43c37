"""Tables of smooth activations at large deviations, against closed forms and other rules."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from oracles.lanes import sums_of_row

from analytic import dual
from analytic.activation import Activation
from analytic.expectations import LogTable, log_table
from analytic.expectations.activation_moments import moments
from analytic.expectations.logarithm_lanes import logarithms

RANGES = {"gelu": (0.5, 30.0), "x*erf(x)": (2.0, 90.0), "1 + erf(x/2)": (6.0, 300.0)}
SMALL = 0.7 * 10.0 ** -np.linspace(0, 8, 14)


def _table(name: str) -> LogTable:
    found = log_table(Activation(name), np.array(RANGES[name]))
    assert found is not None
    return found


def _exact(name: str, order: int, s: float, s_: float, rho: Any) -> Any:
    """E w^(order)(u) w^(order)(v) in 40 digits."""
    activation = Activation(name)
    form = dual(activation.differentiate(1) if order else activation.expression)
    symbols = [str(a) for a in sympy.symbols("Lambda_11, Lambda_12, Lambda_22")]
    s, s_ = mpmath.mpf(s), mpmath.mpf(s_)
    return sympy.lambdify(symbols, form, "mpmath")(s**2, rho * s * s_, s_**2)


@pytest.mark.slow
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("name", RANGES)
def test_sums_agree_with_closed_forms(name: str, side: int) -> None:
    activation, table, rng = Activation(name), _table(name), np.random.default_rng(side)
    low, high = np.log(RANGES[name])
    s = np.exp(rng.uniform(low, high, 1 + SMALL.size))
    given = moments(activation, s)
    r, slope = np.sqrt(given.second), np.sqrt(given.slope)
    found = sums_of_row(table, side, s, r, given.slope, SMALL)
    with mpmath.workdps(40):
        for k, small in enumerate(SMALL):
            rho = (1 - 2 * side) * (1 - mpmath.mpf(small))
            for order, norm in enumerate((r, slope)):
                wrong = abs(found[order, k] - _exact(name, order, s[0], s[k + 1], rho))
                assert wrong <= table.error * norm[0] * norm[k + 1], (k, order)


@pytest.mark.slow
def test_errors_are_small_and_sums_short() -> None:
    for name in ("tanh", "gelu", "atan(x)"):
        table = log_table(Activation(name), np.array([0.5, 30.0]))
        assert table is not None
        assert table.error < 2e-12
        assert table.rank <= 36
        assert table.terms <= 40


def test_inputs_below_the_range_have_no_place() -> None:
    table = _table("gelu")
    assert table.of_inputs(np.array([0.01, 3.0]), np.ones(2), np.ones(2))[-1].tolist()[0] == 0.0
    assert table.of_inputs(np.array([0.01, 3.0]), np.ones(2), np.ones(2))[-1].tolist()[1] > 0.0


@pytest.mark.parametrize("name", ["relu", "elu", "sin", "exp(-x**2)", "erf", "hardtanh", "exp"])
def test_there_is_none_where_another_form_serves(name: str) -> None:
    """Kinks, waves, bumps and erf have forms of their own; what grows like exp has no rule."""
    assert log_table(Activation(name), np.array([1.0, 30.0])) is None


def test_logarithms_have_the_stated_roundings() -> None:
    rng = np.random.default_rng(0)
    z = np.concatenate([1 + 10.0 ** rng.uniform(-17, 12, 2000), 2.0 ** np.arange(40), [1.0]])
    found = z.copy()
    logarithms(found, *np.zeros((2, z.size)), z.size)
    with mpmath.workdps(30):
        exact = [mpmath.log(mpmath.mpf(value)) for value in z]
        wrong = np.array([float(abs(a - b)) for a, b in zip(found, exact, strict=True)])
    assert np.all(wrong <= 4 * 2.0**-53 * np.maximum(1, np.log(z)))
