"""Inputs whose pairs the series may leave out, tabulated once for all of these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytic.expectations import Units, units
from analytic.machine import UNIT
from analytic.network import Network, fold
from analytic.pairs.pair_sums import share_or_zero as _share
from analytic.recursion import Diagonal, Stage

__all__ = ["Close"]


@dataclass(frozen=True, slots=True, eq=False)
class Close:
    """A network and its inputs, ready for pairs of them.

    Attributes:
        network: the description.
        ends: the recursion at x = x' for all inputs.
        units: those of every layer; None where closed forms need none.
        variations: relative errors of the variances of every layer, and of Sigma behind all.
    """

    network: Network
    ends: Diagonal
    units: list[Units | None]
    variations: list[float]

    @classmethod
    def of(cls, network: Network, ends: Diagonal) -> Close:
        """Tabulate what pairs of these inputs use."""
        found: list[Units | None] = []
        for stage in ends.stages:
            activation, s = stage.step.layer.activation, stage.deviation
            closed = activation.bent_line or activation.jump
            asked = np.asarray(s, dtype=np.float64)  # those whose moments are known
            found.append(None if closed else units(activation, asked, stage.moments))
        return cls(network, ends, found, _variations(ends))


def _variations(ends: Diagonal) -> list[float]:
    """The relative errors of the variances and of the last Sigma, to first order."""
    result: list[float] = []

    def after(stage: Stage, error: float) -> float:
        share = 1 - float(_share(stage.step.bias, stage.variance).min())  # of what is read
        variance = share * error + (4 + stage.reads) * UNIT
        result.append(variance)
        table = stage.moments
        own = _share(stage.variance * np.abs(table.response_e), table.second)
        return float(own.max()) * variance + table.noise.second

    def added(_: Stage, __: int, total: float, branch: float) -> float:
        return 2 * max(total, branch)

    last = fold(ends.stages, 2 * UNIT, after, added)
    return [*result, last]
