"""Activations that act on other units than those of weights right before them.

The limit needs Gaussian units there, and no trained gains that the activation does not let pass.
``Network`` knows both; here the call and its line are known as well.
"""

from __future__ import annotations

from collections.abc import Collection

from analytic import Activation, Flatten, FullyConnected, LayerNorm, Network, Nonlinearity
from empirical.lifting.places import refusal
from empirical.lifting.pointwise_functions import the_factor
from empirical.lifting.units import (
    Applied,
    Averaged,
    Beside,
    InputData,
    Normalised,
    Total,
    Units,
    Weights,
    sources,
    upstream,
)

__all__ = ["check_gains", "check_gaussian"]


def check_gaussian(units: Units) -> None:
    """Raise where an activation, or a normalisation over positions, needs other units.

    Args:
        units: what the readout reads.
    """
    for one in upstream(units):
        bent = isinstance(one, Applied) and the_factor(one.expression) is None
        together = isinstance(one, Normalised) and one.positions
        before = _acted_on(one.source) if bent or together else None  # pyright: ignore
        if before is None:
            continue
        if together:
            raise refusal(
                "weights right before a normalisation over positions", one.place,
                f"among the units that it reads are those behind {before.place}, whose means differ"
                " between positions", "normalise before the activation, or at every position",
            )  # fmt: skip
        raise refusal(
            "units that are Gaussian in the limit before an activation", one.place,
            f"among the units that it acts on are those behind {before.place}, whose second"
            " moments do not give what it makes of them",
            "let blocks begin with their activation and end in weights, h + f(act(h)) in place"
            " of act(h + f(h)), or put a linear layer on the skip",
        )  # fmt: skip


def _acted_on(units: Units) -> Applied | None:
    """An activation with no weights behind it, whose units are among these."""
    if isinstance(units, Applied) and the_factor(units.expression) is None:
        return units
    joins = isinstance(units, Averaged) and isinstance(units.layer, Flatten)
    if isinstance(units, Weights | InputData | Beside) or joins:
        return None  # of units that stand side by side ``Network`` says what it needs
    ahead = map(_acted_on, sources(units))
    return next((one for one in ahead if one is not None), None)


def check_gains(units: Units, trained: Collection[str]) -> None:
    """Raise where trained gains stand before a nonlinearity that nothing is known of.

    Args:
        units: what the readout reads.
        trained: names of the parameters that autograd reaches.
    """
    for one in upstream(units):
        if not isinstance(one, Applied) or the_factor(one.expression) is not None:
            continue
        norm = _gains_before(one.source, trained)
        if norm is None or norm.gain is None:
            continue
        gains = f"the units that its gains {norm.gain.name!r} multiply"
        if isinstance(one.source, Total | Beside):
            raise refusal(
                "weights between trained gains and a sum before an activation", norm.place,
                f"{one.place} acts on a sum with {gains}: what their gradients add to the kernel"
                " is no expectation of one function of one unit", _FREEZE,
            )  # fmt: skip
        behind = LayerNorm(gain_rate=1), Nonlinearity(Activation(one.expression))
        try:
            Network(FullyConnected("identity"), *behind).commuted()
        except ValueError as error:
            _, _, why = str(error).partition("the gradient of a gain is ")
            raise refusal(
                "an activation whose slope jumps nowhere but at 0 behind trained gains", norm.place,
                f"{one.place} acts on {gains}, whose gradient is {why.partition(';')[0]}", _FREEZE,
            ) from error  # fmt: skip


_FREEZE = "freeze the gains (requires_grad_(False)), or put a linear layer between"


def _gains_before(units: Units, trained: Collection[str]) -> Normalised | None:
    """The normalisation with trained gains whose units these are, their averages or sums."""
    if isinstance(units, Normalised):
        found = units.gain is not None and units.gain.name in trained
        return units if found else _gains_before(units.source, trained)
    if isinstance(units, Weights | InputData):
        return None
    ahead = (_gains_before(source, trained) for source in sources(units))
    return next((norm for norm in ahead if norm is not None), None)
