r"""Rates of gradient flow of the parameters of a module, and what they do to its kernel.

    K_0(x, x') = sum over parameters of rate <df(x)/dtheta, df(x')/dtheta>

is the tangent kernel of the parameters phi = theta/sqrt(rate) (docs/theory/rates.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from empirical.network import FiniteNetwork

__all__ = [
    "Rates",
    "Rescaled",
    "by_rate",
    "check_trained",
    "constants_of",
    "named_copies",
    "rates_of",
]

Rates = Mapping[str, float]
"""Names of parameters, or patterns such as ``"head.*"``, with their rates; 1 for all others."""


def rates_of(module: nn.Module, rates: Rates | None) -> dict[str, float] | None:
    """The rate of every trained parameter, None if all are 1.

    Those of a ``FiniteNetwork`` are in its description unless others are given.

    Raises:
        ValueError: a rate is negative or not finite, or a name fits no trained parameter.
        TypeError: the rates are no dict of numbers.
    """
    if rates is None:
        found = module.rates if isinstance(module, FiniteNetwork) else {}
    else:
        found = _given(module, rates)
    return found if any(rate != 1.0 for rate in found.values()) else None


def _given(module: nn.Module, rates: Any) -> dict[str, float]:
    if not isinstance(rates, Mapping):
        raise TypeError(
            f"expected rates as a dict of names and numbers, got {type(rates).__name__}; pass"
            " {'weight': 0.5}"
        )
    trained = [name for name, p in module.named_parameters() if p.requires_grad]
    found = dict.fromkeys(trained, 1.0)
    for pattern, rate in rates.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise TypeError(f"expected a number as rate of {pattern!r}, got {rate!r}; pass a float")
        if not (math.isfinite(rate) and rate >= 0):
            raise ValueError(
                f"expected a non-negative finite rate of {pattern!r}, got {rate}; change it"
            )
        meant = [name for name in trained if fnmatchcase(name, pattern)]
        if not meant:
            raise ValueError(
                f"expected names of trained parameters in rates, got {pattern!r}, which fits none;"
                " see module.named_parameters()"
            )
        found.update(dict.fromkeys(meant, float(rate)))
    return found


def by_rate(
    parameters: Mapping[str, nn.Parameter], rates: Rates
) -> Iterator[tuple[float, dict[str, nn.Parameter]]]:
    """The parameters that are trained, together where they have one rate."""
    groups: dict[float, dict[str, nn.Parameter]] = {}
    for name, parameter in parameters.items():
        groups.setdefault(rates.get(name, 1.0), {})[name] = parameter
    trained = {rate: group for rate, group in groups.items() if rate > 0}
    check_trained(trained)
    yield from trained.items()


def check_trained(trained: Mapping[Any, Any]) -> None:
    """Raise unless something has a positive rate."""
    if not trained:
        raise ValueError(
            "expected a positive rate of some parameter, got 0 for all; nothing is trained"
        )


class Rescaled(nn.Module):
    """A module as a function of phi = theta/sqrt(rate); parameters of rate 0 are constants.

    Args:
        module: the module, which is not changed.
        rates: of its trained parameters.

    Attributes:
        rates: those of all trained parameters of the module, by name.

    Raises:
        ValueError: all rates are 0.
    """

    def __init__(self, module: nn.Module, rates: Rates) -> None:
        super().__init__()
        object.__setattr__(self, "module", module)  # not a part: its parameters are not trained
        trained = {n: p.detach() for n, p in module.named_parameters() if p.requires_grad}
        self.rates = {name: rates.get(name, 1.0) for name in trained}
        self.roots = {name: math.sqrt(rate) for name, rate in self.rates.items() if rate > 0}
        check_trained(self.roots)
        self.fixed = {n: p.clone() for n, p in trained.items() if n not in self.roots}
        self.phi = nn.ParameterList([trained[n] / root for n, root in self.roots.items()])

    def theta(self, phi: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The module's own parameters, from those of this one."""
        own = dict(self.named_parameters()) if phi is None else phi
        moved = {n: own[f"phi.{i}"] * root for i, (n, root) in enumerate(self.roots.items())}
        return moved | self.fixed

    def of_theta(self, theta: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The parameters of this one, from the module's own."""
        return {f"phi.{i}": theta[n] / root for i, (n, root) in enumerate(self.roots.items())}

    def forward(self, x: Tensor) -> Tensor:
        module = self.module
        assert isinstance(module, nn.Module)
        value = functional_call(module, self.theta(), (x,))
        assert isinstance(value, torch.Tensor)
        return value


def constants_of(module: nn.Module) -> list[tuple[str, Tensor]]:
    """The buffers and the parameters that are not trained, those of rate 0 among them."""
    fixed: list[tuple[str, Tensor]] = []
    if isinstance(module, Rescaled):
        fixed, inner = list(module.fixed.items()), module.module
        assert isinstance(inner, nn.Module)
        module = inner
    frozen = [(name, p) for name, p in module.named_parameters() if not p.requires_grad]
    return [*module.named_buffers(), *frozen, *fixed]


def named_copies(module: nn.Module, parts: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Copies of parameters with their names, at rates those of the module itself.

    Args:
        module: a module, or a ``Rescaled`` one.
        parts: names and values of its parameters.
    """
    named = {name: value.clone() for name, value in parts}
    return module.theta(named) if isinstance(module, Rescaled) else named
