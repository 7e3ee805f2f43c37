"""The assumptions of the theorems, one by one: what is proved, and what has to be measured.

Assumptions 3.1 to 3.4 (Bowman and Montufar 2022) are mathematics and are decided here, with
a reason; 3.6 is a statement about random networks and is left to ``compare.rate``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analytic.network import Network
from analytic.proofs import Answer
from compare.rho import Inputs
from empirical import FiniteNetwork

__all__ = ["Assumptions", "assumptions"]

SAMPLE = 4096
"""Inputs at which a target is evaluated on a distribution that has infinitely many."""
INITIAL_INPUTS, INITIAL_WIDTH = 16, 64
"""Inputs and width of the network whose initial values are checked."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The answers, each a record with ``verdict``, ``reason`` and ``holds``.

    Attributes:
        activation: 3.1, w is twice continuously differentiable, w and w' are Lipschitz.
        domain: 3.2, X is compact and rho strictly positive on it.
        target: 3.3, the target is bounded.
        initialisation: 3.4, f(x; theta_0) = 0 for all x.
        statistical: 3.6, what remains to be measured.
    """

    activation: Answer
    domain: Answer
    target: Answer
    initialisation: Answer
    statistical: Answer

    @property
    def holds(self) -> bool | None:
        """Whether 3.1 to 3.4 hold: False if one fails, None if one is not decided."""
        answers = [
            a.holds for a in (self.activation, self.domain, self.target, self.initialisation)
        ]
        return False if False in answers else None if None in answers else True

    def __str__(self) -> str:
        lines = (
            f"Assumption {number} {answer}"
            for number, answer in zip(
                ("3.1", "3.2", "3.3", "3.4", "3.6"),
                (self.activation, self.domain, self.target, self.initialisation, self.statistical),
                strict=True,
            )
        )
        return "\n".join(lines)


def assumptions(
    network: Network, inputs: Inputs, target: Callable[[Any], Any] | Any = None
) -> Assumptions:
    """Check Assumptions 3.1 to 3.4 for a network, its inputs and a target.

    Args:
        network: the description; every activation in it is checked.
        inputs: the distribution rho.
        target: f*, a function of inputs of shape (n, ...) with values (n,), or its values on
            a finite population; None if there is no target yet.

    Raises:
        TypeError: the network, the inputs or the values of the target are of the wrong kind.
        ValueError: the target has values of the wrong shape, or the inputs do not fit the
            network.

    References:
        Bowman and Montufar (2022), section 3.1.

    Example:
        >>> from analytic import FullyConnected
        >>> network = Network(FullyConnected("tanh"), FullyConnected("relu"))
        >>> answers = assumptions(network, Inputs.sphere(3), lambda x: x[:, 0])
        >>> print(answers.activation)
        fails: relu: w' jumps from 0 to 1 at x = 0
        >>> answers.initialisation.verdict, answers.target.verdict, answers.holds
        ('holds', 'unknown', False)
    """
    if not isinstance(network, Network):
        raise TypeError(f"expected a Network, got {type(network).__name__}; describe one first")
    if not isinstance(inputs, Inputs):
        raise TypeError(f"expected Inputs, got {type(inputs).__name__}; use Inputs.array(x)")
    return Assumptions(
        _activation(network),
        _domain(inputs),
        _target(inputs, target),
        _initialisation(network, inputs),
        Answer(
            "unknown",
            "||K_0 - K_inf||^2 <= eps at widths of order eps^-2 is a statement about random"
            " networks; measure it with convergence(network, inputs, widths)",
        ),
    )


def _activation(network: Network) -> Answer:
    """The worst answer of all activations, with the name of the one it is about."""
    found = {
        step.layer.activation: step.layer.activation.assumption_3_1() for step in network.steps
    }
    for verdict in ("fails", "unknown"):
        reasons = [f"{w.name}: {a.reason}" for w, a in found.items() if a.verdict == verdict]
        if reasons:
            return Answer(verdict, "; ".join(reasons))
    return Answer("holds", "; ".join(f"{w.name}: {a.reason}" for w, a in found.items()))


def _domain(inputs: Inputs) -> Answer:
    if inputs.population is not None:
        return Answer(
            "holds", f"{inputs.name} is a finite set of {inputs.population} points of equal weight"
        )
    kind = inputs.name.partition("(")[0]
    if kind in ("cube", "sphere"):
        return Answer("holds", f"{inputs.name} is compact, and its uniform measure positive on it")
    return Answer("unknown", f"nothing is known of the support of {inputs.name}")


def _target(inputs: Inputs, target: Any) -> Answer:
    if target is None:
        return Answer("unknown", "no target was given")
    count = inputs.population or SAMPLE
    if callable(target):
        values = _real(target(inputs.sample(count)))
    else:
        values = _real(target)
        count = inputs.population or values.size
    if values.shape != (count,):
        raise ValueError(
            f"expected a target with {count} values, one for each input, got shape"
            f" {values.shape}; return an array of shape (n,)"
        )
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        return Answer("fails", f"f* is {values[bad[0]]} at input {bad[0]}")
    largest = float(np.max(np.abs(values)))
    if inputs.population is not None:
        return Answer("holds", f"|f*| <= {largest:.6g} on all {count} points")
    return Answer("unknown", f"|f*| reaches {largest:.6g} on {count} points of infinitely many")


def _real(target: Any) -> NDArray[np.float64]:
    """The values of a target as float64, if they are real numbers."""
    try:
        values = np.asarray(target)
    except ValueError:  # rows of different lengths
        values = np.empty(0, dtype=object)
    if values.dtype.kind not in "biuf":
        raise TypeError(
            f"expected a target with real numbers as values, got {values.dtype} from"
            f" {type(target).__name__}; return an array of floats of shape (n,)"
        )
    return values.astype(np.float64)


def _initialisation(network: Network, inputs: Inputs) -> Answer:
    """Whether FiniteNetwork vanishes to the last bit with these layers."""
    x = torch.from_numpy(inputs.sample(min(inputs.population or INITIAL_INPUTS, INITIAL_INPUTS)))
    with torch.no_grad():
        values = FiniteNetwork(network, inputs.shape, INITIAL_WIDTH)(x)
    if bool(torch.all(values == 0)):
        return Answer(
            "holds",
            "antisymmetric initialisation, the default of FiniteNetwork: f(x; theta_0) = 0 to the"
            f" last bit on {len(x)} inputs",
        )
    largest = float(values.abs().max())
    return Answer("fails", f"|f(x; theta_0)| reaches {largest:.3g}")
