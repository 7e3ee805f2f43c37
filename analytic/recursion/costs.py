"""Which operation of a network costs the accuracy: errors before and behind each of them.

Every bound is carried through the network by ``fold``. An ``Account`` goes along, and remembers
what each average, layer and sum of branches has made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from analytic.machine import UNIT
from analytic.network import Pointwise, Step

__all__ = ["Account", "Cost", "dearest_cost", "read_out"]

ROUNDINGS = 64 * UNIT
"""Errors that a few roundings may have."""
LAST = "the average before the readout"
MUCH = 2.0
"""By which factor an operation increases errors that costs more than its roundings."""


class Cost(NamedTuple):
    """An operation of a network.

    Attributes:
        what: its name.
        at: the number of its step.
        before: the relative error before it.
        behind: that behind it.
        is_layer: whether it is a layer, and no average or sum.
    """

    what: str
    at: int
    before: float
    behind: float
    is_layer: bool = False

    @property
    def factor(self) -> float:
        """By which the error grows beyond that of roundings."""
        return self.behind / max(self.before, ROUNDINGS)

    @property
    def how(self) -> str:
        """What it does, in words."""
        if self.before > ROUNDINGS:
            return f"errors grow {self.factor:.0f}-fold there"
        return f"it adds errors of {self.behind:.0e}"


def dearest_cost(costs: Sequence[Cost]) -> Cost | None:
    """The operation that increases the error most; None if all do no more than round."""
    worst = max(costs, key=lambda cost: cost.factor, default=None)
    return worst if worst is not None and worst.factor > MUCH else None


def read_out(costs: Sequence[Cost], bound: float) -> list[Cost]:
    """All of it, with the last average, behind which there is this bound."""
    last = Cost(LAST, costs[-1].at, costs[-1].behind, bound) if costs else None
    return [*costs, *([last] if last else [])]


class Account:
    """What ``fold`` is given, with errors noted as they go by.

    Args:
        steps: those of the network.
        size: the largest relative error of a state.
        costs: where to note them; a new list if None.

    Attributes:
        costs: what was noted.
    """

    def __init__(
        self, steps: Sequence[Step], size: Callable[[Any], float], costs: list[Cost] | None = None
    ) -> None:
        self._steps, self._size, self._at = steps, size, 0
        self.costs = [] if costs is None else costs

    def step(self, at: int) -> Step:
        """One of the network's."""
        return self._steps[at]

    def averaged(self, act: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """The averages before a layer."""

        def noted(part: Any, before: Any) -> Any:
            behind = act(part, before)
            names = [type(layer).__name__ for layer in self._steps[self._at].averages]
            if names:
                self._note(f"{' and '.join(names)} behind {self._last}", before, behind)
            return behind

        return noted

    def after(self, act: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """A layer."""

        def noted(part: Any, before: Any) -> Any:
            behind, layer, last = act(part, before), self._steps[self._at].layer, self._last
            self._at += 1
            pointwise = isinstance(layer, Pointwise)
            what = f"{type(layer).__name__} behind {last}" if pointwise else self._last
            self._note(what, before, behind, True)
            return behind

        return noted

    def added(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """A sum of branches."""

        def noted(part: Any, number: int, total: Any, branch: Any) -> Any:
            behind = act(part, number, total, branch)
            before = max(total, branch, key=self._size)
            self._note(f"the sum of branches behind {self._last}", before, behind)
            return behind

        return noted

    def read(self, before: Any, behind: Any) -> list[Cost]:
        """All of it, with what the averages before the readout make of the last state."""
        self._note(LAST, before, behind)
        return self.costs

    @property
    def _last(self) -> str:
        """The last layer that has weights."""
        weighted = [not isinstance(step.layer, Pointwise) for step in self._steps[: self._at]]
        return f"weight layer {sum(weighted)}" if any(weighted) else "the inputs"

    def _note(self, what: str, before: Any, behind: Any, layer: bool = False) -> None:
        sizes = float(self._size(before)), float(self._size(behind))
        self.costs.append(Cost(what, max(self._at - 1, 0), *sizes, layer))
