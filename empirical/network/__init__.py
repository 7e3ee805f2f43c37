"""The finite network that a description stands for.

Enters: a description, an input shape, a width and a seed. Leaves: a ``FiniteNetwork`` whose
weights are functions of (seed, layer, row, column) alone, so that any block of rows can be
drawn again, on any device. Below: the descriptions of ``analytic``.
"""

from empirical.network.finite import FiniteNetwork, Stack, check_description
from empirical.network.layer_modules import PointwiseLayer, WeightLayer
from empirical.network.noise import pointwise_layer
from empirical.network.normalization import GainLayer, NormalizedLayer
from empirical.network.pointwise_activation import pointwise
from empirical.network.weights import normal, normal_rows, redraw
from empirical.network.wires import Feed, Wire, held, wiring

__all__ = [
    "Feed",
    "FiniteNetwork",
    "GainLayer",
    "NormalizedLayer",
    "PointwiseLayer",
    "Stack",
    "WeightLayer",
    "Wire",
    "check_description",
    "held",
    "normal",
    "normal_rows",
    "pointwise",
    "pointwise_layer",
    "redraw",
    "wiring",
]
