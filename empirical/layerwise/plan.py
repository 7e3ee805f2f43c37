r"""Which parameters have rules, tried out on two samples before the kernel is computed.

A run on two of the samples (three if there are two, so that the sizes differ; others if these
leave a layer without a signal) finds where
the samples are in every intermediate result, and compares each parameter's gradient by the
rules with the one by ``torch.autograd``. What does not agree, or has a use that nothing
recorded (compiled code, a custom autograd function), loses its rules: it is slower then, never
wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any, Literal

import torch
from torch import Tensor, nn

from empirical.layerwise.blocks import MisfitError, Place, gradient_of, record
from empirical.layerwise.capture import Use
from empirical.layerwise.gradients import Gradient
from empirical.layerwise.samples import Samples, locate, possible_places

__all__ = ["Output", "Plan", "combination", "make_plan", "wanted"]

Output = int | Literal["all", "trace"]

QUIET = "too few signals reached it"
"""As behind dead ReLUs, so that several places fit; other samples may show more."""

_log = logging.getLogger("kinfinity")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How to differentiate a module.

    Attributes:
        places: for each use of a parameter where the samples are, None without a rule.
        groups: the ids of the parameters with rules, together where they are used together.
        rest: those without, with the reason.
        values: outputs of the samples that were tried, shape (b, k).
        tried: their indices.
        norm: |df/dtheta|^2 of the last of them, summed over the outputs that are wanted and the
            parameters with rules.
        bytes_per_sample: what a forward and a backward pass keep.
    """

    places: tuple[Place, ...]
    groups: tuple[tuple[int, ...], ...]
    rest: dict[str, str]
    values: Tensor
    tried: list[int]
    norm: float
    bytes_per_sample: int

    def without_rules(self, names: Iterable[str], reason: str) -> Plan:
        """The plan that takes all gradients sample by sample."""
        _log.debug("per-sample gradients for all parameters (%s)", reason)
        places = tuple((key, None) for key, _ in self.places)
        return replace(self, places=places, groups=(), norm=0.0, rest=dict.fromkeys(names, reason))


def wanted(values: Tensor, output: Output) -> list[int]:
    """The indices of the outputs that a kernel is about."""
    return [output] if isinstance(output, int) else list(range(values.shape[1]))


def combination(values: Tensor, output: Output) -> Tensor:
    """One number for each sample that depends on all outputs that are wanted, shape (n,)."""
    outs = wanted(values, output)
    random = torch.randn(len(outs), generator=torch.Generator().manual_seed(0))
    return values[:, outs] @ (random if len(outs) > 1 else torch.ones(1)).to(values)


