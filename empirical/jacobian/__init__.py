"""The Jacobian J = df/dtheta: applied without its entries, or row by row.

Enters: a module at one place in parameter space. Leaves: J v, J^T u and J J^T, and rows of J,
the reference that all else is compared with. Below: ``empirical.layerwise``.
"""

from empirical.jacobian.operators import GraphJacobian, Jacobian, LayerJacobian
from empirical.jacobian.per_sample import jacobian_rows, per_sample_gradients

__all__ = ["GraphJacobian", "Jacobian", "LayerJacobian", "jacobian_rows", "per_sample_gradients"]
