"""Gradient flow to a tolerance.

Enters: a module, samples, targets and output times. Leaves: a ``Flow``, the record of the
trajectory. Exponential steps on the tangent kernel where the problem is stiff, Dormand and
Prince's pair otherwise. Below: ``empirical.jacobian`` and ``empirical.tangent``.
"""

from empirical.flow.integration import gradient_flow
from empirical.flow.kinks import kinks_of
from empirical.flow.record import Flow, FlowError

__all__ = [
    "Flow",
    "FlowError",
    "gradient_flow",
    "kinks_of",
]
