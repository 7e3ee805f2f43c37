"""Which networks have a tangent kernel: the derivative of a jump is a point mass, no function."""

from __future__ import annotations

from analytic.network.description import Network

__all__ = ["first_jump_of", "require_continuous"]


def first_jump_of(network: Network) -> str | None:
    """The first layer whose activation jumps, and where, in words; None if there is none."""
    for number, step in enumerate(network.steps, start=1):
        if (jump := step.layer.activation.jump) is not None:
            return f"layer {number} with {step.layer.activation.name}, where {jump}"
    return None


def require_continuous(network: Network, purpose: str, advice: str) -> None:
    """Raise ``ValueError`` where an activation jumps.

    Args:
        network: the description.
        purpose: what needs continuity.
        advice: what to do.
    """
    found = first_jump_of(network)
    if found is not None:
        raise ValueError(
            f"expected continuous activations for {purpose}, got {found}: the derivative of a"
            f" jump is a point mass (a distribution, not a function); {advice}"
        )
