"""Finite-width networks in torch, and what can be measured on them."""

from empirical.curvature import (
    FisherLimit,
    HessianNorm,
    effective_rank,
    fisher_eigenvalues,
    fisher_limit,
    hessian_norm,
    log_covering_number,
    participation_ratio,
    stable_rank,
)
from empirical.flow import Flow, FlowError, gradient_flow
from empirical.forked import keep_forked_processes_alive
from empirical.layerwise import streamed_tangent_kernel, tangent_kernels
from empirical.lifting import InitialLaw, LiftingError, ModuleNetwork, network_of
from empirical.network import FiniteNetwork
from empirical.tangent import TangentEstimate, tangent_kernel, tangent_kernel_estimate
from empirical.tangent_parts import TangentShares, tangent_kernel_diagonal, tangent_kernel_shares

keep_forked_processes_alive()

__all__ = [
    "FiniteNetwork",
    "FisherLimit",
    "Flow",
    "FlowError",
    "HessianNorm",
    "InitialLaw",
    "LiftingError",
    "ModuleNetwork",
    "TangentEstimate",
    "TangentShares",
    "effective_rank",
    "fisher_eigenvalues",
    "fisher_limit",
    "gradient_flow",
    "hessian_norm",
    "log_covering_number",
    "network_of",
    "participation_ratio",
    "stable_rank",
    "streamed_tangent_kernel",
    "tangent_kernel",
    "tangent_kernel_diagonal",
    "tangent_kernel_estimate",
    "tangent_kernel_shares",
    "tangent_kernels",
]
