r"""Gradient flow beside scipy's LSODA and Radau: twelve problems, work at the same accuracy.

    python benchmarks/flow_solvers.py [--only NAME] [--method auto]

The error of a run is the larger of rms|f - f*|/rms|r_0| and | ||theta - theta_0|| - d* |/max d*
over ten output times; f* and d* come from scipy at its smallest tolerance (with kinks, where
no method of scipy has an order, from ours at 1e-10). scipy gets the same vector field, the
displacement as its unknown, and tolerances
from 1e-3 to 1e-12; its figure is that of its cheapest run that is at least as accurate as ours.
Evaluations are gradients, those that a Jacobian by differences takes included.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from empirical import Flow, FlowError, gradient_flow
from empirical.flow.vector_field import Field

Array = NDArray[np.float64]
BUDGET = 20_000
LARGE = 500  # parameters; Radau's matrices by differences then take minutes
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12)


@dataclass(frozen=True)
class Problem:
    """A module with its samples, the horizon and the tolerance asked of us."""

    module: nn.Module
    x: Tensor
    y: Tensor
    horizon: float
    rtol: float = 1e-6

    @property
    def times(self) -> list[float]:
        return [self.horizon * k / 10 for k in range(1, 11)]


@dataclass(frozen=True)
class Work:
    """Error, evaluations (rows of Hessians included) and seconds of one run."""

    error: float
    evaluations: int
    seconds: float


def perceptron(sizes: list[int], activation: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    parts: list[nn.Module] = []
    for a, b in pairwise(sizes):
        parts += [nn.Linear(a, b), activation()]
    return nn.Sequential(*parts[:-1]).double()


def normal(n: int, d: int, seed: int = 1) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wave(x: Tensor) -> Tensor:
    return torch.sin(2 * x[:, 0]) + x[:, -1] / 2


class Decays(nn.Module):
    """A sum of two exponentials, the classical ill-conditioned fit."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([1.0, 0.5], dtype=torch.float64))
        self.b = nn.Parameter(torch.tensor([0.3, 3.0], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return (self.a * torch.exp(-self.b * x)).sum(1)


def _saddle() -> Problem:
    torch.manual_seed(0)
    layers = [nn.Linear(a, b, bias=False).double() for a, b in ((4, 10), (10, 10), (10, 1))]
    for layer in layers:
        nn.init.normal_(layer.weight, std=1e-2)
    x = normal(20, 4)
    return Problem(nn.Sequential(*layers), x, x[:, 0] - x[:, 1], 300.0)


def problems() -> dict[str, Problem]:
    x3, x2, line = normal(30, 3), normal(30, 2), torch.linspace(0, 4, 40)[:, None].double()
    scaled = x3 * torch.tensor([1e3, 1.0, 1e-3])
    bad = normal(20, 6) * torch.logspace(0, -6, 6).double()
    one = torch.ones(20, 1).double() * torch.linspace(-1, 1, 20)[:, None].double()
    tanh, wide = nn.Tanh, perceptron([3, 256, 1], nn.Tanh)
    small32 = perceptron([2, 8, 1], tanh).float()
    return {
        "scales 1e3, 1, 1e-3": Problem(perceptron([3, 8, 1], tanh), scaled, wave(x3), 1.0),
        "2-2-1 tanh, t = 1000": Problem(perceptron([2, 2, 1], tanh), x2, wave(x2), 1000.0),
        "wide, easy": Problem(wide, normal(16, 3), wave(normal(16, 3)), 1.0),
        "wide, long": Problem(wide, normal(16, 3), wave(normal(16, 3)), 100.0),
        "relu 3-8-1": Problem(perceptron([3, 8, 1], nn.ReLU), x3[:16], wave(x3[:16]), 0.5),
        "saddle 4-10-10-1": _saddle(),
        "float32": Problem(small32, x2.float(), wave(x2).float(), 20.0, 1e-4),
        "K_0 of rank 1": Problem(perceptron([1, 1, 1], tanh), one, one[:, 0] ** 3, 50.0),
        "linear, condition 1e12": Problem(perceptron([6, 1], tanh), bad, wave(bad), 1e6),
        "two decays": Problem(Decays(), line, torch.exp(-line[:, 0]), 1e4),
        "deep softplus": Problem(perceptron([2, 8, 8, 8, 1], nn.Softplus), x2, wave(x2), 100.0),
        "three outputs": Problem(
            perceptron([3, 6, 3], nn.SiLU),
            x3,
            torch.stack([wave(x3), x3[:, 1], -wave(x3)], 1),
            50.0,
        ),
    }


def distance(flow: Any, exact: Any, scale: float) -> float:
    """The error of a run; both have ``residuals`` and ``displacement``."""
    apart = (flow.residuals - exact.residuals).flatten(1).double()
    rms = float(apart.norm(dim=1).max()) / math.sqrt(flow.residuals.shape[1]) / scale
    moved = (flow.displacement - exact.displacement).abs().max() / exact.displacement.max()
    return max(rms, float(moved))


@dataclass(frozen=True)
class Seen:
    """What is compared, from a run of scipy."""

    residuals: Tensor
    displacement: Tensor


def theirs(p: Problem, method: str, rtol: float, budget: int = BUDGET) -> tuple[Seen, int, float]:
    """A run of scipy on the displacement, its evaluations and its seconds."""
    field = Field(p.module, p.x, p.y)
    out = torch.empty_like(field.origin)
    residuals: list[Tensor] = []

    def slope(_: float, moved: Array) -> Array:
        if field.evaluations > budget:
            raise RuntimeError("too many evaluations")
        field(field.origin + torch.as_tensor(moved, dtype=out.dtype), out)
        return out.double().numpy().copy()

    start = np.zeros(len(out))
    size = float(field(field.origin, out).residual.norm())  # a length for the absolute tolerance
    began = time.perf_counter()
    atol = rtol * 0.01 * min(1.0, size)
    run = solve_ivp(
        slope, (0, p.horizon), start, method=method, t_eval=p.times, rtol=rtol, atol=atol
    )
    seconds = time.perf_counter() - began
    if not run.success:
        raise RuntimeError(run.message)
    moves = torch.as_tensor(run.y.T.copy())
    evaluations = field.evaluations - 1
    for moved in moves:
        residuals.append(field(field.origin + moved.to(out.dtype), out).residual)
    return Seen(torch.stack(residuals), moves.norm(dim=1)), evaluations, seconds


def ours(p: Problem, method: Any) -> tuple[Flow, Work]:
    began = time.perf_counter()
    flow = gradient_flow(
        p.module, p.x, p.y, p.times, rtol=p.rtol, method=method, max_evaluations=BUDGET
    )
    seconds = time.perf_counter() - began
    work = flow.work
    return flow, Work(0.0, work["evaluations"], seconds)


def reference(p: Problem) -> Any:
    """A solution by scipy at its smallest tolerance, in float64."""
    exact = Problem(p.module.double(), p.x.double(), p.y.double(), p.horizon)
    if any(isinstance(part, nn.ReLU) for part in p.module.modules()):
        return gradient_flow(exact.module, exact.x, exact.y, exact.times, rtol=1e-10)
    for method in ("LSODA", "Radau"):
        try:
            return theirs(exact, method, 1e-12, 10 * BUDGET)[0]
        except RuntimeError:
            continue
    raise RuntimeError("no reference")


def compare(name: str, p: Problem, method: Any) -> str:
    """One row of the table."""
    exact = reference(Problem(copy.deepcopy(p.module), p.x, p.y, p.horizon))
    start = p.module(p.x).detach().reshape(p.y.shape) - p.y
    scale = float(start.norm()) / math.sqrt(len(p.x))
    shaped = exact.residuals.reshape(len(p.times), *p.y.shape)
    exact = Seen(shaped, exact.displacement)
    try:
        flow, work = ours(p, method)
    except FlowError as error:
        return f"{name:24s} {error}"
    error = distance(flow, exact, scale)
    size = sum(q.numel() for q in p.module.parameters())
    row = (
        f"{name:24s} p {size:5d} {flow.config['method']:11s}"
        f" error {error:.1e}  {flow.work['evaluations']:6d} evaluations"
        f" {work.seconds:6.2f} s"
    )
    for other in ("LSODA", "Radau") if size < LARGE else ("LSODA",):
        best: Work | None = None
        for rtol in TOLERANCES:
            try:
                seen, evaluations, seconds = theirs(p, other, rtol)
            except RuntimeError:
                break
            seen = Seen(seen.residuals.reshape(shaped.shape), seen.displacement)
            reached = distance(seen, exact, scale)
            if reached <= error:
                best = Work(reached, evaluations, seconds)
                break
        if best is None:
            row += f" | {other} does not get there"
        else:
            row += (
                f" | {other} {best.error:.0e} {best.evaluations:6d} {best.seconds:6.2f} s: ratios"
                f" {work.evaluations / best.evaluations:.2f}, {work.seconds / best.seconds:.2f}"
            )
    return row


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only")
    options.add_argument("--method", default="auto")
    given = options.parse_args()
    torch.set_num_threads(1)
    for name, problem in problems().items():
        if given.only is None or given.only in name:
            print(compare(name, problem, given.method), flush=True)


if __name__ == "__main__":
    main()
