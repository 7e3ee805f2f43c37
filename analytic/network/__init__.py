"""Descriptions: layers without widths, data without weights.

Enters: layers as the user writes them, or their text. Leaves: a ``Network``, checked when it
is built (which layers may follow each other), its shapes on an input, its summary, and its
recursion as a system of equations. Nothing here computes a kernel. Below: the activation, and
for the equations ``analytic.closed_forms``.
"""

from analytic.network.averages import (
    AveragePooling,
    Averaging,
    Flatten,
    GlobalAveragePooling,
    Pooling,
    SumPooling,
)
from analytic.network.branches import Branched, Layer
from analytic.network.continuity import first_jump_of, require_continuous
from analytic.network.description import (
    Concatenate,
    Dropout,
    FullyConnected,
    LayerNorm,
    Network,
    Residual,
    Scale,
    Step,
    Sum,
)
from analytic.network.equations import System
from analytic.network.fitting import Misfit, misfit
from analytic.network.folding import fold, itself
from analytic.network.growth import geometric_mean
from analytic.network.layers import Convolution
from analytic.network.network_text import parse_activation, parse_network
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.normalization import Gains
from analytic.network.options import Sizes
from analytic.network.output import Coefficients, Readout
from analytic.network.pointwise import Pointwise
from analytic.network.published import lenet, mlp, myrtle, resnet, wide_resnet
from analytic.network.shapes import Shape, reads, shape_after, shapes_after
from analytic.network.training_rates import bias_rate_of

__all__ = [
    "AveragePooling",
    "Averaging",
    "Branched",
    "Coefficients",
    "Concatenate",
    "Convolution",
    "Dropout",
    "Flatten",
    "FullyConnected",
    "Gains",
    "GlobalAveragePooling",
    "Layer",
    "LayerNorm",
    "Misfit",
    "Network",
    "Nonlinearity",
    "Pointwise",
    "Pooling",
    "Readout",
    "Residual",
    "Scale",
    "Shape",
    "Sizes",
    "Step",
    "Sum",
    "SumPooling",
    "System",
    "bias_rate_of",
    "first_jump_of",
    "fold",
    "geometric_mean",
    "itself",
    "lenet",
    "misfit",
    "mlp",
    "myrtle",
    "parse_activation",
    "parse_network",
    "reads",
    "require_continuous",
    "resnet",
    "shape_after",
    "shapes_after",
    "wide_resnet",
]
