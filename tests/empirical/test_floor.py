"""The floor of rounding is measured between copies, or refused where they do not show it."""

from __future__ import annotations

import types
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from empirical import tangent_kernel, tangent_kernel_estimate


class Perceptron(nn.Module):
    """f(x) = b(tanh(a(x))), with a place for other roads to the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(x)))


class ByClosure(Perceptron):
    """A factor from a tensor that the copy shares with the original, in the original's format."""

    def __init__(self, trained: bool) -> None:
        super().__init__()
        w = self.a.weight
        self.factor = lambda: (w if trained else w.detach()).exp().mean()

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.factor()


class ByHook(Perceptron):
    """The same by a hook, which a copy of the module keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.register_forward_hook(lambda *a: a[2] * self.a.weight.detach().exp().mean())


class ByBuffer(Perceptron):
    """A buffer of the original, in a closure."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.ones(3))
        self.moved = lambda x: x + self.shift

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.moved(x))


class Masked(Perceptron):
    """A gradient of which a part is frozen by a hook, which a copy does not keep."""

    def __init__(self) -> None:
        super().__init__()
        self.a.weight.register_hook(lambda g: g * (torch.arange(16) < 5)[:, None])


class Narrow(Perceptron):
    """A step in 16 or 32 bits, which rounds in both copies alike."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.narrow = dtype

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.tanh(self.a(x)).to(self.narrow).to(x.dtype))


class ByAttributes(Perceptron):
    """Roads that a copy takes with it: a list, a namespace, a partial, a bound method."""

    def __init__(self) -> None:
        super().__init__()
        self.also, self.held = [self.a.weight], types.SimpleNamespace(bias=self.a.bias)
        self.first = partial(linear, weight=self.a.weight)
        self.last = self.head

    def head(self, h: Tensor) -> Tensor:
        return self.b(h) * self.also[0].exp().mean()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(x) + self.held.bias))


class Exact(Perceptron):
    """A constant of fixed format, which is exact, and zeros made on the way."""

    def __init__(self) -> None:
        super().__init__()
        c = torch.eye(3) / 4
        self.turned = lambda x: x @ c.to(x.dtype) + torch.zeros(3)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.turned(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (partial(ByClosure, False), "still uses tensors of the module that was copied"),
        (ByHook, "still uses tensors of the module that was copied"),
        (ByBuffer, "still uses tensors of the module that was copied"),
        (Masked, "loses the hooks on the gradients of parameters"),
        (partial(Narrow, torch.float16), "rounds to a narrower format in aten._to_copy"),
    ],
)
def test_a_floor_that_two_copies_do_not_show_is_refused(
    make: partial[nn.Module], reason: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    module, x = make().to(dtype), torch.randn(4, 3, dtype=dtype)
    assert tangent_kernel(module, x).isfinite().all()
    with pytest.raises(ValueError, match=f"{reason}.*use tangent_kernel, which needs no copy"):
        tangent_kernel_estimate(module, x)


def test_float32_inside_a_float64_module_is_no_floor_of_float64() -> None:
    torch.manual_seed(0)
    module, x = Narrow(torch.float32).double(), torch.randn(4, 3, dtype=torch.float64)
    exact = tangent_kernel(_plain(module), x)
    error = (tangent_kernel(module, x) - exact).abs().max() / exact.abs().max()
    assert error > 1e6 * torch.finfo(torch.float64).eps
    with pytest.raises(ValueError, match="rounds to a narrower format"):
        tangent_kernel_estimate(module, x)


def _plain(module: nn.Module) -> nn.Module:
    plain = Perceptron().double()
    plain.load_state_dict(module.state_dict())
    return plain


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("make", [ByAttributes, Exact])
def test_weights_that_a_copy_takes_along_have_a_floor(
    make: type[nn.Module], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    module, x = make().to(dtype), torch.randn(4, 3, dtype=dtype)
    eps = torch.finfo(dtype).eps
    assert 0.02 * eps < tangent_kernel_estimate(module, x).floor < 100 * eps
