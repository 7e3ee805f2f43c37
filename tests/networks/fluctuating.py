"""Networks whose fluctuation is measured: activations, depths, skips, widths and biases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic import FullyConnected, Network, Residual

__all__ = ["NETWORKS", "points"]

NETWORKS: dict[str, Network] = {
    "tanh, 1 layer": Network(FullyConnected("tanh")),
    "tanh, 2 layers": Network(FullyConnected("tanh"), FullyConnected("tanh")),
    "tanh, 3 layers": Network(*[FullyConnected("tanh")] * 3),
    "tanh, 4 layers": Network(*[FullyConnected("tanh")] * 4),
    "softplus, 2 layers": Network(FullyConnected("softplus"), FullyConnected("softplus")),
    "softplus, 3 layers": Network(*[FullyConnected("softplus")] * 3),
    "sigmoid, 3 layers, biases": Network(
        *[FullyConnected("sigmoid", weight_std=2, bias_std=0.5)] * 3
    ),
    "erf, 3 layers, weights 1.5": Network(*[FullyConnected("erf", weight_std=1.5)] * 3),
    "gelu, 2 layers": Network(
        FullyConnected("gelu", weight_std=1.4), FullyConnected("gelu", weight_std=1.4)
    ),
    "tanh, 2 residual": Network(FullyConnected("tanh"), Residual(FullyConnected("tanh"))),
    "softplus, 3 residual": Network(
        FullyConnected("softplus"), *[Residual(FullyConnected("softplus"))] * 2
    ),
    "sigmoid, 4 residual": Network(
        FullyConnected("sigmoid"), *[Residual(FullyConnected("sigmoid"))] * 3
    ),
    "gelu, 3 residual, biases": Network(
        FullyConnected("gelu", bias_std=0.3),
        *[Residual(FullyConnected("gelu", weight_std=0.8, bias_std=0.2))] * 2,
    ),
    "mixed, residual inside": Network(
        FullyConnected("tanh"), Residual(FullyConnected("softplus")), FullyConnected("erf")
    ),
    "unequal widths": Network(
        FullyConnected("softplus", width_ratio=2),
        FullyConnected("tanh", weight_std=1.3, width_ratio=0.5),
        FullyConnected("tanh"),
    ),
    "unequal widths, biases, residual": Network(
        FullyConnected("tanh", bias_std=0.3, width_ratio=0.5),
        FullyConnected("softplus", weight_std=1.2, bias_std=0.4, width_ratio=1.5),
        Residual(FullyConnected("sigmoid", weight_std=2, width_ratio=1.5)),
        FullyConnected("gelu", width_ratio=0.75),
    ),
}


def points() -> NDArray[np.float64]:
    """Four inputs in five dimensions, with norms about sqrt(5) and angles of all sizes."""
    x = np.random.default_rng(18).standard_normal((4, 5))
    x[3] = 0.8 * x[0] + 0.5 * x[3]
    return x
