"""Inputs of one feature without bias: expectations of one variable, against mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

from analytic import FullyConnected, Network, Residual, kernel
from analytic.pairs.close_inputs import Close
from analytic.pairs.entries import cheap_entries
from analytic.pairs.left_out import left_out_pairs
from analytic.pairs.nearly_parallel import nearly_parallel_pairs
from analytic.pairs.rays import Rays
from analytic.request import asked

pytestmark = pytest.mark.slow  # slow exact values

F = FullyConnected
Function = Callable[[Any], Any]
FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "tanh": (mpmath.tanh, lambda t: 1 / mpmath.cosh(t) ** 2),
    "softplus": (lambda t: mpmath.log1p(mpmath.exp(t)), lambda t: 1 / (1 + mpmath.exp(-t))),
    "exp(-x**2)": (lambda t: mpmath.exp(-t * t), lambda t: -2 * t * mpmath.exp(-t * t)),
}
"""w and w': an odd one, one without parity, an even one."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_first_layer_agrees_with_mpmath(name: str) -> None:
    x = np.array([-40.0, -7.0, -0.01, 0.0, 0.3, 12.0, 39.0])
    problem = asked(Network(F(name, weight_std=1.5)), x[:, None], None, "both", 1e-10, "cpu")
    rays = Rays.of(Close.of(problem.network, problem.diagonal), x[:, None])
    assert rays is not None
    i, j = np.triu_indices(x.size, 1)
    sigma, theta, *errors = rays.first_layer(i, j)
    assert max(error.max() for error in errors) < 1e-12
    ends = problem.diagonal.stages[0].end
    w, slope = FUNCTIONS[name]
    with mpmath.workdps(25):
        for n, (a, b) in enumerate(zip(x[i].tolist(), x[j].tolist(), strict=True)):
            gamma = mpmath.mpf(a) * b * 2.25
            exact = _along_a_ray(w, a, b), gamma * _along_a_ray(slope, a, b)
            for part, found in enumerate((sigma, theta)):
                wrong = abs(mpmath.mpf(float(found[n])) - exact[part])
                norm = float(np.sqrt(ends[part][i[n]] * ends[part][j[n]]))
                assert wrong <= errors[part][n] * norm


def _along_a_ray(f: Function, a: float, b: float) -> Any:
    """E f(1.5 a z) f(1.5 b z)."""
    near = [0, 0.01, 0.03, 0.1, 0.3, 1, 3, 12]
    places = [-place for place in near[:0:-1]] + near
    return mpmath.quad(lambda z: f(1.5 * a * z) * f(1.5 * b * z) * mpmath.npdf(z), places)


@pytest.mark.parametrize("own", [True, False])
def test_both_ways_agree_behind_all_layers(own: bool) -> None:
    x, y = np.linspace(-15, 15, 50)[:, None], np.linspace(-20, 9, 41)[:, None]
    network = Network(F("tanh"), Residual(F("sigmoid")), F("softplus", bias_std=0.1))
    problem = asked(network, x, None if own else y, "both", 1e-10, "cpu")
    close = Close.of(problem.network, problem.diagonal)
    i, j = np.triu_indices(50, 1) if own else np.divmod(np.arange(50 * 41), 41)
    entries = cheap_entries(problem, close, 10**5, i, j)
    assert isinstance(entries[0], Rays)
    column = j if own else j + 50
    found = left_out_pairs(problem, close, entries, i, j)
    other = nearly_parallel_pairs(close, x[i], problem.y[j], i, column)
    ends = problem.diagonal
    own_ = ends.sigma + ends.theta
    apart = (found.sigma + found.theta) - (other.sigma + other.theta)
    wrong = np.abs(apart) / np.sqrt(own_[i] * own_[column])
    assert (wrong <= found.error + other.error).all()
    assert (wrong > 0).mean() > 0.5
    assert found.error.max() < 1e-10


def test_lines_with_a_bias_or_a_kink_have_other_ways() -> None:
    x = np.linspace(-15, 15, 20)[:, None]
    for network in (Network(F("tanh", bias_std=0.1)), Network(F("elu")), Network(F("sin(x)"))):
        problem = asked(network, x, None, "both", 1e-8, "cpu")
        close = Close.of(network, problem.diagonal)
        entries = cheap_entries(problem, close, 10**6, *np.triu_indices(20, 1))
        assert not any(isinstance(entry, Rays) for entry in entries)
    plain = Network(F("tanh"))
    rough, sharp = kernel(plain, x), kernel(plain, x, tolerance=1e-12)
    size = np.sqrt(np.outer(np.diag(sharp), np.diag(sharp)))
    assert (np.abs(rough - sharp) <= 1e-12 * size).all()
