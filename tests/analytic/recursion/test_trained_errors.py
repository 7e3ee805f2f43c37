"""Errors of Sigma in what is trained: made on purpose, DELTA in size, they outweigh rounding.

T = rate weight_std^2 Sigma + bias_rate is wrong by the share that Sigma has in it. A bias that is
frozen keeps Lambda right and not T, and a frozen readout leaves Theta alone, so that nothing else
in the bound is as large.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracles import dense

from analytic import FullyConnected, Network, Readout
from analytic.activation import X
from analytic.recursion import in_kernels
from analytic.recursion.averages import Average
from analytic.recursion.error_propagation import ErrorPropagation
from analytic.recursion.layer_equations import (
    diagonal,
)
from analytic.recursion.normalization import amplifications

F = FullyConnected
DELTA = 2.0**-24
SQUARE = 0.8
CASES = 80


def _dual(activation: Any, v: float, c: float, v_: float) -> tuple[float, float, float, float]:
    """E and D of x, exp and sin."""
    if activation.is_linear:
        return c, 1.0, 0.0, 0.0
    if activation.name == "sin":
        e, d, *_ = dense.sine_dual(activation, v, c, v_)
        return e, d, 0.0, 0.0
    k = float(activation.expression.subs(X, 1).evalf())  # exp(x/2)
    k = math.log(k) ** 2
    e = math.exp(k * ((v + v_) / 2 + c))
    return e, k * e, math.exp(k * v / 2), math.exp(k * v_ / 2)


def _kernels(network: Network, product: float) -> tuple[float, float]:
    """K of two inputs of one norm and a scalar product, and its diagonal."""
    s = dense.recursion(network.layers, dense.State(SQUARE, product, SQUARE, 0, 0, 0, 0, 0), _dual)
    weight, _, rate, learned = network.output.coefficients
    own, k = (rate * weight * a + learned + weight * b for a, b in ((s.s11, s.t11), (s.s12, s.t12)))
    return k, own


def _bound(network: Network) -> float:
    """Of a kernel from scalar products that are wrong by DELTA."""
    state = diagonal(network, np.array([SQUARE]))
    chain = ErrorPropagation(amplifications(state, 1e-16), Average(), DELTA, 0.0, in_kernels(state))
    return chain.error(0, 0.0)  # whatever the correlations become behind biases


def _effect(network: Network, rho: float) -> float:
    """What it does to K, relative to the diagonal."""
    k, own = _kernels(network, rho * SQUARE)
    return abs(_kernels(network, (rho + DELTA) * SQUARE)[0] - k) / own


@pytest.mark.parametrize("bias_rate", [0.0, 3.0])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_frozen_bias_does_not_hide_what_is_wrong(depth: int, bias_rate: float) -> None:
    """Lambda = Sigma + 4 has a fifth of the error, T = 5 Sigma + bias_rate more; to 1 %."""
    line = F("x", bias_std=2.0, weight_rate=5.0, bias_rate=bias_rate)
    behind = [F("x", weight_rate=0.0, bias_rate=0.0)] * (depth - 1)
    network = Network(line, *behind, Readout(weight_rate=0.0))
    share = 5 * SQUARE / (5 * SQUARE + bias_rate)
    true = _effect(network, 0.3)
    assert true == pytest.approx(share * DELTA, rel=1e-6)
    assert true <= _bound(network) <= 1.01 * true


def _random(rng: np.random.Generator) -> Network:
    """Up to four layers, weights and biases frozen or trained at any rate."""

    def options(most: float) -> dict[str, float]:
        std = {"weight_std": float(rng.uniform(0.3, most)), "bias_std": float(rng.choice([0, 2]))}
        rates = rng.choice([0.0, 1.0, 20.0], 2)
        return std | {"weight_rate": float(rates[0]), "bias_rate": float(rates[1])}

    names = rng.choice(["x", "sin", "exp(x/2)"], rng.integers(1, 5))
    layers = [F(str(name), **options(0.8 if "exp" in name else 1.5)) for name in names]
    return Network(*layers, Readout(**options(1.5)))


def test_errors_of_scalar_products_never_exceed_the_bound() -> None:
    rng = np.random.default_rng(29)
    ratios = []
    for _ in range(CASES):
        network, rho = _random(rng), float(rng.uniform(-1, 0.999))
        if _kernels(network, SQUARE)[1] == 0:
            continue  # nothing is trained
        true, bound = _effect(network, rho), _bound(network)
        assert true <= bound + 64 * DELTA**2, (network, rho)
        ratios.append(true / bound)
    print(f"effect/bound: median {np.median(ratios):.2f}, largest {max(ratios):.3f}")
    assert max(ratios) > 0.9
