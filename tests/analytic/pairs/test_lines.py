"""Inputs on a line and tables as they come: nearly parallel pairs, certified all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from oracles import dense

from analytic import FullyConnected, Network, Residual, kernel, kernel_estimate

F = FullyConnected
Function = Callable[[Any], Any]


def _closed_form(_: object, v: Any, c: Any, v_: Any) -> tuple:
    """E and D of erf: Williams (1997)."""
    bottom = (1 + 2 * v) * (1 + 2 * v_)
    e = 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt(bottom))
    return e, 4 / mpmath.pi / mpmath.sqrt(bottom - 4 * c**2), mpmath.mpf(0), mpmath.mpf(0)


def _line() -> np.ndarray:
    return np.linspace(-5.0, 5.0, 21)[:, None]


def _table() -> np.ndarray:
    """Positive features of different scale, with a duplicate and a pair at distance 1e-9."""
    x = 20 * np.abs(np.random.default_rng(1).standard_normal((16, 4))) * [1.0, 0.1, 0.01, 5.0]
    x[4], x[8] = x[0], x[0] * (1 + 1e-9)
    return x


@pytest.mark.parametrize("inputs", [_line, _table])
def test_erf_agrees_with_its_closed_form(inputs: Callable[[], np.ndarray]) -> None:
    network = Network(*[F("erf", bias_std=0.1)] * 3)
    x = inputs()
    estimate = kernel_estimate(network, x, tolerance=1e-9)
    assert estimate.certified
    with mpmath.workdps(40):
        for i in range(0, len(x), 4):
            for j in range(i, len(x), 4):
                a, b = ([mpmath.mpf(float(value)) for value in row] for row in (x[i], x[j]))
                exact = dense.pair_kernel(network, a, b, _closed_form)[1]
                wrong = abs(mpmath.mpf(float(estimate.value[i, j])) - exact)
                assert wrong <= mpmath.mpf(float(estimate.error[i, j]))


@pytest.mark.parametrize("name", ["tanh", "softplus"])
def test_parallel_inputs_have_expectations_of_one_variable(name: str) -> None:
    """Without bias u' = (x'/x) u: E w(u) w(u') and E w'(u) w'(u') are integrals over one z."""
    x = np.array([-4.0, -3.5, 0.5, 2.0, 3.9])
    estimate = kernel_estimate(Network(F(name)), x[:, None], kind="both", tolerance=1e-10)
    assert estimate.certified
    w, slope = FUNCTIONS[name]
    with mpmath.workdps(25):
        for i, a in enumerate(map(float, x)):
            for j, b in enumerate(map(float, x)):
                e, d = _along_a_ray(w, a, b), _along_a_ray(slope, a, b)
                for kind, exact in (("nngp", e), ("ntk", e + d * a * b)):
                    value = getattr(estimate.value, kind)[i, j]
                    error = getattr(estimate.error, kind)[i, j]
                    assert abs(mpmath.mpf(float(value)) - exact) <= mpmath.mpf(float(error))


FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "tanh": (mpmath.tanh, lambda t: 1 / mpmath.cosh(t) ** 2),
    "softplus": (lambda t: mpmath.log1p(mpmath.exp(t)), lambda t: 1 / (1 + mpmath.exp(-t))),
}
"""w and w'."""


def _along_a_ray(f: Function, a: float, b: float) -> Any:
    """E f(a z) f(b z)."""
    places = [-12, -4, -1, 0, 1, 4, 12]
    return mpmath.quad(lambda z: f(a * z) * f(b * z) * mpmath.npdf(z), places)


@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
def test_parallel_sums_of_branches_have_no_warning(name: str) -> None:
    """What is left of 1 - c of parallel units may be rounded below 0: -1e-33."""
    network = Network(F(name), Residual(F(name)), F(name))
    x = np.linspace(-6, 6, 200)[:, None]
    found, own = kernel(network, x), kernel(network, x[-1:])[0, 0]
    same = x[:, 0] > 0  # f(a x) = a f(x): positive homogeneous of degree one
    exact = own * np.outer(x[same, 0], x[same, 0]) / 36
    np.testing.assert_allclose(found[np.ix_(same, same)], exact, rtol=1e-10)
