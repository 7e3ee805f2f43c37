"""Funk-Hecke integrals of known functions of the correlation."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from analytic import AccuracyError
from analytic.spectrum.angular_profile import Profile, funk_hecke


def poisson(d: int, r: float, noise: float = 0.0) -> Profile:
    """sum_k r^k N_k P_k = (1 - r^2)/(1 - 2 r t + r^2)^(d/2): the eigenvalues are r^k."""

    def evaluate(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        square = (1 - r) ** 2 + 4 * r * np.sin(angle / 2) ** 2
        value = (1 - r) * (1 + r) / square ** (d / 2)
        wave = noise * np.sign(np.cos(7 * angle))
        return value + wave, 4e-16 * d * value + noise

    return evaluate


@pytest.mark.parametrize("degrees", [1, 12, 90])
@pytest.mark.parametrize(("d", "r"), [(2, 0.5), (2, 0.93), (3, 0.8), (5, 0.6), (40, 0.2)])
def test_the_poisson_kernel_has_powers_as_eigenvalues(d: int, r: float, degrees: int) -> None:
    found = funk_hecke(poisson(d, r), d, degrees, 1e-9)
    assert found.certified
    assert np.all(np.abs(found.eigenvalues - r ** np.arange(degrees)) <= found.error)
    assert np.all(found.error <= 1e-11 * found.trace[0])
    square = (1 + r**2) / (1 - r**2) ** (d - 1)  # the same kernel with r^2
    assert abs(found.square[0] - square) <= found.square[1] <= 1e-9 * square


def test_errors_of_the_kernel_are_counted() -> None:
    found = funk_hecke(poisson(3, 0.5, noise=1e-7), 3, 20, 1e-4)
    difference = np.abs(found.eigenvalues - 0.5 ** np.arange(20))
    assert np.all(difference <= found.error)
    assert difference.max() > 1e-8
    clean = funk_hecke(poisson(3, 0.5), 3, 20, 1e-4)
    assert clean.error.max() < 1e-3 * found.error.min()


@pytest.mark.parametrize("power", [100, 5000])
def test_the_bound_counts_what_the_series_leaves_out(power: int) -> None:
    """t^power on the circle: eigenvalue binom(power, (power - k)/2)/2^power."""

    def evaluate(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = np.cos(angle) ** power
        return value, 4e-16 * power * np.abs(value)

    found = funk_hecke(evaluate, 2, 40, 1e-6)
    exact = [
        float(mpmath.binomial(power, (power - k) // 2) / mpmath.mpf(2) ** power) * (k % 2 == 0)
        for k in range(40)
    ]
    assert np.all(np.abs(found.eigenvalues - exact) <= found.error)


def test_a_square_root_at_one_is_integrated_in_the_angle() -> None:
    """f = 1 - sqrt((1 - t)/2); on the circle sigma_k = 2/(pi (4 k^2 - 1)), sigma_0 = 1 - 2/pi."""

    def evaluate(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = 1 - np.sin(angle / 2)
        return value, np.full_like(value, 2e-16)

    found = funk_hecke(evaluate, 2, 300, 1e-10)
    k = np.arange(300)
    exact = 2 / (np.pi * (4.0 * k**2 - 1)) + (k == 0)
    assert not found.certified
    assert np.all(np.abs(found.eigenvalues - exact) <= found.error)
    assert found.error.max() < 1e-12


def test_errors_of_the_kernel_are_counted_in_the_angle_too() -> None:
    """An error that no doubling shows: the function is another one, 1e-7 cos angle away."""

    def evaluate(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 1 - np.sin(angle / 2) + 1e-7 * np.cos(angle), np.full_like(angle, 1e-7)

    found = funk_hecke(evaluate, 2, 5, 1e-5)
    miss = abs(found.eigenvalues[1] - 2 / (3 * np.pi))
    assert not found.certified
    assert 0.4e-7 < miss <= found.error[1] < 2e-7


def test_a_function_that_is_too_rough_is_refused_with_the_best_values() -> None:
    def evaluate(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (angle < 1e-3) + 0.5 * np.cos(angle) + 0.5, np.full_like(angle, 1e-15)

    with pytest.raises(AccuracyError, match="expected eigenvalues within") as caught:
        funk_hecke(evaluate, 2, 5, 1e-10)
    assert caught.value.estimate is not None
    assert abs(caught.value.estimate.value[1] - 0.25) < 1e-2
