"""First and second derivatives as quadratic forms: the Fisher information, the Hessian.

Enters: a module and samples of rho, or one input. Leaves: eigenvalues of F with their limit,
effective ranks, covering numbers of the linearised model, and the norm of the Hessian at the
parameters and over a ball. Below: ``empirical.tangent`` and ``empirical.flow``.
"""

from empirical.curvature.fisher import FisherLimit, fisher_eigenvalues, fisher_limit
from empirical.curvature.operator_norm import HessianNorm, hessian_norm
from empirical.curvature.ranks import (
    effective_rank,
    log_covering_number,
    participation_ratio,
    stable_rank,
)

__all__ = [
    "FisherLimit",
    "HessianNorm",
    "effective_rank",
    "fisher_eigenvalues",
    "fisher_limit",
    "hessian_norm",
    "log_covering_number",
    "participation_ratio",
    "stable_rank",
]
