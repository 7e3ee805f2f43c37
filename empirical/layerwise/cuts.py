r"""Where the samples part: the uses of parameters, found in the graph of a backward pass.

A value of the graph belongs to the samples if the batch is one of its axes and df(x_a)/dvalue
vanishes outside of sample a; it belongs to the parameters if its shape, and all that it is made
of, do not depend on the size of the batch. The operations between the two are the uses: at such
a cut the gradients of all samples follow from df/dh and what the operation has saved (see
``rules``), and what lies below, W^T or W = g v/|v|, hands them on to the parameters themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from empirical.layerwise.graph import Graph, Value, gradients, graph_of
from empirical.layerwise.samples import Samples, possible_places

__all__ = ["QUIET", "Arrangement", "Cut", "Trial", "layouts_of", "places_of", "uses_of"]

Signals = Mapping[Value, Sequence[Tensor]]
"""df(x_a)/dvalue for each sample a of a batch."""

QUIET = "too few signals reached it"
"""As behind dead ReLUs, so that several places fit; other samples may show more."""
SILENT = "no gradient reaches it"
MIXED = "its samples cannot be told apart"


@dataclass(frozen=True, slots=True)
class Cut:
    """One use of a value of the parameters.

    Attributes:
        result: the value h of the operation, which belongs to the samples.
        argument: the number of the argument.
        value: the argument W, which belongs to the parameters.
    """

    result: Value
    argument: int
    value: Value


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How the arguments of the cuts are made of a parameter.

    Attributes:
        cuts: numbers of the cuts that lead to it.
        factors: for each cut (factor, whether transposed), if all arguments are multiples of
            one rearrangement of the parameter, or of it and its transpose; None if gradients
            have to be handed on entry by entry.
    """

    cuts: tuple[int, ...]
    factors: tuple[tuple[float, bool], ...] | None


class Trial:
    """A batch that was run to see where its samples are.

    Args:
        values: the outputs with the graph of the run.
        combined: one number for each sample, made of them.
        parameters: those to differentiate by, with their names.
    """

    def __init__(self, values: Tensor, combined: Tensor, parameters: Mapping[str, Tensor]) -> None:
        self.values, self.combined, self.parameters = values, combined, parameters
        self.count, self.graph = len(values), graph_of(values)

    @property
    def gradients(self) -> list[dict[str, Tensor]]:
        """df(x_a)/dtheta for each sample a, by plain ``torch.autograd``."""
        return self._passes[0]

    @property
    def signals(self) -> Signals:
        """df(x_a)/dvalue for each sample a, for every value that a gradient reaches."""
        return self._passes[1]

    @cached_property
    def _passes(self) -> tuple[list[dict[str, Tensor]], Signals]:
        """The gradients and the signals, by one backward pass for each sample."""
        graph = self.graph
        met = () if graph is None else graph.values
        inner = [] if graph is None else [v for v in met if v[0] not in graph.leaves]
        edges = [] if graph is None else [graph.edge(v) for v in inner]
        both = [gradients(value, self.parameters, edges) for value in self.combined]
        columns = zip(inner, zip(*(signals for _, signals in both), strict=True), strict=True)
        return [found for found, _ in both], {
            v: column for v, column in columns if all(s is not None for s in column)
        }


def places_of(trial: Trial, probe: Trial) -> dict[Value, Samples | str]:
    """The place of the samples in every value that has one, or the reason why there is none.

    Args:
        trial: of a batch.
        probe: the same for a batch of another size; its signals are asked for only if those of
            the trial fit several places.
    """
    assert trial.graph is not None
    assert probe.graph is not None
    own = _of_parameters(trial.graph, probe.graph)
    places: dict[Value, Samples | str] = {}
    for value in trial.graph.values:
        if value not in own:
            rows = trial.signals.get(value)
            places[value] = SILENT if rows is None else _place(trial, probe, value, rows)
    return places


def _place(trial: Trial, probe: Trial, value: Value, rows: Sequence[Tensor]) -> Samples | str:
    assert trial.graph is not None
    assert probe.graph is not None
    shapes = trial.graph.shape(value), probe.graph.shape(value)
    counts = trial.count, probe.count
    fitting = [p for p in possible_places(rows) if _scales(p, shapes, counts)]
    if not any(bool(row.any()) for row in rows):
        return QUIET if fitting else MIXED
    if len(fitting) > 1 and value in probe.signals:
        also = [(p.axis, p.first) for p in possible_places(probe.signals[value])]
        fitting = [p for p in fitting if (p.axis, p.first) in also]
    return fitting[0] if len(fitting) == 1 else QUIET if fitting else MIXED


def _scales(place: Samples, shapes: tuple[torch.Size, torch.Size], counts: tuple[int, int]) -> bool:
    """Whether the axis, and no other one, is proportional to the size of the batch."""
    (a, b), axis = shapes, place.axis
    same = all(p == q for d, (p, q) in enumerate(zip(a, b, strict=True)) if d != axis)
    return same and a[axis] * counts[1] == b[axis] * counts[0]


