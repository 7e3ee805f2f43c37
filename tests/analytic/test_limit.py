"""The limiting kernels against closed forms, mpmath, and a slow exact recursion."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy
from numpy.testing import assert_allclose, assert_array_equal
from oracles import dense

from analytic import (
    AccuracyError,
    FullyConnected,
    Network,
    Residual,
    kernel,
    kernel_diagonal,
    kernel_estimate,
)

F, R = FullyConnected, Residual


def relative(a: np.ndarray, b: np.ndarray, network: Network, x: np.ndarray, y: np.ndarray) -> float:
    scale = np.sqrt(np.outer(kernel_diagonal(network, x), kernel_diagonal(network, y)))
    return float(np.max(np.abs(a - b) / np.where(scale > 0, scale, 1)))


@pytest.mark.parametrize(
    ("name", "value", "without_means"),
    [
        ("softplus", 3.09311779679758, 1.80685),
        ("sigmoid", 1.05947059895279, 0.559471),
        ("tanh", 0.630744900897, 0.630745),
    ],
)
def test_squared_feature_norm_of_a_residual_network(
    name: str, value: float, without_means: float
) -> None:
    network = Network(F(name), R(F(name)))
    x = np.sqrt(3) * np.eye(3)
    digits = 14 if name != "tanh" else 12  # as many as the published value has
    assert_allclose(np.diag(kernel(network, x, kind="nngp")), value, rtol=10.0 ** (1 - digits))
    assert_allclose(
        dense.pair_kernel(network, x[0], x[0], dense.trapezoid, means=False)[0],
        without_means,
        rtol=1e-5,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "weight_std"), [("tanh", 3.0), ("softplus", 1.0), ("sigmoid", 3.0)]
)
def test_depth_three_agrees_with_mpmath(name: str, weight_std: float) -> None:
    network = Network(
        F(name, weight_std=weight_std),
        F(name, weight_std=weight_std),
        F(name, weight_std=weight_std),
    )
    x = np.array([[1.0, 0.2, -0.5], [0.3, 0.9, 0.4]])
    with mpmath.workdps(20):
        mx = [[mpmath.mpf(float(v)) for v in row] for row in x]
        sigma, k12, k11, k22 = dense.pair_kernel(network, mx[0], mx[1], dense.high_precision)
        scale = float(mpmath.sqrt(k11 * k22))
    both = kernel(network, x, kind="both")
    assert abs(both.ntk[0, 1] - float(k12)) <= 1e-10 * scale
    assert abs(both.nngp[0, 1] - float(sigma)) <= 1e-10 * scale
    assert_allclose(np.diag(both.ntk), [float(k11), float(k22)], rtol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        Network(F("tanh")),
        Network(F("softplus", bias_std=0.5), F("sigmoid", weight_std=2)),
        Network(F("silu"), R(F("gelu")), R(F("softplus"), F("sigmoid", bias_std=0.3))),
        Network(F("cos", weight_std=2), R(R(F("gaussian")), F("sin")), F("erf")),
        Network(
            F(sympy.tanh(sympy.Symbol("x")) + sympy.sin(3 * sympy.Symbol("x")) / 10), F("tanh")
        ),
    ],
    ids=repr,
)
def test_both_kernels_agree_with_the_slow_recursion(
    network: Network, rng: np.random.Generator
) -> None:
    x, y = rng.standard_normal((4, 6)), rng.standard_normal((3, 6))
    ntk, nngp = dense.trapezoid_kernel(network, x, y)
    both = kernel(network, x, y, kind="both")
    assert relative(both.ntk, ntk, network, x, y) < 1e-10
    assert relative(both.nngp, nngp, network, x, y) < 1e-10


@pytest.mark.parametrize(
    ("name", "dual"),
    [("relu", dense.arccosine_dual), ("erf", dense.arcsine_dual), ("sin", dense.sine_dual)],
)
@pytest.mark.parametrize("residual", [False, True])
def test_closed_forms(
    name: str, dual: dense.Dual, residual: bool, rng: np.random.Generator
) -> None:
    last = R(F(name, bias_std=0.2)) if residual else F(name, bias_std=0.2)
    network = Network(F(name, weight_std=1.4), F(name), last)
    x, y = rng.standard_normal((9, 5)), rng.standard_normal((8, 5))
    exact = np.array([[dense.pair_kernel(network, a, b, dual)[1] for b in y] for a in x])
    assert relative(kernel(network, x, y), exact, network, x, y) < 1e-10


def test_identity_layers_give_the_linear_kernel(rng: np.random.Generator) -> None:
    x = rng.standard_normal((5, 7))
    network = Network(F("identity"), R(F("identity")), F("identity", bias_std=2))
    # Sigma: g, 2 g, 2 g + 4; Theta: g, g + (g + g), (2 g + 4) + 3 g
    gram = x @ x.T / 7
    assert_allclose(kernel(network, x, kind="nngp"), 2 * gram + 4, rtol=1e-13)
    assert_allclose(kernel(network, x), 7 * gram + 8, rtol=1e-13)


def test_symmetric_to_the_last_bit_and_positive(rng: np.random.Generator) -> None:
    x = rng.standard_normal((300, 20)) * rng.uniform(0.5, 1.5, (300, 1))
    x[100:120] = x[:20]
    k = kernel(Network(F("tanh"), R(F("softplus"))), x)
    assert_array_equal(k, k.T)
    # entries are off by 1e-10 of the diagonal at most
    assert np.linalg.eigvalsh(k)[0] > -300 * 1e-10 * k.diagonal().max()


def test_blocks_of_the_kernel_are_kernels_of_blocks(rng: np.random.Generator) -> None:
    network, x = Network(F("tanh"), F("sigmoid")), rng.standard_normal((270, 12))
    whole = kernel(network, x)
    assert (
        relative(kernel(network, x[:200], x[150:]), whole[:200, 150:], network, x[:200], x[150:])
        < 2e-10
    )


def test_zero_inputs_are_valid(rng: np.random.Generator) -> None:
    x = np.vstack([np.zeros((2, 4)), rng.standard_normal((2, 4))])
    for network in (
        Network(F("tanh"), F("tanh")),
        Network(F("softplus"), R(F("cos"))),
        Network(F("relu")),
    ):
        k = kernel(network, x)
        exact = dense.trapezoid_kernel(network, x, x)[0]
        assert np.isfinite(k).all()
        if network.layers[0] != F("relu"):
            assert_allclose(k, exact, atol=1e-12)
    assert_array_equal(kernel(Network(F("tanh")), x)[:2], 0.0)


def test_duplicates_and_opposites_meet_the_diagonal(rng: np.random.Generator) -> None:
    x = rng.standard_normal((5, 8))
    for network, sign in (
        (Network(F("tanh", weight_std=2), F("tanh")), -1),
        (Network(F("cos"), F("cos")), 1),
    ):
        exact = kernel_diagonal(network, x)
        assert_allclose(np.diag(kernel(network, x, x.copy())), exact, rtol=1e-10)
        assert_allclose(np.diag(kernel(network, x, -x)), sign * exact, rtol=1e-10)
    relu = Network(F("relu"), F("relu"))
    assert_allclose(np.diag(kernel(relu, x, x.copy())), kernel_diagonal(relu, x), rtol=1e-12)


def test_the_bound_holds_and_is_not_vacuous(rng: np.random.Generator) -> None:
    network = Network(F("erf", weight_std=1.5), R(F("erf")), F("erf", bias_std=0.5))
    x = rng.standard_normal((40, 6))
    exact = np.array(
        [[dense.pair_kernel(network, a, b, dense.arcsine_dual)[1] for b in x] for a in x]
    )
    for tolerance in (1e-3, 1e-6, 1e-10, 1e-12):
        estimate = kernel_estimate(network, x, tolerance=tolerance)
        error = np.abs(estimate.value - exact)
        assert np.all(error <= estimate.error)
        scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
        assert np.all(estimate.error <= tolerance * scale * (1 + 1e-12))
    assert np.abs(kernel(network, x, tolerance=1e-2) - exact).max() > 1e-8  # not always exact


def test_kinds_and_outputs_agree(rng: np.random.Generator, tmp_path) -> None:
    network, x = Network(F("tanh"), R(F("tanh"))), rng.standard_normal((150, 5))
    both = kernel(network, x, kind="both")
    assert_array_equal(both.ntk, kernel(network, x))
    assert_array_equal(both.nngp, kernel(network, x, kind="nngp"))
    assert_array_equal(np.diag(both.ntk), kernel_diagonal(network, x))
    memory = np.lib.format.open_memmap(tmp_path / "k.npy", mode="w+", dtype=float, shape=(150, 150))
    kernel(network, x, out=memory)
    assert_array_equal(memory, both.ntk)
    single = np.empty((150, 150), dtype=np.float32)
    assert kernel(network, x, out=single) is single
    assert_array_equal(single, both.ntk.astype(np.float32))
    pair = (np.empty((150, 150)), np.empty((150, 150)))
    kernel(network, x, kind="both", out=pair)
    assert_array_equal(pair[1], both.ntk)


def test_an_impossible_tolerance_carries_the_best_value(rng: np.random.Generator) -> None:
    network, x = Network(F("tanh"), F("tanh")), rng.standard_normal((4, 3))
    with pytest.raises(
        AccuracyError, match=r"expected a relative error of at most 1\.0e-17"
    ) as caught:
        kernel(network, x, tolerance=1e-17)
    estimate = caught.value.estimate
    assert estimate is not None
    exact = dense.trapezoid_kernel(network, x, x)[0]
    assert np.all(np.abs(estimate.value - exact) <= estimate.error + 1e-14)
