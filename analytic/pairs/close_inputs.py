"""Inputs whose pairs the series may leave out, tabulated once for all of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analytic.expectations import TERMS, Units, units
from analytic.machine import EXTENDED, UNIT
from analytic.network import Network, fold
from analytic.pairs.pair_sums import share_or_zero as _share
from analytic.recursion import MEAN_SQUARE, Diagonal, Stage, own_rounding

__all__ = ["Close"]


@dataclass(frozen=True, slots=True, eq=False)
class Close:
    """A network and its inputs, ready for pairs of them.

    Attributes:
        network: the description.
        ends: the recursion at x = x' for all inputs.
        units: those of every layer; None where closed forms need none.
        variations: relative errors of the variances of every layer, as pairs take them.
        sigmas: those of Sigma before every layer, and behind all.
        wanted: an error of pairs that is small enough: more is not worth long computations.
    """

    network: Network
    ends: Diagonal
    units: list[Units | None]
    variations: list[float]
    sigmas: list[float]
    wanted: float = 0.0

    @classmethod
    def of(
        cls, network: Network, ends: Diagonal, terms: int = TERMS, wanted: float = 0.0,
        known: Callable[..., Units] | None = None,
    ) -> Close:  # fmt: skip
        """Tabulate what pairs of these inputs use, so many coefficients, or take those known."""
        found: list[Units | None] = []
        tabulate = known or units
        for stage in ends.stages:
            activation, s = stage.step.layer.activation, stage.deviation
            closed = activation.bent_line or activation.jump
            asked = np.asarray(s, dtype=np.float64)  # those whose moments are known
            tables = None if closed else tabulate(activation, asked, stage.moments, terms, wanted)
            found.append(tables)
        return cls(network, ends, found, *_own_errors(ends), wanted)


def _own_errors(ends: Diagonal) -> tuple[list[float], list[float]]:
    """The relative errors of the variances and of Sigma at x = x', to first order.

    The recursion has them in extended precision, so that they have the errors of tables alone;
    s is rounded once before pairs take it.
    """
    variances: list[float] = []
    sigmas: list[float] = []

    def after(stage: Stage, error: float) -> float:
        share = 1 - float(_share(stage.step.bias, stage.variance).min())  # of what is read
        noise = stage.moments.noise
        if stage.step.normalizes:
            error = max(error, 2 * UNIT)
            variance = share * error + (4 + stage.reads) * UNIT
        else:
            variance = share * error + own_rounding(stage)
        sigmas.append(error)
        variances.append(variance + SEEN)
        own = _share(stage.variance * np.abs(stage.moments.response_e), stage.moments.second)
        return float(own.max()) * (variance + noise.unseen) + noise.carried + 8 * EXTENDED

    def added(_: Stage, __: int, total: float, branch: float) -> float:
        return 2 * max(total, branch) + 4 * UNIT

    last = fold(ends.stages, MEAN_SQUARE, after, added)
    return variances, [*sigmas, last]


SEEN = 3 * UNIT
"""The relative error of s^2 where float64 has s as the root of a rounded variance."""
