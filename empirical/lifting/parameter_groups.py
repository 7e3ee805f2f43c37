"""Which parameters of a module belong to which layer of its description."""

from __future__ import annotations

from collections.abc import Sequence, Set

from analytic.network import Convolution, FullyConnected, Gains, Network, Step
from empirical.lifting.units import Normalised, Weights

__all__ = ["groups_of", "has_parameters", "kinds_of", "parameter_names"]


def parameter_names(part: Weights | Normalised) -> tuple[str, ...]:
    """Those of the weights and the biases of a layer, or of its gains and shifts."""
    return tuple(matrix.name for matrix in part.parameters)


def has_parameters(step: Step) -> bool:
    """Whether a layer of a network has weights, or gains and shifts that are trained."""
    return isinstance(step.layer, FullyConnected | Convolution | Gains)


def groups_of(
    network: Network, parts: Sequence[Weights], normalised: Sequence[Normalised],
    trained: Set[str],
) -> tuple[tuple[str, ...], ...]:  # fmt: skip
    """The names of the parameters of every layer that has some, in order.

    Args:
        network: the description.
        parts: its layers with weights, the readout last.
        normalised: its normalisations; those of which nothing is trained have no gains in it.
        trained: names of the parameters that autograd reaches.
    """
    norms = iter([n for n in map(parameter_names, normalised) if not trained.isdisjoint(n)])
    weights = iter(map(parameter_names, parts))
    layers = [step.layer for step in network.steps if has_parameters(step)]
    return tuple(next(norms if isinstance(layer, Gains) else weights) for layer in [*layers, None])


def kinds_of(step: Step | None, count: int) -> tuple[str, ...]:
    """What the parameters of a layer are called in its groups; None is the readout."""
    if count == 1 and step is not None and isinstance(step.layer, Gains) and step.rate == 0:
        return ("bias",)
    return ("weight", "bias")[:count]
