r"""The rates at which gradient flow trains the parameters of a layer.

With W standard normal and b the bias itself, of standard deviation bias_std,

    dW/dt = -weight_rate dL/dW,    db/dt = -bias_rate dL/db,

so that the tangent kernel of the pre-activations h = weight_std W alpha / sqrt(m) + b is

    Gamma = weight_rate weight_std^2 Sigma + bias_rate + weight_std^2 Theta.

``bias_rate=None`` is bias_std^2: what a standard normal b times bias_std has at rate 1. Rates are a
choice of units of the parameters: theta = sqrt(rate) phi with phi trained at rate 1
(docs/theory/rates.md).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Self

from analytic.network.options import number

__all__ = ["Rated", "bias_rate_of", "set_rates"]


class Rated:
    """Parts of a network, which say it if they have no parameter that a rate is given for."""

    def __new__(cls, *_: Any, **options: Any) -> Self:
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        for name in ("weight_rate", "bias_rate"):
            if name in options and name not in known:
                has = [f"{field}" for field in ("gain_rate", "bias_rate") if field in known]
                instead = f"; it has {' and '.join(has)}" if has else ""
                raise TypeError(
                    f"expected no {name} of {cls.__name__}, which has no such parameters{instead},"
                    f" got {options[name]!r}; give it to the FullyConnected, Convolution or Readout"
                    " whose parameters are meant"
                )
        return super().__new__(cls)


def set_rates(part: object, weight_rate: float, bias_rate: float | None) -> None:
    """Give a frozen part its rates.

    Raises:
        ValueError: a rate is negative or not finite.
        TypeError: it is not a number.
    """
    rate = None if bias_rate is None else number("bias_rate", bias_rate, positive=False)
    object.__setattr__(part, "weight_rate", number("weight_rate", weight_rate, positive=False))
    object.__setattr__(part, "bias_rate", rate)


def bias_rate_of(bias_std: float, bias_rate: float | None) -> float:
    """What the biases of a layer add to Gamma: bias_std^2 unless something else is given."""
    return bias_std**2 if bias_rate is None else bias_rate
