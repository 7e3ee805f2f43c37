"""Tables of 1 - |c| at large deviations, as listed pairs are summed, against closed forms."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

from analytic import dual
from analytic.activation import Activation
from analytic.expectations import (
    LogTable,
    banded,
    near_ones,
    near_table,
    room_of_sums,
    sum_listed_pairs,
)
from analytic.expectations.product_rules import Angle
from analytic.expectations.spline_pairs import spline_distances
from analytic.expectations.splines import spline

RANGES = {
    "gelu": (0.5, 90.0),
    "x*erf(x)": (2.0, 200.0),
    "1 + erf(x/2)": (6.0, 900.0),
    "erf": (20.0, 1500.0),
}
SMALL = 10.0 ** -np.linspace(0, 12, 9)
ROWS, COLUMNS, BAND = 3, 60, 16


def _exact(name: str) -> Any:
    """Of a pair (s, s', rho) in 60 digits: the cosine, and D relative to norms."""
    activation, forms = Activation(name), []
    symbols = [str(a) for a in sympy.symbols("Lambda_11, Lambda_12, Lambda_22")]
    for w in (activation.expression, activation.differentiate(1)):
        form = sympy.lambdify(symbols, dual(w), "mpmath")
        forms.append(lambda s, s_, rho, form=form: form(s * s, rho * s * s_, s_ * s_))

    def of_pair(s: Any, s_: Any, rho: Any) -> list[Any]:
        return [e(s, s_, rho) / mpmath.sqrt(e(s, s, 1) * e(s_, s_, 1)) for e in forms]

    return of_pair


def _summed(table: LogTable, s: np.ndarray, small: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Each of ROWS inputs with each of the others, (2, pairs)."""
    i, j = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)
    asked = table.of_inputs(s, np.ones(s.size), np.ones(s.size))
    laid = banded(table.sums, asked, asked, BAND)
    e, d = np.empty((2, i.size))
    sum_listed_pairs(
        table.kind, laid.numbers, laid.bands, BAND, table.terms, table.farthest, laid.rows,
        laid.columns, i, j + ROWS, small, sign, room_of_sums(), e, d,
    )  # fmt: skip
    return np.stack([e, d])


@pytest.mark.slow
@pytest.mark.parametrize("name", RANGES)
def test_listed_pairs_agree_with_closed_forms(name: str) -> None:
    activation, rng = Activation(name), np.random.default_rng(0)
    table = near_table(activation, np.array(RANGES[name]))
    assert table is not None
    low, high = np.log(RANGES[name])
    s = np.exp(rng.uniform(low, high, ROWS + COLUMNS))
    sign, small = rng.choice([-1.0, 1.0], ROWS * COLUMNS), rng.choice(SMALL, ROWS * COLUMNS)
    found, exact = _summed(table, s, small, sign), _exact(name)
    for p in rng.choice(ROWS * COLUMNS, 50, replace=False):
        a, b, side = s[p // COLUMNS], s[ROWS + p % COLUMNS], int(sign[p] < 0)
        with mpmath.workdps(60):
            rho = mpmath.mpf(sign[p]) * (1 - mpmath.mpf(small[p]))
            c, d = exact(mpmath.mpf(a), mpmath.mpf(b), rho)
            toward, scaled = near_ones(activation)[side]
            omega = np.sqrt(small[p] + 1 / (table.beta**2 * a * b)) if scaled else 1.0
            assert abs(found[0, p] * omega - (1 - toward * c)) <= table.error * omega
            assert abs(found[1, p] - d) <= table.error


@pytest.mark.slow
@pytest.mark.parametrize("name", ["selu", "softsign"])
def test_kinks_at_zero_agree_with_panels(name: str) -> None:
    """w by pieces, panel by panel, which knows no table of conditioning."""
    activation, pieces = Activation(name), spline(Activation(name))
    s = np.geomspace(33, 45, ROWS + COLUMNS)
    table = near_table(activation, s)
    assert table is not None
    assert table.error < 2**-36
    assert pieces is not None
    sign, small = np.resize([1.0, -1.0, 1.0], ROWS * COLUMNS), np.resize(SMALL[1:], ROWS * COLUMNS)
    found, none = _summed(table, s, small, sign), 0 * s
    i, j = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)
    one = np.ones_like(s)
    own = spline_distances(pieces, s, s, one, one, Angle(none, none + 2, none))
    r, slope = np.sqrt(own[1] / 2), np.sqrt(own[2])
    minus, plus = (np.where(sign == side, small, 2 - small) for side in (1, -1))
    k = j + ROWS
    exact = spline_distances(pieces, s[i], s[k], r[i], r[k], Angle(minus, plus, 0 * small))
    exact[2] /= slope[i] * slope[k]
    steep = table.beta**2 * s[i] * s[k]
    for side, (toward, scaled) in zip((1.0, -1.0), near_ones(activation), strict=True):
        p = sign == side
        omega = np.sqrt(small[p] + 1 / steep[p]) if scaled else 1.0
        near, allowed = exact[0 if toward > 0 else 1][p], table.error + 2e-13
        assert (np.abs(found[0, p] * omega - near) <= allowed * omega).all()
        assert (np.abs(found[1, p] - exact[2, p]) <= allowed).all()


@pytest.mark.slow
def test_errors_are_small() -> None:
    """1 - |c| is known to 1e-12 of its root, at s = 1,000 to some 1e-15."""
    for name in ("tanh", "softplus", "erf"):
        table = near_table(Activation(name), np.array([300.0, 1000.0]))
        assert table is not None
        assert table.error < 2**-36
        assert table.rank <= 24


def test_pairs_out_of_range_are_not_numbers() -> None:
    table = near_table(Activation("gelu"), np.array(RANGES["gelu"]))
    assert table is not None
    s = np.resize([1.0, 0.01, 50.0], ROWS + COLUMNS)
    found = _summed(table, s, np.full(ROWS * COLUMNS, 0.5), np.ones(ROWS * COLUMNS))
    inside = (s[:ROWS, None] > 0.1) & (s[None, ROWS:] > 0.1)
    assert (np.isfinite(found) == inside.ravel()).all()
