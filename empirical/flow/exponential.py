r"""An exponential Runge-Kutta method of order 4(3) for gradient flow, on the tangent kernel.

    theta' = A (theta - theta_n) + N(theta),    A = -J^T J / n,    J = df/dtheta at theta_n

A carries all that is stiff, and its functions are those of the kernel K = J J^T, an (n, n)
matrix (see ``span``). With z = hA and D_i = N(U_i) - N(theta_n), the stages of Krogstad (2005):

    U_2 = theta_n + h/2 phi_1(z/2) F_n            U_3 = U_2 + h phi_2(z/2) D_2
    U_4 = theta_n + h phi_1(z) F_n + 2h phi_2(z) D_3
    theta_{n+1} = theta_n + h phi_1(z) F_n + h (2 phi_2 - 4 phi_3)(D_2 + D_3)
                  + h (4 phi_3 - phi_2) D_4
    e = 3h/5 (4 phi_3 - phi_2)(D_5 - D_4),   D_5 at theta_{n+1}

For z = 0 this is the classical method with the embedded formula of Dormand and Prince (RK4(3)5).
A linear model has D = 0: one step of any length is exact (docs/theory/flow.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from empirical.flow.kernel_functions import KernelSpectrum, Span
from empirical.flow.steps import Integrator, Position, StepError, Tolerance
from empirical.flow.vector_field import Field
from empirical.jacobian import Jacobian

__all__ = ["Exponential"]

_SLOPES = 4  # F at U_2, U_3, U_4 and theta_{n+1}


class Exponential(Integrator):
    """Steps of the exponential method."""

    order, share = 3, 0.1

    def __init__(self, field: Field, tolerance: Tolerance, start: Position) -> None:
        super().__init__(field, tolerance, start)
        self.slopes = field.origin.new_empty(_SLOPES, len(field.origin))
        self._linearise(field.jacobian(self.theta))

    def attempt(self, h: float) -> float:
        self.spectrum.pushed.zero_()  # what a rejected trial left may be NaN
        f = self.spectrum.function
        half = self.spectrum.decay(h / 2, self.forced)
        whole = self.spectrum.decay(h, self.forced)
        d2 = self._stage(0, half)
        d3 = self._stage(1, half + h * f((0, 1), h / 2, d2))
        d4 = self._stage(2, whole + h * f((0, 2), h, d3))
        end = whole + h * f((0, 2, -4), h, d2 + d3) + h * f((0, -1, 4), h, d4)
        d5 = self._stage(3, end)
        self.inner = d2 + d3, d4
        self._vector(0.6 * h * f((0, -1, 4), h, d5 - d4), self.error)
        return self.tolerance.size(self.point, self.last.residual, self.error, self.ahead)

    def between(self, s: float) -> Tensor:
        """The exponential integral of the quadratic polynomial through D = 0, D_3, D_4."""
        h = self.end - self.start.time
        twice, d4 = self.inner  # D_2 + D_3
        f = self.spectrum.function
        x = self.spectrum.decay(s * h, self.forced)
        x += h * f((0, s**2), s * h, 2.0 * twice - d4)
        x += h * f((0, 0, s**3), s * h, 4.0 * d4 - 4.0 * twice)
        return self._vector(x, self.error).add_(self.start.displacement)

    def rate(self) -> float:
        return self.spectrum.rate

    def roll(self) -> None:
        self.theta, self.point = self.point, self.theta  # where the last Jacobian was taken
        self._linearise(self.last)

    def _linearise(self, jacobian: Jacobian) -> None:
        """Take A at the start of the step."""
        self.here = self.field.held(jacobian)
        gram = self.field.gram(self.here, self.theta)
        if not bool(torch.isfinite(gram).all()):
            raise StepError(f"the tangent kernel is not finite at t = {self.start.time:.6g}")
        self.spectrum = KernelSpectrum(gram, len(self.field.x), _SLOPES)
        residual = jacobian.residual.double().reshape(-1)
        w = self.spectrum.vectors.T @ residual / -len(self.field.x)
        self.forced = Span((0.0,) * _SLOPES, w)  # F_n = -J^T r / n

    def _stage(self, i: int, x: Span) -> Span:
        """D at theta_n + X: F there, less F_n and A X."""
        torch.add(self.start.displacement, self._vector(x, self.ahead), out=self.ahead)
        torch.add(self.field.origin, self.ahead, out=self.point)
        self.last = self.field(self.point, self.slopes[i])
        self.field.move(self.theta)
        pushed = self.here.push(self.field.split(self.slopes[i])).double().reshape(-1)
        self.spectrum.pushed[i] = self.spectrum.vectors.T @ pushed
        c = tuple(float(i == j) for j in range(_SLOPES))
        return Span(c, self.spectrum.pushed_by(x) / len(self.field.x)) - self.forced

    def _vector(self, x: Span, out: Tensor) -> Tensor:
        """X itself, shape (p,)."""
        self.field.move(self.theta)
        w = (self.spectrum.vectors @ x.w).to(out.dtype).reshape(self.here.residual.shape)
        self.here.pull(w, self.field.split(out))
        used = [j for j, c in enumerate(x.c) if c != 0]
        if used:
            part = slice(used[0], used[-1] + 1)
            out.addmv_(self.slopes[part].T, out.new_tensor(x.c[part]))
        return out
