"""Records belong to what made them; what cannot be is said before the first step."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from empirical import FlowError, gradient_flow
from empirical.flow.vector_field import Field

METHODS: list[Any] = ["explicit", "exponential", "multistep"]
X = torch.linspace(-1, 1, 5, dtype=torch.float64)[:, None]
Y = torch.sin(3 * X[:, 0])


class Scaled(nn.Module):
    """f = c w . phi(x v + b): what decides it is spread over all that a module can hold."""

    frozen: Tensor
    buffer: Tensor

    def __init__(self, c: float = 1.0, phi: Callable[[Tensor], Tensor] = torch.tanh) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.c, self.phi = c, phi
        self.first, self.last = nn.Linear(1, 4).double(), nn.Linear(4, 1).double()
        self.last.bias.requires_grad_(False)
        self.register_buffer("buffer", torch.ones(4, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.c * self.last(self.buffer * self.phi(self.first(x)))


def _set(module: Scaled, name: str) -> Scaled:
    with torch.no_grad():
        module.get_parameter(name).add_(0.1) if "." in name else module.buffer.mul_(1.1)
    return module


@pytest.mark.parametrize("times", [[], [0.0], [0.0, 1.0]])
@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: Scaled(c=1 + 1e-9), "outputs at its start"),
        (lambda: Scaled(phi=torch.relu), "outputs at its start"),
        (lambda: _set(Scaled(), "last.bias"), "other frozen"),
        (lambda: _set(Scaled(), "buffer"), "other frozen"),
        (lambda: _set(Scaled(), "first.weight"), "other parameters"),
    ],
)
def test_records_of_other_modules_are_refused(
    times: list[float], other: Callable[[], nn.Module], words: str, tmp_path: Path
) -> None:
    file = tmp_path / "flow.pt"
    if times:
        record = gradient_flow(Scaled(), X, Y, times, checkpoint=file)
    else:
        with pytest.raises(FlowError) as caught:
            gradient_flow(Scaled(), X, Y, [1.0], max_evaluations=1)
        record = caught.value.partial
        record.save(file)
    again = gradient_flow(Scaled(), X, Y, [*times, 2.0], resume=record)
    assert torch.equal(again.residuals[-1], gradient_flow(Scaled(), X, Y, [2.0]).residuals[0])
    for named in ({"resume": record}, {"checkpoint": file}):
        with pytest.raises(ValueError, match=f"expected a record of this flow, got one .*{words}"):
            gradient_flow(other(), X, Y, [*times, 2.0], **named)  # pyright: ignore


def test_modules_that_differ_only_on_the_way_are_told_apart() -> None:
    """The same outputs and gradients at theta_0, others at the last point."""

    class Bent(nn.Module):
        def __init__(self, bend: float) -> None:
            super().__init__()
            self.w, self.bend = nn.Parameter(torch.zeros(1, dtype=torch.float64)), bend

        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0] * (self.w + self.bend * self.w**3)

    record = gradient_flow(Bent(0.0), X, Y, [0.0, 1.0])
    with pytest.raises(ValueError, match="other outputs at its end"):
        gradient_flow(Bent(0.1), X, Y, [0.0, 1.0, 2.0], resume=record)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: {"state": {**s, "step": "long"}}, "other state"),
        (lambda s: {"state": {**s, "more": 1}}, "other state"),
        (lambda s: {"state": {**s, "displacement": s["displacement"][:-1]}}, "other state"),
        (lambda s: {"state": {**s, "displacement": s["displacement"] * torch.nan}}, "other state"),
        (lambda s: {"state": None}, "other state and config"),
        (lambda s: {"parameters": {}}, "other parameters"),
        (lambda s: {"loss": torch.zeros(1)}, "other series"),
        (lambda s: {"config": {}}, "other rtol, method"),
    ],
)
def test_records_edited_by_hand_are_refused(
    change: Callable[[dict[str, Any]], dict[str, Any]], words: str
) -> None:
    record = gradient_flow(Scaled(), X, Y, [0.0, 1.0])
    edited = replace(record, **change(record.state))
    with pytest.raises(ValueError, match=f"expected a record .*{words}"):
        gradient_flow(Scaled(), X, Y, [0.0, 1.0, 2.0], resume=edited)


def test_what_is_no_record_is_refused() -> None:
    other: Any = "flow.pt"
    with pytest.raises(TypeError, match="expected resume as a Flow, got str; load it"):
        gradient_flow(Scaled(), X, Y, [1.0], resume=other)


def test_checkpoints_are_judged_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("the field was asked")

    monkeypatch.setattr("empirical.flow.vector_field.Field.__call__", never)
    number: Any = 3
    cases: list[tuple[Any, type[Exception], str]] = [
        (tmp_path / "none" / "flow.pt", ValueError, "in a folder that exists, got .*; make .*none"),
        (tmp_path, ValueError, "a file as checkpoint, got the folder"),
        (number, TypeError, "checkpoint as a path, got int"),
    ]
    for path, error, words in cases:
        with pytest.raises(error, match=words):
            gradient_flow(Scaled(), X, Y, [1.0], checkpoint=path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="in a folder that can be written"):
        gradient_flow(Scaled(), X, Y, [1.0], checkpoint=tmp_path / "flow.pt")


class Root(nn.Module):
    def __init__(self, w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([w], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.w.sqrt() * x[:, 0]


@pytest.mark.parametrize("method", METHODS)
def test_a_place_without_a_slope_is_named(method: Any) -> None:
    with pytest.raises(ValueError, match=r"finite gradient at the start, got .* by w; the module"):
        gradient_flow(Root(0.0), X, Y, [1.0], method=method)
    with pytest.raises(FlowError, match=r"expected to reach t = 5, got to 0\.\d+: "):
        gradient_flow(Root(1.0), X, -10 * X[:, 0], [5.0], method=method)  # w reaches 0
    with pytest.raises(ValueError, match=r"squares are numbers, got one of 1e\+155; rescale y"):
        gradient_flow(Scaled(), X, Y.sign() * 1e155, [1.0], method=method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e-8, 1e8, 1e150])
def test_the_scale_of_targets_does_not_matter(method: Any, scale: float) -> None:
    module = nn.Linear(1, 1, bias=False).double()
    nn.init.zeros_(module.weight)
    rate = float(X.square().mean())
    flow = gradient_flow(module, X, scale * X[:, 0], [1.0, 3.0], method=method)
    for r, t in zip(flow.residuals, (1.0, 3.0), strict=True):
        exact = -X[:, 0] * torch.exp(torch.tensor(-rate * t, dtype=torch.float64))
        torch.testing.assert_close(r / scale, exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_budget_is_kept(method: Any) -> None:
    times = [0.0, 0.3, 1.0]
    for budget in range(1, 40):
        calls: list[int] = []
        with pytest.MonkeyPatch.context() as patch:
            taken = Field.jacobian

            def counted(*args: Any, calls: list[int] = calls, taken: Any = taken) -> Any:
                found = taken(*args)
                calls.append(1)
                return found

            patch.setattr(Field, "jacobian", counted)
            with pytest.raises(FlowError, match=f": {budget} evaluations of the gradient were not"):
                gradient_flow(Scaled(), X, Y, times, method=method, max_evaluations=budget)
        assert len(calls) == budget
