"""Targets: what they are, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from compare.rho.inputs import Inputs
from compare.rho.points import evaluation_points
from compare.rho.targets import Target


@pytest.mark.parametrize("dimension", [2, 3])
def test_harmonics_are_orthonormal(dimension: int) -> None:
    points = evaluation_points(Inputs.sphere(dimension), 2000)
    values = np.array([Target.harmonic(k, dimension)(points.x) for k in range(5)])
    gram = (values * points.weights) @ values.T
    assert_allclose(gram, np.eye(5), atol=1e-12)


def test_a_harmonic_is_legendres_polynomial_in_three_dimensions(rng: np.random.Generator) -> None:
    x = Inputs.sphere(3).sample(20)
    expected = np.sqrt(7) * special.eval_legendre(3, x[:, 0] / np.sqrt(3))
    assert_allclose(Target.harmonic(3, 3)(x), expected, rtol=1e-12)


def test_axes_change_a_harmonic_but_not_its_norm() -> None:
    points = evaluation_points(Inputs.sphere(2), 100)
    one, other = Target.harmonic((1, 4), 2), Target.harmonic((1, 4), 2, seed=3)
    assert np.abs(one(points.x) - other(points.x)).max() > 0.1
    assert points.square_norms(other(points.x)) == pytest.approx(2, rel=1e-12)


def test_a_smooth_target_stays_below_its_bound() -> None:
    f = Target.smooth(5, seed=2, waves=4)
    assert np.abs(f(Inputs.sphere(5).sample(5000))).max() <= 2
    assert f.name == "smooth(seed=2)"


def test_labels_of_the_digits() -> None:
    from sklearn.datasets import load_digits

    digits = np.asarray(load_digits(return_X_y=True)[1])
    inputs = Inputs.digits()
    assert set(Target.parity().on_population(inputs)[digits == 3]) == {1.0}
    assert set(Target.parity().on_population(inputs)[digits == 8]) == {-1.0}
    assert Target.digit(4).on_population(inputs).sum() == np.sum(digits == 4)


def test_callables_and_values_are_targets() -> None:
    inputs = Inputs.array(np.eye(3))
    assert Target.of(lambda x: x[:, 1], inputs).on_population(inputs).tolist() == [0, 1, 0]
    assert Target.of([1, 2, 3], inputs).on_population(inputs).tolist() == [1, 2, 3]


def spike(x: np.ndarray) -> np.ndarray:
    return np.exp(-1e4 * (x[:, 0] - 1) ** 2)


def test_a_bounded_spike_is_not_mistaken_for_an_unbounded_target() -> None:
    Target.of(spike, Inputs.sphere(2))


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        (lambda x: x, ValueError, r"expected a target with 1024 values, .* got shape \(1024, 2\)"),
        (lambda x: np.full(len(x), np.nan), ValueError, "expected a bounded target, got nan"),
        (lambda x: 1 / x[:, 0], ValueError, r"expected a bounded target, got \|f\*\| = .* near"),
        (lambda x: ["a"] * len(x), TypeError, "real numbers as values"),
        ([1.0, 2.0], TypeError, "expected a function as target on sphere"),
    ],
)
def test_bad_targets_are_refused(target: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        Target.of(target, Inputs.sphere(2))


def test_values_must_fit_the_population() -> None:
    with pytest.raises(ValueError, match="expected a target with 3 values"):
        Target.of([1.0, 2.0], Inputs.array(np.eye(3)))
    with pytest.raises(ValueError, match="expected a digit from 0 to 9, got 10"):
        Target.digit(10)
    with pytest.raises(ValueError, match="known on their population only"):
        Target.parity()(np.eye(3))
