"""Activations whose moments do not exist, or that float64 cannot hold, or that hardly vary."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import exact_tables

from analytic import Activation, FullyConnected, Network, kernel, kernel_estimate

X = np.array([[0.6, -1.1], [0.5, 0.2], [-1.4, 0.3]])


@pytest.mark.parametrize(("text", "rate"), [("exp(x**2)", 1.0), ("exp(x**2/100) + x", 0.01)])
def test_growth_beyond_the_gaussian_says_which_weights_would_do(text: str, rate: float) -> None:
    """E w(s z)^2 of w = exp(c x^2) is finite where 4 c s^2 < 1, as the sentence says."""
    with pytest.raises(ValueError, match="second moment exists only where weight_std") as refusal:
        Activation(text)
    bound = float(str(refusal.value).split("bias_std^2 < ")[1].split(",")[0])
    cut = np.array([10.0, 20.0, 40.0])  # the integral up to z = 10, 20, 40
    z = np.linspace(-1, 1, 40_001) * cut[:, None]
    for variance, grows in ((0.9 * bound, False), (1.1 * bound, True)):
        sums = np.exp((2 * rate * variance - 0.5) * z**2).mean(axis=1) * cut
        assert (sums[2] > 2 * sums[1]) == grows


@pytest.mark.parametrize("text", ["exp(-(x - 60)**2)", "erf(x - 40) + 1", "exp(-1000 - x**2)"])
def test_a_moment_that_underflows_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"second moment that float64 can hold.*shift or scale"):
        kernel(Network(FullyConnected(text)), X)


@pytest.mark.parametrize(("text", "depth"), [("x**3", 6), ("cosh(x)", 3)])
def test_a_moment_that_overflows_is_refused_as_too_large(text: str, depth: int) -> None:
    with pytest.raises(ValueError, match=r"float64 can hold.*(above 1e308|infinity)"):
        kernel(Network(*[FullyConnected(text, weight_std=3.0)] * depth), 9 * X)


@pytest.mark.parametrize("text", ["tanh(x - 40)", "sigmoid(x - 30) + 1", "1 + exp(-(x - 9)**2)"])
def test_constant_to_rounding_keeps_the_bound(text: str) -> None:
    """Every unit is one number to rounding; its slope, 1e-35 of it, keeps its relative accuracy."""
    network = Network(FullyConnected(text), FullyConnected("tanh"))
    found = kernel_estimate(network, X, kind="both")
    nngp, ntk, sure = exact_tables.kernels(network, X)
    for kind, exact in (("nngp", nngp), ("ntk", ntk)):
        gap = np.abs(getattr(found.value, kind) - exact).astype(float)
        assert sure.any()
        assert np.all((gap <= getattr(found.error, kind))[sure])
        assert np.all(getattr(found.error, kind) <= 1e-10 * np.abs(getattr(found.value, kind)))


@pytest.mark.parametrize("text", ["2 + 0*x", "tanh(x) - tanh(x) + 1"])
def test_a_constant_has_a_kernel_without_warnings(text: str) -> None:
    """Sigma = 1 or 4, Theta = 0: D of a constant has no norm to be relative to, and no share."""
    found = kernel_estimate(Network(FullyConnected(text), FullyConnected("tanh")), X)
    assert np.isfinite(found.error).all()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("log(1 + x)/x", "real on the whole real line"),
        ("(sqrt(1 + x) - 1)/x", "fractional powers of positive parts"),
        ("(1/(1 + x) - 1)/x", "pole"),
    ],
)
def test_a_zero_divided_out_does_not_hide_a_logarithm(text: str, reason: str) -> None:
    """log(1 + x) is not real below -1, whatever its quotient is at 0."""
    with pytest.raises(ValueError, match=reason):
        Activation(text)
