r"""Functions of the tangent kernel, applied to vectors of parameters without forming any.

    X = sum_j c_j F_j + J^T Q w,        A = -J^T J / n,        J J^T = Q L Q^T

    phi(hA) X = phi(0) X - (h/n) J^T Q psi(z) (Q^T J X),   psi(z) = (phi(z) - phi(0))/z,
    z = -h L / n

so that X is a few numbers c and a vector w, and Q^T J X = sum_j c_j (Q^T J F_j) + L w.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["KernelSpectrum", "Span", "phi"]


def phi(k: int, z: Tensor) -> Tensor:
    r"""The integral phi_k(z) = int_0^1 exp((1-s) z) s^(k-1)/(k-1)! ds, for k >= 1 and z <= 0.

    Example:
        >>> phi(2, torch.tensor([0.0])).tolist()
        [0.5]
    """
    near, far = z.clamp(min=-1.0), z.clamp(max=-1.0)
    series = torch.zeros_like(z)
    for j in range(19, -1, -1):  # the rest is below 1/20!
        series = series * near + 1 / math.factorial(j + k)
    value = torch.exp(far)
    for j in range(k):
        value = (value - 1 / math.factorial(j)) / far
    return torch.where(z > -1, series, value)


@dataclass(frozen=True, slots=True)
class Span:
    """A vector of parameters X.

    Attributes:
        c: its coefficients for the slopes F_j.
        w: its component in the range of J^T, in eigenvectors of K, shape (n,).
    """

    c: tuple[float, ...]
    w: Tensor

    def __add__(self, other: Span) -> Span:
        return Span(tuple(a + b for a, b in zip(self.c, other.c, strict=True)), self.w + other.w)

    def __sub__(self, other: Span) -> Span:
        return self + -1.0 * other

    def __rmul__(self, number: float) -> Span:
        return Span(tuple(number * a for a in self.c), number * self.w)


class KernelSpectrum:
    """Eigenvalues and eigenvectors of the tangent kernel, and what J does to the slopes.

    Args:
        gram: K = J J^T, shape (n k, n k), in any dtype; float64 is used.
        samples: n.
        slopes: how many slopes F_j there can be.
    """

    def __init__(self, gram: Tensor, samples: int, slopes: int) -> None:
        values, self.vectors = torch.linalg.eigh(gram.double())
        self.values = values.clamp_min(0)  # rounding
        self.samples = samples
        self.pushed = values.new_zeros(slopes, len(values))  # Q^T J F_j

    @property
    def rate(self) -> float:
        """Lambda_max(K)/n."""
        return float(self.values[-1]) / self.samples

    def pushed_by(self, x: Span) -> Tensor:
        """Q^T J X."""
        return self.pushed.new_tensor(x.c) @ self.pushed + self.values * x.w

    def decay(self, h: float, forced: Span) -> Span:
        """H phi_1(hA) X for X in the range of J^T."""
        return Span(forced.c, h * phi(1, -h / self.samples * self.values) * forced.w)

    def function(self, weights: Sequence[float], h: float, x: Span) -> Span:
        """Sum_k weights[k] phi_{k+1}(hA) X."""
        z = -h / self.samples * self.values
        at_zero = sum(a / math.factorial(k + 1) for k, a in enumerate(weights))
        quotient = torch.zeros_like(z)
        for k, a in enumerate(weights):
            quotient += a * phi(k + 2, z)
        pulled = Span((0.0,) * len(x.c), -h / self.samples * quotient * self.pushed_by(x))
        return at_zero * x + pulled
