"""Finite-width networks in torch, and what can be measured on them."""

from empirical.finite import FiniteNetwork
from empirical.tangent import tangent_kernel

__all__ = ["FiniteNetwork", "tangent_kernel"]
