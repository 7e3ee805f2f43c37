"""A kernel that float64 cannot hold is refused at once, silently, by foresight and act alike."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import FullyConnected, Network, kernel, kernel_diagonal, kernel_plan


@pytest.mark.parametrize("name", ["exp(x)", "cosh(x)", "sinh(x)"])
@pytest.mark.parametrize("act", [kernel, kernel_plan, kernel_diagonal])
def test_what_is_infinite_is_refused_alike(name: str, act: object) -> None:
    x = np.random.default_rng(0).standard_normal((50, 6))  # warnings are errors in the tests
    network = Network(*[FullyConnected(name, weight_std=1.1)] * 2)
    with pytest.raises(ValueError, match=r"got infinity at some K\(x, x\); lower weight_std"):
        act(network, x)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["exp(x)", "cosh(x)"])
def test_two_layers_that_grow_agree_with_the_closed_form(name: str) -> None:
    """E exp(u) exp(v) = exp((v_11 + v_22)/2 + v_12), and cosh by the same."""
    x = np.random.default_rng(1).standard_normal((12, 4)) / 2
    state = x @ x.T / 4
    for _ in range(2):
        v = np.diag(state)
        around = np.add.outer(v, v) / 2
        state = np.exp(around) * (np.exp(state) if name == "exp(x)" else np.cosh(state))
    found = kernel(Network(*[FullyConnected(name)] * 2), x, kind="nngp")
    scale = np.sqrt(np.outer(np.diag(state), np.diag(state)))
    # the promise, and the roundings of exponents up to 8 here
    assert np.all(np.abs(found - state) <= (1e-10 + 1e-14) * scale)
