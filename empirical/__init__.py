"""Finite-width networks in torch, and what can be measured on them."""

from empirical.flow import Flow, FlowError, gradient_flow
from empirical.forked import keep_forked_processes_alive
from empirical.layerwise import streamed_tangent_kernel, tangent_kernels
from empirical.network import FiniteNetwork
from empirical.tangent import TangentEstimate, tangent_kernel, tangent_kernel_estimate
from empirical.tangent_parts import TangentShares, tangent_kernel_diagonal, tangent_kernel_shares

keep_forked_processes_alive()

__all__ = [
    "FiniteNetwork",
    "Flow",
    "FlowError",
    "TangentEstimate",
    "TangentShares",
    "gradient_flow",
    "streamed_tangent_kernel",
    "tangent_kernel",
    "tangent_kernel_diagonal",
    "tangent_kernel_estimate",
    "tangent_kernel_shares",
    "tangent_kernels",
]
