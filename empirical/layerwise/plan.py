r"""Which parameters have rules, tried out on a few samples before the kernel is computed.

A run on two of the samples (three if there are two, so that the sizes differ; others if these
leave a layer without a signal) and one on a batch of another size show where the samples part in
the graph. For each of them every parameter's gradient by the rules is compared with the one by
``torch.autograd``. What does not agree loses its rules: it is slower then, never wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from empirical.batches import count, differing, rows
from empirical.forward_pass import BatchError
from empirical.layerwise.agreement import disagreements, squares, squares_of
from empirical.layerwise.blocks import Scheme
from empirical.layerwise.cuts import QUIET, Cut, Trial, layouts_of, places_of, uses_of
from empirical.layerwise.graph import Graph, Value, graph_of
from empirical.layerwise.samples import Samples

__all__ = ["Output", "Plan", "UnreachedError", "combination", "plan_for", "wanted"]

Output = int | Literal["all", "trace"]
Function = Callable[[Any], Tensor]
"""A batch -> outputs (n, k) with their graph."""

_log = logging.getLogger("kinfinity")


class UnreachedError(ValueError):
    """No output depends on the parameters."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How to differentiate a module.

    Attributes:
        scheme: the uses of parameters that have rules.
        rest: the parameters without, with the reason.
        values: outputs of the samples that were tried, shape (b, k).
        tried: their indices.
        squares: |df/dtheta|^2 of these samples for every parameter, summed over the outputs that
            are wanted, by plain ``autograd.grad``; shape (b,).
        bytes_per_sample: what a forward and a backward pass keep.
    """

    scheme: Scheme
    rest: dict[str, str]
    values: Tensor
    tried: list[int]
    squares: Mapping[str, Tensor]
    bytes_per_sample: int

    @property
    def norm(self) -> float:
        """|df/dtheta|^2 of the last sample, for the parameters with rules."""
        return sum(float(s[-1]) for name, s in self.squares.items() if name not in self.rest)

    def without_rules(self, names: Iterable[str], reason: str) -> Plan:
        """The plan that takes all gradients sample by sample."""
        _log.debug("per-sample gradients for all parameters (%s)", reason)
        scheme = replace(self.scheme, groups=())
        return replace(self, scheme=scheme, rest=dict.fromkeys(names, reason))


def wanted(values: Tensor, output: Output) -> list[int]:
    """The indices of the outputs that a kernel is about."""
    return [output] if isinstance(output, int) else list(range(values.shape[1]))


def combination(values: Tensor, output: Output) -> Tensor:
    """One number for each sample that depends on all outputs that are wanted, shape (n,)."""
    outs = wanted(values, output)
    random = torch.randn(len(outs), generator=torch.Generator().manual_seed(0))
    return values[:, outs] @ (random if len(outs) > 1 else torch.ones(1)).to(values)


def plan_for(function: Function, x: Any, parameters: Mapping[str, Tensor], output: Output) -> Plan:
    """Try a function out on a few samples of x.

    Args:
        function: of a batch.
        x: all samples.
        parameters: those to differentiate by, with their names.
        output: which outputs.
    """
    n = count(x)
    plan = _try(function, x, _distinct(x, 0), parameters, output)
    for part in (1, 2, 3):
        if QUIET in plan.rest.values():
            plan = _try(function, x, _distinct(x, n * part // 4), parameters, output)
    if plan.rest:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in plan.rest.items())
        _log.debug("no rule, per-sample gradients for %s", reasons)
    return plan


def _distinct(x: Any, first: int) -> list[int]:
    """A sample and the last one that differs from it, and the first again if n = 2."""
    differs, n = differing(x, first), count(x)
    last = int(differs.nonzero()[-1]) if bool(differs.any()) else n - 1
    return [first, last, first] if n == 2 else [first, last]


def _try(
    function: Function,
    x: Any,
    tried: list[int],
    parameters: Mapping[str, Tensor],
    output: Output,
) -> Plan:
    values, kept = _counted(function, rows(x, tried), parameters)
    graph = graph_of(values)
    names = {id(p): name for name, p in parameters.items()}
    leaves = {
        i: names[id(t)]
        for i, t in ({} if graph is None else graph.leaves).items()
        if id(t) in names
    }
    if graph is None or not leaves:
        raise UnreachedError(
            "expected outputs that depend on the trained parameters, got some that carry no"
            " gradient to any; remove detach() or no_grad() from the module"
        )
    others = function(rows(x, tried[:2] if len(tried) > 2 else [*tried, tried[0]]))
    trial, probe = (Trial(v, combination(v, output), parameters) for v in (values, others))
    exact, outs = trial.gradients, wanted(values, output)
    try:
        scheme, rest = _scheme(trial, probe, leaves)
        rest.update(disagreements(trial, scheme, leaves, exact))
        scheme = _without(scheme, {i for i, name in leaves.items() if name in rest})
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # values without shapes, as nested tensors are
        reason = f"torch cannot say what happens to the samples ({str(error).splitlines()[0]})"
        scheme, rest = (
            Scheme(graph.structure, (), {}, {}, ()),
            dict.fromkeys(leaves.values(), reason),
        )
    size = sum(graph.shape(v).numel() for v in scheme.places) * values.element_size()
    return Plan(
        scheme,
        rest,
        values.detach(),
        tried,
        squares(values[:, outs], parameters) if len(outs) > 1 else squares_of(exact, parameters),
        (kept + 2 * size) // len(tried) + 1,
    )


def _scheme(trial: Trial, probe: Trial, leaves: Mapping[int, str]) -> tuple[Scheme, dict[str, str]]:
    """The uses of the leaves, and those that have others, with the reason."""
    graph = trial.graph
    assert graph is not None
    own = {i: graph.leaves[i] for i in leaves}
    if probe.graph is None or probe.graph.structure != graph.structure:
        reason = "the graph depends on the samples"
        return Scheme(graph.structure, (), {}, own, ()), dict.fromkeys(leaves.values(), reason)
    places = places_of(trial, probe)
    cuts, lost = uses_of(graph, places)
    rest = {leaves[i]: reason for i, reason in lost.items() if i in leaves}
    rest.update({
        leaves[i]: "a hook changes its gradient" for i in leaves if own[i]._backward_hooks
    })  # fmt: skip
    found = {cut.result: places[cut.result] for cut in cuts}
    known = {value: place for value, place in found.items() if isinstance(place, Samples)}
    scheme = Scheme(graph.structure, tuple(cuts), known, own, _groups(graph, cuts, set(leaves)))
    return _without(scheme, {i for i in leaves if leaves[i] in rest}), rest


def _groups(graph: Graph, cuts: Sequence[Cut], leaves: set[int]) -> tuple[tuple[int, ...], ...]:
    """The leaves below the cuts, together where the same operations use them."""
    groups: dict[tuple[Value, ...], tuple[int, ...]] = {}
    for leaf, layout in layouts_of(graph, cuts).items():
        if leaf in leaves:
            results = tuple(cuts[k].result for k in layout.cuts)
            groups[results] = (*groups.get(results, ()), leaf)
    return tuple(groups.values())


def _without(scheme: Scheme, lost: set[int]) -> Scheme:
    """The scheme without some leaves."""
    kept = (tuple(i for i in group if i not in lost) for group in scheme.groups)
    return replace(scheme, groups=tuple(group for group in kept if group))


def _counted(function: Function, x: Any, parameters: Mapping[str, Tensor]) -> tuple[Tensor, int]:
    """The outputs, and the bytes that autograd keeps for them."""
    kept = _Kept(parameters.values())
    try:
        with torch.autograd.graph.saved_tensors_hooks(kept.count, lambda t: t):
            return function(x), kept.bytes
    except BatchError:  # torch.func allows no such hooks: what the values take instead
        values = function(x)
        graph = graph_of(values)
        shapes = [] if graph is None else [graph.shape(v) for v in graph.values]
        return values, sum(shape.numel() for shape in shapes) * values.element_size()


class _Kept:
    """Counts the bytes that autograd keeps, parameters apart."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self.seen = {p.untyped_storage().data_ptr() for p in parameters}
        self.bytes = 0

    def count(self, tensor: Tensor) -> Tensor:
        if tensor.layout != torch.strided:
            return tensor
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.seen:
            self.seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor
