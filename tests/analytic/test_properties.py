"""Random activations from a grammar: the limit, the derivatives and the text agree."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import dense

from analytic import Activation, FullyConnected, Network, Residual, kernel
from analytic.network.network_text import parse_activation

NUMBERS = st.sampled_from(["1/2", "2", "3/4", "1.7", "0.3", "pi/3"])
LINES = st.builds("{}*x + {}".format, NUMBERS, st.sampled_from(["0", "1/3", "-0.8"])) | st.just("x")
BOUNDED = ["tanh", "sigmoid", "erf", "sin", "cos", "gaussian", "atan"]
GROWING = ["softplus", "gelu", "silu", "asinh", "identity"]
WAVES = st.builds("{}({})".format, st.sampled_from(BOUNDED), LINES)
SLOPES = st.builds("{}({})".format, st.sampled_from(GROWING), LINES)
ATOMS = WAVES | SLOPES
EXPRESSIONS = st.one_of(
    ATOMS,
    st.builds("{} + ({})*{}".format, ATOMS, NUMBERS, ATOMS),
    st.builds("({})*({})".format, ATOMS, WAVES),
    st.builds("{}({})".format, st.sampled_from(BOUNDED + GROWING), ATOMS),
    st.builds(
        "({})/(2 + {})".format, ATOMS, WAVES.filter(lambda text: not text.startswith("atan"))
    ),
    st.builds("sqrt(1 + ({})**2)".format, ATOMS),
    st.builds("log(1 + ({})**2)".format, ATOMS),
)
X = np.array([[0.9, -0.4, 0.3], [-0.2, 1.1, 0.5], [0.8, 0.1, -0.9]])


@settings(max_examples=8, deadline=None, derandomize=True)
@given(EXPRESSIONS)
def test_the_limit_matches_two_dimensional_quadrature(text: str) -> None:
    network = Network(FullyConnected(text, bias_std=0.2), Residual(FullyConnected(text)))
    both = kernel(network, X, kind="both", tolerance=1e-9)
    exact = dense.trapezoid_kernel(network, X, X)
    root = np.sqrt(np.diag(exact[0]))
    # the bound of the kernel, and of the trapezoidal sums where singularities lie near
    np.testing.assert_array_less(np.abs(both.ntk - exact[0]), 3e-9 * np.outer(root, root))
    root = np.sqrt(np.diag(exact[1]))
    np.testing.assert_array_less(np.abs(both.nngp - exact[1]), 3e-9 * np.outer(root, root))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(EXPRESSIONS)
def test_derivatives_match_finite_differences(text: str) -> None:
    activation = Activation(text)
    x, h = np.linspace(-3, 3, 25), 1e-3
    for order in (1, 2, 3):
        below = lambda t, k=order - 1: activation.derivatives(t, k)[k]  # noqa: E731
        stencil = (below(x - 2 * h) - 8 * below(x - h) + 8 * below(x + h) - below(x + 2 * h)) / (
            12 * h
        )
        found = activation.derivatives(x, order)[order]
        # h^4 |w^(order+4)|/30 with derivatives up to 1e5, and rounding of 1e-16 |w|/h
        np.testing.assert_allclose(found, stencil, atol=1e-8 * max(1.0, np.abs(found).max()))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(EXPRESSIONS)
def test_texts_read_back(text: str) -> None:
    activation = Activation(text)
    assert parse_activation(activation.name) == activation
    np.testing.assert_array_equal(parse_activation(activation.name)(X), activation(X))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(EXPRESSIONS)
def test_lipschitz_constants_bound_the_slopes(text: str) -> None:
    activation = Activation(text)
    slopes = activation.derivatives(np.linspace(-30, 30, 6001), 2)
    for bound, slope in zip(
        (activation.lipschitz, activation.slope_lipschitz), slopes[1:], strict=True
    ):
        assert np.abs(slope).max() <= bound.high * (1 + 1e-12) + 1e-13
        assert bound.low <= bound.high
