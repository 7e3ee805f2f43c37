"""What the tangent kernel refuses: the module, the arguments, the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.testing import assert_close

from analytic import FullyConnected, Network
from empirical import FiniteNetwork, tangent_kernel


class Apply(nn.Module):
    """A linear layer with something around it."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.layer, self.function = nn.Linear(3, 2).double(), function

    def forward(self, x: Tensor) -> object:
        return self.function(self.layer, x)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda f, x: f(x + torch.randn_like(x)), ValueError, "the module is random"),
        (lambda f, x: f(x + 1e-9 * torch.randn_like(x)), ValueError, "the module is random"),
        (lambda f, x: f(x) * np.random.rand(), ValueError, "the module is random"),
        (lambda f, x: f(functional.dropout(x)), ValueError, "dropout in training mode"),
        (lambda f, x: f(functional.dropout(x, 0.1, True)), ValueError, "dropout in training"),
        (lambda f, x: f(x)[None], ValueError, r"\(n, k\), got \(1, 2, 2\) for a batch of 2"),
        (lambda f, x: f(x).sum(), ValueError, r"got \(\)"),
        (lambda f, x: f(x)[:, :0], ValueError, r"got \(2, 0\)"),
        (lambda f, x: f(x).detach(), ValueError, "got some that carry no gradient to any"),
        (lambda f, x: f(x) * 1j, TypeError, "floating dtype, got torch.complex128"),
        (lambda f, x: f(x).argmax(1), TypeError, "floating dtype, got torch.int64"),
        (lambda f, x: (f(x), x), TypeError, "expected a tensor as output, got tuple"),
        (lambda f, x: f(x) / 0, ValueError, "expected finite outputs"),
    ],
)  # fmt: skip
def test_modules_without_a_kernel_are_refused(
    function: Callable[[nn.Module, Tensor], object], error: type, message: str
) -> None:
    torch.manual_seed(0)
    with pytest.raises(error, match=message):
        tangent_kernel(Apply(function), torch.randn(4, 3, dtype=torch.float64))


