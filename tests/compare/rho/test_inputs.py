"""Input distributions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compare import Inputs


def test_digits_lie_on_the_sphere_by_default() -> None:
    digits = Inputs.digits()
    x = digits.sample(1797)
    assert (digits.shape, digits.population) == ((64,), 1797)
    assert "sphere" in digits.name
    assert_allclose(np.mean(x**2, axis=1), 1, rtol=1e-14)


def test_digits_as_images_and_as_pixels() -> None:
    images = Inputs.digits(flat=False, scale="pixels")
    x = images.sample(5)
    assert x.shape == (5, 1, 8, 8)
    assert x.min() >= 0
    assert x.max() <= 1
    assert_array_equal(x.reshape(5, 64), Inputs.digits(scale="pixels").sample(5))
    with pytest.raises(ValueError, match="expected scale 'sphere' or 'pixels', got 'unit'"):
        Inputs.digits(scale="unit")  # pyright: ignore[reportArgumentType]


def test_a_population_is_sampled_without_replacement() -> None:
    x = np.arange(20.0).reshape(10, 2)
    inputs = Inputs.array(x)
    assert_array_equal(np.sort(inputs.sample(10, seed=3), axis=0), x)
    assert_array_equal(inputs.sample(4, seed=5), inputs.sample(4, seed=5))
    with pytest.raises(ValueError, match="at least 1 input and at most 10, got 11"):
        inputs.sample(11)


def test_the_sphere_is_uniform() -> None:
    x = Inputs.sphere(3).sample(20000)
    assert Inputs.sphere(3).population is None
    assert_allclose(np.sum(x**2, axis=1), 3, rtol=1e-14)
    moments = x.T @ x / len(x)  # identity; the variance of x_i^2 is 9 (1/5 - 1/9)
    assert np.all(np.abs(moments - np.eye(3)) < 4 * np.sqrt(0.8 / len(x)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Inputs.sphere(0), "dimension of at least 1"),
        (lambda: Inputs.array(np.ones(3)), r"expected inputs of shape \(n, ...\)"),
        (lambda: Inputs.array(np.empty((0, 3))), r"got \(0, 3\)"),
        (lambda: Inputs.array([[1.0], [np.inf]]), "first in row 1"),
        (lambda: Inputs.sphere(2).sample(0), "at least 1 input"),
    ],
)
def test_bad_inputs_are_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()
