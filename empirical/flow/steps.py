r"""What the integrators of the flow share: where a step begins, its length and its error.

A local error e, shape (p,), is small enough if both

    rms_a |f(x_a; theta + e) - f(x_a; theta)|  <=  s rtol rms_a |r_0(x_a)|       (predictions)
    ||e||  <=  s rtol ||theta - theta_0||                                        (parameters)

on the samples and on some of the evaluation points, with a share s below 1 since errors add up.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from empirical.flow.vector_field import Field, StepError

__all__ = ["STABLE", "Integrator", "Position", "StepError", "Tolerance", "stuck"]

STABLE = 3.3  # h lambda_max at which explicit steps of order 5 become unstable
_PATIENCE = 30


@dataclass(slots=True)
class Position:
    """Where a step begins: all that is needed to make it again, to the bit.

    Attributes:
        time: t.
        displacement: theta_t - theta_0, shape (p,).
        step: h.
        size: the error of the step before, in units of what is allowed.
        steps: how many were made before.
        rejected: how many were tried in vain.
        growth: how much longer the next step may be.
        stiff: how many were longer than explicit steps can be, or as long as they can be.
        stretch: the largest h lambda_max among them.
        switches: the states of kinks that are located, shape (G,), or None.
        changes: how often one of them passed its kink.
        slides: how often one of them began to slide along it.
    """

    time: float
    displacement: Tensor
    step: float
    size: float = 1.0
    steps: int = 0
    rejected: int = 0
    growth: float = 5.0
    stiff: int = 0
    stretch: float = 0.0
    switches: Tensor | None = None
    changes: int = 0
    slides: int = 0


class Tolerance:
    """The norm of local errors.

    Args:
        field: F.
        rtol: the tolerance of the caller.
        points: inputs, besides the samples, at which predictions are watched, or None.
        residual: r_0, shape (n, k).

    Attributes:
        scale: rms of r_0, or 1 if there is nothing left.
    """

    def __init__(self, field: Field, rtol: float, points: Tensor | None, residual: Tensor) -> None:
        self.field, self.points, self.rtol = field, points, rtol
        largest = float(residual.abs().max())
        self.scale = largest * _rms(residual / largest) if largest > 0 else 1.0

    def size(self, theta: Tensor, residual: Tensor, error: Tensor, moved: Tensor) -> float:
        """The error in units of the tolerance; ``error`` is overwritten.

        Args:
            theta: the end of the step.
            residual: the residuals there.
            error: e.
            moved: theta - theta_0.
        """
        parameters = float(error.norm()) / (float(moved.norm()) or 1.0)
        error += theta
        wrong = [self.field.values(error, self.field.x) - self.field.y - residual]
        if self.points is not None:
            after, before = (self.field.values(z, self.points) for z in (error, theta))
            wrong.append(after - before)
        sizes = [parameters, *(_rms(w / self.scale) for w in wrong)]  # squares may underflow
        if not all(math.isfinite(size) for size in sizes):
            return math.inf
        return max(sizes) / self.rtol


def stuck(tried: int) -> str:
    """Why no step could be made after some that were rejected."""
    if tried == 0:
        return "the next step would be shorter than the rounding of t; the slope is too large"
    return (
        f"{tried} shorter and shorter steps were rejected; the module has a jump, or rounding"
        " forbids this tolerance"
    )


class Integrator(ABC):
    """Steps whose lengths follow the error.

    The steps know nothing of the output times: between its ends a step has an interpolant,
    so that the solution is the same whatever is asked of it, and whoever continues it.

    Args:
        field: F.
        tolerance: the norm of local errors.
        start: where to begin.

    Attributes:
        end: time at the end of the present step.
        ahead: theta - theta_0 there.
    """

    order: int  # of the embedded formula
    share: float  # of the tolerance that a local error may have

    def __init__(self, field: Field, tolerance: Tolerance, start: Position) -> None:
        self.field, self.tolerance, self.start = field, tolerance, start
        self.theta = field.origin + start.displacement
        self.ahead = start.displacement.clone()
        self.point, self.error = (field.origin.clone() for _ in range(2))
        self.end, self.long = start.time, 0.0

    def advance(self) -> None:
        """Make the next step."""
        if self.end > self.start.time:
            self._roll()
        before = self.start.rejected
        for _ in range(_PATIENCE):
            if self.start.time + self.start.step == self.start.time:
                break
            size = self.attempt(self.start.step) / self.share
            if size <= 1:
                self.end, self.size = self.start.time + self.start.step, max(size, 1e-4)
                self.long = self.start.step * self.rate()
                return
            factor = 0.9 * size ** (-1 / (self.order + 1))  # 0 if the size is infinite
            self.start.step *= max(0.2, factor)
            self.start.rejected += 1
            self.start.growth = 1.0
        raise StepError(stuck(self.start.rejected - before))

    def work(self) -> tuple[int, int, float]:
        """Steps so far, how many of them were stiff, and the largest h lambda_max."""
        start = self.start
        if self.end == start.time:
            return start.steps, start.stiff, start.stretch
        stiff = start.stiff + (self.long > 0.8 * STABLE)
        return start.steps + 1, stiff, max(start.stretch, self.long)

    def displacement(self, time: float) -> Tensor:
        """Theta - theta_0 at a time of the present step; to be used before the next call."""
        if time >= self.end:
            return self.ahead
        return self.between((time - self.start.time) / (self.end - self.start.time))

    def _roll(self) -> None:
        """Let the end of the step be the start of the next, longer or shorter one."""
        start, exponent = self.start, 1 / (self.order + 1)
        start.steps, start.stiff, start.stretch = self.work()
        growth = 0.9 * self.size ** (-0.7 * exponent) * start.size ** (0.4 * exponent)
        start.displacement, self.ahead = self.ahead, start.displacement
        start.time, start.size = self.end, self.size
        start.step *= min(start.growth, max(0.2, growth))  # PI control, Gustafsson (1991)
        start.growth = 5.0
        self.roll()

    @abstractmethod
    def attempt(self, h: float) -> float:
        """Try a step, leave its end in ``ahead``, and return the size of its error."""

    @abstractmethod
    def between(self, s: float) -> Tensor:
        """Theta - theta_0 at the share s of the present step."""

    @abstractmethod
    def rate(self) -> float:
        """Lambda_max in the present step."""

    @abstractmethod
    def roll(self) -> None:
        """Move what belongs to the method from the end of a step to its start."""


def _rms(values: Tensor) -> float:
    """Root of the mean over the points of the squared norm."""
    return float(values.double().square().sum(1).mean().sqrt())
