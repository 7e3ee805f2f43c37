"""Networks with kinks, with and without the forms that take the place of short series."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Estimate, FullyConnected, Network, kernel
from analytic.pairs import Series, preparation
from analytic.request import asked
from analytic.solve import solve

NETWORKS = {
    "hardsigmoid": ("hardsigmoid", 1.0, 0.0, 3),
    "hardsigmoid with bias": ("hardsigmoid", 2.5, 0.3, 4),
    "relu6": ("relu6", 1.5, 0.1, 2),
    "hardtanh": ("hardtanh", 1.0, 0.1, 3),
    "exp(-|x|)": ("exp(-abs(x))", 1.5, 0.0, 3),
    "elu": ("elu", 1.0, 0.1, 2),
    "hardswish": ("hardswish", 1.0, 0.5, 3),
    "quadratic pieces": ("max(x, 0)**2/2 - max(x - 2, 0)**2/4 + x", 1.0, 0.3, 2),
    "x_+^3": ("max(x, 0)**3", 1.0, 0.1, 2),
    "softshrink": ("softshrink", 1.0, 0.15, 1),
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


def _solved(network: Network, x: np.ndarray, forms: bool) -> tuple[Estimate, list[bool]]:
    """Both kernels with the bounds of all entries, and which layers have forms."""
    with pytest.MonkeyPatch.context() as patch:
        if not forms:
            patch.setattr(preparation, "with_close_forms", lambda _, *given: given[:2])
        problem = asked(network, x, None, "both", 1e-10, "cpu")
    found = solve(problem, "both", 1e-10, progress=False, certificate=True)
    assert isinstance(problem.method, Series)
    return found, (problem.method.plan.close[:, 0] > 0).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_forms_agree_with_pairs_one_by_one(name: str) -> None:
    """Within the sum of both bounds; some layer has one, and nothing is called certified."""
    network, x = _network(name), _inputs(280, 4)
    (found, used), (exact, without) = (_solved(network, x, forms) for forms in (True, False))
    assert any(used)
    assert not any(without)
    for one, other, wrong, more in zip(
        found.value, exact.value, found.error, exact.error, strict=True
    ):
        assert np.all(np.abs(one - other) <= wrong + more)
        assert not np.array_equal(one, other)
    assert not found.certified


def test_units_that_a_form_knows_badly_are_left_to_other_ways() -> None:
    """Far beyond its kinks hardswish is a difference of squares, of 1e-9 at some of these units."""
    network, x = _network("hardswish"), _inputs(280, 4)
    x[:20] *= 3000.0
    (found, used), (exact, _) = (_solved(network, x, forms) for forms in (True, False))
    assert used[0]
    for one, other, wrong, more in zip(
        found.value, exact.value, found.error, exact.error, strict=True
    ):
        assert np.all(np.abs(one - other) <= wrong + more)
        assert not np.array_equal(one, other)


def test_few_pairs_make_no_tables() -> None:
    _, used = _solved(_network("exp(-|x|)"), _inputs(40, 4), True)
    assert not any(used)


@pytest.mark.parametrize("name", ["hardsigmoid", "hardtanh", "exp(-abs(x))", "selu", "hardswish"])
def test_tiles_full_of_close_pairs_agree_with_few_of_these(name: str) -> None:
    """Few inputs have no tables; rows of many are summed as they stand, in both signs of rho.

    To a hundredth of the tolerance, which is what forms may spend.
    """
    rng = np.random.default_rng(3)
    axis, apart = rng.standard_normal(8), rng.choice([0.03, 0.1, 0.3, 1.0], (300, 1))
    x = rng.choice([-1.0, 1.0], (300, 1)) * (axis + apart * rng.standard_normal((300, 8)))
    network = Network(*[FullyConnected(name, bias_std=0.2)] * 2)
    few = np.arange(0, 300, 12)
    whole, part = kernel(network, x), kernel(network, x[few], tolerance=1e-11)
    scale = np.sqrt(np.outer(np.diag(part), np.diag(part)))
    assert (np.abs(whole[np.ix_(few, few)] - part) <= 1e-12 * scale).all()
