"""Finite-width networks in torch, and what can be measured on them."""

from empirical.ensemble import tangent_kernels
from empirical.finite import FiniteNetwork
from empirical.flow import gradient_flow
from empirical.flow_record import Flow, FlowError
from empirical.streaming import streamed_tangent_kernel
from empirical.tangent import TangentEstimate, tangent_kernel, tangent_kernel_estimate

__all__ = [
    "FiniteNetwork",
    "Flow",
    "FlowError",
    "TangentEstimate",
    "gradient_flow",
    "streamed_tangent_kernel",
    "tangent_kernel",
    "tangent_kernel_estimate",
    "tangent_kernels",
]
