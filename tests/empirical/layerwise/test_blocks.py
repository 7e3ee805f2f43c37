"""Tiles of several blocks: the same kernel as in one, and as by plain autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from empirical import tangent_kernel, tangent_kernel_diagonal
from empirical.layerwise import Block, block_size, tiles


class Gated(nn.Module):
    """Samples of negative mean never reach the second layer: blocks of them have no signal."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        gate = (x.mean(1, keepdim=True) > 0).to(x)
        return self.second(gate * torch.relu(self.first(x)))


class _Shy(torch.autograd.Function):
    """The identity, whose backward pass says None where nothing comes back."""

    @staticmethod
    def forward(ctx: object, h: Tensor) -> Tensor:
        return h.clone()

    @staticmethod
    def backward(ctx: object, *signals: Tensor) -> Tensor | None:
        return signals[0] if bool(signals[0].any()) else None


class Shy(Gated):
    """Gated before the shy identity."""

    def forward(self, x: Tensor) -> Tensor:
        gate = (x.mean(1, keepdim=True) > 0).to(x)
        return self.second(gate * _Shy.apply(torch.relu(self.first(x))))


class Moved(nn.Module):
    """Attention that wants the samples on the second axis."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.TransformerEncoderLayer(4, 2, 8, 0.0), nn.Linear(12, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x.transpose(0, 1)).transpose(0, 1).flatten(1))


MODULES = {
    "gated": (Gated(), (6,)),
    "convolution": (
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2)), (2, 6, 6),
    ),
    "bag": (nn.Sequential(nn.EmbeddingBag(9, 4), nn.Tanh(), nn.Linear(4, 2)), (5,)),
    "moved axes": (Moved(), (3, 4)),
}  # fmt: skip


def _inputs(name: str, n: int) -> Tensor:
    shape = MODULES[name][1]
    if name == "bag":
        return torch.randint(9, (n, *shape))
    return torch.randn(n, *shape, dtype=torch.float64) - 0.5 * (torch.arange(n) < n // 2).reshape(
        -1, *(1,) * len(shape)
    ).to(torch.float64)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Blocks of two samples, or three where an odd one is left; their sizes as they are made."""
    sizes: list[int] = []
    real = Block.__init__

    def counted(self: Block, values: Tensor, *rest: object) -> None:
        sizes.append(len(values))
        real(self, values, *rest)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Block, "__init__", counted)
    monkeypatch.setattr(tiles, "BLOCK_BYTES", 1)
    monkeypatch.setattr(tiles, "FEWEST", 3)
    return sizes


@pytest.mark.parametrize("output", [0, "all", "trace"])
@pytest.mark.parametrize("name", ["gated", "convolution", "bag"])
def test_many_blocks_are_one(name: str, output: int | str, small: list[int]) -> None:
    torch.manual_seed(0)
    module = MODULES[name][0].double()
    x, y = _inputs(name, 10), _inputs(name, 4)
    found = tangent_kernel(module, x, y, output=output)  # pyright: ignore[reportArgumentType]
    assert {2, 3} >= set(small[-6:])
    rows = [_jacobian(module, batch) for batch in (x, y)]  # (n, outputs, p)
    exact = torch.einsum("aip,bjp->aibj", *rows)
    if output == "trace":
        exact = exact.diagonal(dim1=1, dim2=3).sum(-1)
    elif output == 0:
        exact = exact[:, 0, :, 0]
    scale = float(exact.abs().max())
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-13 * scale)


def test_blocks_that_no_signal_reaches(small: list[int]) -> None:
    torch.manual_seed(0)
    module, x = Shy().double(), torch.randn(10, 6, dtype=torch.float64).abs()
    x[3:8] *= -1  # whole blocks, and neither the first nor the last sample
    rows = _jacobian(module, x)[:, 0]
    kernel = tangent_kernel(module, x, output=0)
    torch.testing.assert_close(kernel, rows @ rows.T, rtol=1e-12, atol=1e-13)
    assert len(small) > 4


def test_diagonals_and_moved_axes(small: list[int]) -> None:
    torch.manual_seed(0)
    x = _inputs("moved axes", 7)
    module = MODULES["moved axes"][0].double()
    kernel = tangent_kernel(module, x)
    rows = _jacobian(module, x)[:, 0]
    torch.testing.assert_close(kernel, rows @ rows.T, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(
        tangent_kernel_diagonal(module, x), kernel.diagonal(), rtol=1e-12, atol=0
    )
    assert max(small[-3:]) == 3


def _jacobian(module: nn.Module, x: Tensor) -> Tensor:
    """By autograd, one sample and one output at a time."""
    parameters = list(module.parameters())
    rows: list[Tensor] = []
    for one in x:
        values = module(one[None])[0].reshape(-1)
        found = [
            torch.autograd.grad(v, parameters, retain_graph=True, materialize_grads=True)
            for v in values
        ]
        rows.append(torch.stack([torch.cat([g.flatten() for g in row]) for row in found]))
    return torch.stack(rows)


def test_blocks_are_as_large_as_the_cache_likes() -> None:
    assert block_size(1) == tiles.BLOCK_BYTES
    assert block_size(tiles.BLOCK_BYTES // 10) == 10
    assert block_size(10**12) == tiles.FEWEST
