"""Kernels of networks whose parameters are trained at rates of their own."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import balls

from analytic import (
    AccuracyError,
    AveragePooling,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    LayerNorm,
    Network,
    Nonlinearity,
    Readout,
    Residual,
    Scale,
    Sum,
    kernel,
    kernel_diagonal,
    kernel_estimate,
)
from analytic.machine import UNIT
from analytic.network import parse_network

F, R = FullyConnected, Residual
CASES = 150
NAMES = ["erf", "sin", "cos", "gaussian", "relu"]


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(shape)


def rates(rng: np.random.Generator) -> dict[str, Any]:
    """Frozen, trained as usual, or at any rate; weights and biases each for themselves."""
    weight = rng.choice([0.0, 1.0, 10 ** rng.uniform(-6, 6)])
    bias = rng.choice([-1.0, 0.0, 10 ** rng.uniform(-6, 4)])
    return {"weight_rate": float(weight), "bias_rate": None if bias < 0 else float(bias)}


def _network(rng: np.random.Generator) -> Network:
    name, layers = str(rng.choice(NAMES)), []
    for number in range(rng.integers(1, 7)):
        std = {"weight_std": float(10 ** rng.uniform(-1, 0.7)), "bias_std": rng.choice([0, 0.1, 2])}
        layer = F(name, **std, **rates(rng))
        layers.append(R(layer) if number and rng.random() < 0.3 else layer)
    std = {"weight_std": float(10 ** rng.uniform(-1, 0.7)), "bias_std": rng.choice([0, 0.1, 2])}
    return Network(*layers, Readout(**std, **rates(rng)))


def _inputs(rng: np.random.Generator) -> np.ndarray:
    """Four inputs: the second near or opposite the first, sometimes one of them small or 0."""
    x = rng.standard_normal((4, rng.integers(2, 9))) * 10 ** rng.uniform(-1, 0.5)
    x[1] = x[0] * rng.choice([1, -1])
    x[1] += 10.0 ** rng.uniform(-12, 0) * rng.standard_normal(x.shape[1])
    x[2] *= 10.0 ** rng.uniform(-8, 0) * (rng.random() > 0.1)
    return x


def _cases() -> Iterator[tuple[Network, np.ndarray]]:
    rng = np.random.default_rng(2029)
    for _ in range(CASES):
        yield _network(rng), _inputs(rng)


def test_the_true_error_never_exceeds_the_bound() -> None:
    ratios, refused = [], 0
    for network, x in _cases():
        try:
            estimate = kernel_estimate(network, x)
        except AccuracyError as refusal:
            estimate, refused = refusal.estimate, refused + 1
            assert estimate is not None
        equal = "relu" in repr(network)  # there balls lose half of their digits in every layer
        for i, j in ((0, 1), (0, 2), (0, 3), (2, 2), (3, 3))[: 3 if equal else 5]:
            exact = balls.exact_kernel(network, x[i], x[j])
            error = balls.distance(estimate.value[i, j], exact)
            assert error <= estimate.error[i, j], (network, x[i], x[j])
            if error > 0:
                ratios.append(estimate.error[i, j] / error)
    print(f"bound/error: median {np.median(ratios):.0f} of {len(ratios)}; refused {refused}")
    assert np.median(ratios) <= 100
    assert refused <= CASES // 50


def test_one_layer_of_the_identity_has_its_closed_form() -> None:
    """K = Sigma + Theta = (w s + b) + (r w s + c) with s = <x, x'>/d."""
    x = draw(5, 3)
    s = x @ x.T / 3
    for rate, bias_rate, learned in ((0.25, None, 0.09), (0.0, 7.0, 7.0), (3.0, 0.0, 0.0)):
        layer = F("identity", weight_std=2, bias_std=0.3, weight_rate=rate, bias_rate=bias_rate)
        found = kernel(Network(layer), x)
        exact = 4 * s + 0.09 + rate * 4 * s + learned
        scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
        assert (abs(found - exact) <= 16 * UNIT * scale).all()


def test_one_layer_of_relu_has_that_of_cho_and_saul() -> None:
    x = draw(6, 3)
    s = x @ x.T / 3
    size = np.sqrt(np.outer(np.diag(s), np.diag(s)))
    angle = np.arccos(np.clip(s / size, -1, 1))
    np.fill_diagonal(angle, 0)
    sigma = size * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    slope = (np.pi - angle) / (2 * np.pi)
    found = kernel(Network(F("relu", weight_rate=0.5, bias_rate=2)), x)
    assert_allclose(found, sigma + slope * (0.5 * s + 2), rtol=1e-12)


def _rated(*numbers: float) -> Network:
    """Three layers whose weights and biases have these rates, in order."""
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    first, second, third = (
        F(name, weight_std=1.2, bias_std=0.3, weight_rate=a, bias_rate=b)
        for name, (a, b) in zip(("tanh", "softplus", "tanh"), pairs, strict=True)
    )
    return Network(first, R(second), third)


