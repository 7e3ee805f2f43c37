"""The finite network and its tangent kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils.parametrize import register_parametrization
from torch.testing import assert_close

from analytic import Activation, FullyConnected, Network, Nonlinearity, Residual, kernel
from analytic.activation import NAMES
from empirical import FiniteNetwork, tangent_kernel
from empirical.network.pointwise_activation import pointwise

F, N, R = FullyConnected, Nonlinearity, Residual
NETWORKS = [
    Network(F("tanh")),
    Network(F("tanh", bias_std=0.7, weight_std=2), F("sigmoid", bias_std=0.3)),
    Network(F("softplus"), R(F("softplus")), R(F("tanh"), F("gelu", weight_std=2))),
    Network(F("erf"), R(R(F("sigmoid")), F("silu", bias_std=1.0)), F("sin")),
    Network(F("tanh", width_ratio=0.5), F("relu", width_ratio=2)),
    Network(F("identity"), R(N("silu"), F("identity", bias_std=0.4)), N("sin")),
]


def draw(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, d)))


def jacobian_product(module: torch.nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The definition: per-sample gradients by torch.func, all of them, multiplied."""
    parameters = {name: p.detach() for name, p in module.named_parameters()}

    def value(p: dict[str, Tensor], one: Tensor) -> Tensor:
        return torch.func.functional_call(module, p, (one[None],))[0]

    gradient = torch.func.vmap(torch.func.grad(value), (None, 0))
    rows, columns = (
        torch.cat([g.flatten(1) for g in gradient(parameters, z).values()], dim=1) for z in (x, y)
    )
    return rows @ columns.T


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
@pytest.mark.parametrize("antisymmetric", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_the_layer_identity_is_the_jacobian_product(
    network: Network, antisymmetric: bool, trained: bool
) -> None:
    f = FiniteNetwork(network, (5,), 18, seed=3, antisymmetric=antisymmetric)
    if trained:
        with torch.no_grad():
            for index, p in enumerate(f.parameters()):
                p += 0.1 * draw(1, p.numel(), index).reshape(p.shape)
    x, y = draw(7, 5), draw(4, 5, 1)
    exact = jacobian_product(f, x, y)
    assert torch.max(torch.abs(tangent_kernel(f, x, y) - exact)) <= 1e-12 * exact.abs().max()
    own = tangent_kernel(f, x)
    assert torch.max(torch.abs(own - jacobian_product(f, x, x))) <= 1e-12 * own.abs().max()


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
@pytest.mark.parametrize("width", [1, 7, 64, 333])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_antisymmetric_network_vanishes_bit_for_bit(
    network: Network, width: int, dtype: torch.dtype
) -> None:
    f = FiniteNetwork(network, (5,), 2 * width, dtype=dtype)
    assert torch.all(f(draw(9, 5).to(dtype)) == 0)


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_antisymmetry_does_not_change_the_kernel(network: Network) -> None:
    x = draw(6, 5)
    one = FiniteNetwork(network, (5,), 32, seed=4, antisymmetric=False)
    two = FiniteNetwork(network, (5,), 32, seed=4)
    k = tangent_kernel(one, x)
    assert torch.max(torch.abs(tangent_kernel(two, x) - k)) <= 1e-12 * k.abs().max()
    assert torch.max(torch.abs(jacobian_product(two, x, x) - k)) <= 1e-12 * k.abs().max()


def test_the_function_follows_the_normalisation_to_the_letter() -> None:
    network = Network(F("tanh", weight_std=1.5, bias_std=0.5), R(F("sigmoid", weight_std=2)))
    f = FiniteNetwork(network, (3,), 4, seed=9, antisymmetric=False)
    p = [q.detach().numpy() for q in f.parameters()]
    w1, b1, w2, v = sorted(p, key=lambda a: (a.ndim != 2, a.shape))[:0] or (p[0], p[1], p[2], p[3])
    x = draw(5, 3).numpy()
    alpha = np.tanh(1.5 * x @ w1.T / np.sqrt(3) + 0.5 * b1)
    alpha = alpha + 1 / (1 + np.exp(-2 * alpha @ w2.T / np.sqrt(4)))
    np.testing.assert_allclose(f(torch.from_numpy(x)).detach().numpy(), alpha @ v / 2, rtol=1e-13)


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("order", [0, 1, 2])
def test_torch_and_numpy_agree_about_the_activation(name: str, order: int) -> None:
    if name == "relu" and order == 2:
        return
    x = np.concatenate([np.linspace(-30, 30, 301), [-800.0, 800.0, 0.0]])
    value = pointwise(Activation(name), order)(torch.from_numpy(x)).numpy()
    exact = Activation(name).derivatives(x, order)[order]
    np.testing.assert_allclose(value, exact, rtol=4e-15, atol=2e-15)  # 1 - tanh^2 cancels


@pytest.mark.slow
def test_the_mean_of_k0_is_the_limit() -> None:
    # one hidden layer: E K_0 = K_inf exactly, at any width; 4000 seeds, 4 standard errors
    network, x = Network(F("softplus", bias_std=0.5)), draw(3, 4)
    limit = kernel(network, x.numpy())
    samples = np.stack(
        [
            tangent_kernel(FiniteNetwork(network, (4,), 8, seed=s, antisymmetric=False), x).numpy()
            for s in range(4000)
        ]
    )
    stderr = samples.std(axis=0) / np.sqrt(len(samples))
    assert np.all(np.abs(samples.mean(axis=0) - limit) < 4 * stderr)
    wrong = kernel(Network(F("softplus")), x.numpy())
    assert np.any(np.abs(samples.mean(axis=0) - wrong) > 20 * stderr)  # the bias is seen


@pytest.mark.parametrize(
    ("arguments", "named", "error", "message"),
    [
        ((NETWORKS[0], (3,), 0), {}, ValueError, "expected a width of at least 1, got 0"),
        ((NETWORKS[0], (3,), -5), {}, ValueError, "at least 1, got -5"),
        ((NETWORKS[0], (3,), 2.5), {}, TypeError, "expected an integer width, got 2.5"),
        ((NETWORKS[0], (3,), True), {}, TypeError, "expected an integer width"),
        ((NETWORKS[0], (3,), 4), {"seed": 2**64}, ValueError, r"expected a seed below 2\^64"),
        ((NETWORKS[0], (3,), 4), {"seed": -1}, ValueError, "expected a seed of at least 0"),
        ((NETWORKS[0], (), 4), {}, ValueError, r"expected input_shape \(d,\)"),
        (
            (NETWORKS[0], (3, 8, 8), 4),
            {},
            ValueError,
            r"got \(3, 8, 8\); pass \(192,\), and flatten",
        ),
        ((NETWORKS[0], 3, 4), {}, TypeError, r"input_shape as a tuple, got 3; pass \(3,\)"),
        ((NETWORKS[0], (3.0,), 4), {}, TypeError, "expected integers in input_shape, got 3.0"),
        ((NETWORKS[0], (3,), 4), {"dtype": torch.int64}, TypeError, "expected a floating dtype"),
        ((F("tanh"), (3,), 4), {}, TypeError, "expected a Network, got FullyConnected"),
    ],
)
def test_bad_descriptions_are_refused(
    arguments: tuple, named: dict, error: type, message: str
) -> None:
    with pytest.raises(error, match=message):
        FiniteNetwork(*arguments, **named)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (
            torch.ones(2, 4, dtype=torch.float64),
            ValueError,
            r"expected inputs of shape \(n, 3\), got \(2, 4\)",
        ),
        (torch.ones(0, 3, dtype=torch.float64), ValueError, "expected x of shape"),
        (
            torch.ones(2, 3),
            TypeError,
            "expected x of the network's torch.float64, got torch.float32",
        ),
        (
            torch.tensor([[1.0, 2, 3], [1, float("nan"), 3]], dtype=torch.float64),
            ValueError,
            "first in row 1",
        ),
        (np.ones((2, 3)), TypeError, "expected a tensor x, got ndarray"),
    ],
)
def test_bad_inputs_are_refused(x: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        tangent_kernel(FiniteNetwork(NETWORKS[0], (3,), 4), x)  # pyright: ignore[reportArgumentType]
    if isinstance(x, Tensor) and "shape" in message:
        with pytest.raises(ValueError, match="expected inputs of shape"):
            FiniteNetwork(NETWORKS[0], (3,), 4)(torch.ones(2, 4, dtype=torch.float64))


@pytest.mark.parametrize("antisymmetric", [False, True])
def test_hooks_and_parametrisations_of_a_network_count(antisymmetric: bool) -> None:
    class Double(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    x = torch.randn(4, 3, dtype=torch.float64)
    network = Network(FullyConnected("tanh"))
    for attach, factor in (
        (lambda f: f.register_forward_hook(lambda m, i, o: 2 * o), 4),
        (lambda f: f.stacks[0].readout.register_forward_hook(lambda m, i, o: 0 * o), None),
        (lambda f: f.register_forward_pre_hook(lambda m, i: (2 * i[0],)), None),
        (lambda f: register_parametrization(f.stacks[0].readout, "weight", Double()), None),
    ):
        f = FiniteNetwork(network, (3,), 8, antisymmetric=antisymmetric)
        plain = tangent_kernel(f, x)
        attach(f)
        changed = tangent_kernel(f, x)
        exact = tangent_kernel(f, x, method="jacobian")
        assert_close(changed, exact, rtol=1e-12, atol=1e-12)
        assert float((changed - plain).abs().max()) > 0.1
        if factor:
            assert_close(changed, factor * plain, rtol=1e-12, atol=1e-12)


def test_a_network_has_one_output() -> None:
    f, x = FiniteNetwork(NETWORKS[0], (3,), 4), draw(2, 3)
    with pytest.raises(ValueError, match="expected output 0"):
        tangent_kernel(f, x, output=1)
    k = tangent_kernel(f, x)
    assert torch.equal(tangent_kernel(f, x, output="trace"), k)
    assert torch.equal(tangent_kernel(f, x, output="all"), k[:, None, :, None])


def test_frozen_layers_of_a_network_do_not_count() -> None:
    f, x = FiniteNetwork(NETWORKS[2], (3,), 8, antisymmetric=False), draw(4, 3)
    whole = tangent_kernel(f, x)
    parts: list[Tensor] = []
    for chosen in f.parameters():
        for p in f.parameters():
            p.requires_grad_(p is chosen)
        parts.append(tangent_kernel(f, x))
    assert torch.max(torch.abs(sum(parts[1:], parts[0]) - whole)) <= 1e-12 * whole.abs().max()
