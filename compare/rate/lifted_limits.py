"""K_inf of modules that people make, found from the modules.

A family (width, seed) is described at each of its widths (``empirical.lifting``). In a
parametrisation in which the rates grow with the width, such as torch's own, the limits of the
widths differ; then distances are taken relative to the limit of their own width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from analytic import AccuracyError, Convolution, FullyConnected, Network
from compare.rate.first_layer_limit import integrated_first_layer
from compare.rate.loose_limits import best_limit, tangent_limit
from compare.rate.network_cells import made
from empirical.lifting import LiftingError, ModuleNetwork, network_of

__all__ = ["ModuleLimit", "ModuleLimits", "module_limit", "module_limits"]

Array = NDArray[np.float64]
FRESH = 7
"""Further modules whose numbers help to tell the initialiser."""
ALIKE_LIMITS = 1e-6
"""Relative distance up to which limits of two widths are the same."""


class ModuleLimit(NamedTuple):
    """K_inf of a module at some inputs.

    Attributes:
        value: shape (n, n).
        error: its standard error, relative to the largest entry; 0 if nothing was drawn.
        first: "gaussian"; "drawn" where a first layer of another law was integrated; or "assumed"
            where that was not possible and the layer was taken for Gaussian.
        certified: whether the recursion has an error bound, as it has if nothing was drawn and no
            tolerance was refused.
    """

    value: Array
    error: float
    first: str
    certified: bool = True


class ModuleLimits(NamedTuple):
    """Those of a family.

    Attributes:
        values: shape (widths, n, n).
        relative: whether they differ, so that distances have to be relative.
        text: the description at the largest width.
        first: as of ``ModuleLimit``.
        error: as of ``ModuleLimit``, the largest.
    """

    values: Array
    relative: bool
    text: str
    first: str
    error: float


def module_limit(found: ModuleNetwork, x: Any, *, loose: bool = False) -> ModuleLimit:
    """K_inf of a module that has been described.

    Args:
        found: its description.
        x: inputs of the module.
        loose: give the best value where no error bound holds, instead of raising.

    Raises:
        AccuracyError: no error bound holds.
    """
    inputs = found.inputs(x).numpy()
    if found.first is not None:
        drawn = integrated_first_layer(found.network, inputs, found.first)
        if drawn is not None:
            value, error = drawn
            return ModuleLimit(value, float(error.max() / np.abs(value).max()), "drawn", False)
    find = best_limit if loose else _certified
    value, certified = find(found.network, inputs)
    return ModuleLimit(value, 0.0, "gaussian" if found.first is None else "assumed", certified)


def _certified(network: Network, x: Array) -> tuple[Array, bool]:
    return tangent_limit(network, x), True


def module_limits(
    factory: Callable[[int, int], nn.Module], x: Array, widths: Sequence[int]
) -> ModuleLimits | str:
    """The limits of a family at all widths.

    Args:
        factory: a function (width, seed).
        x: inputs, shape (n, ...).
        widths: at which modules are compared with their limit.

    Returns:
        the limits, or in one sentence why they are not known.
    """
    inputs = torch.as_tensor(x, dtype=torch.float64)
    try:
        records = [_described(factory, width, inputs) for width in widths]
        _check_grows(records, widths)
        limits = [module_limit(record, inputs) for record in records]
    except (LiftingError, AccuracyError) as error:
        return str(error)
    values = np.array([limit.value for limit in limits])
    last = values[-1]
    apart = max(float(np.abs(value - last).max()) for value in values)
    relative = apart > ALIKE_LIMITS * float(np.abs(last).max()) + 4 * max(e.error for e in limits)
    error = max(limit.error for limit in limits)
    return ModuleLimits(values, relative, repr(records[-1].network), limits[-1].first, error)


def _described(factory: Any, width: int, x: torch.Tensor) -> ModuleNetwork:
    modules = [made(factory, width, number).double().eval() for number in range(FRESH + 1)]
    return network_of(modules[0], x, draws=modules[1:])


def _check_grows(records: Sequence[ModuleNetwork], widths: Sequence[int]) -> None:
    """Raise where some layers do not become wider with the others."""
    narrow, wide = records[0], records[-1]
    for k, (few, many) in enumerate(zip(narrow.widths, wide.widths, strict=True)):
        if many * widths[0] != few * widths[-1]:
            raise LiftingError(
                f"expected layers whose units grow with the width, got {few} at width {widths[0]}"
                f" and {many} at width {widths[-1]} in {_weights(wide, k)!r}: a layer that stays"
                " narrow keeps K_0 random; let all hidden layers be multiples of the width"
            )


def _weights(record: ModuleNetwork, number: int) -> str:
    """The name of the weights of a layer."""
    layers = [step.layer for step in record.network.steps]
    places = [at for at, one in enumerate(layers) if isinstance(one, FullyConnected | Convolution)]
    return record.named_groups[f"layers.{places[number]}.weight"][0]
