"""The Jacobian J = df/dtheta: applied without its entries, or sample by sample.

Enters: a module at one place in parameter space. Leaves: J v, J^T u and J J^T, and the tangent
kernel by its definition, the reference that all else is compared with. Below:
``empirical.layerwise``.
"""

from empirical.jacobian.operators import GraphJacobian, Jacobian, LayerJacobian
from empirical.jacobian.per_sample import per_sample_kernel

__all__ = ["GraphJacobian", "Jacobian", "LayerJacobian", "per_sample_kernel"]
