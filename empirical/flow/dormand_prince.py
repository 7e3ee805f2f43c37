r"""The explicit Runge-Kutta pair of Dormand and Prince, of order 5(4), for gradient flow.

    U_i = theta_n + h sum_j a_ij k_j,   k_i = F(U_i),   theta_{n+1} = theta_n + h sum_j b_j k_j

    k   the seven slopes of a step, shape (7, p); the last is the first of the next step
    e   h sum_j e_j k_j, the local error of the embedded formula of order 4

What is summed up from step to step is theta - theta_0, so that rounding is relative to it and
not to the weights. The interpolant has order 4 (Shampine 1986).
"""

from __future__ import annotations

import torch
from scipy.integrate import RK45  # the tables of Dormand and Prince (1980), as data
from torch import Tensor

from empirical.flow.steps import Integrator, Position, Tolerance
from empirical.flow.vector_field import Field

__all__ = ["DormandPrince"]

_A = [*RK45.A, RK45.B]  # row i belongs to stage i; the last stage is the end of the step


class DormandPrince(Integrator):
    """Steps of the explicit pair."""

    order, share = 4, 0.3

    def __init__(self, field: Field, tolerance: Tolerance, start: Position) -> None:
        super().__init__(field, tolerance, start)
        self.slopes = field.origin.new_empty(7, len(field.origin))
        field(self.theta, self.slopes[0])

    def attempt(self, h: float) -> float:
        for i in range(1, 6):
            self._combine(self.theta, _A[i][:i] * h, self.point)
            self.field(self.point, self.slopes[i])
        self._combine(self.start.displacement, _A[6] * h, self.ahead)
        torch.add(self.field.origin, self.ahead, out=self.point)
        residual = self.field(self.point, self.slopes[6]).residual
        self._combine(None, RK45.E * h, self.error)
        return self.tolerance.size(self.point, residual, self.error, self.ahead)

    def between(self, s: float) -> Tensor:
        weights = RK45.P @ [s, s**2, s**3, s**4]
        h = self.end - self.start.time
        return self._combine(self.start.displacement, weights * h, self.error)

    def rate(self) -> float:
        """The stages 6 and 7 are at the same time (Hairer and Wanner 1996, IV.2)."""
        apart = RK45.B.copy()
        apart[:5] -= _A[5]
        there = self.start.step * float(self._combine(None, apart, self.error).norm())
        slopes = torch.sub(self.slopes[6], self.slopes[5], out=self.error)
        return float(slopes.norm()) / there if there > 0 else 0.0

    def roll(self) -> None:
        torch.add(self.field.origin, self.start.displacement, out=self.theta)
        self.slopes[0].copy_(self.slopes[6])

    def _combine(self, base: Tensor | None, weights: object, out: Tensor) -> Tensor:
        """Base + sum_j weights_j k_j."""
        w = torch.as_tensor(weights).to(out)
        k = self.slopes[: len(w)].T
        if base is None:
            return torch.mv(k, w, out=out)
        return torch.addmv(base, k, w, out=out)
