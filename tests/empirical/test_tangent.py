"""The tangent kernel of any module."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from networks.cases import CASES, Case
from networks.modules import LeNet5, TiedAutoencoder
from oracles.plans import plan_of
from torch import Tensor, nn
from torch.nn import functional

from empirical import module_tiles, tangent_kernel, tangent_kernel_estimate
from empirical.jacobian import per_sample
from empirical.layerwise import blocks
from empirical.layerwise.gradients import Gradient
from empirical.layerwise.rules import RULES, Call
from empirical.layerwise.samples import Samples

TOLERANCE = 1e-12
"""Sums of 1e5 products of float64 numbers, relative to the largest entry."""
NAMES = sorted(CASES)
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch.func's


def build(case: Case, n: int, seed: int = 3) -> tuple[nn.Module, Tensor, Tensor]:
    """The module away from its initialisation, and two batches."""
    torch.manual_seed(seed)
    module = case.make().double().eval()
    with torch.no_grad():
        for p in module.parameters():
            p += 0.3 * torch.randn_like(p)
    return module, case.inputs(n), case.inputs(n + 2)


def jacobian(module: nn.Module, x: Tensor, func: bool = True) -> Tensor:
    """df_i(x_a)/dtheta, shape (n, k, p): by torch.func, or one backward pass for each."""
    parameters = {k: p for k, p in module.named_parameters() if p.requires_grad}
    if func:

        def value(p: dict[str, Tensor], one: Tensor) -> Tensor:
            return torch.func.functional_call(module, p, (one[None],)).reshape(-1)

        found = torch.func.vmap(torch.func.jacrev(value), (None, 0))(parameters, x)
        return torch.cat(
            [found[k].detach().reshape(*found[k].shape[:2], -1) for k in parameters], dim=2
        )
    rows = [
        [
            torch.cat([
                g.flatten()
                for g in torch.autograd.grad(
                    v, list(parameters.values()), retain_graph=True, materialize_grads=True
                )
            ])
            for v in module(one[None]).reshape(-1)
        ]
        for one in x
    ]  # fmt: skip
    return torch.stack([torch.stack(row) for row in rows])


def close(value: Tensor, exact: Tensor) -> None:
    assert value.shape == exact.shape
    assert float((value - exact).abs().max()) <= TOLERANCE * float(exact.abs().max())


@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_is_the_jacobian_product(name: str) -> None:
    case = CASES[name]
    module, x, y = build(case, 5)
    rows, columns = (jacobian(module, z, case.func) for z in (x, y))
    exact = torch.einsum("aip,bjp->aibj", rows, columns)
    last = rows.shape[1] - 1
    close(tangent_kernel(module, x, y, output=last), exact[:, last, :, last])
    close(tangent_kernel(module, x, y, output="trace"), torch.einsum("aibi->ab", exact))
    close(tangent_kernel(module, x, y, output="all"), exact)
    own = torch.einsum("aip,bjp->aibj", rows, rows)
    close(tangent_kernel(module, x), own[:, 0, :, 0])
    close(tangent_kernel(module, x, output="all"), own)
    close(tangent_kernel(module, x, output="all", method="jacobian"), own)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_samples_are_no_special_case(name: str, n: int) -> None:
    module, x, _ = build(CASES[name], n)
    rows = jacobian(module, x, CASES[name].func)[:, 0]
    close(tangent_kernel(module, x), rows @ rows.T)


@pytest.mark.parametrize("name", NAMES)
def test_only_what_has_no_rule_is_differentiated_sample_by_sample(name: str) -> None:
    module, x, _ = build(CASES[name], 5)
    plan = plan_of(module, x)
    assert set(plan.rest) == set(CASES[name].slow)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("output", [0, "trace", "all"])
def test_tiles_of_samples_give_the_same_kernel(
    name: str, output: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, x, y = build(CASES[name], 7)
    arguments = {"output": output}
    whole = [tangent_kernel(module, x, z, **arguments) for z in (None, y)]  # pyright: ignore
    monkeypatch.setattr(module_tiles.Tiles, "_size", lambda *_: 3)
    for z, exact in zip((None, y), whole, strict=True):
        close(tangent_kernel(module, x, z, **arguments), exact)  # pyright: ignore


def test_a_linear_model_has_the_linear_kernel() -> None:
    x = torch.randn(4, 3, dtype=torch.float64)
    close(tangent_kernel(nn.Linear(3, 1).double(), x), x @ x.T + 1)


def test_tied_weights_are_summed_before_the_product() -> None:
    torch.manual_seed(0)
    module, x = TiedAutoencoder().double(), torch.randn(5, 6, dtype=torch.float64)
    twin = _Untied(module)
    assert torch.equal(twin(x), module(x))
    k, wrong = tangent_kernel(module, x), tangent_kernel(twin, x)
    assert float((k - wrong).abs().max()) > 0.1 * float(k.abs().max())  # what a peer returns


class _Untied(nn.Module):
    """The same function with two parameters for the two uses."""

    def __init__(self, tied: TiedAutoencoder) -> None:
        super().__init__()
        self.encoder, self.decoder = (nn.Parameter(tied.weight.detach().clone()) for _ in "ab")
        self.hidden, self.visible = tied.hidden, tied.visible

    def forward(self, x: Tensor) -> Tensor:
        code = torch.tanh(functional.linear(x, self.encoder, self.hidden))
        return functional.linear(code, self.decoder.T, self.visible)


def test_frozen_unused_and_buffers_do_not_count() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    module.register_parameter("unused", nn.Parameter(torch.randn(7).double()))
    module.register_buffer("table", torch.randn(3))
    module[0].weight.requires_grad_(False)
    rows = jacobian(module[0:3], x)[:, 0]
    assert rows.shape[1] == 4 + 4 + 1
    close(tangent_kernel(module, x), rows @ rows.T)


def test_nothing_is_left_behind() -> None:
    torch.manual_seed(0)
    module, x = LeNet5().double(), torch.randn(3, 1, 28, 28, dtype=torch.float64)
    exact = tangent_kernel(module, x)
    assert not exact.requires_grad
    assert all(p.grad is None for p in module.parameters())
    with torch.no_grad():
        assert torch.equal(tangent_kernel(module, x), exact)
    with torch.inference_mode():
        close(tangent_kernel(module, x.clone()), exact)
    assert not tangent_kernel(module, x, method="jacobian").requires_grad


class Precision(nn.Module):
    """Notes the settings under which it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.note: Callable[[tuple[str, bool, bool]], None] = lambda _: None

    def forward(self, x: Tensor) -> Tensor:
        self.note((
            torch.get_float32_matmul_precision(),
            torch.backends.cudnn.allow_tf32,
            torch.is_autocast_enabled("cpu"),
        ))  # fmt: skip
        return self.layer(x)


