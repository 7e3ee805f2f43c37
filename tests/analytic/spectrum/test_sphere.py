"""Eigenvalues of T_K on spheres against closed forms, independent quadrature and identities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import dense
from scipy.special import eval_legendre

from analytic import (
    Convolution,
    Flatten,
    FullyConnected,
    Network,
    Residual,
    kernel_diagonal,
    sphere_spectrum,
)

F, R = FullyConnected, Residual
DEEP = Network(*[F("tanh", weight_std=3)] * 3)
SMOOTH = [
    Network(F("tanh")),
    Network(F("tanh"), F("tanh"), F("tanh")),
    Network(F("softplus"), R(F("softplus"))),
    Network(F("sigmoid", bias_std=0.5), R(F("erf"), F("gelu"))),
]


def half_line(d: int, power: int, degree: int) -> Any:
    """int_0^1 t^power P_degree(t) w(t) dt on S^{d-1}, term by term (Bach 2017, appendix D)."""
    p: list[dict[int, Any]] = [{0: mpmath.mpf(1)}, {1: mpmath.mpf(1)}]
    for k in range(1, degree):
        a, new = d - 2 + k, dict[int, Any]()
        for j, c in p[k].items():
            new[j + 1] = new.get(j + 1, mpmath.mpf(0)) + (a + k) * c / a
        for j, c in p[k - 1].items():
            new[j] = new.get(j, mpmath.mpf(0)) - k * c / a
        p.append(new)
    half = mpmath.mpf(d - 1) / 2
    terms = [c * mpmath.beta(mpmath.mpf(j + power + 1) / 2, half) for j, c in p[degree].items()]
    return mpmath.fsum(terms) / (2 * mpmath.beta(mpmath.mpf(1) / 2, half))


def relu_eigenvalue(d: int, k: int) -> float:
    """One bias-free layer, Sigma + <x, x'>/d D: Bietti and Mairal (2019), proposition 5.

    The weights of a unit have a direction u on the sphere: Sigma is E|w|^2 = d times the
    square of the operator with the kernel max(<u, x>, 0), D that with the step function, and
    t P_k = (k P_{k-1} + (k + d - 2) P_{k+1})/(2 k + d - 2).
    """
    with mpmath.workdps(80):
        value = d * half_line(d, 1, k) ** 2
        if 2 * k + d > 2:
            up = (k + d - 2) * half_line(d, 0, k + 1) ** 2
            down = k * half_line(d, 0, k - 1) ** 2 if k else 0
            value += (up + down) / (2 * k + d - 2)
        else:
            value += half_line(d, 0, 1) ** 2
        return float(value)


@pytest.mark.parametrize("d", [2, 3, 5, 12])
def test_relu_has_the_known_eigenvalues(d: int) -> None:
    found = sphere_spectrum(Network(F("relu")), d, 31)
    exact = np.array([relu_eigenvalue(d, k) for k in range(31)])
    assert np.all(exact[3::2] < 1e-100)  # rounding of 80 digits
    exact[3::2] = 0
    assert np.all(np.abs(found.eigenvalues - exact) <= found.error)
    assert np.all(found.error <= 1e-12)
    assert np.array_equal(np.flatnonzero(found.zeros), np.arange(3, 31, 2))
    assert found.last == 30


def test_relu_on_the_circle_decays_like_the_inverse_square() -> None:
    """sigma_k = (k^2 + 3)/(pi^2 (k^2 - 1)^2) at even k; the identities close with their tails."""
    found = sphere_spectrum(Network(F("relu")), 2, 200)
    k = np.arange(0.0, 200, 2)
    exact = (k**2 + 3) / (np.pi**2 * (k**2 - 1) ** 2)
    assert np.all(np.abs(found.eigenvalues[::2] - exact) <= found.error[::2])
    tail = lambda power: float(  # noqa: E731
        mpmath.nsum(
            lambda j: 2 * ((4 * j**2 + 3) / (mpmath.pi * (4 * j**2 - 1)) ** 2) ** power,
            [100, mpmath.inf],
        )
    )
    assert abs(found.trace_gap - tail(1)) < 1e-10
    assert abs(found.square_gap - tail(2)) < 1e-10


def test_a_linear_network_has_degree_one_alone() -> None:
    for d in (2, 3, 50):
        found = sphere_spectrum(Network(F("identity", weight_std=2), F("identity")), d, 5)
        assert_allclose(found.eigenvalues, [0, 12 / d, 0, 0, 0], rtol=1e-13, atol=0)
        assert found.last == 4
        assert abs(found.trace_gap) < 1e-12
        assert found.eigenspaces().multiplicities.tolist() == [d]


def test_erf_on_the_circle_against_mpmath() -> None:
    """f = 2/pi asin(2 t/3) + 4 t/(pi sqrt(9 - 4 t^2))."""
    found = sphere_spectrum(Network(F("erf")), 2, 8)
    for k in (1, 3, 7):
        with mpmath.workdps(30):

            def integrand(angle: Any, k: int = k) -> Any:
                t = mpmath.cos(angle)
                f = 2 * mpmath.asin(2 * t / 3) + 4 * t / mpmath.sqrt(9 - 4 * t**2)
                return f / mpmath.pi * mpmath.cos(k * angle) / mpmath.pi

            integral: Any = mpmath.quad(integrand, mpmath.linspace(0, mpmath.pi, 9))
            exact = float(integral)
        assert abs(found.eigenvalues[k] - exact) <= found.error[k] < 1e-12
        assert exact > 1e6 * found.error[k]


@pytest.mark.parametrize(
    "network",
    [
        Network(F("erf", weight_std=1.5), R(F("erf", bias_std=0.3)), F("erf")),
        Network(F("relu"), F("relu", bias_std=0.5), R(F("relu"))),
    ],
    ids=repr,
)
def test_deep_networks_against_an_independent_recursion(network: Network) -> None:
    """In R^3, with the closed forms of the duals pair by pair, by Legendre in the angle."""
    dual = dense.arcsine_dual if "erf" in repr(network) else dense.arccosine_dual
    nodes, weights = np.polynomial.legendre.leggauss(200)
    angle = np.pi * (1 + nodes) / 2
    pole = [0.0, 0.0, math.sqrt(3)]
    f = [
        dense.pair_kernel(network, [math.sqrt(3) * math.sin(a), 0.0, math.sqrt(3) * math.cos(a)],
                            pole, dual)[1]
        for a in angle
    ]  # fmt: skip
    found = sphere_spectrum(network, 3, 12)
    for k in range(12):
        exact = weights @ (f * eval_legendre(k, np.cos(angle)) * np.sin(angle)) * np.pi / 4
        assert abs(found.eigenvalues[k] - exact) <= found.error[k] + 1e-14 * found.trace


@pytest.mark.parametrize("network", SMOOTH, ids=repr)
@pytest.mark.parametrize("d", [2, 3])
def test_the_identities_close(network: Network, d: int) -> None:
    found = sphere_spectrum(network, d, 48)
    assert found.trace == pytest.approx(float(kernel_diagonal(network, np.ones((1, d)))[0]))
    trace_floor, square_floor = found.floors
    assert abs(found.trace_gap) <= min(trace_floor, 1e-10 * found.trace)
    assert abs(found.square_gap) <= min(square_floor, 1e-10 * found.square)
    assert found.certified


def test_wide_spectra_close_with_more_degrees() -> None:
    found = sphere_spectrum(DEEP, 2, 160)
    assert abs(found.trace_gap) <= 1e-10 * found.trace
    few = sphere_spectrum(DEEP, 2, 40)
    left_out = found.eigenvalues[40:] @ found.multiplicities[40:]
    assert few.trace_gap == pytest.approx(left_out, rel=1e-6)


def test_in_many_dimensions_the_gap_stays_below_its_floor() -> None:
    found = sphere_spectrum(SMOOTH[2], 784, 9)
    assert abs(found.trace_gap) <= found.floors[0]
    assert found.multiplicities[2] == 784 * 785 // 2 - 1
    assert np.all(found.error * np.sqrt(found.multiplicities) < 1e-11 * found.trace)


@pytest.mark.parametrize("network", [*SMOOTH, DEEP, Network(F("relu"), F("relu"))], ids=repr)
@pytest.mark.parametrize("d", [2, 3, 6])
def test_eigenvalues_of_one_parity_decrease(network: Network, d: int) -> None:
    found = sphere_spectrum(network, d, 30)
    fall = found.eigenvalues[:-2] - found.eigenvalues[2:]
    assert np.all(fall >= -(found.error[:-2] + found.error[2:]))
    assert np.all(found.eigenvalues >= -found.error)


def test_the_known_facts_about_tanh_and_softplus() -> None:
    """Design of the experiments: which eigenspaces can be seen at all."""
    deep = sphere_spectrum(DEEP, 2, 30)
    assert np.all(deep.eigenvalues[::2] == 0)
    assert "0 exactly at every even degree from 0 on" in str(deep)
    assert deep.eigenvalues[11] / deep.eigenvalues[1] == pytest.approx(0.06, abs=0.005)
    one = sphere_spectrum(Network(F("softplus")), 3, 12)
    assert np.all(one.eigenvalues[3::2] == 0)
    assert np.all(one.eigenvalues[[0, 1, 2, 4, 6]] > one.error[[0, 1, 2, 4, 6]])
    assert "every odd degree from 3 on: K is not positive definite" in str(one)
    two = sphere_spectrum(Network(F("softplus"), F("softplus")), 2, 16).eigenspaces(10)
    assert two.eigenvalues[9] / two.eigenvalues[0] == pytest.approx(2e-10, rel=0.3)


def test_the_last_trustworthy_degree_is_said() -> None:
    found = sphere_spectrum(Network(F("softplus"), F("softplus")), 2, 40)
    assert 9 <= found.last < 20
    assert found.eigenvalues[found.last] > found.error[found.last]
    assert found.eigenvalues[found.last + 1] <= found.error[found.last + 1]
    assert f"the last trustworthy degree is {found.last}" in str(found)
    known = found.eigenspaces()
    order = np.argsort(-found.eigenvalues)
    value, error = found.eigenvalues[order], found.error[order]
    sure = [
        v - e > (value + error)[i + 1 :].max(initial=0.0)
        for i, (v, e) in enumerate(zip(value, error, strict=True))
    ]
    assert known.last == len(known.eigenvalues) == sure.index(False)
    assert 9 <= known.last <= found.last + 1
    with pytest.raises(ValueError, match=f"expected 1 to {known.last} eigenspaces, the last trust"):
        found.eigenspaces(known.last + 1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"network": "tanh"}, TypeError, "expected a Network, got str"),
        ({"dimension": 1}, ValueError, "expected dimension from 2"),
        ({"dimension": 2.0}, TypeError, "expected an integer dimension, got 2.0"),
        ({"degrees": 0}, ValueError, "expected degrees from 1"),
        ({"degrees": True}, TypeError, "expected an integer degrees"),
        ({"tolerance": 0}, ValueError, "expected a tolerance between 0 and 1"),
        (
            {"network": Network(Convolution("tanh", 3), Flatten(), F("tanh"))},
            ValueError,
            "expected fully connected and residual layers.* got Convolution; use nystrom",
        ),
    ],
)
def test_bad_input_gets_one_sentence(change: dict, error: type[Exception], message: str) -> None:
    arguments = {"network": SMOOTH[0], "dimension": 3, "degrees": 4} | change
    with pytest.raises(error, match=message):
        sphere_spectrum(**arguments)


Target = Callable[[np.ndarray], np.ndarray]


@pytest.mark.parametrize(
    ("d", "harmonic", "degree"),
    [
        (2, lambda x: np.cos(3 * np.arctan2(x[:, 1], x[:, 0])), 3),
        (3, lambda x: x[:, 0] * x[:, 1] * x[:, 2], 3),
        (5, lambda x: x[:, 0] ** 2 - x[:, 3] ** 2, 2),
    ],
)
def test_harmonics_decay_at_their_rate(
    d: int, harmonic: Target, degree: int, rng: np.random.Generator
) -> None:
    found = sphere_spectrum(Network(F("softplus"), F("gelu", weight_std=2)), d, 9)
    spaces = found.eigenspaces()
    x = rng.standard_normal((30, d))
    x *= np.sqrt(d) / np.linalg.norm(x, axis=1)[:, None]
    times = np.array([0.0, 1.0, 100.0])
    expected = np.exp(-times * found.eigenvalues[degree])[:, None] * harmonic(x)
    assert_allclose(spaces.decay(harmonic, times, x), expected, atol=1e-12 * np.abs(expected).max())
    order = np.argsort(-found.eigenvalues)
    place = int(np.flatnonzero(order == degree)[0])
    energy = spaces.energy(spaces.coefficients(harmonic))
    assert energy[place] == pytest.approx(energy.sum(), rel=1e-12)
    assert_allclose(spaces.project(place + 1, harmonic, x), harmonic(x), atol=1e-11)
    if place:
        assert np.abs(spaces.project(place, harmonic, x)).max() < 1e-11


def test_functions_need_points_of_the_sphere() -> None:
    spaces = sphere_spectrum(SMOOTH[0], 3, 9).eigenspaces()
    with pytest.raises(ValueError, match=r"expected points of norm sqrt\(3\), got norms from 1"):
        spaces.functions(np.eye(3))
    with pytest.raises(ValueError, match=r"expected points of shape \(N, 3\), got \(1, 2\)"):
        spaces.functions(np.ones((1, 2)))
    wide = sphere_spectrum(SMOOTH[0], 40, 5).eigenspaces()
    assert wide.multiplicities.tolist() == [40]
    with pytest.raises(ValueError, match="expected a sphere of few dimensions, got d = 40"):
        wide.coefficients(lambda x: x[:, 0])
