"""A module as a function of a batch, with its outputs in a row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from empirical.batches import count
from empirical.checks import check_leaves, check_made_before, check_repeatable
from empirical.forward_pass import ForwardPass
from empirical.layerwise import Output as Number
from empirical.layerwise import graph_of
from empirical.outputs import Output, chosen, number_of

__all__ = ["ModuleFunction"]


class ModuleFunction:
    """The module as a function with outputs (n, k).

    Attributes:
        shape: of the outputs behind the samples.
        output: the wanted ones by number.
    """

    shape: torch.Size
    output: Number

    def __init__(self, run: ForwardPass, output: Output) -> None:
        self._run = run
        self._output: Output = output

    def rehearse(self, x: Any) -> None:
        """The first run, and others if they draw random numbers; raises if they differ."""
        value = chosen(self._run.rehearse(x), count(x), self._output)
        self.shape = value.shape[1:]
        self.output = number_of(self._output, self.shape)
        first = value.reshape(len(value), -1)
        second = first
        for _ in range(8 if self._run.draws else 1):
            second = self(x)
            check_repeatable(first, second)
        again, fresh = _leaves(first, second)
        check_leaves(again, self._run.module)
        check_made_before(fresh)

    def __call__(self, x: Any) -> Tensor:
        value = chosen(self._run(x), count(x), self._output)
        return value.reshape(len(value), -1)


def _leaves(first: Tensor, second: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The leaves of two runs that were there before, and those that were made in the run."""
    graphs = [graph_of(first), graph_of(second)]
    leaves = [[] if g is None else list(g.leaves.values()) for g in graphs]
    known = {id(leaf) for leaf in leaves[0]} & {id(leaf) for leaf in leaves[1]}
    both = leaves[0] + leaves[1]
    return [t for t in leaves[0] if id(t) in known], [t for t in both if id(t) not in known]
