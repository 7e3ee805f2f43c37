r"""The explicit Runge-Kutta pair of Dormand and Prince, of order 5(4), for gradient flow.

    U_i = theta_n + h sum_j a_ij k_j,   k_i = F(U_i),   theta_{n+1} = theta_n + h sum_j b_j k_j

    u   displacement theta - theta_0, shape (p,); it is what is summed up, so that rounding is
        relative to it and not to the weights
    k   the seven slopes of a step, shape (7, p); the last is the first of the next step
    e   h sum_j e_j k_j, the local error of the embedded formula of order 4

The steps know nothing of the output times: between its ends a step has an interpolant of
order 4 (Shampine 1986), so that the solution is the same whatever is asked of it.
"""

from __future__ import annotations

import math

import torch
from scipy.integrate import RK45  # the tables of Dormand and Prince (1980) as data
from torch import Tensor

from empirical.field import Field
from empirical.steps import Position, StepError, Tolerance

__all__ = ["DormandPrince"]

_STABLE = 3.3  # the formula is stable on the negative axis down to -3.307
_A = [*RK45.A, RK45.B]  # row i: the stage i


class DormandPrince:
    """Steps of the explicit pair.

    Args:
        field: F.
        tolerance: the norm in which local errors are measured.
        start: where to begin.
    """

    def __init__(self, field: Field, tolerance: Tolerance, start: Position) -> None:
        self.field, self.tolerance, self.start = field, tolerance, start
        self.slopes = field.origin.new_empty(7, len(field.origin))
        self.theta = field.origin + start.displacement  # at the start of the step
        self.ahead = torch.empty_like(self.theta)  # displacement at its end
        self.point, self.error = torch.empty_like(self.theta), torch.empty_like(self.theta)
        self.end = start.time
        self.rate = 0.0  # estimate of the largest eigenvalue of the Jacobian
        self.residual = field(self.theta, self.slopes[0])

    def advance(self) -> None:
        """Make the next step."""
        if self.end > self.start.time:
            self._roll()
        while True:
            size = self._attempt(self.start.step)
            if size <= 1:
                self.end = self.start.time + self.start.step
                self.size = max(size, 1e-4)
                return
            self.start.step *= max(0.2, 0.9 * size**-0.2) if math.isfinite(size) else 0.2
            self.start.rejected = True
            if self.start.step < 1e-12 * max(self.start.time, 1e-300) or self.start.step < 1e-280:
                raise StepError("the step became too small: the flow or the module is not smooth")

    def displacement(self, time: float) -> Tensor:
        """U at a time inside the step, shape (p,); valid until the next call."""
        s = (time - self.start.time) / (self.end - self.start.time) if self.end > time else 1.0
        if self.end == self.start.time:
            return self.start.displacement
        if s == 1:
            return self.ahead
        weights = (RK45.P @ [s, s**2, s**3, s**4]).tolist()
        return self._combine(self.start.displacement, weights, self.error)

    def _attempt(self, h: float) -> float:
        """The local error of a step in units of the tolerance."""
        for i in range(1, 6):
            self._combine(self.theta, _A[i].tolist()[:i], self.point)
            self.field(self.point, self.slopes[i])
        self._combine(self.start.displacement, _A[6].tolist(), self.ahead)
        torch.add(self.field.origin, self.ahead, out=self.point)
        self.residual = self.field(self.point, self.slopes[6])
        self._combine(None, RK45.E.tolist(), self.error)
        return self.tolerance.size(self.point, self.residual, self.error, self.ahead)

    def _roll(self) -> None:
        """Let the end of the step be the start of the next."""
        start = self.start
        grow = 0.9 * self.size**-0.14 * start.size**0.08  # PI control, Gustafsson (1991)
        limit = 1.0 if start.rejected else 5.0
        start.displacement, self.ahead = self.ahead, start.displacement
        torch.add(self.field.origin, start.displacement, out=self.theta)
        self.slopes[0].copy_(self.slopes[6])
        start.time, start.size, start.rejected = self.end, self.size, False
        start.step *= min(limit, max(0.2, grow))

    def _combine(self, base: Tensor | None, weights: list[float], out: Tensor) -> Tensor:
        """Base + h sum_j w_j k_j."""
        w = out.new_tensor(weights) * self.start.step
        k = self.slopes[: len(weights)].T
        if base is None:
            return torch.mv(k, w, out=out)
        return torch.addmv(base, k, w, out=out)
