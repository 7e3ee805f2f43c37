"""Networks with kinks, with and without the forms that take the place of short series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analytic import FullyConnected, Network, kernel_estimate
from analytic.pairs import preparation

NETWORKS = {
    "hardsigmoid": ("hardsigmoid", 1.0, 0.0, 3),
    "hardsigmoid with bias": ("hardsigmoid", 2.5, 0.3, 4),
    "relu6": ("relu6", 1.5, 0.1, 2),
    "hardtanh": ("hardtanh", 1.5, 0.0, 3),
    "exp(-|x|)": ("exp(-abs(x))", 1.5, 0.0, 3),
    "elu": ("elu", 1.0, 0.1, 2),
}


def _inputs(n: int, features: int) -> np.ndarray:
    """Varied norms, close and opposite pairs, duplicates and a zero input."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((n, features)) * np.exp(rng.uniform(-1, 1, (n, 1)))
    for k, apart in enumerate(10.0 ** -np.arange(1, 13)):
        x[2 * k + 1] = (-1) ** k * (x[2 * k] + apart * rng.standard_normal(features))
    x[30], x[31] = x[32], 0.0
    return x


def _network(name: str) -> Network:
    activation, weight, bias, depth = NETWORKS[name]
    layer = FullyConnected(activation, weight_std=weight, bias_std=bias)
    return Network(*[layer] * depth)


@pytest.mark.parametrize("name", NETWORKS)
def test_forms_agree_with_pairs_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the sum of both bounds; and some layer has one."""
    network, x, used = _network(name), _inputs(280, 4), []
    real = preparation.with_close_forms

    def spied(*given: Any) -> Any:
        used.append(real(*given))
        return used[-1]

    monkeypatch.setattr(preparation, "with_close_forms", spied)
    found = kernel_estimate(network, x, kind="both")
    assert any(layer.beyond is not None for layer in used[0])
    monkeypatch.setattr(preparation, "with_close_forms", lambda _, layers, *__: layers)
    exact = kernel_estimate(network, x, kind="both")
    for one, other, wrong, more in zip(
        found.value, exact.value, found.error, exact.error, strict=True
    ):
        assert np.all(np.abs(one - other) <= wrong + more)
    assert not found.certified


def test_few_pairs_make_no_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Any] = []
    real = preparation.with_close_forms
    monkeypatch.setattr(
        preparation, "with_close_forms", lambda *given: used.append(real(*given)) or used[-1]
    )
    kernel_estimate(_network("exp(-|x|)"), _inputs(40, 4))
    assert all(layer.beyond is None for layer in used[0])
