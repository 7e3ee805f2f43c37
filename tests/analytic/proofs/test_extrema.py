"""Suprema: exact ones against mpmath, enclosures against dense evaluation."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

from analytic.expressions.evaluation import values
from analytic.expressions.rewrite import derivative, elementary
from analytic.expressions.vocabulary import JUMPING, KINKED, NAMES, X, sigmoid
from analytic.proofs.extrema import Bound, ranges, supremum
from analytic.proofs.interval_arithmetic import Interval

SMOOTH: dict[str, Any] = {
    **{name: expression for name, expression in NAMES.items() if name not in {**KINKED, **JUMPING}},
    "logcosh": sympy.log(sympy.cosh(X)),
    "root": sympy.sqrt(1 + X**2),
    "root decay": sympy.exp(-sympy.sqrt(1 + X**2)),
    "quick gelu": X * sigmoid(1.702 * X),
    "wiggly": sympy.tanh(X) + sympy.sin(3 * X) / 10,
    "atan": sympy.atan(2 * X + 1),
    "rational": X / (1 + X**2),
    "steep": sympy.tanh(1000 * X),
    "flat": sympy.tanh(X / 10**6),
    "shifted": sigmoid(3 * X + 1) - X / 7,
}
SCALES = {"steep": 1e-3, "flat": 1e6, "root": 1e3}


@pytest.mark.parametrize("name", sorted(SMOOTH))
@pytest.mark.parametrize("order", [1, 2])
def test_the_supremum_is_enclosed_and_tight(name: str, order: int) -> None:
    bound = supremum(derivative(SMOOTH[name], order))
    x = SCALES.get(name, 1.0) * np.linspace(-40, 40, 400_001)
    dense = float(np.max(np.abs(values(SMOOTH[name], x, order)[order])))
    # rounding of the values, and the gap of the grid: sup |w^(order+2)| h^2/8, below 1e-7
    assert bound.low <= bound.high
    assert dense <= bound.high * (1 + 1e-12)
    assert dense >= bound.low * (1 - 1e-7)
    assert bound.high - bound.low <= 1e-8 * bound.high


@pytest.mark.parametrize(
    ("name", "order", "start"),
    [("tanh", 2, 0.6), ("sigmoid", 2, 1.3), ("erf", 2, 0.7), ("gaussian", 1, 0.7), ("gelu", 1, 1.4),
     ("gelu", 2, 0.0), ("atan", 2, -0.2), ("rational", 1, 0.0), ("root", 2, 0.0)],
)  # fmt: skip
def test_exact_suprema_match_mpmath(name: str, order: int, start: float) -> None:
    bound = supremum(derivative(SMOOTH[name], order))
    assert bound.exact is not None
    with mpmath.workdps(30):
        f, slope = (
            sympy.lambdify(X, sympy.diff(elementary(SMOOTH[name]), X, order + k), "mpmath")
            for k in (0, 1)
        )
        value = abs(f(mpmath.findroot(slope, start)))
        assert abs(value - mpmath.mpf(sympy.N(bound.exact, 30))) < 1e-25
    assert bound.low <= float(value) <= bound.high


@pytest.mark.parametrize(
    ("expression", "order"), [(sympy.exp(X), 1), (X**2, 1), (X**3, 2), (sympy.cosh(X), 2)]
)
def test_what_grows_has_no_supremum(expression: Any, order: int) -> None:
    bound = supremum(derivative(expression, order))
    assert bound.exact == sympy.oo
    assert bound.is_finite is False


def test_what_is_not_known_is_said() -> None:
    bound = supremum(derivative(sympy.sin(X**2), 1))
    assert bound.is_finite is None
    assert bound.low > 1
    assert bound.high == math.inf
    assert supremum(derivative(sympy.sin(X**2) * sympy.exp(-(X**2)), 1)).is_finite


def test_values_that_are_never_reached() -> None:
    both = sympy.sin(X) + sympy.sin(sympy.sqrt(2) * X)  # sup |w'| = 1 + sqrt(2) is no maximum
    bound = supremum(derivative(both, 1))
    assert bound.low <= 1 + math.sqrt(2) <= bound.high < 1 + math.sqrt(2) + 1e-9


def test_waves_with_an_offset() -> None:
    bound = supremum(3 * sympy.sin(2 * X) - 4 * sympy.cos(2 * X) - 2)
    assert bound.exact == 7


@pytest.mark.parametrize("name", ["tanh", "wiggly", "quick gelu", "rational", "gaussian"])
def test_ranges_on_boxes_contain_the_values(name: str, rng: np.random.Generator) -> None:
    low = rng.uniform(-5, 5, 300)
    box = Interval(low, low + 10.0 ** rng.uniform(-6, 0.5, 300))
    bounds = ranges(derivative(SMOOTH[name], 1), box)
    shares = np.linspace(0, 1, 41)[:, None]
    inside = values(SMOOTH[name], box.low + shares * (box.high - box.low), 1)[1]
    assert np.all(inside >= bounds.low - 1e-14)
    assert np.all(inside <= bounds.high + 1e-14)
    narrow = box.high - box.low < 1e-3  # the mean value form converges quadratically
    assert np.all((bounds.high - bounds.low)[narrow] < 10 * (box.high - box.low)[narrow] + 1e-12)


def test_bounds_print_themselves() -> None:
    assert str(Bound(1.0, 1.0, sympy.S.One)) == "1"
    assert str(Bound(0.5, 0.5, sympy.S.Half)) == "1/2 = 0.5"
    assert str(Bound(0.1, 0.1 + 1e-12)) == "0.1"
    assert str(Bound(0.1, 0.2)) == "between 0.1 and 0.2"
    assert str(Bound(0.1, math.inf)) == "between 0.1 and inf"
    assert str(Bound(math.inf, math.inf, sympy.oo)) == "oo"
