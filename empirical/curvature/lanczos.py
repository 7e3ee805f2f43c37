r"""Lanczos' method for the eigenvalue of largest modulus of a symmetric operator.

    A Q_k = Q_k T_k + beta_k q_{k+1} e_k^T,    T_k = Q_k^T A Q_k tridiagonal

An eigenpair (mu, s) of T_k gives the Ritz pair (mu, Q_k s), whose residual is
|A Q_k s - mu Q_k s| = beta_k |s_k|: an eigenvalue of A lies within it of mu, and
|mu| <= ||A||. That it is the largest one is the work of the random start, whose part along the
leading eigenvector is zero with probability 0 (Kuczynski and Wozniakowski 1992).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["RitzPair", "largest_modulus"]


class RitzPair(NamedTuple):
    """An approximate eigenpair.

    Attributes:
        value: mu, with its sign.
        vector: of unit norm, shape (p,).
        residual: |A u - mu u|, within which an eigenvalue lies.
        products: with A, so far.
    """

    value: float
    vector: Tensor
    residual: float
    products: int


def largest_modulus(
    product: Callable[[Tensor], Tensor], start: Tensor, rtol: float, most: int
) -> RitzPair:
    """The Ritz pair of largest modulus, at a residual of ``rtol`` |mu| or after ``most`` products.

    Args:
        product: v -> A v for A symmetric.
        start: not zero, shape (p,).
        rtol: of the residual.
        most: products at most.

    Example:
        >>> a = torch.tensor([1.0, -3.0, 2.0]).double()
        >>> round(largest_modulus(lambda v: a * v, torch.ones(3).double(), 1e-12, 9).value, 12)
        -3.0
    """
    basis = [start / torch.linalg.vector_norm(start)]
    diagonal: list[float] = []
    beside: list[float] = []
    eps = torch.finfo(start.dtype).eps
    while True:
        w = product(basis[-1])
        diagonal.append(float(basis[-1] @ w))
        for _ in range(2):  # twice is enough (Parlett 1980, section 6.9)
            for q in basis:
                w = w - (q @ w) * q
        beta = float(torch.linalg.vector_norm(w))
        k = len(diagonal)
        invariant = k == len(start) or beta <= 8 * eps * max(map(abs, diagonal + beside))
        if invariant or k >= most or k % 4 == 0 or k < 8:
            value, s = _leading(diagonal, beside)
            residual = 0.0 if invariant else beta * abs(float(s[-1]))
            if invariant or k >= most or residual <= rtol * abs(value):
                vector = torch.stack(basis, dim=1) @ s.to(start)
                return RitzPair(value, vector, residual + k * eps * abs(value), k)
        beside.append(beta)
        basis.append(w / beta)


def _leading(diagonal: list[float], beside: list[float]) -> tuple[float, Tensor]:
    """The eigenpair of largest modulus of a tridiagonal matrix."""
    t = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if beside:
        off = torch.tensor(beside, dtype=torch.float64)
        t += torch.diag(off, 1) + torch.diag(off, -1)
    values, vectors = torch.linalg.eigh(t)
    i = int(values.abs().argmax())
    return float(values[i]), vectors[:, i]
