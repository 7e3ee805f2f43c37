r"""LSODA on the displacement of the parameters: for modules with few of them.

Adams and BDF methods of variable order (Petzold 1983, through scipy) need one or two gradients
for a step, and cost nothing beside them; BDF needs a matrix of all parameters, by differences.
LSODA controls each component, max_i |e_i|/a_i <= 1, with

    a_i = s rtol/sqrt(p) min(||theta - theta_0||, rms(r_0)/rms_a |df(x_a)/dtheta_i|)

so that both tolerances of ``steps`` hold for errors that are not all of one sign. It is started
anew after some steps, when the displacement has grown, and where the field was not finite: a
start needs no history, so that whoever continues a flow gets the same bits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.integrate import LSODA
from torch import Tensor

from empirical.flow.kinks import SLIDES, SwitchedField, first_change
from empirical.flow.steps import STABLE, Position, StepError, Tolerance, stuck
from empirical.flow.vector_field import Field, length

__all__ = ["Multistep"]

Array = NDArray[np.float64]
_SHARE = 0.1  # of the tolerance that a local error may have
_LENGTH = 1000  # steps between two starts
_GROWTH = 30.0  # of the displacement between two starts
_PATIENCE = 30
_NEVER = 1e300  # LSODA must have a last time


class Outside(Exception):  # noqa: N818
    """The field is not finite there."""


class Multistep:
    """Runs of LSODA one behind the other; the interface of ``steps.Integrator``.

    Args:
        field: F.
        tolerance: the norm of local errors.
        start: where to begin.

    Attributes:
        end: time at the end of the present run.
        ahead: theta - theta_0 there.
    """

    def __init__(self, field: Field, tolerance: Tolerance, start: Position) -> None:
        self.field, self.tolerance, self.start = field, tolerance, start
        self.slope = torch.empty_like(field.origin)
        self.after: Tensor | None = None  # the switches behind the present step, if others
        if isinstance(field, SwitchedField):
            if start.switches is None:
                start.switches = field.switches.clone()
            field.switches = start.switches.clone()
        self._begin()

    def advance(self) -> None:
        """Make the next step."""
        if self._is_over():
            self._roll(math.inf)
        tried = self.start.rejected
        for _ in range(_PATIENCE):
            before = self.end
            try:
                message = self.solver.step()
            except Outside:
                shorter = (self.last if self.steps else self.first) / 8
                self._roll(shorter)
                self.start.rejected += 1
                if before + self.first == before:
                    break
                continue
            if self.solver.status == "failed" or self.solver.t == before:
                raise StepError(f"LSODA stopped: {message}")
            self._end_at(float(self.solver.t), self._tensor(self.unit * self.solver.y))
            if isinstance(self.field, SwitchedField):
                self._stop_at_changes(self.field, before)
            return
        raise StepError(stuck(self.start.rejected - tried))

    def work(self) -> tuple[int, int, float]:
        """Steps so far, how many of them were stiff, and the largest h lambda_max."""
        start = self.start
        return start.steps + self.steps, start.stiff + self.stiff, max(start.stretch, self.stretch)

    def displacement(self, time: float) -> Tensor:
        """Theta - theta_0 at a time of the present step."""
        if time >= self.end:
            return self.ahead
        return self._tensor(self.unit * self.solver.dense_output()(time))

    def _stop_at_changes(self, field: SwitchedField, before: float) -> None:
        """Let the step end where the first switch changes."""

        def margins(time: float) -> Tensor:
            return field.margins(field.origin + self.displacement(time))

        if not bool((margins(self.end) < 0).any()):
            return
        time, values = first_change(margins, before, self.end)
        self.ahead, self.end = self.displacement(time), time
        self.after = field.changed(field.origin + self.ahead, values)

    def _is_over(self) -> bool:
        """Whether the scale of the tolerance should be taken anew."""
        if self.after is not None:
            return True
        return self.steps >= _LENGTH or float(length(self.ahead)) > _GROWTH * self.size

    def _end_at(self, time: float, ahead: Tensor) -> None:
        self.last, self.end, self.ahead = time - self.end, time, ahead
        self.steps += 1
        long = self.last * self.largest
        if long > 0.8 * STABLE:
            self.stiff, self.stretch = self.stiff + 1, max(self.stretch, long)

    def _roll(self, longest: float) -> None:
        """Start anew at the end of the last step."""
        start = self.start
        start.steps, start.stiff, start.stretch = self.work()
        start.displacement, start.time, start.step = self.ahead.clone(), self.end, longest
        if self.after is not None and isinstance(self.field, SwitchedField):
            start.changes += int((self.after != self.field.switches).sum())
            start.slides += int(((self.after == SLIDES) & (self.field.switches != SLIDES)).sum())
            start.switches = self.after
            self.field.switches, self.after = self.after.clone(), None
        self._begin()

    def _begin(self) -> None:
        start = self.start
        self.end, self.ahead = start.time, start.displacement.clone()
        self.last, self.steps, self.stiff, self.stretch = 0.0, 0, 0, 0.0
        allowed = self._scales()
        least = 100 * np.finfo(np.float64).eps  # LSODA takes no smaller relative tolerance
        self.unit = 2.0 ** math.floor(math.log2(self.size))  # LSODA has trouble below 1e-200
        moved = self._array(start.displacement) / self.unit
        weights: Any = allowed / self.unit  # scipy's stubs know only numbers
        self.solver = LSODA(
            self._slope, start.time, moved, _NEVER, first_step=self.first, rtol=least, atol=weights
        )

    def _slope(self, _: float, moved: Array) -> Array:
        residual = self.field(
            self.field.origin + self._tensor(self.unit * moved), self.slope
        ).residual
        value = self._array(self.slope)
        if not np.isfinite(value).all() or not bool(torch.isfinite(residual).all()):
            raise Outside
        return value / self.unit

    def _scales(self) -> Array:
        """The tolerance of each component; also the first step and lambda_max of J^T J / n."""
        field, start = self.field, self.start
        theta = field.origin + start.displacement
        slope, ahead = torch.empty_like(theta), torch.empty_like(theta)
        field(theta, slope)
        speed, self.size = float(length(slope)), float(length(start.displacement))
        if self.size == 0:
            self.size = speed * min(start.step, 1e300) or 1.0  # what the first step will add
        columns, self.largest = self._columns(theta)
        share = _SHARE * self.tolerance.rtol / math.sqrt(len(theta))
        with np.errstate(divide="ignore"):
            allowed = share * np.minimum(self.size, self.tolerance.scale / columns)
        self.first = min(start.step, 1.0)
        if speed > 0:
            self.first = min(start.step, self.size / speed)
            far = torch.finfo(theta.dtype).eps ** (1 / 3) * (float(theta.norm()) or 1e-2)
            field(theta + slope * (far / speed), ahead)
            bend = self._array(ahead - slope) * (speed / far)  # H F
            steepest = float(np.max(np.abs(bend) / allowed))
            if 0 < steepest < math.inf:
                self.first = min(start.step, math.sqrt(2 / steepest))
        return allowed

    def _columns(self, theta: Tensor) -> tuple[Array, float]:
        """The rms of each column of J by differences, and lambda_max of J^T J / n."""
        inputs = [self.field.x]
        if self.tolerance.points is not None:
            inputs.append(self.tolerance.points)
        step = torch.finfo(theta.dtype).eps ** 0.5 * (theta.abs() + float(theta.norm()) / 100)
        step[step == 0] = torch.finfo(theta.dtype).eps ** 0.5
        found: list[Array] = []
        largest = 0.0
        for i, z in enumerate(inputs):
            here = self.field.values(theta, z)
            rows: list[Tensor] = []
            for j in range(len(theta)):
                moved = theta.clone()
                moved[j] += step[j]
                rows.append((self.field.values(moved, z) - here).reshape(-1) / step[j])
            columns = torch.stack(rows).double().nan_to_num(0.0, 0.0, 0.0)  # (p, n k), no jumps
            if i == 0:
                largest = float(torch.linalg.matrix_norm(columns, 2)) ** 2 / len(z)
            found.append((columns.norm(dim=1) / math.sqrt(len(z))).cpu().numpy())
        return np.maximum.reduce(found), largest

    def _tensor(self, values: Array) -> Tensor:
        return torch.as_tensor(values).to(self.field.origin)

    def _array(self, tensor: Tensor) -> Array:
        return tensor.detach().cpu().double().numpy().copy()
