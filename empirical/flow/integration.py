r"""Gradient flow: full-batch gradient descent with infinitesimal steps, to a tolerance.

    theta_t' = -grad Phi(theta_t),    Phi = (1/2n) sum_a (f(x_a; theta) - y_a)^2

Discrete gradient descent is Euler's method for it; the theory is about the flow itself. The
methods, and what the tolerance means, are in docs/theory/flow.md.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from empirical.flow.arguments import check_data, check_numbers, check_record, check_times
from empirical.flow.dormand_prince import DormandPrince
from empirical.flow.exponential import Exponential
from empirical.flow.multistep import Multistep
from empirical.flow.record import Flow, FlowError
from empirical.flow.steps import STABLE, Position, StepError, Tolerance
from empirical.flow.vector_field import Field
from empirical.jacobian import Jacobian
from empirical.memory import require
from empirical.precision import full_precision

__all__ = ["gradient_flow"]

Method = Literal["auto", "exponential", "explicit", "multistep"]
_METHODS = {"explicit": DormandPrince, "exponential": Exponential, "multistep": Multistep}
_POINTS = 64  # evaluation points at which local errors are watched
_FEW = 128  # parameters whose own matrix costs nothing
_SMALL = 128  # kernels whose eigenvectors cost nothing
_PATIENCE = 16  # gradients that one set of eigenvectors may cost
_SERIES = ("residuals", "evaluation", "displacement", "loss", "gradient", "kernels")


def gradient_flow(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    times: Sequence[float] | Tensor,
    *,
    evaluate: Tensor | None = None,
    watch: Tensor | None = None,
    rtol: float = 1e-6,
    method: Method = "auto",
    max_evaluations: int = 100_000,
    resume: Flow | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Flow:
    r"""Gradient flow of the mean squared error from the module's parameters.

    .. math:: \theta_t' = -\nabla\Phi(\theta_t), \qquad
              \Phi(\theta) = \frac1{2n} \sum_{a=1}^n (f(x_a; \theta) - y_a)^2

    The module itself is not changed.

    Args:
        module: any module, in eval mode, with outputs of shape (n,), (n, 1) or (n, k).
        x: inputs, shape (n, ...), of the module's dtype (or integers) and on its device.
        y: targets, shape (n,), or (n, k) for k outputs.
        times: output times, increasing, not negative, shape (T,).
        evaluate: points at which predictions are recorded, shape (N, ...).
        watch: points at which the tangent kernel K_t is recorded, shape (w, ...).
        rtol: tolerance of the predictions relative to the rms of the first residual, and of
            the parameters relative to the way they went; float32 takes 1.2e-5 and more.
        method: ``"exponential"``, on the eigenvectors of the tangent kernel, for steps of any
            length; ``"explicit"`` where that kernel is too large or second derivatives are
            missing; ``"auto"`` for the first that can be had.
        max_evaluations: how often the gradient may be computed in this call.
        resume: a record of the same flow at the first of these times, to be continued.
        checkpoint: file to which the record is written after every output time; if it exists,
            the flow continues from there.

    Returns:
        The record, a ``Flow``.

    Raises:
        TypeError: a kind is wrong: the module, dtypes, integer targets.
        ValueError: shapes, devices or times do not fit, numbers are not finite, or the record
            to be continued belongs to another flow.
        MemoryError: the vectors of the integrator would not fit.
        FlowError: the last time was not reached; ``error.partial`` is the record until then.

    References:
        Bowman and Montufar (2022), section 2.2; Dormand and Prince (1980).

    Example:
        >>> f = nn.Linear(1, 1, bias=False).double()
        >>> _ = nn.init.zeros_(f.weight)
        >>> x, y = torch.ones(1, 1).double(), torch.ones(1).double()
        >>> flow = gradient_flow(f, x, y, [0.0, 1.0])
        >>> [round(float(r), 5) for r in flow.residuals]  # -exp(-t)
        [-1.0, -0.36788]
    """
    check_data(module, x, y, evaluate=evaluate, watch=watch)
    grid = check_times(times)
    check_numbers(rtol, max_evaluations, method, next(module.parameters()).dtype)
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        full_precision(next(module.parameters()).device),
    ):
        run = _Run(module, x, y, evaluate, watch, rtol, method)
        path = None if checkpoint is None else Path(checkpoint)
        if resume is None and path is not None and path.exists():
            resume = Flow.load(path, str(run.field.origin.device))
        run.begin(resume, grid)
        return run.through(grid, max_evaluations, path)


class _Run:
    """One flow: its integrator, and what was recorded so far."""

    def __init__(
        self,
        module: nn.Module,
        x: Tensor,
        y: Tensor,
        evaluate: Tensor | None,
        watch: Tensor | None,
        rtol: float,
        method: Method,
    ) -> None:
        _require_memory(module)
        self.field = Field(module, x, y)
        self.evaluate, self.watch = evaluate, watch
        tensors = {"x": x, "y": y, "evaluate": evaluate, "watch": watch}
        self.config: dict[str, Any] = {"rtol": rtol, "parameters": _digest(self.field.origin)}
        self.config |= {k: None if t is None else _digest(t) for k, t in tensors.items()}
        self.times: list[float] = []
        self.theta = self.field.origin
        self.series: dict[str, list[Tensor]] = {name: [] for name in _SERIES}
        self.slope = torch.empty_like(self.field.origin)
        jacobian = self.field(self.field.origin, self.slope)
        self.config["method"] = self._resolve(method, jacobian)
        loss = float(_loss(jacobian.residual))
        points = None if evaluate is None else evaluate[:: -(-len(evaluate) // _POINTS)]
        self.tolerance = Tolerance(self.field, rtol, points, loss)
        self.position = Position(0.0, torch.zeros_like(self.field.origin), self._first(rtol, loss))

    def _first(self, rtol: float, loss: float) -> float:
        """The first step: a share of the times in which the loss and the slope would change.

        At a saddle the slope F alone foretells nothing; the curvature along it, ||H F||/||F||
        by a difference, says how soon F is another.
        """
        slope = float(_norm(self.slope))
        if slope == 0:
            return 1.0  # nothing moves
        length = torch.finfo(self.slope.dtype).eps ** (1 / 3) * float(_norm(self.field.origin))
        along = self.slope * ((length or 1e-5) / slope)
        ahead = torch.empty_like(self.slope)
        self.field(self.field.origin + along, ahead)
        curvature = float(_norm(ahead - self.slope)) / (length or 1e-5)
        times = [2 * loss / slope**2]
        if 0 < curvature < math.inf:
            times.append(1 / curvature)
        return rtol**0.25 * min(times)

    def _resolve(self, method: Method, jacobian: Jacobian) -> str:
        """The method, from the sizes alone: it is the same for whoever continues the flow."""
        if method == "multistep" or (method == "auto" and len(self.field.origin) <= _FEW):
            return "multistep"
        n, k = self.field.y.shape
        large = 10 * (n * k) ** 3 > _PATIENCE * 6 * n * len(self.field.origin)
        if method == "explicit" or (method == "auto" and large and n * k > _SMALL):
            return "explicit"  # the eigenvectors cost more than some gradients
        try:
            self.field.held(jacobian).push(self.field.split(self.field.origin))
        except RuntimeError as error:
            if method == "auto":
                return "explicit"
            raise TypeError(
                "expected a module with second derivatives for the exponential method, got"
                f' {error}; pass method="explicit"'
            ) from error
        return "exponential"

    def begin(self, record: Flow | None, grid: list[float]) -> None:
        """Start at theta_0, or where a record of the same flow ends."""
        if record is not None:
            check_record(record, self.config, grid)
            self.times = record.times.tolist()
            for name, values in self.series.items():
                series = getattr(record, name)
                values.extend([] if series is None else series)
            self.position = Position(**record.state)
            self.position.displacement = self.position.displacement.clone()
            self.theta = torch.cat([record.parameters[k].reshape(-1) for k in self.field.names])
        self.integrator = _METHODS[self.config["method"]](self.field, self.tolerance, self.position)

    def through(self, grid: list[float], budget: int, path: Path | None) -> Flow:
        """Record the flow at the times that are left."""
        record = None
        for time in grid[len(self.times) :]:
            try:
                while self.integrator.end < time:
                    if self.field.evaluations >= budget:
                        raise StepError(f"{budget} evaluations of the gradient were not enough")
                    self.integrator.advance()
            except StepError as reason:
                raise FlowError(
                    f"expected to reach t = {time:.6g}, got to {self.integrator.end:.6g}: {reason};"
                    " raise rtol or max_evaluations, or lower the times",
                    self._record(),
                ) from reason
            self._observe(time)
            if path is not None:
                record = self._record()
                record.save(path)
        return self._record() if record is None else record

    def _observe(self, time: float) -> None:
        """Add one output time to the series."""
        moved = self.integrator.displacement(time)
        self.theta = self.field.origin + moved
        residual = self.field(self.theta, self.slope).residual
        now = {
            "residuals": residual,
            "displacement": _norm(moved),
            "loss": _loss(residual),
            "gradient": _norm(self.slope).square(),
        }
        if self.evaluate is not None:
            now["evaluation"] = self.field.values(self.theta, self.evaluate)
        if self.watch is not None:
            now["kernels"] = self.field.kernel(self.theta, self.watch)
        self.times.append(time)
        for name, value in now.items():
            single = name in ("residuals", "evaluation") and self.field.single
            self.series[name].append(value.squeeze(1) if single else value)

    def _record(self) -> Flow:
        wanted = {"evaluation": self.evaluate, "kernels": self.watch}
        series: dict[str, Any] = {
            name: torch.stack(v) if v else self.field.y.new_empty(0)
            for name, v in self.series.items()
            if wanted.get(name, v) is not None
        }
        steps, stiff, stretch = self.integrator.work()
        rejected = self.position.rejected
        work = {"steps": steps, "rejected": rejected, "evaluations": self.field.evaluations}
        return Flow(
            times=torch.tensor(self.times, dtype=torch.float64),
            parameters=self.field.parameters(self.theta),
            stiff=_sentence(self.config["method"], steps, stiff, stretch),
            work=work,
            state=asdict(self.position),
            config=self.config,
            **{"evaluation": None, "kernels": None, **series},
        )


def _sentence(method: str, steps: int, stiff: int, stretch: float) -> str | None:
    """What was found about stiffness."""
    if stiff <= steps // 10:
        return None
    if method == "explicit":
        return (
            f"stiff: {stiff} of {steps} steps were as long as an explicit method is stable (h"
            f" lambda_max = {STABLE}), not as long as the tolerance allows; try"
            ' method="exponential"'
        )
    return (
        f"stiff: {stiff} of {steps} steps were longer than an explicit method is stable, up to h"
        f" lambda_max = {stretch:.3g} where it needs {STABLE}; the exponential method took them"
    )


def _loss(residual: Tensor) -> Tensor:
    return residual.double().square().sum().cpu() / (2 * len(residual))


def _norm(vector: Tensor) -> Tensor:
    return torch.linalg.vector_norm(vector, dtype=torch.float64).cpu()


def _digest(tensor: Tensor) -> str:
    """A name for the numbers in a tensor."""
    content = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
    return f"{tuple(tensor.shape)} {hashlib.sha256(content.data).hexdigest()}"


def _require_memory(module: nn.Module) -> None:
    """Sixteen vectors of parameters: stages, ends of a step, theta_0, the record."""
    first = next(module.parameters())
    count = sum(p.numel() for p in module.parameters() if p.requires_grad)
    require(16 * count * first.element_size(), first.device, f"a flow of {count} parameters")
