"""Finite-width networks in torch, and what can be measured on them."""

from empirical.finite import FiniteNetwork
from empirical.tangent import TangentEstimate, tangent_kernel, tangent_kernel_estimate

__all__ = ["FiniteNetwork", "TangentEstimate", "tangent_kernel", "tangent_kernel_estimate"]
