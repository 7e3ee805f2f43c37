"""The powers of the correlation in a kernel, against its Chebyshev coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Activation, FullyConnected, Network, Residual
from analytic.spectrum.angular_profile import funk_hecke, profile
from analytic.spectrum.powers import activation_powers, kernel_powers

F, R = FullyConnected, Residual
INF = np.inf

CASES = [
    (Network(F("tanh")), {1: INF}),
    (Network(F("cos")), {0: INF}),
    (Network(F("softplus")), {0: INF, 1: 1}),
    (Network(F("relu", weight_std=2)), {0: INF, 1: 1}),
    (Network(F("gelu")), {0: INF, 1: 1}),
    (Network(F("sigmoid")), {0: 0, 1: INF}),
    (Network(F("sigmoid", bias_std=0.5)), {0: INF, 1: INF}),
    (Network(F("softplus"), F("softplus")), {0: INF, 1: INF}),
    (Network(F("cos"), F("softplus", bias_std=1)), {0: INF}),
    (Network(F("tanh"), R(F("tanh"), F("sin"))), {1: INF}),
    (Network(F("tanh"), R(F("cos"))), {0: INF, 1: INF}),
    (Network(F("identity"), F("softplus")), {0: INF, 1: 1}),
    (Network(F("identity"), R(F("identity", bias_std=1))), {0: 0, 1: 1}),
    (Network(F("x**2")), {0: 2}),
    (Network(F("x**2 + x")), {0: 2, 1: 1}),
    (Network(F("x**3 + x", weight_std=0.5)), {1: 3}),
    (Network(F("x**2 + x", weight_std=0.5), F("x**3")), {0: 6, 1: 5}),
    (Network(F("tanh(x) + x**2")), {0: 2, 1: INF}),
]


@pytest.mark.parametrize(("network", "expected"), CASES, ids=lambda case: repr(case)[:60])
def test_the_powers_are_those_of_the_computed_kernel(network: Network, expected: dict) -> None:
    """Beyond them the eigenvalues vanish; up to them, or to degree 6, they are positive."""
    assert kernel_powers(network) == expected
    found = funk_hecke(profile(network, 1e-10), 2, 12, 1e-10)
    for k in range(12):
        top = expected.get(k % 2, -1)
        assert abs(found.eigenvalues[k]) <= found.error[k] or k <= top
        if k <= min(top, 6):
            assert found.eigenvalues[k] > 2 * found.error[k]


def test_activations_are_split_into_even_and_odd_parts() -> None:
    for text, expected in {
        "x**4 + 3*x": {0: 4, 1: 1},
        "abs(x) + x**3": {0: INF, 1: 3},
        "sin(x) + 1": {0: 0, 1: INF},
        "x**2 + erf(x)": {0: 2, 1: INF},
        "max(x, x/10)": {0: INF, 1: 1},
        "min(x, 0)": {0: INF, 1: 1},
        "sin(x + 1)": {0: INF, 1: INF},
    }.items():
        assert activation_powers(Activation(text).expression) == expected
