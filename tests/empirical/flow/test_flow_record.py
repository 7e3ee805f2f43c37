"""What a flow leaves behind: continued, interrupted, refused."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from oracles.damages import check_damages
from torch import Tensor, nn

from empirical import Flow, FlowError, gradient_flow

TIMES = [0.0, 0.1, 1.0, 1.01, 7.0, 30.0]
SERIES = ("times", "residuals", "evaluation", "displacement", "loss", "gradient", "kernels")
RUN = """
import sys, torch
from torch import nn
from empirical import gradient_flow
torch.set_num_threads(1)
torch.manual_seed(0)
module = nn.Sequential(nn.Linear(2, 9), nn.Tanh(), nn.Linear(9, 1)).double()
x = torch.randn(7, 2, dtype=torch.float64)
grid = [i / 5 for i in range(int(sys.argv[1]))]
rates = {"0.weight": 0.3, "0.bias": 0.0, "2.*": 2.0}
y = torch.sin(3 * x[:, 0])
gradient_flow(module, x, y, grid, rtol=1e-8, checkpoint=sys.argv[2], rates=rates)
"""
RATES = {"0.weight": 0.3, "0.bias": 0.0, "2.*": 2.0}


@pytest.fixture
def given() -> Any:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 9), nn.Tanh(), nn.Linear(9, 1)).double()
    x = torch.randn(7, 2, dtype=torch.float64)
    return module, x, torch.sin(3 * x[:, 0])


def flow(given: Any, times: Any, **named: Any) -> Flow:
    module, x, y = given
    return gradient_flow(module, x, y, times, **named)


def same(a: Flow, b: Flow) -> bool:
    pairs = [(getattr(a, name), getattr(b, name)) for name in SERIES]
    pairs += [(a.parameters[k], b.parameters[k]) for k in a.parameters]
    return all(p is q or torch.equal(p, q) for p, q in pairs)


@pytest.mark.parametrize("method", ["explicit", "exponential", "multistep"])
@pytest.mark.parametrize("stop", range(1, len(TIMES)))
def test_a_continued_flow_is_the_uninterrupted_one(given: Any, method: Any, stop: int) -> None:
    named: dict[str, Any] = {
        "evaluate": given[1][:3],
        "watch": given[1][:2],
        "method": method,
        "rtol": 1e-5,
    }
    whole = flow(given, TIMES, **named)
    part = flow(given, TIMES[:stop], **named)
    rest = flow(given, TIMES, resume=part, **named)
    assert same(rest, whole)
    assert rest.work["steps"] == whole.work["steps"]
    assert rest.stiff == whole.stiff
    assert rest.work["evaluations"] < whole.work["evaluations"] or stop < 4


@pytest.mark.parametrize("method", ["explicit", "exponential", "multistep"])
def test_a_flow_that_runs_out_keeps_what_it_has(given: Any, method: Any, tmp_path: Path) -> None:
    whole = flow(given, TIMES, method=method)
    budget = whole.work["evaluations"] * 3 // 4
    file = tmp_path / "flow.pt"
    with pytest.raises(FlowError, match=rf"got to .*: {budget} evaluations.*raise rtol") as caught:
        flow(given, TIMES, method=method, max_evaluations=budget, checkpoint=file)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert str(copied) == str(caught.value)
    partial = copied.partial
    reached = len(partial.times)
    assert 0 < reached < len(TIMES)
    assert torch.equal(partial.residuals, whole.residuals[:reached])
    assert same(Flow.load(file), partial)
    assert same(flow(given, TIMES, method=method, resume=partial), whole)
    assert same(flow(given, TIMES, method=method, checkpoint=file), whole)
    assert same(Flow.load(file), whole)


@pytest.mark.parametrize("method", ["explicit", "exponential", "multistep"])
def test_a_flow_at_rates_is_continued_to_the_last_bit(given: Any, method: Any) -> None:
    """Also where the record already holds all times, and from what is left of one that ran out."""
    named: dict[str, Any] = {"method": method, "rtol": 1e-5, "watch": given[1][:2], "rates": RATES}
    times = TIMES[:4]
    whole = flow(given, times, **named)
    for stop in (2, 4):
        part = flow(given, times[:stop], **named)
        assert part.parameters.keys() == dict(given[0].named_parameters()).keys()
        assert same(flow(given, times, resume=part, **named), whole)
    with pytest.raises(FlowError) as caught:
        flow(given, times, max_evaluations=whole.work["evaluations"] // 2, **named)
    assert same(flow(given, times, resume=caught.value.partial, **named), whole)


def test_records_of_other_rates_are_refused(given: Any) -> None:
    part = flow(given, TIMES[:3], rates=RATES)
    for other in (None, RATES | {"0.bias": 1.0}):
        with pytest.raises(ValueError, match="got one with other rates; pass"):
            flow(given, TIMES, resume=part, rates=other)
    given[0][0].bias.data += 1  # which is frozen
    with pytest.raises(ValueError, match="with other frozen"):
        flow(given, TIMES, resume=part, rates=RATES)
    with pytest.raises(ValueError, match="a positive rate of some parameter, got 0 for all"):
        flow(given, TIMES, rates={"*": 0.0})


def test_a_flow_without_output_keeps_its_start(given: Any) -> None:
    with pytest.raises(FlowError) as caught:
        flow(given, [5.0], max_evaluations=1)
    assert len(caught.value.partial.times) == 0
    assert same(flow(given, [5.0], resume=caught.value.partial), flow(given, [5.0]))


def test_a_jump_ends_the_flow_with_what_was_reached() -> None:
    class Jump(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(1, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            return torch.where(self.w > 0.5, torch.nan, self.w * x[:, 0])

    x = torch.ones(1, 1, dtype=torch.float64)
    methods: list[Any] = ["explicit", "exponential", "multistep"]
    for method in methods:
        with pytest.raises(FlowError, match="the module has a jump") as caught:
            gradient_flow(Jump(), x, torch.ones(1).double(), [0.3, 5.0], method=method)
        assert len(caught.value.partial.times) == 1


def test_a_failed_write_leaves_the_file_before(
    given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "flow.pt"
    before = flow(given, TIMES[:2], checkpoint=file)

    def half(_: Any, target: Any) -> None:
        target.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        flow(given, TIMES, checkpoint=file)
    assert [p.name for p in tmp_path.iterdir()] == ["flow.pt"]
    assert same(Flow.load(file), before)


def test_a_killed_flow_continues(given: Any, tmp_path: Path) -> None:
    file, count = tmp_path / "flow.pt", 100
    command = [sys.executable, "-c", RUN, str(count), str(file)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[3])
    while not file.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = Flow.load(file)
    assert 0 < len(killed.times) < count
    grid = [i / 5 for i in range(count)]
    module, x, y = given
    whole = gradient_flow(module, x, y, grid, rtol=1e-8, rates=RATES)
    again = gradient_flow(module, x, y, grid, rtol=1e-8, checkpoint=file, rates=RATES)
    assert same(again, whole)
    assert torch.equal(again.parameters["0.bias"], module[0].bias)


def test_records_of_other_flows_are_refused(given: Any, tmp_path: Path) -> None:
    module, x, y = given
    part = gradient_flow(module, x, y, TIMES[:3])
    with pytest.raises(ValueError, match=r"with other y; pass"):
        gradient_flow(module, x, -y, TIMES, resume=part)
    with pytest.raises(ValueError, match=r"with other rtol, method"):
        gradient_flow(module, x, y, TIMES, resume=part, rtol=1e-3, method="explicit")
    with pytest.raises(ValueError, match="expected times that begin with those of the record"):
        gradient_flow(module, x, y, [0.0, 0.2, 1.0], resume=part)
    module[0].bias.data += 1
    with pytest.raises(ValueError, match="with other parameters"):
        gradient_flow(module, x, y, TIMES, resume=part)
    file = tmp_path / "flow.pt"
    file.write_bytes(b"else")
    with pytest.raises(ValueError, match="expected a record of gradient_flow"):
        Flow.load(file)
    with pytest.raises(FileNotFoundError):
        Flow.load(tmp_path / "none")


def test_damaged_records_are_refused(given: Any, tmp_path: Path) -> None:
    file = tmp_path / "flow.pt"
    flow(given, TIMES[:3], watch=given[1][:2], checkpoint=file)
    check_damages(file, Flow.load)


NAN = torch.tensor([0.0, torch.nan, 0, 0, 0, 0, 0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": torch.ones(6).double()}, ValueError, "one target for each of 7 inputs, got 6"),
        ({"y": torch.ones(7, 2).double()}, ValueError, r"y of shape \(7,\), got \(7, 2\)"),
        ({"y": torch.ones(7).long()}, TypeError, "real targets y, got torch.int64; pass y.to"),
        ({"y": torch.ones(7)}, TypeError, "y of the network's torch.float64, got torch.float32"),
        ({"y": NAN}, ValueError, "finite numbers in y, got NaN or infinity first in row 1"),
        ({"y": [1.0] * 7}, TypeError, "expected a tensor y, got list"),
        ({"x": torch.ones(7, 3).double()}, ValueError, r"inputs that the module takes.*\(7, 3\)"),
        ({"x": NAN[:, None].expand(7, 2)}, ValueError, "in x, got NaN or infinity first in row 1"),
        ({"times": [0.0, 2.0, 1.0]}, ValueError, "expected increasing times"),
        ({"times": [1.0, 1.0]}, ValueError, "expected increasing times"),
        ({"times": [-1.0, 1.0]}, ValueError, "expected finite times from 0 on"),
        ({"times": [0.0, float("inf")]}, ValueError, "expected finite times"),
        ({"times": []}, ValueError, r"times of shape \(T,\) with T >= 1"),
        ({"times": "now"}, TypeError, "expected times as numbers, got str"),
        ({"evaluate": torch.ones(4, 3).double()}, ValueError, r"evaluate of shape \(N, \*\(2,\)\)"),
        ({"evaluate": torch.ones(4, 2)}, TypeError, "expected evaluate of the network's"),
        ({"watch": torch.ones(2).double()}, ValueError, "expected watch of shape"),
        ({"module": nn.Tanh()}, ValueError, "trainable parameters, got none"),
        ({"module": abs}, TypeError, "expected a torch.nn.Module"),
        ({"module": nn.Linear(2, 1).bfloat16()}, TypeError, "float64 or float32, got torch.bfl"),
        ({"rtol": 0.0}, ValueError, r"<= rtol < 1 in torch.float64, got 0.0"),
        ({"rtol": 1e-14}, ValueError, r"expected 2.2e-14 <= rtol"),
        ({"rtol": "small"}, TypeError, "expected rtol as a number, got str"),
        ({"method": "euler"}, ValueError, "'explicit' or 'multistep', got 'euler'"),
        ({"max_evaluations": 0}, ValueError, "max_evaluations of at least 1, got 0"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(given: Any, change: dict, error: type, message: str) -> None:
    arguments = {**dict(zip(("module", "x", "y"), given, strict=True)), "times": [1.0], **change}
    with pytest.raises(error, match=message):
        gradient_flow(**arguments)


class Applied(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.layer, self.function = nn.Linear(2, 1).double(), function

    def forward(self, x: Tensor) -> Any:
        return self.function(self.layer(x))


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda f: f.detach(), ValueError, "outputs that depend on the parameters"),
        (lambda f: f.log() * torch.nan, ValueError, "finite outputs on x, got NaN or infinity"),
        (lambda f: f[None], ValueError, r"outputs of shape \(n,\) or \(n, k\), got \(1, 7, 1\)"),
        (lambda f: f > 0, TypeError, "real outputs, got torch.bool"),
        (lambda f: (f, f), TypeError, "real outputs, got tuple"),
    ],
)
def test_bad_outputs_are_refused(given: Any, function: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        flow((Applied(function), *given[1:]), [1.0])


def test_modules_without_second_derivatives_take_explicit_steps(
    given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return torch.sin(x)

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, *grad_outputs: Any) -> Any:  # pyright: ignore
            return grad_outputs[0] * torch.cos(ctx.saved_tensors[0])

    module = Applied(Once.apply)
    taken = flow((module, *given[1:]), [1.0])
    assert taken.config["method"] == "multistep"  # which needs no second ones for few parameters
    wide = Applied(Once.apply)
    wide.layer = nn.Linear(2, 50).double()
    wide_given = wide, given[1][:2], given[2][:2, None].expand(2, 50)
    assert flow(wide_given, [0.1]).config["method"] == "exponential"  # on the entries of J
    monkeypatch.setattr("empirical.flow.dense_jacobian._ENTRIES", 0)
    assert flow(wide_given, [0.1]).config["method"] == "explicit"
    with pytest.raises(TypeError, match="with second derivatives for the exponential method"):
        flow((module, *given[1:]), [1.0], method="exponential")


def test_memory_is_refused_before_it_is_taken(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("empirical.memory.available", lambda _: 10)
    with pytest.raises(MemoryError, match="for a flow of 37 parameters"):
        flow(given, [1.0])
