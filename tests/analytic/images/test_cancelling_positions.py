"""Averages in which positions cancel: the bound grows with what is lost, or there is none."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import pytest
from oracles import balls, image_balls

from analytic import (
    AccuracyError,
    AveragePooling,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    kernel_estimate,
)
from analytic.images.own_norms import enlargement
from analytic.machine import UNIT

C, F, G = Convolution, FullyConnected, GlobalAveragePooling
ENDS = {
    "one window": [AveragePooling(2), C("relu", 1), G()],
    "all positions": [G(), F("abs(x)")],
    "behind a layer": [C("identity", 1), G(), F("relu")],
    "erf": [C("erf", 1), G()],
    "windows": [AveragePooling(2, stride=1), C("relu", 1), Flatten()],
}


def _images(rest: float) -> np.ndarray:
    """Two positions that cancel but for a rest; in the second image it is twice as large."""
    return np.array([[[0.6, -0.6 * (1 + rest)]], [[0.7, -0.7 * (1 + 2 * rest)]]])


def _estimate(
    network: Network, x: np.ndarray, kind: Literal["ntk", "nngp"] = "ntk"
) -> tuple[Any, bool]:
    try:
        return kernel_estimate(network, x, kind=kind), False
    except AccuracyError as refusal:
        return refusal.estimate, True


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("rest", [1e-3, 1e-6, 1e-9, 1e-12, 1e-16])
def test_bounds_against_balls(end: str, rest: float) -> None:
    network, x = Network(*ENDS[end]), _images(rest)
    exact = image_balls.kernel(network, x[0], x[1], 300)
    estimate, refused = _estimate(network, x)
    for i, j in np.ndindex(2, 2):
        error = balls.distance(estimate.value[i, j], exact[i][j])
        assert error <= estimate.error[i, j], (i, j)
    assert refused or rest >= 1e-6


@pytest.mark.parametrize("rest", [0.0, 1e-17, 1e-16])
def test_signs_that_cancel_have_no_bound(rest: float) -> None:
    """The variance of the mean, rest/pi times |b|/|a|, is below a rounding of its parts."""
    a, b = np.array([0.6, 0.3]), np.array([-0.3, 0.6])
    x = np.stack([np.stack([a, -a - rest * b], 1), np.stack([b, -b + 2 * rest * a], 1)])
    estimate, refused = _estimate(Network(C("sign", 1), G()), x, kind="nngp")
    assert refused
    assert np.isinf(np.diag(estimate.error)).all()


def test_parallel_positions_that_no_layer_bends_cost_nothing() -> None:
    """Opposite positions make the angle of |u| and |v| unsure, not that of linear units."""
    network = Network(C("identity", 1), Dropout(0.3), Residual(C("Max(x/4, x)", 2)), G())
    x = np.array([[[0.5, 0.1, -0.2, -0.5, 1.0]]])
    x = np.concatenate([x, x * (1 + 1e-7)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert min(image_balls.margins(network, x, kernel_estimate(network, x))) > 1


def test_every_average_adds_its_rounding() -> None:
    """Whether it mixes positions or not, and where all positions are the same units."""
    x = np.ones((1, 1, 4))

    def error(*layers: Any) -> float:
        estimate = kernel_estimate(Network(C("erf", 1), *layers, F("erf")), x)
        return float(estimate.error[0, 0] / estimate.value[0, 0])

    still = kernel_estimate(Network(F("erf"), F("erf")), x[:, :, 0])
    least = still.error[0, 0] / still.value[0, 0] + UNIT
    assert error(Flatten()) > least
    assert error(G()) > least
    assert error(AveragePooling(2), Flatten()) > least + UNIT


def test_an_average_of_large_numbers_that_is_zero_is_enlarged_without_end() -> None:
    """The quotient overflowed, with a warning; warnings are errors here."""
    assert enlargement(np.array([[1e10]]), np.zeros((1, 1))) == np.inf
    assert enlargement(np.array([[2.0], [1.0]]), np.array([[1.0], [2.0]])) == 4
    assert enlargement(np.zeros((1, 1)), np.zeros((1, 1))) == 1
