"""The effective rank along gradient flow."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from analytic import FullyConnected, Network
from compare import RankPath, rank_path
from empirical import FiniteNetwork, fisher_eigenvalues, gradient_flow, hessian_norm

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)).double()
Y = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, -1.0]).double()


def test_spectra_are_those_of_the_module_at_each_time(tmp_path: Path) -> None:
    f = FiniteNetwork(Network(FullyConnected("tanh")), (3,), 12)
    before = [p.clone() for p in f.parameters()]
    path = rank_path(f, X, Y, [2.0, 5.0], X)
    assert all(torch.equal(p, q) for p, q in zip(f.parameters(), before, strict=True))
    assert_allclose(path.eigenvalues[0], fisher_eigenvalues(f, X), rtol=0, atol=1e-14)
    flow = gradient_flow(f, X, Y, [0.0, 5.0])
    f.load_state_dict(flow.parameters, strict=False)
    # two ways to the end, each to rtol = 1e-6 of the way
    assert_allclose(path.eigenvalues[2], fisher_eigenvalues(f, X), rtol=0, atol=1e-5)
    assert_allclose(path.hessian[2], hessian_norm(f, X[:1]).value, rtol=1e-5)
    assert_allclose(path.displacement[2], float(flow.displacement[-1]), rtol=1e-5)
    assert path.holds
    path.save(tmp_path / "path.npz")
    again = RankPath.load(tmp_path / "path.npz")
    assert str(again) == str(path)
    assert_array_equal(again.eigenvalues, path.eigenvalues)
    assert len(path.table().rows) == 3
    path.plot()


def test_a_linear_module_keeps_its_spectrum() -> None:
    path = rank_path(nn.Linear(3, 1).double(), X, Y, [1.0, 3.0], X)
    assert_allclose(path.eigenvalues[2], path.eigenvalues[0], rtol=0, atol=1e-14)
    assert path.hessian.tolist() == [0.0, 0.0, 0.0]


class Doubling(nn.Module):
    """exp(w . x) v: training makes the second direction as strong as the first."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([1.0, 1e-3], dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor([1.0, 1e-3], dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ (self.a * self.b)


def test_a_rank_that_grows_is_found() -> None:
    x = torch.eye(2).double()
    path = rank_path(Doubling(), x, torch.tensor([1.0, 1.0]).double(), [60.0], x)
    assert_array_equal(path.ranks(0.1), [1, 2])
    assert path.holds is True  # twice is allowed
    assert path.eigenvalues[1, 1] > 0.5 * path.eigenvalues[1, 0] > 0.5


@pytest.mark.parametrize("times", [[2.0, 1.0], [-1.0], [1.0, 1.0]])
def test_bad_times_are_refused(times: list[float]) -> None:
    with pytest.raises(ValueError, match="increasing times above 0"):
        rank_path(nn.Linear(3, 1).double(), X, Y, times, X)
