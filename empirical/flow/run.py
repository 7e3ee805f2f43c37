"""One flow on its way: its integrator, and what was recorded so far."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from empirical.flow.arguments import check_record, check_start
from empirical.flow.dormand_prince import DormandPrince
from empirical.flow.exponential import Exponential
from empirical.flow.key import check_behaviour, flow_key
from empirical.flow.kinks import SwitchedField, kinks_of, switched_field
from empirical.flow.losses import LossName
from empirical.flow.multistep import Multistep
from empirical.flow.record import Flow, FlowError
from empirical.flow.steps import STABLE, Position, StepError, Tolerance
from empirical.flow.vector_field import Field, length
from empirical.jacobian import Jacobian
from empirical.memory import require
from empirical.parameter_rates import Rescaled

__all__ = ["Method", "Run"]

Method = Literal["auto", "exponential", "explicit", "multistep"]
_METHODS = {"explicit": DormandPrince, "exponential": Exponential, "multistep": Multistep}
_POINTS = 64  # evaluation points at which local errors are watched
_FEW = 128  # parameters whose own matrix costs nothing
_SMALL = 128  # kernels whose eigenvectors cost nothing
_PATIENCE = 16  # gradients that one set of eigenvectors may cost
_SERIES = ("residuals", "evaluation", "displacement", "loss", "gradient", "kernels")


class Run:
    """One flow; arguments as of ``gradient_flow``."""

    def __init__(
        self,
        module: nn.Module,
        x: Tensor,
        y: Tensor,
        evaluate: Tensor | None,
        watch: Tensor | None,
        rtol: float,
        method: Method,
        loss: LossName,
    ) -> None:
        _require_memory(module)
        few = sum(p.numel() for p in module.parameters() if p.requires_grad) <= _FEW
        located = method == "multistep" or (method == "auto" and few)
        self.field = (switched_field if located else Field)(module, x, y, loss)
        self.evaluate, self.watch = evaluate, watch
        self.times: list[float] = []
        self.parameters = self.field.parameters(self.field.origin)
        self.series: dict[str, list[Tensor]] = {name: [] for name in _SERIES}
        self.slope = torch.empty_like(self.field.origin)
        jacobian = self.field(self.field.origin, self.slope)
        force = self.field.force(jacobian)
        check_start(self.field, force, self.slope)
        tensors = {"x": x, "y": y, "evaluate": evaluate, "watch": watch}
        self.key = flow_key(self.field, tensors, force, self.slope)
        self.config: dict[str, Any] = {
            "rtol": rtol,
            "loss": loss,
            "method": self._resolve(method, jacobian),
        }
        self.config["rates"] = module.rates if isinstance(module, Rescaled) else None
        points = None if evaluate is None else evaluate[:: -(-len(evaluate) // _POINTS)]
        self.tolerance = Tolerance(self.field, rtol, points, force)
        self.position: Position | None = None
        self.integrator: DormandPrince | Exponential | Multistep | None = None

    def _resolve(self, method: Method, jacobian: Jacobian) -> str:
        """The method, from the sizes alone: it is the same for whoever continues the flow."""
        if method == "multistep" or (method == "auto" and len(self.field.origin) <= _FEW):
            return "multistep"
        if self.field.loss != "square":
            if method == "exponential":
                raise ValueError(
                    "expected the square loss for the exponential method, got"
                    f' {self.field.loss!r}; pass method="auto"'
                )
            return "explicit"
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

    def resume(self, record: Flow, grid: list[float]) -> None:
        """Go on where a record of the same flow ends."""
        check_record(record, self.config | self.key, grid, self.field)
        if isinstance(self.field, SwitchedField) and record.state:
            self.field.switches = record.state["switches"].clone()
        check_behaviour(record, self.key, self.field, self.slope)
        self.times = record.times.tolist()
        for name, values in self.series.items():
            series = getattr(record, name)
            values.extend([] if series is None else series)
        if record.state:
            self.position = Position(**record.state)
            self.position.displacement = self.position.displacement.clone()
        self.parameters = {name: p.clone() for name, p in record.parameters.items()}

    def through(self, grid: list[float], budget: int, path: Path | None) -> Flow:
        """Record the flow at the times that are left."""
        self.field.budget = budget
        record = None
        for time in grid[len(self.times) :]:
            try:
                self._reach(time)
                self._observe(time)
            except StepError as reason:
                reached = self.integrator.end if self.integrator is not None else 0.0
                raise FlowError(
                    f"expected to reach t = {time:.6g}, got to {reached:.6g}: {reason};"
                    " raise rtol or max_evaluations, or lower the times",
                    self._record(),
                ) from reason
            if path is not None:
                record = self._record()
                record.save(path)
        return self._record() if record is None else record

    def _reach(self, time: float) -> None:
        """Make steps until one of them ends at this time or after it."""
        if self.integrator is None:
            if self.position is None:
                first = self._first()
                self.position = Position(0.0, torch.zeros_like(self.field.origin), first)
            kind: Any = _METHODS[self.config["method"]]
            self.integrator = kind(self.field, self.tolerance, self.position)
        integrator = self.integrator
        assert integrator is not None
        while integrator.end < time:
            integrator.advance()

    def _first(self) -> float:
        """The first step: a share of the times in which the loss and the slope would change.

        At a saddle the slope F alone foretells nothing; the curvature along it, ||H F||/||F||
        by a difference, says how soon F is another.
        """
        start = self.key["first slope"]
        slope = float(length(start))
        if slope == 0:
            return 1.0  # nothing moves
        size = torch.finfo(start.dtype).eps ** (1 / 3) * float(length(self.field.origin))
        along = start * ((size or 1e-5) / slope)
        self.field(self.field.origin + along, self.slope)
        curvature = float(length(self.slope - start)) / (size or 1e-5)
        times = [(self.tolerance.scale / slope) ** 2]
        if 0 < curvature < math.inf:
            times.append(1 / curvature)
        return self.tolerance.rtol**0.25 * min(times)

    def _observe(self, time: float) -> None:
        """Add one output time to the series."""
        assert self.integrator is not None
        moved = self.integrator.displacement(time)
        theta = self.field.origin + moved
        jacobian = self.field(theta, self.slope)
        now = {
            "residuals": self.field.force(jacobian),
            "displacement": length(moved),
            "loss": self.field.mean_loss(jacobian),
            "gradient": length(self.slope).square(),
        }
        if self.evaluate is not None:
            now["evaluation"] = self.field.values(theta, self.evaluate)
        if self.watch is not None:
            now["kernels"] = self.field.kernel(theta, self.watch)
        self.parameters = self.field.parameters(theta)
        self.times.append(time)
        for name, value in now.items():
            single = name in ("residuals", "evaluation") and self.field.single
            self.series[name].append(value.squeeze(1) if single else value)

    def _kinks(self) -> str | None:
        """What was found about kinks."""
        if isinstance(self.field, SwitchedField):
            changes, slides = 0, 0
            if self.position is not None:
                changes, slides = self.position.changes, self.position.slides
            return f"kinks: {changes} changes of slope were located, {slides} led along the kink"
        count, others = kinks_of(self.field.module, self.field.x)
        if not count and not others:
            return None
        names = ", ".join(others + ["functions of two slopes"] * (count > 0))
        return (
            f"kinks: those of {names} were stepped over; predictions may be off by 10 rtol and"
            " more, parameters by 300 rtol: compare with a smaller rtol"
        )

    def _record(self) -> Flow:
        wanted = {"evaluation": self.evaluate, "kernels": self.watch}
        series: dict[str, Any] = {
            name: torch.stack(v) if v else self.field.y.new_empty(0)
            for name, v in self.series.items()
            if wanted.get(name, v) is not None
        }
        steps, stiff, stretch = (0, 0, 0.0) if self.integrator is None else self.integrator.work()
        rejected = 0 if self.position is None else self.position.rejected
        work = {"steps": steps, "rejected": rejected, "evaluations": self.field.evaluations}
        return Flow(
            times=torch.tensor(self.times, dtype=torch.float64),
            parameters=self.parameters,
            stiff=_sentence(self.config["method"], steps, stiff, stretch),
            kinks=self._kinks(),
            work=work,
            state={} if self.position is None else asdict(self.position),
            config=self.config | self.key,
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
        f" lambda_max = {stretch:.3g} where it needs {STABLE}; the {method} method took them"
    )


def _require_memory(module: nn.Module) -> None:
    """Sixteen vectors of parameters: stages, ends of a step, theta_0, the record."""
    first = next(module.parameters())
    count = sum(p.numel() for p in module.parameters() if p.requires_grad)
    require(16 * count * first.element_size(), first.device, f"a flow of {count} parameters")
