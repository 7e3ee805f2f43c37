"""Evaluation points: quadrature alone, and estimates without bias."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare.rho.inputs import Inputs
from compare.rho.points import evaluation_points, sphere_dimension


def moment(powers: tuple[int, ...]) -> float:
    """E of a monomial of even powers on the unit sphere of three dimensions."""
    if any(p % 2 for p in powers):
        return 0.0
    top = math.prod(math.gamma((p + 1) / 2) for p in powers)
    return 2 * top / math.gamma((sum(powers) + 3) / 2) / (4 * math.pi)


def test_the_rule_on_the_sphere_is_exact_up_to_twice_its_degree() -> None:
    points = evaluation_points(Inputs.sphere(3), 32)
    assert points.degree == 3
    y = points.x / np.sqrt(3)
    for a in range(8):
        for b in range(8 - a):
            for c in range(8 - a - b):
                value = points.weights @ (y[:, 0] ** a * y[:, 1] ** b * y[:, 2] ** c)
                assert value == pytest.approx(moment((a, b, c)), abs=1e-14)
    assert abs(points.weights @ y[:, 2] ** 8 - moment((0, 0, 8))) > 1e-3


def test_the_rule_on_the_circle_is_exact_up_to_its_size() -> None:
    points = evaluation_points(Inputs.sphere(2), 9)
    angle = np.arctan2(points.x[:, 1], points.x[:, 0])
    for k in range(1, 9):
        assert abs(points.weights @ np.exp(1j * k * angle)) < 1e-14
    assert abs(points.weights @ np.exp(9j * angle)) == pytest.approx(1)


def test_projections_from_a_sample_have_no_bias(rng: np.random.Generator) -> None:
    inputs, groups = Inputs.sphere(2), np.array([0, 0])
    estimates, naive = [], []
    base = evaluation_points(Inputs.sphere(5), 20)
    for seed in range(2000):
        angle = 2 * np.pi * np.random.default_rng(seed).uniform(size=20)
        functions = np.sqrt(2) * np.column_stack([np.cos(angle), np.sin(angle)])
        g = np.cos(angle + 1) + 2 * np.cos(3 * angle)  # ||Pi g||^2 = 1/2
        estimates.append(float(base.space_norms(g, functions, groups)[0]))
        naive.append(float(np.sum(base.coefficients(g, functions) ** 2)))
    error = np.std(estimates) / np.sqrt(2000)
    assert abs(np.mean(estimates) - 0.5) < 4 * error
    assert np.mean(naive) - 0.5 > 10 * error  # the plug-in is biased
    assert sphere_dimension(inputs) == 2


def test_a_finite_population_is_itself() -> None:
    inputs = Inputs.array(np.arange(24.0).reshape(12, 2))
    points = evaluation_points(inputs, 100)
    assert points.kind == "population"
    assert inputs.points is not None
    assert_allclose(points.x, inputs.points)
    some = evaluation_points(inputs, 9)
    assert some.kind == "sample"
    assert some.index is not None
    assert inputs.points is not None
    assert_allclose(some.x, inputs.points[some.index])
    with pytest.raises(ValueError, match="expected at least 8 evaluation points, got 4"):
        evaluation_points(inputs, 4)
