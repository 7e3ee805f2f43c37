"""K_0 without a Jacobian: each layer's share from its inputs and backward signals.

Enters: a module and samples. Leaves: the tangent kernel of two blocks of samples. Described
networks take the layer identity directly (whole, in row blocks drawn again, or many seeds at
once). Any other module is run as it is; the graph of the backward pass shows every use of a
parameter, and ``rules`` say what its gradient looks like there. Below: ``empirical.network``.
"""

from empirical.layerwise.blocks import Block, MisfitError
from empirical.layerwise.ensemble import tangent_kernels
from empirical.layerwise.graph import graph_of, pulled_back
from empirical.layerwise.identity import (
    Link,
    backward_signals,
    forward_trace,
    tiled_layerwise_kernel,
)
from empirical.layerwise.inner_products import products
from empirical.layerwise.plan import Output, Plan, UnreachedError, combination, plan_for, wanted
from empirical.layerwise.position_rows import averages, rows
from empirical.layerwise.streaming import streamed_tangent_kernel
from empirical.layerwise.tiles import Blocks, block_size, contract, diagonal

__all__ = [
    "Block",
    "Blocks",
    "Link",
    "MisfitError",
    "Output",
    "Plan",
    "UnreachedError",
    "averages",
    "backward_signals",
    "block_size",
    "combination",
    "contract",
    "diagonal",
    "forward_trace",
    "graph_of",
    "plan_for",
    "products",
    "pulled_back",
    "rows",
    "streamed_tangent_kernel",
    "tangent_kernels",
    "tiled_layerwise_kernel",
    "wanted",
]