def test_the_kernel_is_affine_in_the_rates() -> None:
    """K(r) = K(0) + sum_g r_g (K(e_g) - K(0)), and K(0), all frozen, is the NNGP kernel."""
    x, numbers = draw(4, 3), np.array([0.5, 3.0, 0.0, 0.25, 2.0, 1.5])
    none = kernel(_rated(*np.zeros(6)), x, tolerance=1e-12)
    assert_allclose(none, kernel(_rated(*numbers), x, kind="nngp", tolerance=1e-12), rtol=1e-12)
    alone = [kernel(_rated(*e), x, tolerance=1e-12) - none for e in np.eye(6)]
    total = none + np.tensordot(numbers, alone, 1)
    assert_allclose(kernel(_rated(*numbers), x, tolerance=1e-12), total, atol=1e-11 * total.max())
    assert all(part.max() > 1e-3 for part in alone)


def test_a_readout_is_a_layer_without_activation() -> None:
    """Behind ``FullyConnected("identity")`` with a frozen default readout."""
    x, options = draw(5, 3), {"weight_std": 0.7, "bias_std": 0.4, "weight_rate": 3, "bias_rate": 2}
    deep = [F("tanh", bias_std=0.2), R(F("softplus"))]
    layer = Network(*deep, F("identity", **options), Readout(weight_rate=0))
    found, exact = (kernel(n, x, kind="both") for n in (Network(*deep, Readout(**options)), layer))
    for a, b in zip(found, exact, strict=True):
        assert_allclose(a, b, rtol=1e-13)
    plain = kernel(Network(*deep), x, kind="both")
    assert_allclose(found.nngp, 0.49 * plain.nngp + 0.16, rtol=1e-13)
    ends = kernel_diagonal(Network(*deep, Readout(**options)), x, kind="both")
    for a, b in zip(ends, found, strict=True):
        assert_allclose(a, np.diag(b), rtol=1e-13)


def test_a_frozen_readout_leaves_the_kernel_of_the_layers() -> None:
    x = draw(5, 3)
    network = Network(F("tanh"), F("tanh"))
    both = kernel(network, x, kind="both")
    frozen = kernel(Network(*network.layers, Readout(weight_rate=0)), x)
    assert_allclose(frozen, both.ntk - both.nngp, rtol=1e-12)


def test_a_readout_is_the_last_part() -> None:
    assert Network(F("tanh"), Readout()) == Network(F("tanh"))
    wrong: list[tuple[Any, tuple[Any, ...]]] = [
        (Network, (Readout(), F("tanh"))),
        (R, (F("tanh"), Readout())),
    ]
    for kind, parts in wrong:
        with pytest.raises(TypeError, match="expected the Readout as the last part of a Network"):
            kind(*parts)
    for text in (
        "Readout(), FullyConnected('tanh')",
        "FullyConnected('tanh'), Residual(Readout())",
    ):
        with pytest.raises(ValueError, match="expected the Readout as the last part of a Network"):
            parse_network(f"Network({text})")
    with pytest.raises(ValueError, match="expected at least one layer"):
        Network(Readout())


def test_the_usual_rates_are_the_default_to_the_last_bit() -> None:
    x = draw(40, 3)
    spelled = Network(F("tanh", bias_std=0.5, weight_rate=1, bias_rate=0.25), F("relu"))
    plain = Network(F("tanh", bias_std=0.5), F("relu"))
    for a, b in zip(kernel(spelled, x, kind="both"), kernel(plain, x, kind="both"), strict=True):
        assert_array_equal(a, b)


def test_the_weights_of_torch_are_a_choice_of_rates() -> None:
    """W of variance v trained at rate 1 has sum over W of dh dh' = <alpha, alpha'>: m_in Sigma."""
    x, v = draw(3, 5), 1 / 3
    s = x @ x.T / 5
    layer = F("identity", weight_std=(v * 5) ** 0.5, weight_rate=1 / v)
    assert_allclose(kernel(Network(layer), x), v * 5 * s + 5 * s, rtol=1e-12)


def test_a_factor_goes_into_the_layers_with_their_rates() -> None:
    x, kinds = draw(5, 3), {"weight_rate": 0.3, "bias_rate": 2.0}
    scaled = Network(F("tanh"), Scale(0.5), F("identity", bias_std=1, **kinds), Scale(3), F("tanh"))
    by_hand = {"weight_std": 1.5, "bias_std": 3, "weight_rate": 0.3, "bias_rate": 18.0}
    taken = Network(F("tanh"), F("identity", **by_hand), F("tanh"))
    assert_allclose(kernel(scaled, x), kernel(taken, x), rtol=1e-13)


def test_inputs_of_one_norm_and_the_diagonal_agree_with_others() -> None:
    """A large kernel on a sphere goes by one function of the correlation."""
    network = Network(F("tanh", weight_rate=0.2, bias_rate=1), F("tanh", bias_std=1, bias_rate=0))
    x = draw(2100, 4)
    x /= np.linalg.norm(x, axis=1)[:, None]
    whole, few = kernel(network, x, tolerance=1e-9), kernel(network, x[:9], tolerance=1e-12)
    assert_allclose(whole[:9, :9], few, atol=1e-9 * few.max())
    assert_allclose(np.diag(few), kernel_diagonal(network, x[:9]), rtol=1e-12)


