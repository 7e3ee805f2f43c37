r"""The graph of a backward pass: operations, the values between them, and the leaves.

A value is an output of an operation, (node, number); the gradient df/dvalue arrives there in
the backward pass. What an ordinary forward pass leaves behind says all about the parameters
that the outputs depend on, by whatever road they came there: a registered module, a list, a
closure, compiled code.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

__all__ = ["Graph", "Value", "gradients", "graph_of", "pulled_back"]

Value = tuple[int, int]
"""The number of an operation in the order of the walk, and of its output."""


@dataclass(frozen=True, eq=False)
class Graph:
    """What some outputs depend on.

    Attributes:
        nodes: the operations and leaves, the root first, in the order of a walk that depends
            on the structure only.
        arguments: of each node in order, None where an argument carries no gradient.
        root: the outputs.
    """

    nodes: tuple[Node, ...]
    arguments: tuple[tuple[Value | None, ...], ...]
    root: Value

    @cached_property
    def leaves(self) -> dict[int, Tensor]:
        """The tensors that require gradients, by node."""
        return {i: node.variable for i, node in enumerate(self.nodes) if hasattr(node, "variable")}  # pyright: ignore[reportAttributeAccessIssue]

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """All values that something depends on, leaves among them."""
        met = dict.fromkeys([self.root])
        for arguments in self.arguments:
            met.update(dict.fromkeys(a for a in arguments if a is not None))
        return tuple(met)

    @cached_property
    def structure(self) -> tuple[object, ...]:
        """What two runs have in common if they did the same."""
        return (tuple(node.name() for node in self.nodes), self.arguments, self.root)

    def edge(self, value: Value) -> GradientEdge:
        """Where df/dvalue arrives."""
        return GradientEdge(self.nodes[value[0]], value[1])

    def shape(self, value: Value) -> torch.Size:
        """The shape of a value."""
        data = self.nodes[value[0]]._input_metadata  # pyright: ignore[reportAttributeAccessIssue]
        return torch.Size(data[value[1]].shape)

    def below(self, value: Value) -> Iterator[Value]:
        """A value and all that it depends on, each once."""
        met, ahead = set[Value](), [value]
        while ahead:
            one = ahead.pop()
            if one not in met:
                met.add(one)
                yield one
                ahead += [a for a in self.arguments[one[0]] if a is not None]


def graph_of(outputs: Tensor) -> Graph | None:
    """The graph of some outputs; None if they carry no gradient."""
    if not outputs.requires_grad:
        return None
    root = get_gradient_edge(outputs)
    number: dict[Node, int] = {root.node: 0}
    nodes = [root.node]
    arguments: list[tuple[Value | None, ...]] = []
    for node in nodes:  # grows on the way
        found: list[Value | None] = []
        for argument, output in node.next_functions:
            if argument is not None and argument not in number:
                number[argument] = len(nodes)
                nodes.append(argument)
            found.append(None if argument is None else (number[argument], output))
        arguments.append(tuple(found))
    return Graph(tuple(nodes), tuple(arguments), (0, root.output_nr))


def gradients(
    value: Tensor, parameters: Mapping[str, Tensor], edges: Sequence[GradientEdge] = ()
) -> tuple[dict[str, Tensor], tuple[Tensor | None, ...]]:
    """By plain ``torch.autograd``: dv/dtheta for those that it depends on, and dv/dh at edges."""
    differentiate: Any = torch.autograd.grad  # its stubs know no mixture of tensors and edges
    try:
        found = differentiate(
            value, [*parameters.values(), *edges], retain_graph=True, allow_unused=True
        )
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise ValueError(
            "expected a module that torch.autograd can differentiate, got one that it cannot"
            f" ({str(error).splitlines()[0]}); mend its backward pass"
        ) from error
    pairs = zip(parameters, found[: len(parameters)], strict=True)
    own = {name: g.detach().to_dense() for name, g in pairs if g is not None}
    return own, found[len(parameters) :]


def pulled_back(
    outputs: Sequence[GradientEdge | Tensor],
    inputs: Sequence[GradientEdge | Tensor],
    signals: Sequence[Tensor],
) -> list[Tensor | None]:
    """The derivatives of many combinations of some outputs, by one backward pass for all.

    Args:
        outputs: values of a graph.
        inputs: others, further down.
        signals: the combinations, for each output in order of shape (r, *shape).

    Returns:
        for each input shape (r, *shape); None if nothing depends on it. Where torch cannot do
        the passes together (an operation without a batching rule) they are made one by one.
    """
    count = len(signals[0])
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that it makes a loop of some operation
        if count > 1:
            try:
                return list(_grad(outputs, inputs, signals, batched=True))
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError):
                pass
        rows = [
            _grad(outputs, inputs, [s[a] for s in signals], batched=False) for a in range(count)
        ]
    columns = [[r for r in column if r is not None] for column in zip(*rows, strict=True)]
    return [torch.stack(c) if len(c) == count else None for c in columns]


def _grad(
    outputs: Sequence[GradientEdge | Tensor],
    inputs: Sequence[GradientEdge | Tensor],
    signals: Sequence[Tensor],
    batched: bool,
) -> list[Tensor | None]:
    differentiate: Any = torch.autograd.grad  # its stubs know no mixture of tensors and edges
    found = differentiate(
        outputs, inputs, signals, retain_graph=True, allow_unused=True, is_grads_batched=batched
    )
    return [g.to_dense() if g is not None and g.layout != torch.strided else g for g in found]