def make_plan(
    module: nn.Module, x: Tensor, parameters: dict[str, nn.Parameter], output: Output
) -> Plan:
    """Try the module out on a few samples of x.

    Args:
        module: the module.
        x: all samples.
        parameters: those to differentiate by.
        output: which outputs.

    Raises:
        ValueError: there is no such output, or the outputs have another shape.
    """
    plan = _try(module, x, _distinct(x, 0), parameters, output)
    for part in (1, 2, 3):
        if QUIET in plan.rest.values():
            plan = _try(module, x, _distinct(x, len(x) * part // 4), parameters, output)
    if plan.rest:
        reasons = "; ".join(f"{name} ({reason})" for name, reason in plan.rest.items())
        _log.debug("no rule, per-sample gradients for %s", reasons)
    return plan


def _try(
    module: nn.Module,
    x: Tensor,
    tried: list[int],
    parameters: dict[str, nn.Parameter],
    output: Output,
) -> Plan:
    kept = _Kept(parameters)
    with torch.autograd.graph.saved_tensors_hooks(kept.count, lambda t: t):
        values, uses, unruled = record(module, x[tried], list(parameters.values()))
    if isinstance(output, int) and not 0 <= output < values.shape[1]:
        raise ValueError(
            f"expected an output from 0 to {values.shape[1] - 1}, got {output}; pass one of them"
        )
    if not uses and not unruled:
        raise ValueError(
            "expected outputs that depend on the trained parameters, got some that carry no"
            " gradient to any; remove detach() or no_grad() from the module"
        )
    signals, exact = _derivatives(combination(values, output), uses, list(parameters.values()))
    places = [_place(row) for row in signals]
    reasons = _disagreements(uses, signals, places, parameters, exact)
    for name, p in parameters.items():
        if id(p) in unruled:
            reasons[name] = unruled[id(p)]
    lost = {id(parameters[name]) for name in reasons}
    size = sum(use.shape.numel() for use in uses) * values.element_size()
    return Plan(
        tuple(
            (key, None if key in lost else place)
            for key, place in zip([id(u.alias.parameter) for u in uses], places, strict=True)
        ),
        _groups(uses, lost),
        reasons,
        values.detach(),
        tried,
        _norm(
            values[-1, wanted(values, output)],
            [p for p in parameters.values() if id(p) not in lost],
        ),
        (kept.bytes + 2 * size) // len(tried) + 1,
    )


def _norm(values: Tensor, parameters: Sequence[nn.Parameter]) -> float:
    """Sum of |dv/dtheta|^2 over some values v."""
    if not parameters or not values.requires_grad:
        return 0.0
    return sum(
        float(torch.linalg.vector_norm(gradient)) ** 2
        for value in values
        for gradient in torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        if gradient is not None
    )


def _groups(uses: Sequence[Use], lost: set[int]) -> tuple[tuple[int, ...], ...]:
    """Parameters that are used in the same calls, as a weight and its bias are."""
    calls: dict[int, tuple[int, ...]] = {}
    for use in uses:
        key = id(use.alias.parameter)
        if key not in lost:
            calls[key] = (*calls.get(key, ()), use.call)
    groups: dict[tuple[int, ...], tuple[int, ...]] = {}
    for key, made in calls.items():
        groups[made] = (*groups.get(made, ()), key)
    return tuple(groups.values())


def _distinct(x: Tensor, first: int) -> list[int]:
    """A sample and the last one that differs from it, and the first again if n = 2."""
    differs = (x != x[first]).reshape(len(x), -1).any(dim=1)
    last = int(differs.nonzero()[-1]) if bool(differs.any()) else len(x) - 1
    return [first, last, first] if len(x) == 2 else [first, last]


class _Kept:
    """Counts the bytes that autograd keeps, parameters apart."""

    def __init__(self, parameters: dict[str, nn.Parameter]) -> None:
        self.seen = {p.untyped_storage().data_ptr() for p in parameters.values()}
        self.bytes = 0

    def count(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.seen:
            self.seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor


def _derivatives(
    values: Tensor, uses: Sequence[Use], parameters: Sequence[nn.Parameter]
) -> tuple[list[list[Tensor | None]], Sequence[Tensor | None]]:
    """df(x_a)/dh of every use for each of the samples, and df/dtheta of the last sample."""
    edges: list[Any] = [use.edge for use in uses]
    rows: list[Sequence[Tensor | None]] = []
    for a, value in enumerate(values):
        last = a == len(values) - 1
        inputs = [*edges, *parameters] if last else edges
        if not inputs or not value.requires_grad:
            rows.append([None] * len(inputs))
        else:
            found = torch.autograd.grad(value, inputs, retain_graph=True, allow_unused=True)
            rows.append(found)
    return [[row[k] for row in rows] for k in range(len(uses))], rows[-1][len(uses) :]


def _place(signals: Sequence[Tensor | None]) -> Samples | None:
    present = [s for s in signals if s is not None]
    return locate(present) if len(present) == len(signals) else None


def _disagreements(
    uses: Sequence[Use],
    signals: Sequence[Sequence[Tensor | None]],
    places: Sequence[Samples | None],
    parameters: dict[str, nn.Parameter],
    exact: Sequence[Tensor | None],
) -> dict[str, str]:
    """Parameters whose gradient by rules is not the one by autograd, for the last sample."""
    reasons: dict[str, str] = {}
    for (name, p), gradient in zip(parameters.items(), exact, strict=True):
        own = [
            (use, row, place)
            for use, row, place in zip(uses, signals, places, strict=True)
            if use.alias.parameter is p
        ]
        if own:
            with torch.no_grad():
                reason = _disagreement(own, torch.zeros_like(p) if gradient is None else gradient)
            if reason:
                reasons[name] = reason
    return reasons


def _disagreement(
    uses: Sequence[tuple[Use, Sequence[Tensor | None], Samples | None]], exact: Tensor
) -> str | None:
    """Why the rules do not give the gradient ``exact``, or None if they do."""
    gradients: list[Gradient] = []
    for use, row, place in uses:
        if place is None:
            present = [signal for signal in row if signal is not None]
            fits = not present or any(True for _ in possible_places(present))
            return QUIET if fits else "its samples cannot be told apart"
        signal = row[-1]
        assert signal is not None
        try:
            gradients.append(gradient_of(use, signal, place))
        except MisfitError as misfit:
            return str(misfit)
    total: Gradient = reduce(add, gradients)
    scale = max(_largest(exact), *(_bound(g) for g in gradients))
    if _largest(total.total().sub_(exact)) > torch.finfo(exact.dtype).eps ** 0.5 * scale:
        return "the rules do not agree with autograd"
    return None


def _largest(tensor: Tensor) -> float:
    return float(torch.stack(torch.aminmax(tensor)).abs().max()) if tensor.numel() else 0.0


def _bound(gradient: Gradient) -> float:
    """The size of the terms that a gradient is the sum of: rounding is relative to it."""
    if gradient.right is None:
        assert gradient.dense is not None
        return _largest(gradient.dense)
    left = 1.0 if gradient.left is None else _largest(gradient.left)
    right = max(_largest(gradient.right), float(gradient.ones))
    return left * right * gradient.right.shape[2] ** 0.5
