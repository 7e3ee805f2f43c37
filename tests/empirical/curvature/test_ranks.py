"""Effective ranks, and the covering number against what geometry says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from empirical import effective_rank, log_covering_number, participation_ratio, stable_rank

SPECTRA = {
    "one": [1.0],
    "power": [1.0 / k**2 for k in range(1, 40)],
    "flat": [1.0] * 6,
    "geometric": [4.0**-k for k in range(20)],
}


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_the_effective_rank_counts_square_roots_above_the_scale(kind: Callable[..., Any]) -> None:
    power = kind(SPECTRA["power"])  # the roots are 1/k
    assert [effective_rank(power, scale) for scale in (0.0, 0.101, 0.4, 0.99, 1.0)] == [
        39, 9, 2, 1, 0,
    ]  # fmt: skip


def test_ranks_of_spectra_whose_ranks_are_known() -> None:
    assert stable_rank([2.0] * 6) == participation_ratio([2.0] * 6) == 6.0
    k = np.arange(400)
    assert_allclose(stable_rank(0.5**k), 2.0, rtol=1e-15)
    assert_allclose(participation_ratio(0.5**k), 3.0, rtol=1e-15)  # (1 + q)/(1 - q)
    tiny = np.array([1.0, 1.0]) * 1e-200  # squares underflow
    assert participation_ratio(tiny) == 2.0


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("epsilon", [1.2, 0.5, 0.1, 0.01])
def test_the_covering_number_is_above_the_volume_bound(spectrum: str, epsilon: float) -> None:
    """N balls in the first k axes cover the ellipsoid only if N epsilon^k >= a_1 ... a_k."""
    axes = 3 * np.sqrt(SPECTRA[spectrum])
    volume = max(0.0, float(np.cumsum(np.log(axes / epsilon)).max()))
    found = log_covering_number(SPECTRA[spectrum], radius=3.0, epsilon=epsilon)
    assert volume <= found
    terms = effective_rank(SPECTRA[spectrum], 0.75 * epsilon / 3)
    largest = 0.5 * math.log(2 + 128 / 7 * 9 * SPECTRA[spectrum][0] / epsilon**2)
    assert found <= terms * largest * (1 + 1e-14)
    assert (found == 0) == (terms == 0)


@pytest.mark.parametrize("epsilon", [0.9, 0.5, 0.3])
def test_a_maximal_packing_has_no_more_points_than_the_bound(epsilon: float) -> None:
    """Points of an ellipse, each sqrt(7)/4 epsilon from the others, cover it where axes are cut."""
    generator = np.random.default_rng(0)
    axes = np.array([2.0, 1.0, 0.5 * epsilon])
    sphere = generator.standard_normal((6000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    points = sphere * generator.random((6000, 1)) ** (1 / 3) * axes
    kept: list[np.ndarray] = []
    for point in points * [1, 1, 0]:
        if all(np.linalg.norm(point - q) > math.sqrt(7) / 4 * epsilon for q in kept):
            kept.append(point)
    distances = np.linalg.norm(points[:, None] - np.array(kept)[None], axis=2).min(axis=1)
    assert distances.max() <= epsilon
    bound = log_covering_number(axes**2, radius=1.0, epsilon=epsilon)
    assert 1 < len(kept) <= math.exp(bound)


def test_an_interval_is_covered_by_as_many_balls_as_are_needed() -> None:
    for epsilon in (0.9, 0.3, 0.01):
        exact = math.log(math.ceil(1 / epsilon))  # the interval [-1, 1]
        found = log_covering_number([1.0], radius=1.0, epsilon=epsilon)
        assert exact <= found <= exact + math.log(5)  # sqrt(128/7) = 4.3 at worst


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: effective_rank([1.0], -0.1), "scale of at least 0, got -0.1"),
        (lambda: effective_rank([1.0], math.nan), "scale of at least 0, got nan"),
        (lambda: effective_rank([1.0, math.nan], 0.1), "finite eigenvalues, got NaN"),
        (lambda: effective_rank([], 0.1), "finite eigenvalues, got none"),
        (lambda: stable_rank([0.0, 0.0]), "expected a positive eigenvalue, got none"),
        (lambda: log_covering_number([1.0], -1.0, 0.1), "radius of at least 0, got -1.0"),
        (lambda: log_covering_number([1.0], 1.0, 0.0), "expected a positive epsilon, got 0.0"),
    ],
)
def test_bad_input_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()
