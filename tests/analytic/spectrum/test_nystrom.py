"""T_K from samples and populations: against spheres, matrix exponentials and repeated draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm

from analytic import (
    Convolution,
    Eigenspaces,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    kernel,
    nystrom,
    sphere_spectrum,
)
from analytic.spectrum.operator import grouped

F = FullyConnected
DEEP = Network(*[F("tanh", weight_std=3)] * 3)


def _circle(n: int) -> np.ndarray:
    angle = 2 * np.pi * np.arange(n) / n
    return np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _draw(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.standard_normal((n, d))
    return np.sqrt(d) * x / np.linalg.norm(x, axis=1)[:, None]


@pytest.fixture(scope="module")
def fine() -> Eigenspaces:
    return sphere_spectrum(DEEP, 2, 200).eigenspaces()


def test_equispaced_points_alias_the_spectrum_of_the_circle() -> None:
    """K/n is circulant: its eigenvalues are sums of sigma_j over j = k mod n, both signs."""
    n, series = 32, sphere_spectrum(DEEP, 2, 200).eigenvalues
    found = nystrom(DEEP, _circle(n), population=True, tolerance=1e-11)
    exact = [
        sum(series[j] for j in range(200) if j % n == k)
        + sum(series[j] for j in range(1, 200) if -j % n == k)
        for k in range(1, 16, 2)
    ]
    assert found.multiplicities.tolist() == [2] * 8
    assert found.last == 8
    assert_allclose(found.eigenvalues, exact, rtol=0, atol=3e-11 * series.sum())
    assert np.all(found.errors <= 1e-10 * series.sum())


def test_extended_eigenfunctions_are_those_of_the_circle(
    fine: Eigenspaces, rng: np.random.Generator
) -> None:
    """As projections, since a basis of an eigenspace is a choice; aliasing is below 1e-12."""
    found, x = nystrom(DEEP, _circle(160), population=True), _draw(rng, 20, 2)
    for ours, exact in (
        (found.functions(x), fine.functions(x)),
        (found.functions(_circle(160)), fine.functions(_circle(160))),
    ):
        for k in range(5):
            a, b = ours[:, 2 * k : 2 * k + 2], exact[:, 2 * k : 2 * k + 2]
            assert_allclose(a @ a.T, b @ b.T, atol=1e-7)


def test_the_flow_off_the_sample_is_that_of_the_circle(
    fine: Eigenspaces, rng: np.random.Generator
) -> None:
    target = lambda x: np.exp(x[:, 0]) * x[:, 1]  # noqa: E731
    found, x = nystrom(DEEP, _circle(160), population=True), _draw(rng, 20, 2)
    times = np.array([0.0, 0.5, 10.0])
    difference = found.decay(target, times, x) - fine.decay(target, times, x)
    assert np.abs(difference).max() < 1e-8
    assert_allclose(found.decay(target, times, x)[0], target(x), rtol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_on_a_population_the_flow_is_the_matrix_exponential(
    n: int, rng: np.random.Generator
) -> None:
    network = Network(F("softplus", bias_std=0.5), F("tanh"))
    x, g = rng.standard_normal((n, 3)), rng.standard_normal(n)
    found = nystrom(network, x, population=True)
    gram = kernel(network, x)
    for t in (0.0, 3.0, 1e3):
        exact = expm(-gram / n * t) @ g
        assert_allclose(found.decay(g, t)[0], exact, atol=1e-6 * np.abs(g).max())
    values = np.linalg.eigvalsh(gram / n)[::-1]
    each = np.repeat(found.eigenvalues, found.multiplicities)
    assert_allclose(each, values[: len(each)], atol=2 * found.errors.max())
    phi = found.functions(x)
    assert_allclose(phi[:, :1].T @ phi[:, :1] / n, [[1.0]], rtol=1e-9)
    assert found.rest >= max(values[len(each) :], default=0.0)


def test_what_is_neglected_is_bounded(fine: Eigenspaces, rng: np.random.Generator) -> None:
    """A truncated flow against the full one, for a target just beyond."""
    few = sphere_spectrum(DEEP, 2, 200).eigenspaces(3)
    x, weights = fine.basis.rule()
    angle = np.arctan2(x[:, 1], x[:, 0])
    g = np.cos(3 * angle) + np.cos(7 * angle) + np.sin(9 * angle)
    coefficients = few.coefficients(g)
    outside = np.sqrt(g**2 @ weights - coefficients @ coefficients)
    times = np.array([0.1, 1.0, 5.0, 100.0])
    gap = few.decay(g, times) - fine.decay(g, times)
    norms = np.sqrt(gap**2 @ weights)
    bound = few.neglected(float(outside), times)
    assert np.all(norms <= bound)
    assert norms[0] > 0.7 * bound[0]


def test_eigenvalues_below_the_tolerance_are_left_out_and_bounded(
    rng: np.random.Generator,
) -> None:
    x, g = rng.standard_normal((50, 6)), rng.standard_normal(50)
    scaled = x * [10.0, 5, 2, 0.3, 0.1, 0.05]
    found = nystrom(lambda a, b: a @ b.T, scaled, population=True, tolerance=0.01)
    exact = np.linalg.eigvalsh(scaled @ scaled.T / 50)[::-1]
    assert found.multiplicities.sum() == 3
    assert exact[3] < found.rest < exact[2]
    times = np.array([1.0, 10.0])
    flow = np.stack([expm(-scaled @ scaled.T / 50 * t) @ g for t in times])
    known = found.coefficients(g)
    outside = float(np.sqrt(np.mean(g**2) - known @ known))
    norms = np.sqrt(np.mean((found.decay(g, times) - flow) ** 2, axis=1))
    assert np.all(norms <= found.neglected(outside, times))
    assert norms[0] > 0


def test_energies_are_the_squared_norms_of_projections(fine: Eigenspaces) -> None:
    x, weights = fine.basis.rule()
    g = np.stack([np.sign(x[:, 0]), np.abs(x[:, 1]) ** 3 + x[:, 0]])
    energy = fine.energy(fine.coefficients(g))
    for k in (1, 4, fine.last):
        norms = fine.project(k, g) ** 2 @ weights
        assert_allclose(energy[:, :k].sum(axis=1), norms, rtol=1e-10)
    assert_allclose(energy[0, 0], 8 / np.pi**2, rtol=1e-5)  # of the square wave


def test_a_sample_of_values_stands_for_the_integral(
    fine: Eigenspaces, rng: np.random.Generator
) -> None:
    x = _draw(rng, 4000, 2)
    g = lambda x: np.exp(x[:, 0])  # noqa: E731
    products = g(x)[:, None] * fine.functions(x)[:, :8]
    error = products.std(axis=0) / np.sqrt(len(x))
    sampled = fine.coefficients(g(x), x)[:8]
    assert np.all(np.abs(sampled - fine.coefficients(g)[:8]) < 4 * error)
    same = fine.decay(g(x), [2.0], x)
    assert_allclose(fine.decay(g, [2.0], x, coefficients=fine.coefficients(g(x), x)), same)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "n"), [(2, 240), (3, 400)])
def test_errors_hold_in_repeated_draws(d: int, n: int, rng: np.random.Generator) -> None:
    """Two standard errors and the bias: at least 90 % of the eigenvalues are within them."""
    exact = sphere_spectrum(DEEP, d, 60).eigenspaces()
    inside, sizes = [], []
    for draw in range(40):
        found = nystrom(DEEP, _draw(rng, n, d), tolerance=1e-8, seed=draw)
        ends, true_ends = np.cumsum(found.multiplicities), np.cumsum(exact.multiplicities)
        for i in range(found.last):
            assert ends[i] in true_ends  # no eigenspace of the sphere was torn apart
            if found.multiplicities[i] == exact.multiplicities[i] and ends[i] == true_ends[i]:
                miss = abs(found.eigenvalues[i] - exact.eigenvalues[i])
                inside.append(miss <= found.errors[i])
                sizes.append(miss / found.errors[i])
    assert len(inside) >= 40
    assert np.mean(inside) > 0.9
    assert np.sqrt(np.mean(np.square(sizes))) > 0.2  # and they are not needlessly wide


def test_errors_shrink_with_the_sample(rng: np.random.Generator) -> None:
    """Like n^(-1/2); on spheres like 1/n, for sum phi^2 over an eigenspace is constant."""
    plain = Network(F("softplus"))
    for network, draw, low, high in (
        (plain, lambda n: rng.standard_normal((n, 3)), 1.2, 2.4),
        (DEEP, lambda n: _draw(rng, n, 3), 2.4, 4.2),
    ):
        small, large = (
            np.mean([nystrom(network, draw(n), tolerance=1e-8).errors[0] for _ in range(6)])
            for n in (160, 480)
        )
        assert low < small / large < high


def test_a_sample_says_where_its_trust_ends(rng: np.random.Generator) -> None:
    found = nystrom(DEEP, _draw(rng, 200, 2))
    assert 2 <= found.last < len(found.eigenvalues)
    assert np.all(np.diff(found.eigenvalues) < 0)
    assert np.all(found.multiplicities[found.last :] == 1)
    message = f"expected k from 1 to {found.last}, the last trustworthy eigenspace"
    with pytest.raises(ValueError, match=message):
        found.project(found.last + 1, np.ones(200))


def test_images_have_spectra_too(rng: np.random.Generator) -> None:
    network = Network(Convolution("tanh", 3), GlobalAveragePooling())
    x = rng.standard_normal((30, 1, 6))
    found = nystrom(network, x, population=True)
    exact = expm(-kernel(network, x) / 30 * 7.0) @ x[:, 0, 0]
    assert_allclose(found.decay(x[:, 0, 0], [7.0])[0], exact, atol=1e-7)
    assert found.functions(x[:2]).shape == (2, found.multiplicities.sum())


def test_values_that_cannot_be_told_apart_stay_together() -> None:
    values, errors = np.array([5.0, 4.5, 4.2, 2.0, 1.9]), np.array([0.3, 0.3, 0.1, 0.1, 0.02])
    assert grouped(values, errors) == [slice(0, 3), slice(3, 5)]
    assert grouped(values, errors / 10) == [slice(i, i + 1) for i in range(5)]
    assert grouped(values[:1], errors[:1]) == [slice(0, 1)]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"network": "tanh"}, TypeError, "expected a Network or a function"),
        ({"network": lambda a, b: np.ones(3)}, ValueError, r"expected a kernel of shape \(8, 8\)"),
        ({"network": lambda a, b: np.tri(8)}, ValueError, "expected a symmetric kernel"),
        ({"network": lambda a, b: -np.eye(8)}, ValueError, "expected a positive semi-definite"),
        ({"network": lambda a, b: np.zeros((8, 8))}, ValueError, "kernel that is not 0"),
        ({"network": lambda a, b: np.full((8, 8), np.nan)}, ValueError, "expected finite values"),
        ({"x": np.ones((3, 2))}, ValueError, "expected at least 4 points"),
        ({"x": np.ones(8)}, ValueError, r"points of shape \(n, ...\), got shape \(8,\)"),
        ({"x": np.full((8, 2), np.inf)}, ValueError, "expected finite points"),
        ({"tolerance": 0.0}, ValueError, "expected a tolerance"),
        ({"splits": 0}, ValueError, "expected at least one split"),
    ],
)
def test_bad_input_gets_one_sentence(change: dict, error: type[Exception], message: str) -> None:
    arguments = {"network": DEEP, "x": _circle(8)} | change
    with pytest.raises(error, match=message):
        nystrom(arguments.pop("network"), arguments.pop("x"), **arguments)


def test_flows_refuse_what_does_not_fit(fine: Eigenspaces) -> None:
    x = _circle(6)
    with pytest.raises(ValueError, match=r"expected values of shape \(..., 6\)"):
        fine.decay(np.ones(5), [1.0], x)
    with pytest.raises(ValueError, match="expected times >= 0"):
        fine.decay(np.ones(6), [-1.0], x)
    with pytest.raises(ValueError, match="coefficients, one for each function, got shape"):
        fine.decay(np.ones(6), [1.0], x, coefficients=[1.0])
