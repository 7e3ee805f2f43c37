"""Parts of the tangent kernel: its diagonal, and the shares of the layers."""

from __future__ import annotations

from dataclasses import dataclass

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
from empirical.outputs import Output, check_output
from empirical.parameter_rates import by_rate, rates_of
from empirical.precision import full_precision
from empirical.tangent import tangent_kernel

__all__ = ["TangentShares", "tangent_kernel_diagonal", "tangent_kernel_shares"]


def tangent_kernel_diagonal(
    module: nn.Module, x: Batch, *, output: Output = 0, parameters: Names | None = None
) -> Tensor:
    r"""K_0(x, x), the squared length of every sample's gradient.

    In O(n p) time for n samples and p parameters, and memory for a block of samples.

    Args:
        module: as for ``tangent_kernel``.
        x: as for ``tangent_kernel``.
        output: as for ``tangent_kernel``; "all" gives the entry of every output.
        parameters: as for ``tangent_kernel``.

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
    rates = rates_of(module, None)
    groups = [(1.0, chosen)] if rates is None else [*by_rate(chosen, rates)]
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
) -> TangentShares:
    """What each layer contributes to K_0, as the sum over its own parameters.

    Args:
        module: as for ``tangent_kernel``.
        x: as for ``tangent_kernel``.
        y: as for ``tangent_kernel``.
        output: as for ``tangent_kernel``.
        parameters: as for ``tangent_kernel``.

    Returns:
        the record ``TangentShares(shares)``; each share takes the time of a kernel.

    Example:
        >>> f = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        >>> found = tangent_kernel_shares(f, torch.eye(3, dtype=torch.float64))
        >>> list(found.shares)
        ['0', '2']
        >>> bool(torch.allclose(found.total, tangent_kernel(f, torch.eye(3).double())))
        True
    """
    chosen = check_parameters(module, check_module(module), parameters)
    layers: dict[str, list[str]] = {}
    for name in chosen:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    whole = tangent_kernel(module, x, y, output=output, parameters=list(chosen))
    shares = {layer: torch.zeros_like(whole) for layer in layers}
    for layer, names in layers.items():
        try:
            shares[layer] = tangent_kernel(module, x, y, output=output, parameters=names)
        except UnreachedError:  # the outputs do not depend on this layer
            continue
    return TangentShares(shares)


@dataclass(frozen=True, slots=True, eq=False)
class TangentShares:
    """The shares of the layers in a tangent kernel.

    Attributes:
        shares: by the name of the module that owns the parameters, each of the kernel's shape; a
            parameter with several names counts once, under its first.
    """

    shares: dict[str, Tensor]

    @property
    def total(self) -> Tensor:
        """K_0 itself."""
        return torch.stack(list(self.shares.values())).sum(0)
