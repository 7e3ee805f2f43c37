"""Gradients by the rules beside those of plain ``torch.autograd``, for the samples of a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from empirical.layerwise.blocks import Block, MisfitError, Scheme
from empirical.layerwise.cuts import Trial
from empirical.layerwise.graph import Value, gradients
from empirical.layerwise.inner_products import inner

__all__ = ["disagreements", "squares", "squares_of"]


def squares(values: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Sum over k of |dv_ak/dtheta|^2 for values v, shape (b, k).

    In float64: float32 sums over some million entries are not known to sqrt(eps).
    """
    sums = {name: values.new_zeros(len(values), dtype=torch.float64) for name in parameters}
    for a, row in enumerate(values):
        for value in row:
            found, _ = gradients(value, parameters)
            for name, gradient in found.items():
                sums[name][a] += _square(gradient)
    return sums


def squares_of(
    found: Sequence[Mapping[str, Tensor]], parameters: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The same from gradients that are there already, one for each sample."""
    zero = next(iter(parameters.values())).new_zeros((), dtype=torch.float64)
    return {
        name: torch.stack([_square(f[name]) if name in f else zero for f in found])
        for name in parameters
    }


def _square(gradient: Tensor) -> Tensor:
    return torch.linalg.vector_norm(gradient, dtype=torch.float64) ** 2


def disagreements(
    trial: Trial,
    scheme: Scheme,
    leaves: Mapping[int, str],
    exact: Sequence[Mapping[str, Tensor]],
) -> dict[str, str]:
    """Parameters whose gradient by rules is not the one by autograd, for some sample."""
    block = Block(trial.values, scheme)
    signals = block.signals_of(trial.combined.sum()) if scheme.groups else {}
    reasons: dict[str, str] = {}
    for leaf in (i for group in scheme.groups for i in group):
        name, like = leaves[leaf], scheme.leaves[leaf]
        rows = torch.stack([e.get(name, torch.zeros_like(like)) for e in exact]).detach()
        try:
            with torch.no_grad():
                agree = _agree(block, leaf, signals, rows)
        except MisfitError as misfit:
            reasons[name] = str(misfit)
            continue
        if not agree:
            reasons[name] = "the rules do not agree with autograd"
    return reasons


def _agree(block: Block, leaf: int, signals: Mapping[Value, Tensor | None], exact: Tensor) -> bool:
    """Whether the rules give the gradients ``exact``: their entries, and what is contracted."""
    uses = block.uses(leaf, signals)
    gradient = block.gathered(leaf, uses)
    if gradient is None:
        return not bool(exact.any())
    entries = block.entries(leaf, uses)
    allowed = torch.finfo(exact.dtype).eps ** 0.5 * max(_largest(exact), gradient.bound())
    if _largest(entries - exact) > allowed:
        return False
    norms = torch.linalg.vector_norm(exact.reshape(len(exact), -1), dim=1, dtype=torch.float64)
    reach = allowed * exact[0].numel() ** 0.5  # of the norm, for errors of that size everywhere
    differences = (inner(gradient, gradient).diagonal() - norms**2).abs()
    return bool((differences <= reach * (2 * norms + reach)).all())


def _largest(tensor: Tensor) -> float:
    return float(torch.stack(torch.aminmax(tensor)).abs().max()) if tensor.numel() else 0.0
