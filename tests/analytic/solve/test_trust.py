"""Positive definiteness, reproducible bits, concurrent callers, and duals to 30 digits."""

from __future__ import annotations

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import balls

from analytic import (
    AccuracyError,
    FullyConnected,
    Network,
    Residual,
    kernel,
    kernel_estimate,
    kernel_plan,
)
from analytic.pairs import row_blocks

F, R = FullyConnected, Residual
TANH = Network(F("tanh"), F("tanh"), F("tanh"))
MIXED = Network(F("softplus"), R(F("sigmoid")), F("gelu", bias_std=0.2))


@pytest.mark.parametrize("network", [TANH, MIXED], ids=repr)
def test_two_thousand_points_with_duplicates_stay_positive(
    network: Network, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((2000, 6))
    x[1000:1050] = x[:50]
    x[1050:1060] = -x[50:60]
    x[1060:1070] = x[60:70] * (1 + 1e-9)
    k = kernel(network, x, tolerance=1e-13)
    values = np.linalg.eigvalsh(k)
    assert values[0] >= -len(x) * np.finfo(float).eps * values[-1]
    assert_array_equal(k, k.T)


@pytest.mark.parametrize("network", [TANH, MIXED], ids=repr)
def test_bits_depend_neither_on_threads_nor_on_tiles(
    network: Network, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = rng.standard_normal((333, 9)), rng.standard_normal((201, 9))
    own, cross = kernel(network, x), kernel(network, x, y)
    for threads, rows in ((1, 64), (2, 32), (5, 96)):
        monkeypatch.setenv("KINFINITY_THREADS", str(threads))
        monkeypatch.setattr(row_blocks, "ROW_BLOCK", rows)
        assert_array_equal(kernel(network, x), own)
        assert_array_equal(kernel(network, x, y), cross)
        single = np.empty(own.shape, dtype=np.float32)  # goes another way: strips are copied
        assert_array_equal(kernel(network, x, out=single), own.astype(np.float32))


def test_bits_of_many_close_pairs_do_not_depend_on_threads(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network(*[F("erf", weight_std=8.0)] * 3)
    x = np.ones(4) + 1e-3 * rng.standard_normal((40, 4))
    monkeypatch.setattr(row_blocks, "ROW_BLOCK", 32)
    k = kernel(network, x)
    monkeypatch.setenv("KINFINITY_THREADS", "5")
    assert_array_equal(kernel(network, x), k)


def test_equal_norms_have_reproducible_bits_too(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = rng.standard_normal((1300, 9))
    x /= np.linalg.norm(x, axis=1)[:, None]
    k = kernel(TANH, x)
    monkeypatch.setenv("KINFINITY_THREADS", "3")
    monkeypatch.setattr(row_blocks, "ROW_BLOCK", 96)
    assert_array_equal(kernel(TANH, x), k)


def test_many_callers_at_once(rng: np.random.Generator) -> None:
    problems = [
        (network, rng.standard_normal((n, 5))) for n in (40, 150) for network in (TANH, MIXED)
    ]
    expected = [kernel(*problem) for problem in problems]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda problem: kernel(*problem), problems * 6))
    for k, exact in zip(found, expected * 6, strict=True):
        assert_array_equal(k, exact)


def test_the_error_crosses_processes_with_its_value() -> None:
    with pytest.raises(AccuracyError) as caught:
        kernel(TANH, np.ones((2, 3)), tolerance=1e-17)
    error, copy = caught.value, pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(error)
    assert error.estimate is not None
    assert_array_equal(copy.estimate.value, error.estimate.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "softplus", "sigmoid", "gelu", "silu"])
@pytest.mark.parametrize(("s", "t", "rho"), [(0.3, 1.2, 0.99), (1.2, 2.1, -0.999), (1.2, 2.1, 0.6)])
def test_duals_at_thirty_digits(name: str, s: float, t: float, rho: float) -> None:
    """One layer: K = E + D Lambda."""
    size = np.sqrt(2)
    x, y = size * np.array([s, 0.0]), size * t * np.array([rho, np.sqrt(1 - rho**2)])
    network = Network(F(name))
    for rows, columns in ((x, y), (y, y)):
        estimate = kernel_estimate(network, rows[None], columns[None], tolerance=1e-13)
        exact = balls.exact_kernel(network, rows, columns, digits=30)
        assert balls.distance(estimate.value[0, 0], exact) <= estimate.error[0, 0]


@pytest.mark.slow
def test_a_refusal_names_layer_and_pair_and_a_tolerance_that_will_do() -> None:
    network = Network(FullyConnected("relu"), FullyConnected("max(x, sin(x))"))  # touch at 0
    x = np.random.default_rng(0).standard_normal((4, 3))
    assert kernel_plan(network, x).bound > 1e-10  # what the plan does not promise is refused
    with pytest.raises(AccuracyError, match=r"pair \(\d, \d\), which weight layer 2 costs") as info:
        kernel(network, x)
    found = re.search(r"pass tolerance=(\S+)", str(info.value))
    assert found is not None
    assert kernel(network, x, tolerance=float(found[1])).shape == (4, 4)


def test_a_kernel_that_overflows_is_refused_without_a_warning() -> None:
    network = Network(*[FullyConnected("cosh(x)", weight_std=1.1)] * 4)
    with pytest.raises(ValueError, match="float64 can hold"):
        kernel(network, np.ones((2, 3)))


def test_inputs_on_a_line_are_not_refused() -> None:
    """Every pair is parallel; the diagonal of an odd network repeats at x and -x."""
    network = Network(*[FullyConnected("tanh")] * 3)
    x = np.linspace(-6, 6, 41)[:, None]
    k = kernel(network, x)
    assert np.all(np.abs(k + k[::-1]) <= 1e-10 * np.sqrt(np.outer(np.diag(k), np.diag(k))))


@pytest.mark.parametrize("text", ["exp(-(x - 60)**2)", "exp(-1000 - x**2)", "erf(x - 40) + 1"])
def test_what_underflows_is_refused(text: str) -> None:
    """Their kernels are below 1e-800, of which no digit is left."""
    with pytest.raises(ValueError, match="expected a second moment that float64 can hold"):
        kernel(Network(FullyConnected(text)), np.ones((2, 3)))


@pytest.mark.parametrize("text", ["tanh(x - 40)", "1/(1 + exp(-x - 800))"])
def test_what_is_constant_to_rounding_has_that_kernel(text: str) -> None:
    """Its kernel is 1, and its slope has no share in it."""
    assert_allclose(kernel(Network(FullyConnected(text)), np.eye(3)), 1.0, rtol=1e-10)


def test_a_growth_without_moments_says_where_there_are_some() -> None:
    """E exp(2 c s^2 z^2) is finite for 4 c s^2 < 1."""
    with pytest.raises(ValueError, match=r"exists only where .* < 25"):
        FullyConnected("exp(x**2/100)")
