"""The ideal dynamics against computations that know no eigenfunctions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import linalg

from analytic import FullyConnected, Network, Residual, kernel, predict
from compare.rho.inputs import Inputs
from compare.rho.points import evaluation_points
from compare.rho.targets import Target
from compare.theory.ideal_dynamics import reference

NETWORK = Network(FullyConnected("tanh", weight_std=2.0), Residual(FullyConnected("softplus")))
TIMES = np.array([0.0, 0.3, 2.0, 20.0])


@pytest.mark.parametrize("target", [Target.smooth(2), Target.harmonic((0, 2, 3), 2, seed=1)])
def test_on_the_circle_it_is_kernel_gradient_flow_on_very_many_points(target: Target) -> None:
    points = evaluation_points(Inputs.sphere(2), 32)
    many = evaluation_points(Inputs.sphere(2), 600, seed=5).x
    seen = reference(NETWORK, Inputs.sphere(2), target, points)
    flow = predict(
        kernel(NETWORK, many), kernel(NETWORK, points.x, many), target(many), t=TIMES
    ) - target(points.x)
    assert_allclose(seen.flow(TIMES), flow, atol=1e-8)


def test_callables_and_ridges_give_the_same() -> None:
    target, inputs = Target.smooth(3, seed=4), Inputs.sphere(3)
    points = evaluation_points(inputs, 100)
    exact = reference(NETWORK, inputs, target, points)
    numeric = reference(NETWORK, inputs, Target.of(lambda x: target(x), inputs), points)
    assert_allclose(numeric.flow(TIMES), exact.flow(TIMES), atol=1e-9)
    assert_allclose(numeric.energies, exact.energies, atol=1e-12)


def test_a_step_has_the_coefficients_of_its_fourier_series() -> None:
    points = evaluation_points(Inputs.sphere(2), 64)
    seen = reference(NETWORK, Inputs.sphere(2), Target.step(), points)
    for label, energy in zip(seen.labels, seen.energies, strict=True):
        k = int(label.split()[1])
        expected = 8 / (np.pi * k) ** 2 if k % 2 else 0.0  # of sign(cos)
        assert energy == pytest.approx(expected, abs=1e-12)


def test_on_a_population_it_is_a_matrix_exponential(rng: np.random.Generator) -> None:
    x, f = rng.standard_normal((30, 4)), rng.standard_normal(30)
    inputs = Inputs.array(x)
    seen = reference(NETWORK, inputs, Target.of(f, inputs), evaluation_points(inputs, 30))
    k = kernel(NETWORK, x)
    for t, values in zip(TIMES, seen.flow(TIMES), strict=True):
        assert_allclose(values, -linalg.expm(-k / 30 * t) @ f, atol=1e-8)


def test_asking_for_eigenspaces_in_the_noise_names_the_last_good_one() -> None:
    points = evaluation_points(Inputs.sphere(2), 256)
    network = Network(FullyConnected("softplus"), FullyConnected("softplus"))
    seen = reference(network, Inputs.sphere(2), Target.step(), points)
    last = len(seen.eigenvalues)
    assert last < 40
    assert len(seen.leading(3).labels) == 3
    with pytest.raises(
        ValueError, match=rf"expected from 1 to {last} eigenspaces, got 99: .*degree"
    ):
        seen.leading(99)
