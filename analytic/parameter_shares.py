"""What each group of parameters contributes to the limiting tangent kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analytic.limit import kernel
from analytic.machine import Array
from analytic.network import (
    Branched,
    Convolution,
    FullyConnected,
    Gains,
    Layer,
    LayerNorm,
    Network,
    Step,
    bias_rate_of,
)
from analytic.request import check_network

__all__ = ["KernelShares", "kernel_shares"]


@dataclass(frozen=True, slots=True, eq=False)
class KernelShares:
    """The shares of the groups of parameters in a limiting kernel.

    Attributes:
        shares: by name, ``layers.0.weight``, ``layers.0.bias``, ..., ``readout.weight``, as the
            parameters of a copy in ``FiniteNetwork`` are called (gains are weights, too); of the
            kernel's shape.
    """

    shares: dict[str, Array]

    @property
    def total(self) -> Array:
        """K itself."""
        return np.sum(list(self.shares.values()), axis=0)


def kernel_shares(
    network: Network, x: ArrayLike, y: ArrayLike | None = None, *, tolerance: float = 1e-10
) -> KernelShares:
    r"""The share of every group of parameters in the limiting tangent kernel.

    K is affine in the rates of all groups, and 0 where nothing is trained. So the share of a group
    is the kernel of the network in which all others are frozen, and the shares add up to K. Those
    of a finite network or a module have the same names in
    ``tangent_kernel_shares(f, x, groups="parameters")``.

    Args:
        network: the description.
        x: inputs, as of ``kernel``.
        y: other inputs; x itself if None.
        tolerance: largest error of a share, relative to its own values at x = x'.

    Returns:
        the record ``KernelShares(shares)``, of the groups that are trained; each takes the time
        of a kernel.

    Raises:
        ValueError: nothing is trained.
        ValueError, TypeError, AccuracyError: as of ``kernel``.

    Example:
        Of one layer of the identity half of K is that of its weights.

        >>> import numpy as np
        >>> network = Network(FullyConnected("identity"))
        >>> found = kernel_shares(network, np.ones((1, 2)))
        >>> {name: share.item() for name, share in found.shares.items()}
        {'layers.0.weight': 1.0, 'readout.weight': 1.0}
    """
    check_network(network)
    names = {f"layers.{place}": step for place, step in enumerate(network.steps) if _weighs(step)}
    shares: dict[str, Array] = {}
    for number, (name, step) in enumerate((*names.items(), ("readout", network.output))):
        _, _, rate, bias_rate = step.coefficients
        for part, trained in (("weight", rate > 0), ("bias", bias_rate > 0)):
            if trained:
                alone = _alone(network, number, part)
                shares[f"{name}.{part}"] = kernel(alone, x, y, tolerance=tolerance, progress=False)
    if not shares:
        raise ValueError(
            f"expected a network of which something is trained, got rates 0 in {network};"
            " use kernel, which is 0"
        )
    return KernelShares(shares)


def _weighs(step: Step) -> bool:
    return isinstance(step.layer, FullyConnected | Convolution | Gains)


def _has_gains(layer: Layer) -> bool:
    return isinstance(layer, LayerNorm) and len(layer.parts) > 1


def _alone(network: Network, number: int, group: str) -> Network:
    """The network of which one group is trained: of a part with weights or gains, readout last."""
    numbers = count()

    def trained(part: Any) -> Any:
        here = next(numbers) == number
        if isinstance(part, LayerNorm):
            rates = {"weight": part.gain_rate, "bias": part.bias_rate}
            kept = {group: rates[group]} if here else {}
            return replace(part, gain_rate=kept.get("weight", 0.0), bias_rate=kept.get("bias", 0.0))
        rate = part.weight_rate if here and group == "weight" else 0.0
        bias_rate = bias_rate_of(part.bias_std, part.bias_rate) if here and group == "bias" else 0.0
        return replace(part, weight_rate=rate, bias_rate=bias_rate)

    return Network(*_changed(network.layers, trained), trained(network.output))


def _changed(layers: tuple[Layer, ...], change: Callable[[Any], Any]) -> tuple[Layer, ...]:
    """The layers, those with weights changed, in order."""
    found: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Branched):
            layer = layer.changed(lambda branch: _changed(branch, change))
        elif isinstance(layer, FullyConnected | Convolution) or _has_gains(layer):
            layer = change(layer)
        found.append(layer)
    return tuple(found)
