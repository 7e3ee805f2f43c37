"""Parts of the tangent kernel: its diagonal, and the shares of the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from empirical.batches import Batch, constant, mapped
from empirical.checks import (
    Names,
    check_differentiable,
    check_inputs,
    check_module,
    check_parameters,
)
from empirical.layerwise import UnreachedError
from empirical.module_kernels import module_diagonal
from empirical.network import FiniteNetwork
from empirical.outputs import Output, check_output
from empirical.parameter_rates import Rates, by_rate, check_trained, rates_of
from empirical.precision import full_precision
from empirical.tangent import tangent_kernel

__all__ = ["Groups", "TangentShares", "tangent_kernel_diagonal", "tangent_kernel_shares"]

Groups = Literal["layers", "parameters"] | Mapping[str, Sequence[str]]
"""By the module that owns them, one by one, or names of parameters by the name of their group."""


def tangent_kernel_diagonal(
    module: nn.Module,
    x: Batch,
    *,
    output: Output = 0,
    parameters: Names | None = None,
    rates: Rates | None = None,
) -> Tensor:
    r"""K_0(x, x), the squared length of every sample's gradient.

    In O(n p) time for n samples and p parameters, and memory for a block of samples.

    Args:
        module: as for ``tangent_kernel``.
        x: as for ``tangent_kernel``.
        output: as for ``tangent_kernel``; "all" gives the entry of every output.
        parameters: as for ``tangent_kernel``.
        rates: as for ``tangent_kernel``.

    Returns:
        shape (n,), or (n, k) for ``output="all"``.

    Example:
        >>> f = nn.Linear(3, 1).double()
        >>> tangent_kernel_diagonal(f, torch.eye(3, dtype=torch.float64)).tolist()  # |x|^2 + 1
        [2.0, 2.0, 2.0]
    """
    chosen = check_parameters(module, check_module(module), parameters)
    first = next(iter(chosen.values()))
    check_inputs("x", x, first)
    check_output(output)
    check_differentiable(chosen)
    found = rates_of(module, rates)
    groups = [(1.0, chosen)] if found is None else [*by_rate(chosen, found)]
    with torch.inference_mode(False), torch.enable_grad(), full_precision(first.device):
        samples = mapped(constant, x)
        parts = [rate * module_diagonal(module, group, samples, output) for rate, group in groups]
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)


def tangent_kernel_shares(
    module: nn.Module,
    x: Batch,
    y: Batch | None = None,
    *,
    output: Output = 0,
    parameters: Names | None = None,
    groups: Groups = "layers",
    rates: Rates | None = None,
) -> TangentShares:
    """What each group of parameters contributes to K_0, as the sum over them.

    Args:
        module: as for ``tangent_kernel``.
        x: as for ``tangent_kernel``.
        y: as for ``tangent_kernel``.
        output: as for ``tangent_kernel``.
        parameters: as for ``tangent_kernel``.
        groups: ``"layers"`` for the module that owns the parameters; ``"parameters"`` for each by
            itself, or of a ``FiniteNetwork`` under the names of ``kernel_shares``, both copies
            together; or names of parameters by the name of their group, as
            ``network_of(module, x).named_groups``, which has those of ``kernel_shares`` too.
        rates: as for ``tangent_kernel``.

    Returns:
        the record ``TangentShares(shares)`` of the groups that are trained; each takes the time of
        a kernel.

    Raises:
        ValueError: a group has no parameter that is trained by autograd, or two have the same one;
            and as of ``tangent_kernel``.

    Example:
        >>> f = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        >>> found = tangent_kernel_shares(f, torch.eye(3, dtype=torch.float64))
        >>> list(found.shares)
        ['0', '2']
        >>> bool(torch.allclose(found.total, tangent_kernel(f, torch.eye(3).double())))
        True

        Beside those of the limit:

        >>> from analytic import FullyConnected, Network, kernel_shares
        >>> from empirical.network import FiniteNetwork
        >>> network, x = Network(FullyConnected("tanh", bias_std=1)), torch.eye(3).double()
        >>> finite = FiniteNetwork(network, (3,), 64)
        >>> list(tangent_kernel_shares(finite, x, groups="parameters").shares)
        ['layers.0.weight', 'layers.0.bias', 'readout.weight']
        >>> list(kernel_shares(network, x.numpy()).shares)
        ['layers.0.weight', 'layers.0.bias', 'readout.weight']
    """
    chosen = list(check_parameters(module, check_module(module), parameters))
    found = rates_of(module, rates) or {}
    named = _grouped(module, chosen, groups)
    trained = {
        group: names
        for group, names in named.items()
        if any(found.get(name, 1.0) > 0 for name in names)
    }
    check_trained(trained)
    shares: dict[str, Tensor | None] = dict.fromkeys(trained)
    last: Exception | None = None
    for group, names in trained.items():
        try:
            shares[group] = tangent_kernel(
                module, x, y, output=output, parameters=names, rates=rates
            )
        except UnreachedError as unreached:  # the outputs do not depend on this group
            last = unreached
    known = next((share for share in shares.values() if share is not None), None)
    if known is None:
        assert last is not None
        raise last
    none = torch.zeros_like(known)
    return TangentShares({k: none if share is None else share for k, share in shares.items()})


def _grouped(module: nn.Module, chosen: list[str], groups: Groups) -> dict[str, list[str]]:
    """The names of the parameters of every group."""
    if isinstance(groups, str):
        if groups not in ("layers", "parameters"):
            raise ValueError(
                f"expected groups 'layers', 'parameters' or a dict, got {groups!r}; pass one"
            )
        copies = groups == "parameters" and isinstance(module, FiniteNetwork)
        found: dict[str, list[str]] = {}
        for name in chosen:
            group = name.rpartition(".")[0] if groups == "layers" else name
            found.setdefault(group.split(".", 2)[2] if copies else group, []).append(name)
        return found
    found = {group: list(names) for group, names in groups.items()}
    listed = [name for names in found.values() for name in names]
    for name in listed:
        if name not in chosen or listed.count(name) > 1:
            what = "twice" if name in chosen else "which is none"
            raise ValueError(
                f"expected each name of a trained parameter in one group, got {name!r} {what}; see"
                " module.named_parameters()"
            )
    return {group: names for group, names in found.items() if names}


@dataclass(frozen=True, slots=True, eq=False)
class TangentShares:
    """The shares of groups of parameters in a tangent kernel.

    Attributes:
        shares: by the name of the group, each of the kernel's shape; a parameter with several
            names counts once, under its first.
    """

    shares: dict[str, Tensor]

    @property
    def total(self) -> Tensor:
        """K_0 itself, if all parameters that are trained are in a group."""
        return torch.stack(list(self.shares.values())).sum(0)
