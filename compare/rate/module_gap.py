"""How far K_0 of one module is from its limit, in a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from compare.rate.lifted_limits import ModuleLimit, module_limit
from compare.rate.predicted_constant import predicted_mean
from compare.rho import square_norms
from empirical import InitialLaw, ModuleNetwork, network_of, tangent_kernel
from empirical.batches import Batch, count

__all__ = ["LimitGap", "gap"]


@dataclass(frozen=True, slots=True, eq=False)
class LimitGap:
    """The distance of K_0 of a module from its limit.

    Attributes:
        percent: 100 ||K_0 - K_inf|| / ||K_inf|| on the inputs.
        width: of the narrowest layer.
        needed: the width that is expected to bring the distance to ``target`` per cent.
        target: of ``needed``.
        source: what ``needed`` was found from: the predicted constant, or draws and the law 1/m.
        limit: K_inf, the record ``ModuleLimit`` (value, error, first, certified).
        described: the description of the module, with its assumptions.
    """  # seven fields: the sentence has five numbers

    percent: float
    width: int
    needed: int
    target: float
    source: str
    limit: ModuleLimit
    described: ModuleNetwork

    def __str__(self) -> str:
        taken = ", with its first layer taken for Gaussian" if self.limit.first == "assumed" else ""
        if not self.limit.certified and self.limit.first != "drawn":
            taken += ", of which no error bound is known,"
        return (
            f"K_0 of this module is {self.percent:.1f} % from its limit{taken} at width"
            f" {self.width}; {self.target:g} % needs a width of about {self.needed}, by"
            f" {self.source}"
        )


def gap(
    module: nn.Module,
    x: Batch,
    *,
    target: float = 10.0,
    laws: Mapping[str, InitialLaw] | None = None,
    draws: Sequence[nn.Module] = (),
) -> LimitGap:
    r"""How far K_0 of a module is from K_inf of its description, and at which width it is near.

    .. math:: 100 \, ||K_0 - K_\infty||_{L_2(\rho \times \rho)} / ||K_\infty||

    for the first output, and the width m' = m E D/(target/100)^2, D the squared distance over
    ||K_inf||^2: E D is C/m for modules whose constant C is predicted (``fluctuation``: smooth
    activations, vectors or a few small images, and normal numbers, as those of the readout enter
    by their fourth moment), and for others the mean over this module and ``draws``; one of them
    alone scatters by its own size.

    Args:
        module: as it was initialised, in eval mode (``network_of``).
        x: at least three inputs of the module.
        target: in per cent.
        laws: as of ``network_of``.
        draws: other modules of the same kind: as of ``network_of``, and for E D.

    Returns:
        the record ``LimitGap``, which prints as one line.

    Raises:
        LiftingError: the module has no description.
        ValueError: there are fewer than three inputs, or the target is not positive.
        TypeError: the target is no number.

    References:
        Bowman and Montufar (2022), Assumption 3.6.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> module = nn.Sequential(nn.Linear(3, 256), nn.Tanh(), nn.Linear(256, 1))
        >>> 0 < gap(module, torch.randn(8, 3)).percent < 30
        True
    """
    if isinstance(target, bool) or not isinstance(target, int | float):  # pyright: ignore
        raise TypeError(f"expected a target in per cent, got {target!r}; pass 10")
    if not 0 < target < math.inf:
        raise ValueError(f"expected a positive target in per cent, got {target}; pass 10")
    described = network_of(module, x, laws=laws, draws=draws)
    if count(x) < 3:
        raise ValueError(f"expected at least 3 inputs, got {count(x)}: pass more")
    limit = module_limit(described, x, loose=True)
    size = float(square_norms(limit.value))
    kernels = [tangent_kernel(one, x).double().cpu().numpy() for one in (module, *draws)]
    distances = [float(square_norms(k0 - limit.value)) / size for k0 in kernels]
    constant = None
    if described.normal:
        constant, _ = predicted_mean(described.network, described.inputs(x).numpy(), None)
    expected, source = float(np.mean(distances)), f"{len(kernels)} draws and the law 1/m"
    if constant is not None:
        expected, source = constant / described.width / size, "the predicted constant"
    needed = math.ceil(described.width * expected / (target / 100) ** 2)
    percent = 100 * math.sqrt(distances[0])
    source = source.replace("1 draws", "this one draw")
    return LimitGap(percent, described.width, needed, target, source, limit, described)
