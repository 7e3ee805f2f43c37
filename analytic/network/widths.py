r"""How wide the units are, in units of the width, after some layers."""

from __future__ import annotations

from analytic.network.averages import Flatten
from analytic.network.branches import Branched, Concatenate, Layers, Residual
from analytic.network.layers import Weighted

__all__ = ["branch_ratios", "ratio_after"]


def ratio_after(layers: Layers, ratio: float | None) -> float | None:
    """The width ratio after the layers; all branches of a sum must end equally wide.

    It is None after ``Flatten``: as many times the channels as there are positions.

    Args:
        layers: in order.
        ratio: before the first.

    Raises:
        ValueError: the branches of a sum end in different ratios, or a skip has none.
    """
    for layer in layers:
        if isinstance(layer, Weighted):
            ratio = layer.width_ratio
        elif isinstance(layer, Flatten):
            ratio = None
        elif isinstance(layer, Branched):
            ends = branch_ratios(layer, ratio)
            ratio = sum(ends) if isinstance(layer, Concatenate) else ends[0]
    return ratio


def branch_ratios(layer: Branched, ratio: float | None) -> list[float]:
    """The width ratio at the end of each branch.

    Example:
        >>> from analytic import FullyConnected
        >>> branch_ratios(Concatenate([], FullyConnected("tanh", width_ratio=3)), 1.0)
        [1.0, 3.0]
    """
    ends = [ratio_after(branch, ratio) for branch in layer.branches]
    known = [end for end in ends if end is not None]
    if len(known) < len(ends):
        place = f"between Flatten() and {layer}"
        if ratio is not None:
            place = f"behind Flatten() in a branch of {layer}"
        raise ValueError(
            f"expected a layer with weights {place}, got none: the flattened units are more than"
            " another branch has; put a FullyConnected there"
        )
    if isinstance(layer, Concatenate) or len(set(known)) == 1:
        return known
    if isinstance(layer, Residual):
        raise ValueError(
            f"expected a residual branch that keeps the width ratio {ratio}, got {layer};"
            " give its last layer that width_ratio"
        )
    raise ValueError(
        f"expected branches that end in the same width ratio, got {layer}; give their last"
        " layers the same width_ratio, that of the units before if one is a skip"
    )