def test_the_equations_of_a_network_have_its_rates() -> None:
    x = np.array([[1.0, 0.5], [0.2, -0.7]])
    network = Network(
        F("erf", bias_std=0.5, weight_rate=0.25, bias_rate=2),
        R(F("sin", weight_std=1.5, weight_rate=0)),
        Sum(F("identity", weight_rate=3), F("erf", bias_rate=0.5)),
        F("identity", bias_rate=1),
        R(Nonlinearity("cos"), F("identity", weight_rate=0.5)),
        Readout(weight_std=0.5, bias_std=0.1, bias_rate=0.0),
    )
    (a, b), ab = (float(row @ row) / 2 for row in x), float(x[0] @ x[1]) / 2
    exact = network.recursion().evaluate(a, ab, b)
    found = kernel(network, x, kind="both")
    assert_allclose(found.ntk[0, 1], float(exact.ntk), rtol=1e-9)
    assert_allclose(found.nngp[0, 1], float(exact.nngp), rtol=1e-9)


@pytest.mark.parametrize(
    "network",
    [
        Network(F("tanh", weight_rate=0.5, bias_rate=0.0)),
        Network(F("tanh"), R(F("tanh", bias_rate=2.0)), F("relu", weight_rate=0.0)),
        Network(Convolution("tanh", 3, bias_std=1.0, weight_rate=1e-3, bias_rate=1.0)),
        Network(F("tanh"), Readout(weight_std=2, bias_rate=0.5)),
        Network(F("tanh"), Readout(weight_rate=0)),
    ],
    ids=repr,
)
def test_rates_are_part_of_the_text(network: Network) -> None:
    assert parse_network(repr(network)) == network


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_rate": -1.0}, "non-negative finite weight_rate, got -1.0"),
        ({"bias_rate": -0.5}, "non-negative finite bias_rate, got -0.5"),
        ({"weight_rate": float("nan")}, "non-negative finite weight_rate, got nan"),
        ({"bias_rate": float("inf")}, "non-negative finite bias_rate, got inf"),
    ],
)
@pytest.mark.parametrize(
    "part", [lambda **o: F("tanh", **o), lambda **o: Convolution("tanh", 3, **o), Readout]
)
def test_a_rate_that_is_none_is_refused(part: Any, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        part(**options)


def test_a_part_without_weights_has_no_rate() -> None:
    makers: list[Any] = [
        lambda **rate: Nonlinearity("tanh", **rate), lambda **rate: Scale(2, **rate), Flatten,
        lambda **rate: AveragePooling(2, **rate), lambda **rate: Dropout(0.1, **rate), LayerNorm,
        lambda **rate: Residual(F("tanh"), **rate), lambda **rate: Sum(F("tanh"), **rate),
    ]  # fmt: skip
    for make in makers:
        with pytest.raises(TypeError, match=r"no weight_rate of \w+, which has .* got 0.5; give"):
            make(weight_rate=0.5)
    with pytest.raises(TypeError, match="it has gain_rate and bias_rate"):
        LayerNorm(weight_rate=0.5)  # pyright: ignore[reportCallIssue]
    assert copy.deepcopy(Scale(2)) == pickle.loads(pickle.dumps(Scale(2)))
    with pytest.raises(ValueError, match="expected no options for Nonlinearity"):
        parse_network('Network(FullyConnected("identity"), Nonlinearity("tanh", weight_rate=1.0))')
    with pytest.raises(TypeError, match="expected a number for weight_rate, got NoneType"):
        F("tanh", weight_rate=None)  # pyright: ignore[reportArgumentType]


def test_biases_that_start_at_0_are_trained_where_the_input_is_0() -> None:
    """There u = 0: D is w'(0) E w'(u'), and 0 for relu as for torch."""
    x = np.array([[0.0, 0.0], [1.0, 1.0]])
    smooth = kernel(Network(F("x + sin(x)", bias_rate=3)), x)
    mean = 1 + np.exp(-0.5)  # E w'(u) at variance 1, and w'(0) = 2
    square = 1 + 2 * np.exp(-0.5) + (1 + np.exp(-2)) / 2
    assert_allclose(smooth[0], [2 * 2 * 3, 2 * mean * 3], rtol=1e-12)
    second = 1 + 2 * np.exp(-0.5) + (1 - np.exp(-2)) / 2
    assert_allclose(smooth[1, 1], second + square * (1 + 3), rtol=1e-12)
    assert_allclose(kernel(Network(F("relu", bias_rate=3)), x), [[0, 0], [0, 0.5 + 2]], atol=1e-15)
    with pytest.raises(ValueError, match=r"units that vary before .*, whose slope jumps at 0"):
        kernel(Network(F("max(x, x/4)", bias_rate=3)), x)
