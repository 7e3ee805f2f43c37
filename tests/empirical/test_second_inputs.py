"""What is checked on x is checked on y: there a module may do what it never does on x."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from oracles.jacobians import batch_jacobian
from torch import Tensor, nn

from empirical import tangent_kernel, tangent_kernel_estimate

Path = Callable[["Two", Tensor], Tensor]


class Two(nn.Module):
    """Two layers for batches without negative entries, another path for those with some."""

    def __init__(self, other: Path) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b = nn.Linear(3, 5).double(), nn.Linear(5, 2).double()
        self.c = nn.Linear(5, 2).double()
        self.other = other

    def plain(self, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self.other(self, x) if bool((x < 0).any()) else self.plain(x)


def _others_parameters(m: Two, x: Tensor) -> Tensor:
    return m.c(torch.tanh(m.a(x)))


def _twice(m: Two, x: Tensor) -> Tensor:
    return m.b(torch.tanh(m.a(torch.tanh(m.a(x)[:, :3]))))


def _averages(m: Two, x: Tensor) -> Tensor:
    h = torch.tanh(m.a(x))
    return m.b(h - h.mean(0))


def _last_from_first(m: Two, x: Tensor) -> Tensor:
    h = torch.tanh(m.a(x))
    return m.b(torch.cat([h[:-1], h[-1:] + h[:1]]))


def _samples(n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(n, 3, dtype=torch.float64, generator=generator)
    return x, -1 - torch.rand(n + 2, 3, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("method", ["auto", "jacobian"])
@pytest.mark.parametrize("n", [1, 2, 6])
@pytest.mark.parametrize("other", [_others_parameters, _twice, _averages, _last_from_first])
def test_another_path_for_y_is_followed_or_refused(other: Path, n: int, method: str) -> None:
    """The kernel is J(x) J(y)^T of what the module does with each, or there is a sentence."""
    module, (x, y) = Two(other), _samples(n)
    rows, columns = (batch_jacobian(module, z) for z in (x, y))
    exact = torch.einsum("aip,bjp->aibj", rows, columns)[:, 1, :, 1]
    found = _kernel_or_sentence(module, x, y, method)
    if isinstance(found, Tensor):
        assert torch.allclose(found, exact, rtol=1e-11, atol=1e-12 * float(exact.abs().max()))
    else:
        assert found.startswith("expected")


def _kernel_or_sentence(module: nn.Module, x: Tensor, y: Tensor, method: Any) -> Tensor | str:
    try:
        return tangent_kernel(module, x, y, output=1, method=method)
    except ValueError as error:
        return str(error)


def test_infinite_outputs_for_y_are_named() -> None:
    module, (x, y) = Two(lambda m, z: m.plain(z) / (z[:, :1] + 100)), _samples(4)
    y[3, 0] = -100
    with pytest.raises(ValueError, match="NaN or infinity first for row 3 of y"):
        tangent_kernel(module, x, y)


@pytest.mark.parametrize("noise", [1.0, 1e-9])
def test_noise_on_y_alone_is_refused(noise: float) -> None:
    module = Two(lambda m, z: m.plain(z) * (1 + noise * torch.randn_like(z[:, :2])))
    x, y = _samples(4)
    with pytest.raises(ValueError, match="expected a function of its inputs"):
        tangent_kernel(module, x, y)


def test_the_floor_is_measured_on_y_too() -> None:
    """Cancelling digits on y raise the floor by as much."""

    def steep(m: Two, z: Tensor) -> Tensor:
        return m.plain((z * 2.0**26 + 1) - z * 2.0**26)

    x, y = _samples(4)
    quiet = tangent_kernel_estimate(Two(Two.plain), x, y).floor
    assert tangent_kernel_estimate(Two(steep), x, y).floor > 1e3 * quiet
