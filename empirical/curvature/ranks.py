r"""Effective ranks, and the covering number of the linearised model that they bound.

    C = {<grad f(x; theta_0), theta - theta_0> : |theta - theta_0| <= R}

is in L2(rho) an ellipsoid with the semi-axes R lambda_i^(1/2), lambda_i the eigenvalues of F.
Axes up to 3 epsilon/4 are projected away; what is left has p~(F^(1/2), 0.75 epsilon/R)
dimensions, and is covered by a maximal packing, whose balls are disjoint
(docs/theory/chain.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, sqrt

import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["effective_rank", "log_covering_number", "participation_ratio", "stable_rank"]

Eigenvalues = Tensor | NDArray | Sequence[float]


def effective_rank(eigenvalues: Eigenvalues, scale: float) -> int:
    r"""How many eigenvalues of F^(1/2) are above a scale.

    .. math:: \tilde p(F^{1/2}, \epsilon) = |\{i : \lambda_i^{1/2} > \epsilon\}|

    Args:
        eigenvalues: those of F, in any order.
        scale: epsilon, not negative.

    Raises:
        ValueError: the scale is negative or not a number, or an eigenvalue is not finite.

    References:
        Bowman and Montufar (2022), section 4.

    Example:
        >>> effective_rank([9.0, 4.0, 0.01], scale=1.0), effective_rank([9.0, 4.0, 0.01], scale=2.0)
        (2, 1)
    """
    if not 0 <= scale < inf:
        raise ValueError(f"expected a scale of at least 0, got {scale}; pass epsilon or epsilon/R")
    return int((_checked(eigenvalues).clamp(min=0).sqrt() > scale).sum())


def stable_rank(eigenvalues: Eigenvalues) -> float:
    r"""The stable rank of F^(1/2): how many of the largest eigenvalue make the trace.

    .. math:: \|F^{1/2}\|_F^2 / \|F^{1/2}\|_{op}^2 = \sum_i \lambda_i / \lambda_1

    Example:
        >>> stable_rank([4.0, 2.0, 2.0])
        2.0
    """
    spectrum = _not_zero(eigenvalues)
    return float(spectrum.sum() / spectrum.max())


def participation_ratio(eigenvalues: Eigenvalues) -> float:
    r"""How many equal eigenvalues would have the same trace and Frobenius norm.

    .. math:: \left(\sum_i \lambda_i\right)^2 / \sum_i \lambda_i^2

    Example:
        >>> participation_ratio([3.0, 3.0, 0.0])
        2.0
    """
    spectrum = _not_zero(eigenvalues) / _not_zero(eigenvalues).max()
    return float(spectrum.sum() ** 2 / spectrum.square().sum())


def log_covering_number(eigenvalues: Eigenvalues, radius: float, epsilon: float) -> float:
    r"""A bound of the metric entropy of the linearised model, with its constants.

    .. math:: \log N(\mathcal C, \|\cdot\|_{L^2(\rho)}, \epsilon)
              \le \sum_{R\lambda_i^{1/2} > 3\epsilon/4}
              \tfrac12 \log\left(2 + \frac{128}{7} \frac{R^2 \lambda_i}{\epsilon^2}\right)

    It has p~(F^(1/2), 0.75 epsilon/R) terms; the paper's bound hides the logarithms. The balls
    that are counted have their centres in C.

    Args:
        eigenvalues: those of F, in any order.
        radius: R, not negative.
        epsilon: radius of the balls in L2(rho), positive.

    Raises:
        ValueError: a number is out of its range.

    References:
        Bowman and Montufar (2022), section 4 and Appendix A; docs/theory/chain.md for the proof.

    Example:
        >>> log_covering_number([1.0, 0.25], radius=1.0, epsilon=2.0)  # one ball
        0.0
    """
    if not 0 <= radius < inf:
        raise ValueError(f"expected a radius of at least 0, got {radius}; pass a norm")
    if not 0 < epsilon < inf:
        raise ValueError(f"expected a positive epsilon, got {epsilon}; pass the radius of balls")
    axes = radius * _checked(eigenvalues).clamp(min=0).sqrt() / epsilon
    kept = axes[axes > 0.75]
    ball = sqrt(1 - 0.75**2) / 2  # of the packing
    return float((2 + 2 * (kept / ball).square()).log().sum() / 2)


def _checked(eigenvalues: Eigenvalues) -> Tensor:
    """In float64; not empty and finite."""
    spectrum = torch.as_tensor(eigenvalues).detach().double().flatten()
    if not len(spectrum) or not bool(spectrum.isfinite().all()):
        found = "NaN or infinity" if len(spectrum) else "none"
        raise ValueError(
            f"expected finite eigenvalues, got {found}; pass those of fisher_eigenvalues"
        )
    return spectrum


def _not_zero(eigenvalues: Eigenvalues) -> Tensor:
    spectrum = _checked(eigenvalues).clamp(min=0)
    if not bool(spectrum.any()):
        raise ValueError("expected a positive eigenvalue, got none; the gradient vanishes")
    return spectrum
