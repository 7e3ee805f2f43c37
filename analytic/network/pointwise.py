"""Layers without weights that keep the positions and the number of units."""

from __future__ import annotations

from analytic.network.dropout import Dropout
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.normalization import Gains, LayerNorm

__all__ = ["Pointwise"]

Pointwise = Nonlinearity | Dropout | LayerNorm | Gains
