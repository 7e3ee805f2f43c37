"""Quotients with a removable singularity: their values, enclosures and kernels by more digits."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
import torch
from oracles import dense, exact_tables

from analytic import Activation, FullyConnected, Network, kernel_estimate
from analytic.activation import X
from analytic.expressions import DividedFunction, extended_values
from analytic.proofs import Rectangle
from analytic.proofs.complex_enclosure import _visit
from analytic.proofs.interval import enclose
from analytic.proofs.interval_arithmetic import Interval
from empirical.network.pointwise_activation import pointwise

TEXTS = (
    "tanh(x)/x", "x/tanh(x)", "(exp(x) - 1)/x", "x/(exp(x) - 1)", "log(1 + x**2)/x**2",
    "atan(x)/x", "(tanh(x) - x)/x**3", "(sqrt(1 + x**2) - 1)/x", "tanh(x - 0.3)/(x - 0.3)",
    "tanh(2*x + 1)*exp(-x**2)/(2*x + 1)", "(tanh(x)/x - 1)/x**2", "tanh(50*x)/x",
    "x*sech(x)**2/tanh(x)", "(cosh(x) - 1)/x**2",
)  # fmt: skip


def _exact(text: str, order: int, z: Any) -> Any:
    """The derivative of the quotient as it is written, beside its zeros, at 200 digits."""
    quotient = sympy.sympify(text, locals={"x": X})
    plain = sympy.lambdify(X, sympy.diff(quotient, X, order), "mpmath")
    with mpmath.workdps(200):
        return +plain(mpmath.mpmathify(z) + mpmath.mpf(10) ** -40)


@pytest.mark.parametrize("text", TEXTS)
def test_values_keep_their_bound(text: str) -> None:
    w = Activation(text)
    assert w.expression.has(DividedFunction)
    x = np.array([0, 1e-9, 0.3, -0.5, 0.04, 0.7, 2, -7], dtype=np.longdouble)
    for order in range(3):
        found, bounds = extended_values(w.expression, x, order)
        for one, value, bound in zip(x, found, bounds, strict=True):
            high = float(value)
            with mpmath.workdps(40):
                split = mpmath.mpf(high) + float(value - np.longdouble(high))
                gap = abs(split - _exact(text, order, float(one)))
            assert gap <= bound + 1e-22 * max(1, abs(high))
            assert bound <= 2e-16 * max(1, abs(high), abs(float(found[0])))


@pytest.mark.parametrize("text", TEXTS)
def test_enclosures_contain_the_values(text: str) -> None:
    rng = np.random.default_rng(len(text))
    left, bottom = rng.normal(size=6), rng.uniform(0, 0.02, 6)
    width, height = 10 ** rng.uniform(-3, 0.2, 6), 10 ** rng.uniform(-4, -2, 6)
    right, top = left + width, bottom + height
    for order in range(2):
        expression = Activation(text).stable(order)
        real = enclose(expression, Interval(left, right))
        with np.errstate(all="ignore"):
            whole = _visit(expression, {X: Rectangle.of(left, right, bottom, top)})
        for i, share in itertools.product(range(6), (0.0, 0.4, 1.0)):
            x = left[i] + share * width[i]
            assert real.low[i] <= float(_exact(text, order, x)) <= real.high[i]
            z = _exact(text, order, mpmath.mpc(x, bottom[i] + share * height[i]))
            assert whole.re.low[i] <= float(z.real) <= whole.re.high[i]
            assert whole.im.low[i] <= float(z.imag) <= whole.im.high[i]


@pytest.mark.parametrize("text", ["tanh(3*x)/x", "x/(exp(x) - 1)"])
def test_the_kernel_is_certified(text: str) -> None:
    x = np.random.default_rng(1).normal(size=(3, 4))
    network = Network(FullyConnected(text, weight_std=1.2, bias_std=0.3))
    found = kernel_estimate(network, x)
    exact = exact_tables.kernels(network, x)[1]
    assert found.certified
    assert np.all(np.abs(found.value - exact) <= found.error)
    assert np.all(found.error <= 1e-10 * found.value.max())


@pytest.mark.parametrize(("text", "name"), [
    ("tanh(x)/x", "tanh(x)/x"), ("tanh(Abs(x))/Abs(x)", "tanh(x)/x"),
    ("(x**2 - 1)/(x - 1)", "x + 1"), ("tanh(sin(x))/sin(x)", "tanh(sin(x))/sin(x)"),
    ("x/(exp(x) - 1)", "1/((exp(x) - 1)/x)"), ("sin(x)*tanh(x)/x", "tanh(x)*sinc(x)"),
])  # fmt: skip
def test_texts_are_read_back(text: str, name: str) -> None:
    w = Activation(text)
    assert w.name == name
    assert w == Activation(name) == pickle.loads(pickle.dumps(w))
    assert Activation(w.expression) == w


@pytest.mark.parametrize(("text", "place"), [
    ("tanh(x)/x**2", "0"), ("x/sin(x)", "-3.14159"), ("(exp(x) - 1.5)/x", "0"),
    ("tanh(x)/(x*(x - 1))", "1"), ("(cos(x) - 1)/x**3", "0"),
])  # fmt: skip
def test_poles_stay_poles(text: str, place: str) -> None:
    with pytest.raises(ValueError, match=f"without poles.* at x = {place}"):
        Activation(text)


@pytest.mark.parametrize("text", ["tanh(x)/x", "(tanh(x) - x)/x**3", "x/(exp(x) - 1)"])
def test_the_finite_network_has_the_same_function(text: str) -> None:
    w, x = Activation(text), np.array([0.0, 1e-5, -2.0, 0.7, 0.72, 13.0])
    tensor = torch.tensor(x, requires_grad=True)
    for order in range(2):
        found = pointwise(w, order)(tensor)
        (slope,) = torch.autograd.grad(found.sum(), tensor)
        for values, k in ((found.detach(), order), (slope, order + 1)):
            exact = [float(_exact(text, k, one)) for one in x]
            assert np.allclose(values.numpy(), exact, rtol=1e-12, atol=1e-13)
            assert np.allclose(w.derivatives(x, k)[k], exact, rtol=1e-12, atol=1e-13)


def test_the_oracle_writes_quotients_out() -> None:
    assert dense.elementary(Activation("tanh(x)/x").expression) == sympy.tanh(X) / X
