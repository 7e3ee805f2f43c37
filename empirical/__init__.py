"""Finite-width networks in torch, and what can be measured on them."""

from empirical.ensemble import tangent_kernels
from empirical.finite import FiniteNetwork
from empirical.streaming import streamed_tangent_kernel
from empirical.tangent import TangentEstimate, tangent_kernel, tangent_kernel_estimate

__all__ = [
    "FiniteNetwork",
    "TangentEstimate",
    "streamed_tangent_kernel",
    "tangent_kernel",
    "tangent_kernel_estimate",
    "tangent_kernels",
]
