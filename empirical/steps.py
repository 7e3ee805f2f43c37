r"""What all integrators of the flow share: where a step begins, and how its error is measured.

A local error e, shape (p,), is small enough if both

    rms_a |f(x_a; theta + e) - f(x_a; theta)|  <=  rtol rms_a |r_0(x_a)|        (predictions)
    ||e||  <=  rtol max(||theta - theta_0||, 2 Phi_0 / ||grad Phi_0||)          (parameters)

on the samples and on some of the evaluation points. The length 2 Phi_0 / ||grad Phi_0|| is
the distance at which a linear model with one eigenvalue meets its targets.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from empirical.field import Field

__all__ = ["Position", "StepError", "Tolerance"]

_SAFETY = 0.1  # a local error may be this share of the tolerance: global errors add them up


class StepError(Exception):
    """No further step is possible; the message says why."""


@dataclass(slots=True)
class Position:
    """Where a step begins.

    Attributes:
        time: t.
        displacement: theta_t - theta_0, shape (p,).
        step: h.
        size: the error of the step before, in units of the tolerance.
        rejected: whether h was lowered because the error was too large.
    """

    time: float
    displacement: Tensor
    step: float
    size: float = 1e-4
    rejected: bool = False


class Tolerance:
    """The norm of local errors.

    Args:
        field: F.
        rtol: the tolerance of the caller.
        points: inputs, besides the samples, at which predictions are watched, or None.
        loss: Phi_0.
        slope: ||grad Phi_0||.
    """

    def __init__(
        self, field: Field, rtol: float, points: Tensor | None, loss: float, slope: float
    ) -> None:
        self.field, self.points, self.rtol = field, points, rtol
        self.scale = (2 * loss) ** 0.5 or 1.0  # rms of r_0
        self.length = 2 * loss / slope if slope > 0 else 1.0

    def size(self, theta: Tensor, residual: Tensor, error: Tensor, moved: Tensor) -> float:
        """The error in units of the tolerance; ``error`` is overwritten."""
        parameters = float(error.norm()) / max(float(moved.norm()), self.length)
        error += theta
        wrong = [_rms(self.field.values(error, self.field.x) - self.field.y - residual)]
        if self.points is not None:
            after, before = (self.field.values(z, self.points) for z in (error, theta))
            wrong.append(_rms(after - before))
        size = max(parameters, max(wrong) / self.scale) / (_SAFETY * self.rtol)
        return size if size < float("inf") else float("inf")  # NaN is an error, too


def _rms(values: Tensor) -> float:
    """Root of the mean over the points of the squared norm."""
    return float(values.double().square().sum(1).mean().sqrt())
