"""Units of activations with a kink at 0 whose deviations are tiny, against mpmath."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from analytic import Activation, FullyConnected, Network, kernel_estimate
from analytic.expectations import coefficients, moments
from analytic.expectations.close_pairs import distances
from analytic.expectations.germs import SMALL, germ
from analytic.expectations.product_rules import Angle
from analytic.expectations.unit_tables import units

ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805


def _selu(x: Any) -> Any:
    return SCALE * (x if x > 0 else ALPHA * mp.expm1(x))


EXACT: dict[str, Any] = {
    "selu": _selu,
    "exp(-abs(x))": lambda x: mp.exp(-abs(x)),
    "elu": lambda x: x if x > 0 else mp.expm1(x),
    "x*exp(-abs(x)) + abs(x)/3": lambda x: x * mp.exp(-abs(x)) + abs(x) / 3,
}
CASES = [(name, s) for name in EXACT for s in (2.0 ** (SMALL - 0.1), 1e-8)]
CASES += [("x*exp(-abs(x)) + abs(x)/3", s) for s in (1e-13, 1e-40)]


def _mean(f: Any) -> Any:
    ends = [-14, -4, -1, 0, 1, 4, 14]
    return mp.quad(lambda z: f(z) * mp.npdf(z), ends)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "s"), CASES)
def test_moments_and_coefficients_of_small_units(name: str, s: float) -> None:
    """60 digits: E w^2 - w_0^2 and w' are differences of nearly equal numbers."""
    w, activation, given = EXACT[name], Activation(name), np.array([s])
    found, b = moments(activation, given), coefficients(activation, given, 12)
    with mp.workdps(60 if s > 1e-20 else 120):
        at = lambda z: w(mp.mpf(s) * z)  # noqa: E731
        mean, second = _mean(at), _mean(lambda z: at(z) ** 2)
        root = mp.sqrt(second)
        assert abs(found.mean[0] - mean) <= found.noise.mean * root
        assert abs(found.second[0] - second) <= found.noise.second * second
        # s c_k = E w(s z) z h_k(z) - sqrt k E w(s z) h_(k - 1) = sqrt(k + 1) E w h_(k + 1)
        exact = [_mean(lambda z, k=k: (at(z) - w(0)) * _basis(k + 1, z)) for k in range(6)]
        size = mp.sqrt(_mean(lambda z: (at(z) - w(0)) ** 2))
    wrong = [abs(s * b.b[k, 0] - float(e)) for k, e in enumerate(exact)]
    assert np.linalg.norm(wrong) <= b.noise.value * float(size)


def _basis(k: int, z: Any) -> Any:
    return mp.hermite(k, z / mp.sqrt(2)) / mp.sqrt(mp.mpf(2) ** k * mp.factorial(k))


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("small", [1e-9, 1e-3, 0.4])
@pytest.mark.parametrize("ratio", [1.0, 1.7])
def test_small_pairs_of_selu_are_those_of_a_bent_line(
    small: float, side: int, ratio: float
) -> None:
    """Up to terms of the size of s = 1e-12; Cho and Saul have the pairs of a x + b |x|."""
    s = 1e-12 * np.array([1.0, ratio])
    activation = Activation("selu")
    of = units(activation, s, moments(activation, s))
    minus = np.array([small if side > 0 else 2 - small])
    found = distances(of, Angle(minus, 2 - minus, np.zeros(1)), np.array([0]), np.array([1]))
    with mp.workdps(40):
        a, b = SCALE * (1 + mp.mpf(ALPHA)) / 2, SCALE * (1 - mp.mpf(ALPHA)) / 2
        rho = side * (1 - mp.mpf(small))
        bow = 2 / mp.pi * (mp.sqrt(1 - rho**2) + rho * mp.asin(rho))
        cosine = (a**2 * rho + b**2 * bow) / (a**2 + b**2)
        slope = a**2 + b**2 * 2 / mp.pi * mp.asin(rho)
    near = min(1 - cosine, 1 + cosine)
    error = float(found.error[0]) + 1e-10 * float(near)
    assert abs(min(found.minus[0], found.plus[0]) - near) <= error
    assert abs(found.d[0] - slope) <= found.error_d[0] * (a**2 + b**2) + 1e-10


@pytest.mark.parametrize("name", ["selu", "exp(-abs(x))"])
@pytest.mark.parametrize("size", [1e-6, 1e-8, 1e-12])
def test_small_inputs_are_answered(name: str, size: float, rng: np.random.Generator) -> None:
    """Three layers: bounds of 1e-9 and more until the cubics were there."""
    x = size * rng.standard_normal((12, 4))
    x[1] = x[0] + 1e-7 * x[2]
    found = kernel_estimate(Network(*[FullyConnected(name)] * 3), x, tolerance=1e-11)
    scale = np.sqrt(np.outer(*[found.value.diagonal()] * 2))
    assert (found.error <= 1e-11 * scale).all()


def test_the_cubics_agree_with_the_tables_beside_them() -> None:
    """Where they begin: octaves of tables above, cubics below."""
    for name in EXACT:
        activation, s = Activation(name), 2.0**SMALL * np.array([1 - 1e-12, 1.0])
        found = moments(activation, s)
        sizes = np.sqrt(found.second[0]), found.second[0], found.slope[0]
        parts = found.mean, found.second, found.slope
        for part, size in zip(parts, sizes, strict=True):
            assert abs(part[1] - part[0]) <= (4e-12 + 2 * found.noise.second) * size


def test_cubics_stand_for_kinks_at_zero_alone() -> None:
    assert germ(Activation("selu")) is not None
    for name in ("tanh", "hardtanh", "relu", "abs(x - 1)", "abs(exp(1000*x) - 1)"):
        assert germ(Activation(name)) is None
