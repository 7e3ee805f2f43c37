"""The recursion of networks of images as equations: what it prints, and what it evaluates to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.finite_checks import check_evaluation

from analytic import (
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Readout,
    Residual,
    Sum,
    SumPooling,
)

C, F, G, R = Convolution, FullyConnected, GlobalAveragePooling, Residual
LINE = Network(C("erf", 3, normalize="fan_in", bias_std=0.5), AveragePooling(2), C("sin", 2), G())
AROUND: dict[str, Any] = {"padding_mode": "circular"}
CASES = [
    (LINE, (1, 2)),
    (Network(C("erf", 2, dilation=2, **AROUND), R(C("cos", 3)), SumPooling(2, stride=1)), (1, 3)),
    (
        Network(C("erf", (2, 1), stride=2), Dropout(0.25), LayerNorm(eps=0.1), C("sin", 1), G()),
        (2, 2, 2),
    ),
    (
        Network(C("cos", 2), Sum(C("identity", 1, stride=2), [AveragePooling(2), C("sin", 1)])),
        (1, 2),
    ),
    (
        Network(
            C("cos", 2), Concatenate(C("cos", 1), C("erf", 1)), C("sin", 1), Readout(bias_std=1)
        ),
        (1, 2),
    ),
    (
        Network(C("identity", 1), LayerNorm(eps=0.1, bias_rate=2, positions=True), C("erf", 1)),
        (1, 2),
    ),
    (Network(AveragePooling(2), Flatten(), F("erf"), R(F("cos", weight_rate=0.5))), (1, 4)),
]


@pytest.mark.parametrize(("network", "shape"), CASES, ids=map(repr, CASES))
def test_the_equations_evaluate_to_the_kernel(
    network: Network, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    x = rng.standard_normal((2, *shape))
    pixels = x.reshape(2, shape[0], -1)
    gram = np.einsum("acp,bcq->abpq", pixels, pixels) / shape[0]
    check_evaluation(network, x, gram, shape, 1e-10)


def test_sums_over_positions_are_written_out() -> None:
    lines = str(LINE.recursion((3, 8))).splitlines()
    for line in (
        "Sigma_0(x, x', p, q) = InnerProduct(x, x', p, q)/3",
        "Lambda_1(x, x', p, q) = Sum(Sigma_0(x, x', k + p - 1, k + q - 1), (k, 0, 2))/3 + 1/4",
        "Sigma_1P(x, x', p, q) = Sum(Sigma_1(x, x', k + 2*p, l + 2*q), (k, 0, 1), (l, 0, 1))/4",
        "mu_1P(x, p) = Sum(mu_1(x, k + 2*p), (k, 0, 1))/2",
        "Sigma_2P(x, x') = Sum(Sigma_2(x, x', k, l), (k, 0, 3), (l, 0, 3))/16",
        "K(x, x') = Sigma_2P(x, x') + Theta_2P(x, x')",
    ):
        assert line in lines


def test_latex_names_positions() -> None:
    text = Network(C("erf", (3, 1))).recursion((2, 4, 4)).latex()
    assert r"\langle {x}_{p_{1},p_{2}}, {x'}_{q_{1},q_{2}} \rangle" in text
    assert r"\sum_{k_{1}=0}^{2}" in text
