r"""Forward and backward for a block of samples.

One forward pass and one backward pass for each output serve all samples of a block: no sample
meets another one, so that the derivative of sum_a f(x_a) is that of every f(x_a) in its own rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from empirical.layerwise.apart import keeps_apart
from empirical.layerwise.cuts import Cut, layouts_of
from empirical.layerwise.gradients import Gradient, beside
from empirical.layerwise.graph import Graph, Value, graph_of, pulled_back
from empirical.layerwise.rules import RULES, Call, sample_by_sample
from empirical.layerwise.samples import Samples

__all__ = ["Block", "MisfitError", "Scheme"]


class MisfitError(Exception):
    """The module did something else with these samples than with the first ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Scheme:
    """What is known of the graph of any batch.

    Attributes:
        structure: of the graph.
        cuts: the uses of the parameters that have rules.
        places: of the samples in the results of the cuts.
        leaves: the parameters, by node.
        groups: the leaves that are contracted, together where they are used together.
    """

    structure: tuple[object, ...]
    cuts: tuple[Cut, ...]
    places: Mapping[Value, Samples]
    leaves: Mapping[int, Tensor]
    groups: tuple[tuple[int, ...], ...]


class Block:
    """Some samples: their outputs, and the gradients at each cut.

    Args:
        values: outputs of the samples, shape (n, k), with their graph.
        scheme: as found on a few samples.

    Raises:
        MisfitError: the graph is another one.
    """

    def __init__(self, values: Tensor, scheme: Scheme) -> None:
        self.values, self.scheme = values, scheme
        self._latest: tuple[int, dict[Value, Tensor | None]] = (-1, {})
        if not scheme.groups:
            return
        graph = graph_of(values)
        if graph is None or graph.structure != scheme.structure:
            raise MisfitError("the module did something else with these samples")
        if any(graph.leaves[i] is not leaf for i, leaf in scheme.leaves.items()):
            raise MisfitError("the module used its parameters in another order")
        self.graph: Graph = graph
        self.layouts = layouts_of(graph, scheme.cuts)
        self.places: dict[Value, Samples] = {}
        for value, place in scheme.places.items():
            shape = graph.shape(value)
            if shape[place.axis] % len(values) != 0:
                raise MisfitError(f"{tuple(shape)} is not made of {len(values)} samples")
            self.places[value] = Samples(place.axis, len(values), place.first)

    @property
    def known_apart(self) -> bool:
        """Whether no sample can meet another one, so that ``check_apart`` has nothing to find."""
        if not self.scheme.groups or len(self.values) == 1:
            return True
        entries = [(cut.result, cut.argument) for cut in self.scheme.cuts]
        return keeps_apart(self.graph, entries, len(self.values))

    def signals(self, output: int) -> dict[Value, Tensor | None]:
        """df/dh at each cut."""
        if self._latest[0] != output and self.scheme.groups:
            with torch.enable_grad():
                total = self.values[:, output].sum()
            self._latest = (output, self.signals_of(total))
        return self._latest[1]

    def check_apart(self, value: Tensor, plain: Mapping[Value, Tensor | None]) -> None:
        """Raise unless no sample meets another one between the cuts and the outputs.

        Then sum_a w_a f(x_a) has the signal w_a df(x_a)/dh in the rows of sample a, whatever the
        weights w are. A sample that hears another one has a mixture of their weights.

        Args:
            value: one number for each sample, shape (n,), with its graph.
            plain: the signals of its sum.
        """
        weight = 1 + torch.rand(len(value), generator=torch.Generator().manual_seed(0)).to(value)
        with torch.enable_grad():
            weighted = self.signals_of(value @ weight)
        for at, place in self.places.items():
            one, other = plain[at], weighted[at]
            if one is None or other is None or one.numel() == 0:
                continue
            one, other = place.split(one).flatten(1), place.split(other).flatten(1)
            allowed = torch.finfo(one.dtype).eps ** 0.5 * one.abs().max()
            if not bool(((other - weight[:, None] * one).abs().max() <= allowed).all()):
                raise MisfitError("samples meet in the batch")

    def signals_of(self, total: Tensor) -> dict[Value, Tensor | None]:
        """The derivatives of a sum over the samples at each cut."""
        at = list(self.places)
        edges = [self.graph.edge(value) for value in at]
        found = torch.autograd.grad(total, edges, retain_graph=True, allow_unused=True)
        return dict(zip(at, found, strict=True))

    def gradients(
        self, group: Sequence[int], signals: Mapping[Value, Tensor | None]
    ) -> list[Gradient]:
        """Those with respect to parameters that are used together, as few as may be."""
        found = [self.gradient(leaf, signals) for leaf in group]
        return beside([gradient for gradient in found if gradient is not None])

    def gradient(self, leaf: int, signals: Mapping[Value, Tensor | None]) -> Gradient | None:
        """The gradients with respect to one parameter, or to a rearrangement of it."""
        return self.gathered(leaf, self.uses(leaf, signals))

    def uses(self, leaf: int, signals: Mapping[Value, Tensor | None]) -> dict[int, Gradient]:
        """The gradients at each cut above a parameter, with respect to the argument there."""
        cuts = self.scheme.cuts
        heard = ((k, signals[cuts[k].result]) for k in self.layouts[leaf].cuts)
        return {k: self._share(cuts[k], signal) for k, signal in heard if signal is not None}

    def gathered(self, leaf: int, uses: Mapping[int, Gradient]) -> Gradient | None:
        """The gradients with respect to a parameter from those at its cuts."""
        layout = self.layouts[leaf]
        if not uses:
            return None
        if layout.factors is None:
            return Gradient(self.scheme.leaves[leaf].shape, dense=self.entries(leaf, uses))
        factors = dict(zip(layout.cuts, layout.factors, strict=True))
        shares = [
            share if factors[k] == (1, False) else share.transposed(*factors[k])
            for k, share in uses.items()
        ]
        return reduce(add, shares)

    def entries(self, leaf: int, uses: Mapping[int, Gradient]) -> Tensor:
        """The same entry by entry, shape (n, *shape)."""
        cuts = self.scheme.cuts
        return self._handed_on(leaf, [(cuts[k].value, g.formed()) for k, g in uses.items()])

    def _share(self, cut: Cut, signal: Tensor) -> Gradient:
        """The gradients of one use with respect to its argument."""
        node, output = cut.result
        operation = self.graph.nodes[node]
        call = Call(operation, output, cut.argument, self.graph.shape(cut.value))
        rule, place = RULES.get(operation.name()), self.places[cut.result]
        found = None if rule is None else rule(call, signal, place)
        if found is None:
            found = sample_by_sample(call, signal, place)
        if found is None:
            raise MisfitError(f"{operation.name()} has no rule")
        return found

    def _handed_on(self, leaf: int, parts: Sequence[tuple[Value, Tensor]]) -> Tensor:
        """df/dleaf from df/dvalue of each sample, shapes (n, ...)."""
        total = [d for value, d in parts if value[0] == leaf]
        rest = [(value, d) for value, d in parts if value[0] != leaf]
        if rest:
            (found,) = pulled_back(
                [self.graph.edge(value) for value, _ in rest],
                [self.graph.edge((leaf, 0))],
                [d for _, d in rest],
            )
            total += [] if found is None else [found]
        shape = self.scheme.leaves[leaf].shape
        return reduce(add, total) if total else self.values.new_zeros(len(self.values), *shape)