def test_samples_that_change_places_are_noticed() -> None:
    # two samples in order show nothing; among more they are sorted, as routers do
    def sort(layer: Any, x: Tensor) -> Tensor:
        order = torch.argsort(x[:, 0])
        return layer(x[order])[torch.argsort(order)]

    x = torch.randn(6, 3, dtype=torch.float64)
    x[0, 0], x[-1, 0] = -0.1, 0.1
    assert float(x[1:-1, 0].max()) > 0.1
    assert_close(tangent_kernel(Apply(sort), x), x @ x.T + 1, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", ["auto", "jacobian"])
@pytest.mark.parametrize("size", [2, 9])
def test_outputs_that_are_not_finite_are_named_by_row(
    method: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("empirical.module_tiles.Tiles._size", lambda *_: size)
    module = Apply(lambda f, x: f(x.log()))
    x = torch.rand(7, 3, dtype=torch.float64) + 1
    bad = x.clone()
    bad[3, 1] = -1
    with pytest.raises(ValueError, match="NaN or infinity first for row 3 of x"):
        tangent_kernel(module, bad, method=method)
    with pytest.raises(ValueError, match="NaN or infinity first for row 3 of y"):
        tangent_kernel(module, x, bad, method=method)


def _with(module: nn.Module, change: Callable[[nn.Module], object]) -> nn.Module:
    change(module.double())
    return module


@pytest.mark.parametrize(
    ("module", "error", "message"),
    [
        (nn.Sequential(nn.Dropout(0.1), nn.Linear(3, 1)), ValueError,
         "got Dropout '0' in training mode, which is random"),
        (_with(nn.Linear(3, 1), lambda f: next(f.parameters()).data.fill_(torch.nan)), ValueError,
         "got NaN or infinity in weight"),
        (nn.Sequential(nn.Linear(3, 3).double(), nn.Linear(3, 1)), TypeError,
         "got torch.float64 in 0.weight and torch.float32 in 1.weight"),
        (nn.Sequential(nn.Linear(3, 3, device="meta"), nn.Linear(3, 1)), ValueError,
         "one device, got meta in 0.weight and cpu"),
        (nn.Tanh(), ValueError, "trainable parameters, got none"),
        (_with(nn.Linear(3, 1), lambda f: f.requires_grad_(False)), ValueError, "got none"),
        (lambda x: x, TypeError, "expected a torch.nn.Module, got function"),
        (nn.Linear(3, 1, dtype=torch.complex128), TypeError, "real parameters, got torch.complex1"),
        (nn.LazyLinear(2), ValueError, "with a shape, got none yet for weight; run the module"),
        (nn.Sequential(nn.Linear(3, 1), nn.PReLU(init=torch.nan).requires_grad_(False)),
         ValueError, "in the frozen 1.weight, got NaN"),
        (_with(nn.Linear(3, 1), lambda f: f.register_buffer("b", torch.tensor(torch.nan))),
         ValueError, "in the frozen b, got NaN"),
    ],
)  # fmt: skip
def test_bad_modules_are_refused(module: nn.Module, error: type, message: str) -> None:
    if isinstance(module, nn.Module) and error is ValueError and "meta" not in message:
        module.double()
    with pytest.raises(error, match=message):
        tangent_kernel(module, torch.randn(4, 3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("x", "named", "error", "message"),
    [
        (torch.randn(4, 3), {}, TypeError, "torch.float64, got torch.float32; pass x.to"),
        (torch.ones(4, 3).long(), {}, TypeError, "this module, got torch.int64"),
        (torch.ones(4, 3, device="meta").double(), {}, ValueError, "device cpu, got meta"),
        (torch.ones(0, 3).double(), {}, ValueError, r"got \(0, 3\); pass a batch"),
        (torch.tensor([[1.0, 2, 3], [1, torch.inf, 3]]).double(), {}, ValueError, "in row 1"),
        (torch.ones(4, 3).double(), {"output": 2}, ValueError, "an output from 0 to 1, got 2"),
        (torch.ones(4, 3).double(), {"output": -1}, ValueError, "from 0 to 1, got -1"),
        (torch.ones(4, 3).double(), {"output": "sum"}, ValueError, "as output, got 'sum'"),
        (torch.ones(4, 3).double(), {"method": "fast"}, ValueError, "'jacobian', got 'fast'"),
        (torch.ones(4, 3).double(), {"y": torch.ones(4, 3)}, TypeError, "expected y of the"),
        (
            torch.ones(4, 3).double(),
            {"y": torch.ones(4, 2).double()},
            ValueError,
            r"the sizes of x, \(3,\), got \(4, 2\); match x",
        ),
        (torch.eye(3).double().to_sparse(), {}, TypeError, "got torch.sparse_coo; pass x.to_d"),
        (
            torch.ones(4, 3).to(torch.complex128),
            {},
            TypeError,
            r"got torch.complex128; pass x\.real",
        ),
        (
            torch.nested.nested_tensor([torch.ones(3)] * 4, layout=torch.jagged),
            {},
            TypeError,
            "a nested tens",
        ),
        (np.ma.masked_invalid([[1.0, np.nan]]), {}, TypeError, "its mask would be lost"),
        (torch.ones(4, 3).double(), {"output": True}, TypeError, "'trace' as output, got True"),
        ([[1.0]], {}, TypeError, "expected a tensor x, got list"),
    ],
)
def test_bad_arguments_are_refused(x: Tensor, named: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        tangent_kernel(nn.Linear(3, 2).double(), x, **named)


def test_memory_is_refused_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    x, module = torch.ones(2, 3), nn.Linear(3, 1)
    monkeypatch.setattr("empirical.memory.available", lambda _: 10)
    with pytest.raises(MemoryError, match=r"GB of free memory on cpu for the kernel of 2 x 2"):
        tangent_kernel(module, x)
    monkeypatch.undo()
    many = torch.zeros(1, 3).expand(2_000_000, 3)
    with pytest.raises(MemoryError, match=r"expected 3.2e\+04 GB of free memory"):
        tangent_kernel(module, many)


def test_inference_mode_around_the_call_changes_nothing() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    with torch.inference_mode():
        inside, made_inside = tangent_kernel(module, x), x * 1
    assert torch.equal(inside, tangent_kernel(module, x))
    assert torch.equal(inside, tangent_kernel(module, made_inside))


def test_a_width_that_no_memory_holds_is_refused_before_anything_is_drawn() -> None:
    network = Network(FullyConnected("tanh"), FullyConnected("tanh"))
    with pytest.raises(MemoryError, match=r"weights at width 1000000000000, got .* narrow it"):
        FiniteNetwork(network, (3,), 10**12)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # torch's own
def test_a_quantised_batch_gets_a_sentence() -> None:
    x = torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8)
    with pytest.raises(TypeError, match=r"got a quantised tensor; pass x.dequantize"):
        tangent_kernel(nn.Linear(3, 1), x)
