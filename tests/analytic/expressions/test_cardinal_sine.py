"""sin(x)/x with its removable singularity: values, enclosures and kernels against more digits."""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from flint import arb
from numpy.testing import assert_allclose

from analytic import Activation, FullyConnected, Network, kernel_estimate
from analytic.expectations import moments
from analytic.expressions import ORDERS, cardinal_sine
from analytic.expressions.sine_quotients import cardinal_sine_error
from analytic.proofs import Rectangle
from analytic.proofs.complex_functions import ANALYTIC
from analytic.proofs.interval_arithmetic import Interval
from analytic.proofs.interval_functions import FUNCTIONS
from empirical.network.pointwise_activation import pointwise


def _exact(z: Any, order: int) -> Any:
    """int_0^1 t^k cos(t z + k pi/2) dt."""
    pieces = np.linspace(0, 1, 2 + int(abs(z) / 4)).tolist()
    wave = (mpmath.cos, mpmath.sin)[order % 2]
    sign = (1, -1, -1, 1)[order % 4]
    return mpmath.quad(lambda t: sign * t**order * wave(t * z), pieces)


@pytest.mark.parametrize("order", range(6))
def test_values_keep_their_bound(order: int) -> None:
    x = np.array([0.0, 1e-9, 0.3, 0.99, 1.01, 2.0, -7.0, 11.99, 12.01, -40.0], dtype=np.longdouble)
    found, bounds = cardinal_sine(x, order), cardinal_sine_error(x, order)
    with mpmath.workdps(30):
        for one, value, bound in zip(x, found, bounds, strict=True):
            high = float(value)
            low = float(value - np.longdouble(high))
            assert abs(mpmath.mpf(high) + low - _exact(float(one), order)) <= bound
            assert bound <= 2.0**-58


def test_balls_agree() -> None:
    for x in (0.0, 1e-200, 3.5, 13.0):
        exact = arb(1) if x == 0 else arb(x).sin() / arb(x)
        assert abs(float(arb(float(cardinal_sine(np.array(x)))) - exact)) <= 2.0**-52


@pytest.mark.parametrize("order", range(4))
def test_enclosures_contain_the_values(order: int) -> None:
    rng = np.random.default_rng(order)
    left, bottom = rng.normal(size=8) * 8, rng.uniform(0, 1.5, 8)
    width, height = 10 ** rng.uniform(-3, 0.5, (2, 8))
    right, top = left + width, bottom + height
    real = FUNCTIONS[ORDERS[order]](Interval(left, right))
    whole = ANALYTIC[ORDERS[order]](Rectangle.of(left, right, bottom, top))
    for i, share in itertools.product(range(8), (0.0, 0.4, 1.0)):
        x = left[i] + share * width[i]
        assert real.low[i] <= float(_exact(x, order)) <= real.high[i]
        z = _exact(mpmath.mpc(x, bottom[i] + share * height[i]), order)
        assert whole.re.low[i] <= float(z.real) <= whole.re.high[i]
        assert whole.im.low[i] <= float(z.imag) <= whole.im.high[i]
    far = FUNCTIONS[ORDERS[order]](Interval(np.array([100.0]), np.array([np.inf])))
    assert -0.0201 <= far.low[0] < 0 < far.high[0] <= 0.0201  # 2/|x|


@pytest.mark.parametrize(("text", "same"), [
    ("sin(x)/x", "sinc(x)"), ("sin(2*x)/x", "2*sinc(2*x)"), ("sin(x)**2/x**2", "sinc(x)**2"),
    ("(1 - cos(x))/x**2", "sinc(x/2)**2/2"), ("(1 - cos(3*x))/x", "9*x*sinc(3*x/2)**2/2"),
    ("sin(x - 1)/(x - 1)", "sinc(x - 1)"), ("sinc", "sin(x)/x"),
])  # fmt: skip
def test_quotients_are_recognised(text: str, same: str) -> None:
    w = Activation(text)
    assert w == Activation(same)
    assert Activation(w.name) == w
    with pytest.raises(ValueError, match="pole"):
        Activation("sin(x)/x**2")


def test_the_kernel_is_certified() -> None:
    """E w(u) w(v) is the mean of E cos(a u) cos(b v) over a, b in [0, 1]; w' has -a sin(a u)."""
    x, weight, bias = np.array([[0.7, -1.1], [1.9, 0.4]]), 1.5, 0.25
    network = Network(FullyConnected("sin(x)/x", weight_std=weight, bias_std=bias))
    found = kernel_estimate(network, x, kind="both")
    assert found.certified
    v, c, v_ = (
        weight**2 * sum(mpmath.mpf(a) * b for a, b in zip(p, q, strict=True)) / 2 + bias**2
        for p, q in ((x[0], x[0]), (x[0], x[1]), (x[1], x[1]))
    )

    def mean(part: Any) -> Any:
        return mpmath.quad(
            lambda a, b: part(a, b) * mpmath.exp(-(a * a * v + b * b * v_) / 2), [0, 1], [0, 1]
        )

    e = mean(lambda a, b: mpmath.cosh(a * b * c))
    d = mean(lambda a, b: a * b * mpmath.sinh(a * b * c))
    assert abs(found.value.nngp[0, 1] - e) <= found.error.nngp[0, 1]
    assert abs(found.value.ntk[0, 1] - (e + d * c)) <= found.error.ntk[0, 1]
    assert found.error.ntk.max() < 1e-13


@pytest.mark.parametrize("order", range(3))
def test_the_finite_network_has_the_same_function(order: int) -> None:
    x = np.array([0.0, 1e-5, -2.0, 11.0, 13.0])
    values = Activation("sinc").derivatives(x, order)[order]
    tensor = torch.tensor(x, requires_grad=True)
    found = pointwise(Activation("sinc"), order)(tensor)
    assert np.allclose(found.detach().numpy(), values, rtol=1e-14, atol=1e-15)
    (slope,) = torch.autograd.grad(found.sum(), tensor)
    after = Activation("sinc").derivatives(x, order + 1)[order + 1]
    assert np.allclose(slope.numpy(), after, rtol=1e-14, atol=1e-15)


def test_moments_at_wide_deviations_are_those_of_their_closed_forms() -> None:
    """sin(x)/x is the integral of cos(t x) over [0, 1], its square that of (1 - t/2) cos(t x)."""
    s = np.array([80.0, 300.0, 466.0])
    found = moments(Activation("sin(x)/x"), s)
    assert found.noise.certified
    assert found.noise.largest < 1e-12
    root = np.sqrt(np.pi / 2) / s  # erf and 1 - exp(-2 s^2) are 1
    assert_allclose(found.mean, root, atol=0, rtol=found.noise.mean + 2.0**-51)
    assert_allclose(found.second, root - 0.5 / s**2, atol=0, rtol=found.noise.second + 2.0**-51)