def test_products_run_in_full_precision_whatever_the_caller_allows() -> None:
    module, x, seen = Precision(), torch.randn(4, 3), set()
    module.note = seen.add  # what a module keeps is put back
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.allow_tf32 = True
        with torch.autocast("cpu", dtype=torch.bfloat16):
            k = tangent_kernel(module, x)
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
    assert seen == {("highest", False, False)}
    assert k.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_rounding_floor_is_the_error_that_is_there(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(20, 300), nn.Tanh(), nn.Linear(300, 300), nn.Tanh(),
                           nn.Linear(300, 1)).to(dtype)  # fmt: skip
    x = torch.randn(40, 20, dtype=dtype)
    estimate = tangent_kernel_estimate(module, x)
    assert torch.equal(estimate.value, tangent_kernel(module, x))
    exact = _in_80_bits(module, x)
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    error = float(np.max(np.abs(estimate.value.numpy() - exact) / scale))
    eps = torch.finfo(dtype).eps
    assert 0.02 * eps < estimate.floor < 100 * eps  # 300 terms that round like a random walk
    assert estimate.floor / 10 < error < 10 * estimate.floor


def _in_80_bits(module: nn.Sequential, x: Tensor) -> np.ndarray:
    """K_0 of three linear layers with tanh between, in numpy's longdouble."""
    w = [p.detach().numpy().astype(np.longdouble) for p in module.parameters()]
    a = [x.numpy().astype(np.longdouble)]
    for k in (0, 2):
        a.append(np.tanh(a[-1] @ w[k].T + w[k + 1]))
    b = [np.ones((len(x), 1), np.longdouble)]
    for k in (4, 2):
        b.insert(0, b[0] @ w[k] * (1 - a[k // 2] ** 2))
    return np.sum([(p @ p.T + 1) * (q @ q.T) for p, q in zip(a, b, strict=True)], axis=0)


def test_what_has_no_rule_is_said_once_at_debug_level(caplog: pytest.LogCaptureFixture) -> None:
    module, x, _ = build(CASES["Data-dependent routing"], 4)
    with caplog.at_level(logging.DEBUG, logger="kinfinity"):
        tangent_kernel(module, x, output="trace")
    assert [r.levelno for r in caplog.records] == [logging.DEBUG]
    assert "readout.weight (the graph depends on the samples)" in caplog.text


def test_a_wrong_rule_is_found_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rule = RULES["AddmmBackward0"]

    def wrong(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
        return rule(call, signal * (1 + 1e-3), samples)

    monkeypatch.setitem(RULES, "AddmmBackward0", wrong)
    x = torch.randn(4, 3, dtype=torch.float64)
    with caplog.at_level(logging.DEBUG, logger="kinfinity"):
        close(tangent_kernel(nn.Linear(3, 1).double(), x), x @ x.T + 1)
    assert "weight (the rules do not agree with autograd)" in caplog.text


@pytest.mark.parametrize("method", ["auto", "jacobian"])
def test_a_parameter_that_is_missed_is_an_error_and_never_a_zero(
    method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    exact = tangent_kernel(module, x)
    whole = blocks.Block.gradients
    monkeypatch.setattr(
        blocks.Block, "gradients", lambda self, group, signals: whole(self, group[:1], signals)
    )
    close(tangent_kernel(module, x, method=method), exact)  # found out: the other way is taken
    rows = per_sample.jacobian_rows

    def lossy(values: Tensor, parameters: list[Tensor]) -> Tensor:
        kept = [torch.full((p.numel(),), float(p is not module[2].bias)) for p in parameters]
        return rows(values, parameters) * torch.cat(kept)

    monkeypatch.setattr(per_sample, "jacobian_rows", lossy)
    monkeypatch.setattr(module_tiles, "jacobian_rows", lossy)
    with pytest.raises(ValueError, match=r"got others: the gradient by 2\.bias differs"):
        tangent_kernel(module, x, method=method)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_gives_the_same_kernel(name: str) -> None:
    module, x, _ = build(CASES[name], 5)
    exact = tangent_kernel(module, x)
    close(tangent_kernel(module.cuda(), x.cuda()).cpu(), exact)
