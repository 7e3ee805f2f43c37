"""The walk through an unrolled network, written once.

A residual branch is folded into the steps: it opens before its first weight layer and closes
behind its last. Whatever is carried through a network (second moments, their errors, the
powers of rho, units of a finite network, equations) goes this way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, TypeVar

__all__ = ["fold", "itself"]

Part = TypeVar("Part")
State = TypeVar("State")


def itself(step: Part) -> Part:
    """For ``fold`` over bare steps."""
    return step


def fold(
    parts: Iterable[Part],
    state: State,
    after: Callable[[Part, State, State | None], State],
    *,
    step: Callable[[Part], Any] = attrgetter("step"),
    averaged: Callable[[Part, State], State] | None = None,
) -> State:
    """The state behind the last weight layer.

    Args:
        parts: what is known of each weight layer, in order.
        state: before the first.
        after: the state after a layer, of (part, state before it, skipped): ``skipped`` is the
            state at the start of the branch that ends with the layer, None where none does.
        step: the ``Step`` of a part, its attribute ``step`` by default.
        averaged: what the averages before a layer make of the state; nothing by default.

    Example:
        How many layers the longest and the shortest way through a network have.

        >>> from analytic import FullyConnected, Network, Residual
        >>> tanh = FullyConnected("tanh")
        >>> def after(step, state, skipped):
        ...     longest, shortest = state[0] + 1, state[1] + 1
        ...     return (longest, shortest if skipped is None else skipped[1])
        >>> network = Network(tanh, Residual(tanh, Residual(tanh), tanh))
        >>> fold(network.steps, (0, 0), after, step=itself)
        (4, 1)
    """
    open_branches: list[State] = []
    for part in parts:
        if averaged is not None:
            state = averaged(part, state)
        open_branches += [state] * step(part).opens
        skipped = open_branches.pop() if step(part).closes else None
        state = after(part, state, skipped)
    return state
