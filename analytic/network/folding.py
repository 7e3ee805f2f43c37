"""The walk through an unrolled network, written once.

A sum of branches is folded into the steps. Before the first weight layer of the first branch the
state is put aside, once for each of the others. A branch that follows begins with what was put
aside, and leaves the sum so far in its place; behind its last layer it is added to that. A skip
is a first branch without layers. Whatever is carried through a network (second moments, their
errors, the powers of rho, units of a finite network, equations) goes this way.
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
    after: Callable[[Part, State], State],
    added: Callable[[Part, int, State, State], State],
    *,
    step: Callable[[Part], Any] = attrgetter("step"),
    averaged: Callable[[Part, State], State] | None = None,
    aside: Iterable[State] = (),
) -> State:
    """The state behind the last weight layer.

    Args:
        parts: what is known of each weight layer, in order.
        state: before the first.
        after: the state after a layer, of (part, state before it).
        added: the state after a sum that ends with a layer, of (part, number, total, branch):
            several sums may end there, ``total`` are the branches before and ``branch`` the last.
        step: the ``Step`` of a part, its attribute ``step`` by default.
        averaged: what the averages before a layer make of the state; nothing by default.
        aside: states that have been put aside already, the last first to be taken.

    Example:
        How many layers the longest and the shortest way through a network have.

        >>> from analytic import FullyConnected, Network, Residual
        >>> tanh = FullyConnected("tanh")
        >>> def after(step, state):
        ...     return (state[0] + 1, state[1] + 1)
        >>> def added(step, number, total, branch):
        ...     return (max(total[0], branch[0]), min(total[1], branch[1]))
        >>> network = Network(tanh, Residual(tanh, Residual(tanh), tanh))
        >>> fold(network.steps, (0, 0), after, added, step=itself)
        (4, 1)
    """
    put_aside = [*aside]
    for part in parts:
        if averaged is not None:
            state = averaged(part, state)
        here = step(part)
        if here.switches:
            state, put_aside[-1] = put_aside[-1], state
        put_aside += [state] * here.opens
        state = after(part, state)
        for number in range(here.closes):
            state = added(part, number, put_aside.pop(), state)
    return state
