"""Effective rank and norm of the Hessian against the width, and the laws fitted to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from analytic import FullyConnected, Network, kernel
from compare import (
    HessianGrowth,
    Inputs,
    RankGrowth,
    covering_table,
    hessian_growth,
    rank_growth,
)
from compare.low_rank.width_laws import fit_laws, grows_at_most_like_a_logarithm
from empirical import FiniteNetwork, fisher_eigenvalues, hessian_norm

NETWORK = Network(FullyConnected("softplus"), FullyConnected("tanh"))
WIDTHS = [64, 256, 1024, 4096]
EPS = 2.0**-52


def noisy(law: Callable[[np.ndarray], np.ndarray], seeds: int = 12) -> np.ndarray:
    """Values of a law with a spread of 3 % over the seeds."""
    noise = np.random.default_rng(4).standard_normal((len(WIDTHS), seeds))
    return law(np.array(WIDTHS, dtype=float))[:, None] * np.exp(0.03 * noise)


@pytest.mark.parametrize(
    ("law", "preferred"),
    [
        (lambda m: 2 * m**-0.5, "m^(-1/2)"),
        (lambda m: 3 * np.sqrt(np.log(m) / m), "sqrt(log m / m)"),
    ],
)
def test_the_law_that_made_the_data_is_preferred(law: Any, preferred: str) -> None:
    fit = fit_laws(WIDTHS, noisy(law))
    assert fit.preferred == preferred
    assert fit.freedom == 3
    assert min(fit.plain, fit.logarithmic) < 16.3 < max(fit.plain, fit.logarithmic)  # 99.9 %


@pytest.mark.parametrize(
    ("law", "holds"),
    [
        (lambda m: 0 * m + 7, True),
        (lambda m: np.sqrt(np.log(m)), True),
        (lambda m: m**0.25, False),
        (lambda m: m**0.5, False),
    ],
)
def test_a_power_does_not_pass_for_a_logarithm(law: Any, holds: bool) -> None:
    (low, high), verdict = grows_at_most_like_a_logarithm(WIDTHS, noisy(law), "q")
    assert verdict.holds is holds
    assert low < high
    far, _ = grows_at_most_like_a_logarithm(WIDTHS, noisy(lambda m: m**0.25), "q")
    assert far[0] < 0.25 < far[1]


def test_ranks_are_those_of_the_networks_and_of_their_limit(tmp_path: Path) -> None:
    digits = Inputs.digits()
    result = rank_growth(NETWORK, digits, [32, 64], 2, points=24, scales=(0.1, 0.02))
    x = digits.sample(24)
    f = FiniteNetwork(NETWORK, (64,), 64, seed=64 * 2**32 + 1)
    exact = fisher_eigenvalues(f, torch.from_numpy(x)).numpy()
    allowed = 100 * 24 * EPS * exact[0]  # two ways to the same Gram matrix
    assert_allclose(result.eigenvalues[1, 1], exact, rtol=0, atol=allowed)
    counted = sum(p.numel() for p in next(f.copies()).parameters())
    assert result.parameters[1] == counted == 64 * 64 + 64 * 64 + 64
    limit = np.linalg.eigvalsh(kernel(NETWORK, x) / 24)[::-1]
    assert_allclose(result.limit, limit, rtol=0, atol=allowed)
    for scale in (0.1, 0.02):
        assert result.ranks(scale)[1, 1] == (exact > scale**2).sum()
    result.save(tmp_path / "ranks.npz")
    again = RankGrowth.load(tmp_path / "ranks.npz")
    assert str(again) == str(result)
    assert_array_equal(again.eigenvalues, result.eigenvalues)
    assert "∞" in str(result.table())
    assert len(result.plot().lines) >= 5


def test_norms_are_those_of_the_networks(tmp_path: Path) -> None:
    sphere = Inputs.sphere(3)
    result = hessian_growth(NETWORK, sphere, [8, 16], 3, radius=0.5)
    f = FiniteNetwork(NETWORK, (3,), 16, seed=16 * 2**32 + 2)
    exact = hessian_norm(f, torch.from_numpy(sphere.sample(1)), 0.5, seed=2)
    assert_allclose(result.norms[1, 2], exact.value, rtol=0.01)  # two ascents
    there = hessian_growth(NETWORK, sphere, [8, 16], 3)
    exact = hessian_norm(f, torch.from_numpy(sphere.sample(1)))
    assert_allclose(there.norms[1, 2], exact.value, rtol=1e-8)
    result.save(tmp_path / "norms.npz")
    again = HessianGrowth.load(tmp_path / "norms.npz")
    assert str(again) == str(result)
    assert "a lower bound" in str(result)
    assert result.table().rows[0][0] == "8"
    result.plot()


def test_the_hessian_of_one_layer_is_that_of_its_worst_unit() -> None:
    """Widths of 64 to 4096: the logarithm is seen, as extremes of normal numbers have it."""
    result = hessian_growth(Network(FullyConnected("tanh")), Inputs.sphere(5), WIDTHS, 8)
    assert result.holds
    assert result.laws.preferred == "sqrt(log m / m)"
    assert -0.5 < result.exponent < -0.3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i: rank_growth(NETWORK, i, [64]), "at least two different widths"),
        (lambda i: rank_growth(NETWORK, i, [64, 64]), "at least two different widths"),
        (lambda i: rank_growth(NETWORK, i, [1, 64]), "widths of at least 2"),
        (lambda i: rank_growth(NETWORK, i, [8, 64], 1), "at least 2 seeds, got 1"),
        (lambda i: rank_growth(NETWORK, i, [8, 64], scales=[-1.0]), "scale of at least 0"),
        (lambda i: hessian_growth(NETWORK, i, [8, 64], 2, radius=-1.0), "radius of at least 0"),
        (lambda i: covering_table(np.ones(2), [1.0], [-1.0]), "expected a positive epsilon"),
        (lambda i: covering_table(np.ones(2), [0.0], [1.0]), "expected a positive radius"),
    ],
)
def test_bad_input_is_refused(call: Callable[[Inputs], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(Inputs.sphere(3))
