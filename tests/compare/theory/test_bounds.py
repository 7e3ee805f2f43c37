"""The inequalities as functions of arrays."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from analytic import FullyConnected, Network, sphere_spectrum
from compare.rho.inputs import Inputs
from compare.rho.points import evaluation_points
from compare.rho.targets import Target
from compare.theory.bounds import mode_factor, smallest_epsilon, stopping_times, theorem
from compare.theory.ideal_dynamics import reference
from compare.theory.rkhs import ideal_decay


def test_the_factor_keeps_its_digits_for_tiny_eigenvalues() -> None:
    for sigma in (1e-300, 1e-12, 1e-6, 0.3, 50.0):
        with mpmath.workdps(400):
            exact = float((1 - mpmath.exp(-mpmath.mpf(sigma) * 2)) / mpmath.mpf(sigma))
        assert_allclose(mode_factor([sigma], [2.0]), exact, rtol=1e-14)


def test_the_smallest_epsilon_makes_every_inequality_true_and_no_less_does(
    rng: np.random.Generator,
) -> None:
    times, sigma = np.array([0.0, 0.5, 1.0, 4.0]), np.array([2.0, 0.7, 0.1])
    spaces = rng.uniform(0, 1, (5, 4, 3))
    spaces[:, 0] = 0
    total = spaces.sum(axis=-1) + rng.uniform(0, 1, (5, 4)) * (times > 0)
    distance = np.full(5, 0.01)
    sides = theorem(times, sigma, spaces, total, 0.9, distance)
    epsilon = sides.epsilon[:, -1]
    assert np.all(epsilon > 0)
    enough = sides.right + sides.factor * epsilon[:, None, None] * (1 + 1e-12)
    assert np.all(sides.left <= enough)
    less = sides.right + sides.factor * epsilon[:, None, None] * (1 - 1e-6)
    assert np.all(np.any(sides.left > less, axis=(1, 2)))
    assert np.all(np.diff(sides.epsilon, axis=1) >= 0)


def test_the_sides_are_those_of_the_paper() -> None:
    sides = theorem(
        np.array([3.0]), np.array([0.5]), np.array([[0.2]]), np.array([0.6]), 2.0, np.array(0.01)
    )
    first = ((1 - np.exp(-1.5)) / 0.5) ** 2 * 4 * 4 * 0.01
    assert_allclose(sides.left, [[0.2, 0.6]])
    assert_allclose(sides.right, [[first, 9 * 4 * 4 * 0.01]], rtol=1e-14)
    assert smallest_epsilon(np.array([[-1.0]]), np.array([[1.0]])).tolist() == [0.0]


def test_at_the_stopping_time_the_ideal_dynamics_are_down_to_epsilon() -> None:
    stop = stopping_times([2.0, 0.1, 0.0], 3.0, 0.01)
    assert_allclose(3 * np.exp(-np.array([2.0, 0.1]) * stop[:2]), 0.01, rtol=1e-12)
    assert stop[2] == np.inf
    with pytest.raises(ValueError, match="expected epsilon > 0, got 0"):
        stopping_times([1.0], 1.0, 0.0)


NETWORK = Network(FullyConnected("tanh", weight_std=3.0), FullyConnected("tanh", weight_std=3.0))


def exponent(target: Target) -> tuple[float, float]:
    """||f||_H^2, and the slope of log ||exp(-Tt) r_0||^2 late in training."""
    points = evaluation_points(Inputs.sphere(2), 512)
    seen = reference(NETWORK, Inputs.sphere(2), target, points)
    times = np.geomspace(10, 1e4, 40) / seen.eigenvalues[0]
    decay = ideal_decay(seen.eigenvalues, seen.energies, seen.square_norm, times)
    slope = np.polyfit(np.log(times), np.log(decay.values), 1)[0]
    return decay.square_norm, float(slope)


def test_targets_of_the_kernels_space_decay_like_one_over_t() -> None:
    spectrum = sphere_spectrum(NETWORK, 2, 60)
    degrees = np.flatnonzero(spectrum.eigenvalues > 10 * spectrum.error)
    sigma = spectrum.eigenvalues[degrees]
    weights = sigma**0.5 / degrees  # ||f||_H^2 = sum 1/degree^2: barely inside
    ridges = [Target.harmonic(int(k), 2, float(a)) for k, a in zip(degrees, weights, strict=True)]
    inside = Target("inside", tuple(t.ridges[0] for t in ridges))
    norm, slope = exponent(inside)
    assert norm == pytest.approx(float(np.sum(1.0 / degrees**2)), rel=1e-6)
    assert slope < -1
    outside, slow = exponent(Target.step())
    assert outside == np.inf
    assert slow > -0.5  # the step is not in the space, and decays more slowly


def test_the_bound_of_the_kernels_space_holds_and_is_sharp() -> None:
    times = np.linspace(0.05, 40, 4000)
    decay = ideal_decay([0.5], [2.0], 2.0, times)
    assert decay.square_norm == 4
    assert 0.999 < decay.ratio <= 1
    assert ideal_decay([2.0, 0.01], [1.0, 3.0], 4.0, times).ratio < 1
