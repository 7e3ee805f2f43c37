"""The graph of a backward pass: its nodes are operations, its leaves parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

__all__ = ["node_of", "reached"]


def node_of(tensor: Tensor) -> Node | None:
    """The operation that made a tensor, or the leaf that it is; None without gradients."""
    return get_gradient_edge(tensor).node if tensor.requires_grad else None


def reached(root: Node | None, known: Mapping[Node, Sequence[Node | None]]) -> set[Node]:
    """All nodes on the way from an output back to the leaves.

    Args:
        root: the node of the output.
        known: operations whose backward is known, with the nodes of those of their arguments
            by which the way goes on. A leaf that is reached was used by something else.
    """
    found: set[Node] = set()
    ahead = [root]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in found:
            found.add(node)
            ahead += known[node] if node in known else [n for n, _ in node.next_functions]
    return found
