"""An activation without weights, and what may reach it.

The recursion knows second moments and means of the units. They are enough for weights: a sum over
many units is Gaussian whatever these are. They are enough for a bare nonlinearity only where the
units themselves are Gaussian in the limit: behind weights whose activation is linear, averages of
such units over positions, and sums of independent ones (docs/theory/recursion.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from analytic.activation import Activation
from analytic.network.layer_text import Described

__all__ = ["Nonlinearity"]


@dataclass(frozen=True, repr=False)
class Nonlinearity(Described):
    """An activation without weights, alpha -> w(alpha).

    Behind ``FullyConnected("identity")`` it makes of it the layer ``FullyConnected(activation)``.
    The units before it must be Gaussian in the limit: see ``Network``.

    Args:
        activation: a name, a sympy expression or an ``Activation``.

    Example:
        >>> Nonlinearity("tanh")
        Nonlinearity("tanh")
    """

    activation: Activation

    def __init__(self, activation: str | sympy.Expr | Activation) -> None:
        object.__setattr__(self, "activation", Activation(activation))
