r"""Graphs in which no sample can meet another one, whatever the numbers are.

An operation keeps the samples apart if the rows of df/dresult that belong to a sample are all
that enters its rows of df/dargument. Tanh does, a convolution does, a mean over positions does,
and so does every chain of them. Where each operation between the outputs and the cuts is known to,
nothing has to be tried out; anything else (attention, what moves the axis of the samples, a
function of the user's own) is asked by a second backward pass, see ``Block.check_apart``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd.graph import Node

from empirical.layerwise.graph import Graph, Value

__all__ = ["keeps_apart"]

Condition = Callable[[Node, torch.Size], bool]
"""(operation, shape of the argument) -> whether it keeps apart what lies along the first axis."""


def keeps_apart(graph: Graph, cuts: Sequence[tuple[Value, int]], count: int) -> bool:
    """Whether the structure alone says that no sample meets another one.

    Args:
        graph: of outputs of shape (count, k).
        cuts: (result, number of the argument) where parameters enter.
        count: how many samples.
    """
    entries = {(result[0], number) for result, number in cuts}
    ahead, met = [graph.root[0]], {graph.root[0]}
    while ahead:
        number = ahead.pop()
        for k, argument in enumerate(graph.arguments[number]):
            if argument is None or (number, k) in entries or argument[0] in graph.leaves:
                continue
            if not _by_rows(graph, number, k, argument, count):
                return False
            if argument[0] not in met:
                met.add(argument[0])
                ahead.append(argument[0])
    return True


def _by_rows(graph: Graph, number: int, k: int, argument: Value, count: int) -> bool:
    """Whether row a of df/dargument is made of row a of df/dresult."""
    node, shape = graph.nodes[number], graph.shape(argument)
    known = _KNOWN.get(node.name())
    if known is None or not shape or shape[0] != count:
        return False
    (condition, numbers), result = known, _result(node)
    return result[:1] == (count,) and k in numbers and condition(node, shape)


def _result(node: Node) -> torch.Size:
    """The shape of what an operation makes; the others of a normalisation carry no gradient."""
    return torch.Size(node._input_metadata[0].shape)  # pyright: ignore[reportAttributeAccessIssue]


def _always(node: Node, shape: torch.Size) -> bool:
    return True


def _of_equal_rank(node: Node, shape: torch.Size) -> bool:
    """Arguments are broadcast from the last axis on: the first is the first if all are there."""
    return len(shape) == len(_result(node))


def _other_axes(node: Node, shape: torch.Size) -> bool:
    """The axes that the operation works on, of which none may be the first."""
    saved: Any = getattr(node, "_saved_dim", None)
    dims = [saved] if isinstance(saved, int) else saved
    if dims is None or len(dims) == 0:
        return False
    signed = (d - 2**64 if d >= 2**63 else d for d in dims)  # torch stores them unsigned
    return all(d % len(shape) != 0 for d in signed)


def _images(node: Node, shape: torch.Size) -> bool:
    """(samples, channels, height, width), not one image without samples."""
    return len(shape) == 4


def _fixed_statistics(node: Node, shape: torch.Size) -> bool:
    return not getattr(node, "_saved_training", True)


def _last_axes(node: Node, shape: torch.Size) -> bool:
    """Statistics over the last axes, of which there are fewer than all."""
    return len(getattr(node, "_saved_normalized_shape", shape)) < len(shape)


def _table(condition: Condition, names: str, *numbers: int) -> dict[str, tuple[Condition, Any]]:
    return {f"{name}Backward0": (condition, numbers or (0,)) for name in names.split()}


_KNOWN: dict[str, tuple[Condition, tuple[int, ...]]] = {
    **_table(
        _always,
        "Abs Acos Alias Asinh Atan Ceil Celu Clamp ClampMin ClampMax Clone Cos Cosh Elu Erf Exp"
        " Expm1 Floor Gelu Hardsigmoid Hardswish Hardtanh LeakyRelu Log Log1P"
        " LogSigmoid Mish Neg Pow Reciprocal Relu Rsqrt Sigmoid Silu Sin Sinh Softplus Softshrink"
        " Sqrt Tan Tanh Threshold ToCopy",
    ),
    **_table(_always, "View UnsafeView ReshapeAlias Squeeze Unsqueeze"),
    **_table(_of_equal_rank, "Add Sub Mul Div Maximum Minimum Expand", 0, 1),
    **_table(_other_axes, "Select Slice Softmax LogSoftmax"),
    **_table(_images, "AvgPool2D AdaptiveAvgPool2D MaxPool2DWithIndices"),
    **_table(_fixed_statistics, "NativeBatchNorm CudnnBatchNorm"),
    **_table(_always, "Convolution NativeGroupNorm"),
    **_table(_last_axes, "NativeLayerNorm"),
    **_table(_always, "Addmm", 1),
    **_table(_always, "Mm"),
    "AddBackward1": (_always, (0,)),
    "ClampBackward1": (_always, (0,)),
    "SubBackward1": (_always, (0,)),
    "MeanBackward1": (_other_axes, (0,)),
    "SumBackward1": (_other_axes, (0,)),
    "SqueezeBackward1": (_other_axes, (0,)),
}
"""By name of the operation: when, and for which of its arguments."""
