r"""Which parameters have rules, tried out on two samples before the kernel is computed.

A run on two of the samples (three if there are two, so that the sizes differ) finds where
the samples are in every intermediate result, and compares each parameter's gradient by the
rules with the one by ``torch.autograd``. What does not agree, or was used in a way that
nothing recorded (compiled code, a custom autograd function), loses its rules: it is slower
then, never wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn

from empirical.blocks import MisfitError, Place, gradient_of, record
from empirical.capture import Use
from empirical.gradients import Gradient
from empirical.samples import Samples, locate

__all__ = ["Plan", "make_plan"]

_log = logging.getLogger("kinfinity")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How to differentiate a module.

    Attributes:
        places: for each use of a parameter where the samples are, None without a rule.
        ruled: the names of the parameters with rules.
        rest: those without, with the reason.
        values: outputs of the samples that were tried, shape (b, k).
        tried: their indices.
        bytes_per_sample: what a forward and a backward pass keep.
    """

    places: tuple[Place, ...]
    ruled: tuple[str, ...]
    rest: dict[str, str]
    values: Tensor
    tried: list[int]
    bytes_per_sample: int

    def without_rules(self, reason: str) -> Plan:
        """The plan that takes all gradients sample by sample."""
        _log.debug("per-sample gradients for all parameters (%s)", reason)
        places = tuple((key, None) for key, _ in self.places)
        rest = {**dict.fromkeys(self.ruled, reason), **self.rest}
        return replace(self, places=places, ruled=(), rest=rest)


def make_plan(
    module: nn.Module, x: Tensor, parameters: dict[str, nn.Parameter], output: int
) -> Plan:
    """Try the module out on a few samples of x.

    Args:
        module: the module.
        x: all samples.
        parameters: those to differentiate by.
        output: index of the output to try.

    Raises:
        ValueError: there is no such output, or the outputs have another shape.
    """
    tried = _distinct(x)
    kept = _Kept(parameters)
    with torch.autograd.graph.saved_tensors_hooks(kept.count, lambda t: t):
        values, recorder = record(module, x[tried], list(parameters.values()))
    if not 0 <= output < values.shape[1]:
        raise ValueError(
            f"expected an output from 0 to {values.shape[1] - 1}, got {output}; pass one of them"
        )
    uses = recorder.uses
    places = [_place(use, signals) for use, signals in _signals(values, uses, output)]
    reasons = _disagreements(values, uses, places, parameters, output)
    for name, p in parameters.items():
        if id(p) in recorder.unruled:
            reasons[name] = f"{recorder.unruled[id(p)]} has no rule"
    lost = {id(parameters[name]) for name in reasons}
    if reasons:
        _log.debug(
            "no rule, per-sample gradients for %s",
            "; ".join(f"{name} ({reason})" for name, reason in reasons.items()),
        )
    signals = sum(use.shape.numel() for use in uses) * values.element_size()
    return Plan(
        tuple(
            (key, None if key in lost else place)
            for key, place in zip([id(u.alias.parameter) for u in uses], places, strict=True)
        ),
        tuple(name for name in parameters if name not in reasons),
        reasons,
        values.detach(),
        tried,
        (kept.bytes + 2 * signals) // len(tried) + 1,
    )


def _distinct(x: Tensor) -> list[int]:
    """A first sample and one that differs from it, and the first again if n = 2."""
    differs = (x != x[0]).reshape(len(x), -1).any(dim=1)
    second = int(differs.int().argmax()) if bool(differs.any()) else len(x) - 1
    return [0, second, 0] if len(x) == 2 else [0, second]


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


def _signals(
    values: Tensor, uses: Sequence[Use], output: int
) -> list[tuple[Use, list[Tensor | None]]]:
    """df(x_a)/dh of every use for each of the samples."""
    edges = [use.edge for use in uses]
    found = [
        torch.autograd.grad(value, edges, retain_graph=True, allow_unused=True)
        if edges and value.requires_grad
        else [None] * len(edges)
        for value in values[:, output]
    ]
    return [(use, [row[k] for row in found]) for k, use in enumerate(uses)]


def _place(use: Use, signals: Sequence[Tensor | None]) -> Samples | None:
    present = [s for s in signals if s is not None]
    return locate(present) if len(present) == len(signals) else None


def _disagreements(
    values: Tensor,
    uses: Sequence[Use],
    places: Sequence[Samples | None],
    parameters: dict[str, nn.Parameter],
    output: int,
) -> dict[str, str]:
    """Parameters whose gradients by rules are not those by autograd, of sum_a c_a f(x_a)."""
    if not values.requires_grad:
        return {}
    coefficients = torch.linspace(1.0, 2.0, len(values), dtype=values.dtype, device=values.device)
    wanted: list[Any] = [*(use.edge for use in uses), *parameters.values()]
    found = torch.autograd.grad(coefficients @ values[:, output], wanted, allow_unused=True)
    reasons: dict[str, str] = {}
    for (name, p), exact in zip(parameters.items(), found[len(uses) :], strict=True):
        own = [
            (use, signal, place)
            for use, signal, place in zip(uses, found, places, strict=False)
            if use.alias.parameter is p and signal is not None
        ]
        if exact is not None:
            with torch.no_grad():
                reason = _disagreement(own, exact)
            if reason:
                reasons[name] = reason
    return reasons


def _disagreement(uses: Sequence[tuple[Use, Tensor, Samples | None]], exact: Tensor) -> str | None:
    """Why the rules do not give the gradient ``exact``, or None if they do."""
    if not uses:
        return "its use was not seen" if bool(exact.any()) else None
    gradients: list[Gradient] = []
    for use, signal, place in uses:
        if place is None:
            return "its samples cannot be told apart"
        try:
            gradients.append(gradient_of(use, signal, place))
        except MisfitError as misfit:
            return str(misfit)
    total: Gradient = reduce(add, gradients)
    scale = max(_largest(exact), *(_bound(g) for g in gradients))
    if _largest(total.total() - exact) > torch.finfo(exact.dtype).eps ** 0.5 * scale:
        return "the rules do not agree with autograd"
    return None


def _largest(tensor: Tensor) -> float:
    return float(torch.stack(torch.aminmax(tensor)).abs().max())


def _bound(gradient: Gradient) -> float:
    """The size of the terms that a gradient is the sum of: rounding is relative to it."""
    if gradient.right is None:
        assert gradient.dense is not None
        return _largest(gradient.dense)
    left = 1.0 if gradient.left is None else _largest(gradient.left)
    return left * _largest(gradient.right) * gradient.right.shape[2] ** 0.5
