"""Sweeps over modules that people make themselves."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import Tensor, nn

from analytic import FullyConnected, Network, kernel
from compare import Convergence, Inputs, convergence
from empirical import FiniteNetwork

SPHERE, TANH = Inputs.sphere(3), Network(FullyConnected("tanh"))
SEEN: set[int] = set()


class Shallow(nn.Module):
    """sum_i v_i tanh(<w_i, x>/sqrt d)/sqrt m, as a user would write it."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.w = nn.Parameter(torch.randn(width, 3))
        self.v = nn.Parameter(torch.randn(width))
        SEEN.add(seed)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(x @ self.w.T / math.sqrt(3))
        return h @ self.v / math.sqrt(len(self.v))


def standard(width: int, seed: int) -> nn.Module:
    """A network in torch's own parametrisation, whose kernel grows with the width."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 1))


def attentive(width: int, seed: int) -> nn.Module:
    """One that has no description."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, width), nn.Softmax(dim=1), nn.Linear(width, 1))


def described(width: int, seed: int) -> nn.Module:
    return FiniteNetwork(TANH, (3,), width, seed=seed, antisymmetric=False)


def test_a_family_with_its_limit_has_the_rate_and_the_constant_of_the_description() -> None:
    SEEN.clear()
    widths, before = [32, 64, 128], torch.get_rng_state()
    found = convergence(Shallow, SPHERE, widths, 60, points=6, limit=TANH)
    assert torch.equal(before, torch.get_rng_state())
    assert len(SEEN) == 3 * 60
    theory = convergence(TANH, SPHERE, widths, 60, points=6)
    assert theory.predicted is not None
    assert found.predicted is None
    for m, d in zip(widths, found.distances, strict=True):
        error = d.std(ddof=1) / np.sqrt(d.size)
        assert abs(d.mean() - theory.predicted / m) < 4.5 * error
    x = SPHERE.sample(6)
    for limit in (lambda f, z: kernel(TANH, z), kernel(TANH, x)):
        again = convergence(Shallow, SPHERE, widths, 60, points=6, limit=limit)
        assert all(map(np.array_equal, again.distances, found.distances))


def test_without_a_limit_successive_widths_are_compared() -> None:
    """D of the pair (m, m') times m'/(m + m') has the mean C/m of the comparison with K_inf."""
    widths = [16, 32, 96, 128]
    found = convergence(Shallow, SPHERE, widths, 150, points=6, limit="successive")
    theory = convergence(TANH, SPHERE, widths, 2, points=6)
    assert theory.predicted is not None
    assert found.widths == (16, 32, 96)
    for m, d in zip(found.widths, found.distances, strict=True):
        error = d.std(ddof=1) / np.sqrt(d.size)
        assert abs(d.mean() - theory.predicted / m) < 4.5 * error
        assert error < theory.predicted / m / 5
    assert found.config["limit"] == "successive widths"
    assert "between successive widths," in str(found)
    assert abs(np.array(found.bias)).max() < 1e-2 * found.distances[0].mean()


def test_a_family_whose_kernel_never_settles_fails() -> None:
    """K_0 in torch's parametrisation grows like m."""
    found = convergence(standard, SPHERE, [16, 32, 64, 128], 12, points=6, limit="successive")
    assert found.holds is False


def test_a_family_without_a_description_is_compared_up_to_its_size() -> None:
    """In torch's parametrisation K_0 grows like m; divided by its mean it settles."""

    def normalised(width: int, seed: int) -> torch.nn.Module:
        torch.manual_seed(seed)
        layers = torch.nn.Linear(3, width), torch.nn.LayerNorm(width), torch.nn.Hardtanh()
        return torch.nn.Sequential(*layers, torch.nn.Linear(width, 1)).double()

    widths = [64, 128, 256, 512]
    found = convergence(normalised, SPHERE, widths, 40, points=6)
    small, *_, large = found.config["scales"]
    assert 3 < large / small < 9
    low, high = found.exponent_interval
    assert 0 < low < 1 < high
    assert "kernels of successive widths were compared, each divided by" in found.reason
    assert f"{small:.3g} at 64 and {large:.3g} at 512" in found.reason
    assert "behind trained gains" in found.reason
    plain = convergence(normalised, SPHERE, widths, 6, points=6, limit="successive")
    assert plain.holds is False
    assert plain.exponent < 0


def test_a_description_as_a_family_is_itself(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"points": 5, "limit": TANH}
    whole = convergence(described, SPHERE, [4, 8, 16], 5, **arguments)
    with ThreadPoolExecutor(3) as many:
        same = convergence(described, SPHERE, [4, 8, 16], 5, executor=many, **arguments)
    for a, b in zip(whole.distances, same.distances, strict=True):
        assert_array_equal(a, b)
    store = tmp_path / "cells.sqlite"
    part = convergence(described, SPHERE, [4, 8, 16], 3, store=store, **arguments)
    more = convergence(described, SPHERE, [4, 8, 16], 5, store=store, **arguments)
    assert_array_equal(part.distances[0], more.distances[0][:3])
    assert_array_equal(more.distances[2], whole.distances[2])
    with pytest.raises(ValueError, match="got one of another: module"):
        convergence(_named_as(described), SPHERE, [4, 8, 16], 5, store=store, **arguments)
    more.save(tmp_path / "record.json")
    assert Convergence.load(tmp_path / "record.json").config["network"].endswith("described")


def _named_as(function: Any) -> Any:
    """Another family under the same name."""

    def other(width: int, seed: int) -> nn.Module:
        return described(width, seed + 1)

    other.__qualname__, other.__module__ = function.__qualname__, function.__module__
    return other


@pytest.mark.parametrize(
    ("network", "widths", "error", "message"),
    [
        (3, [4, 8, 16], TypeError, r"a Network or a function \(width, seed\) that makes a module"),
        (attentive, [4, 8, 16], ValueError, r"at least 4 widths of a family .* got softmax in"),
        (lambda m, s: Shallow(m, 0), [4, 8, 16, 32], ValueError, "other weights for every seed"),
        (lambda m, s: "module", [4, 8, 16, 32], TypeError, "returns a torch.nn.Module, got str"),
    ],
)
def test_what_is_no_family_is_refused(
    network: Any, widths: list[int], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        convergence(network, SPHERE, widths, 3, points=4)