def _of_parameters(graph: Graph, other: Graph) -> set[Value]:
    """Values whose shape, and all that they are made of, is the same in both batches."""
    changed = {v for v in graph.values if graph.shape(v) != other.shape(v)}
    sampled: set[int] = set()  # operations that something of another size enters
    for node in _below_first(graph):
        arguments = [a for a in graph.arguments[node] if a is not None]
        if any(a in changed or a[0] in sampled for a in arguments):
            sampled.add(node)
    return {v for v in graph.values if v not in changed and v[0] not in sampled}


def _below_first(graph: Graph) -> list[int]:
    """The operations, each after all that it depends on."""
    order: list[int] = []
    state: dict[int, bool] = {}
    ahead = [graph.root[0]]
    while ahead:
        node = ahead[-1]
        if state.get(node) is None:
            state[node] = False
            ahead += [a[0] for a in graph.arguments[node] if a is not None and a[0] not in state]
        else:
            ahead.pop()
            if not state[node]:
                state[node] = True
                order.append(node)
    return order


def uses_of(
    graph: Graph, places: Mapping[Value, Samples | str]
) -> tuple[list[Cut], dict[int, str]]:
    """The cuts, and the leaves that are also used elsewhere, with the reason."""
    cuts: list[Cut] = []
    reasons: dict[int, str] = {}
    for result, place in places.items():
        if place == SILENT:
            continue
        for number, value in enumerate(graph.arguments[result[0]]):
            if value is None or value in places:
                continue
            below = [v[0] for v in graph.below(value)]
            leaves = [i for i in below if i in graph.leaves]
            alone = sum(v[0] == result[0] for v in places) == 1
            if leaves and isinstance(place, Samples) and alone:
                cuts.append(Cut(result, number, value))
            else:
                reason = place if isinstance(place, str) else MIXED
                reasons.update({i: reason for i in leaves if reasons.get(i) != MIXED})
    return cuts, reasons


def layouts_of(graph: Graph, cuts: Sequence[Cut]) -> dict[int, Arrangement]:
    """How the arguments of the cuts are made of the leaves below them."""
    leading: dict[int, list[int]] = {}
    for number, cut in enumerate(cuts):
        for node in dict.fromkeys(v[0] for v in graph.below(cut.value)):
            if node in graph.leaves:
                leading.setdefault(node, []).append(number)
    return {leaf: _arrangement(graph, cuts, tuple(numbers)) for leaf, numbers in leading.items()}


def _arrangement(graph: Graph, cuts: Sequence[Cut], leading: tuple[int, ...]) -> Arrangement:
    values = [cuts[k].value for k in leading]
    chains = [_chain(graph, value) for value in values]
    known = [chain for chain in chains if chain is not None]
    if len(known) < len(chains):
        return Arrangement(leading, None)
    turns = [_transposed(graph, v, steps) for v, (_, steps) in zip(values, known, strict=True)]
    factors = [factor for factor, _ in known]
    if None not in turns:
        return Arrangement(leading, tuple(zip(factors, map(bool, turns), strict=True)))
    if all(steps == known[0][1] for _, steps in known):
        return Arrangement(leading, tuple((factor, False) for factor in factors))
    return Arrangement(leading, None)


_Steps = tuple[tuple[object, ...], ...]


def _chain(graph: Graph, value: Value) -> tuple[float, _Steps] | None:
    """(factor, rearrangements) on the way to a leaf, or None if something else is on it."""
    factor, steps = 1.0, list[tuple[object, ...]]()
    while value[0] not in graph.leaves:
        node = graph.nodes[value[0]]
        arguments = [a for a in graph.arguments[value[0]] if a is not None]
        if len(arguments) != 1:
            return None
        name = node.name()
        if name in _REARRANGED:
            saved = (str(getattr(node, f"_saved_{key}", "")) for key in ("dim0", "dim1", "dims"))
            steps.append((name, graph.shape(value), *saved))
        elif name in _SCALED and graph.arguments[value[0]][0] is not None:
            other = node._saved_other  # pyright: ignore[reportAttributeAccessIssue]
            if isinstance(other, Tensor) and other.ndim > 0:
                return None
            factor *= float(other) if name == "MulBackward0" else 1 / float(other)
        else:
            return None
        (value,) = arguments
    return factor, tuple(steps)


_REARRANGED = {
    "AliasBackward0", "PermuteBackward0", "ReshapeAliasBackward0", "SqueezeBackward0",
    "SqueezeBackward1", "TBackward0", "TransposeBackward0", "UnsafeViewBackward0",
    "UnsqueezeBackward0", "ViewBackward0",
}  # fmt: skip
_TURNED = {"TBackward0", "TransposeBackward0"}
_SCALED = {"DivBackward0", "MulBackward0"}


def _transposed(graph: Graph, value: Value, steps: _Steps) -> bool | None:
    """Whether a value is the transpose of a matrix; None if it was rearranged otherwise."""
    if not all(step[0] in _TURNED for step in steps):
        return None
    if steps and len(graph.shape(value)) != 2:
        return None
    return len(steps) % 2 == 1
