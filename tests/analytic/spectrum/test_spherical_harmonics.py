"""Spherical harmonics and the rules that integrate against them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import eval_gegenbauer, eval_legendre

from analytic.spectrum.spherical_harmonics import (
    gauss,
    harmonics,
    legendre,
    multiplicity,
    product_rule,
)


def _sphere(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    y = rng.standard_normal((n, d))
    return y / np.linalg.norm(y, axis=1)[:, None]


def _moment(d: int, power: int) -> float:
    """E t^power: (power - 1)!!/(d (d + 2) ... (d + power - 2))."""
    if power % 2:
        return 0.0
    k = np.arange(1, power // 2 + 1)
    return float(np.prod((2 * k - 1) / (d + 2 * k - 2)))


@pytest.mark.parametrize("d", [2, 3, 4, 7, 784])
@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_gauss_is_exact_to_its_degree_and_no_further(d: int, count: int) -> None:
    nodes, weights = gauss(d, count)
    assert np.all(weights > 0)
    for power in range(2 * count):
        exact = _moment(d, power)
        size = _moment(d, power + power % 2)
        assert abs(weights @ nodes**power - exact) <= 1e-13 * size
    assert weights @ nodes ** (2 * count) < _moment(d, 2 * count) * (1 - 1e-7)


@pytest.mark.parametrize("d", [3, 10])
def test_long_rules_keep_their_accuracy(d: int) -> None:
    nodes, weights = gauss(d, 1200)
    for power in (2, 40, 600):
        assert_allclose(weights @ nodes**power, _moment(d, power), rtol=1e-12)


def test_zonal_polynomials_agree_with_other_libraries() -> None:
    t = np.linspace(-1, 1, 101)
    assert_allclose(legendre(2, 40, t), np.cos(np.outer(np.arange(40), np.arccos(t))), atol=1e-13)
    assert_allclose(legendre(3, 30, t), [eval_legendre(k, t) for k in range(30)], atol=1e-13)
    for d in (4, 9):
        exact = [
            eval_gegenbauer(k, d / 2 - 1, t) / eval_gegenbauer(k, d / 2 - 1, 1.0) for k in range(9)
        ]
        assert_allclose(legendre(d, 9, t), exact, atol=1e-13)


@pytest.mark.parametrize(("d", "degrees"), [(2, 40), (3, 15), (4, 7), (5, 5), (7, 4)])
def test_harmonics_obey_the_addition_theorem(
    d: int, degrees: int, rng: np.random.Generator
) -> None:
    """Which fixes the space, the normalisation and the number of functions at once."""
    y = _sphere(rng, 9, d)
    y[0], y[1] = np.eye(d)[-1], -np.eye(d)[0]
    zonal = legendre(d, degrees, (y @ y.T).ravel()).reshape(degrees, 9, 9)
    for k, found in enumerate(harmonics(d, degrees, y)):
        size = multiplicity(d, k)
        assert found.shape == (9, size)
        assert_allclose(found @ found.T, size * zonal[k], atol=1e-12 * size)


@pytest.mark.parametrize(("d", "degrees"), [(2, 20), (3, 9), (4, 5), (5, 4)])
def test_the_product_rule_makes_harmonics_orthonormal(d: int, degrees: int) -> None:
    points, weights = product_rule(d, degrees)
    found = np.concatenate(harmonics(d, degrees, points), axis=1)
    gram = found.T @ (weights[:, None] * found)
    assert_allclose(gram, np.eye(found.shape[1]), atol=1e-12)
    short, few = product_rule(d, degrees - 1)
    aliased = harmonics(d, degrees, short)[-1]
    assert np.abs(aliased.T @ (few[:, None] * aliased) - np.eye(aliased.shape[1])).max() > 0.1


def test_multiplicities_count_the_polynomials() -> None:
    """Degrees k, k - 2, ... together are the monomials of degree k in d variables."""
    assert [multiplicity(2, k) for k in range(5)] == [1, 2, 2, 2, 2]
    for d, k, monomials in ((3, 6, 28), (5, 4, 70), (784, 2, 784 * 785 // 2)):
        assert sum(multiplicity(d, j) for j in range(k, -1, -2)) == monomials
