r"""Assumption 3.6: does m = Omega(eps^-2) suffice for ||K_0 - K_inf||^2 <= eps?

Asked of the measured distances D(m, s), the assumption says that D <= kappa m^(-1/2) with a
probability 1 - delta(m) that tends to 1. It *holds* if the exponent's interval lies above
1/2, the floor B of the law C/m + c/m^2 + B is compatible with 0 and far below what was
measured, and the share delta of networks above kappa m^(-1/2) falls. It *fails* if the
exponent lies below 1/2 or D levels off. Otherwise the measurement does not decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compare.rate.fits import Power, WidthExpansion
from compare.rate.statistics import Interval, clopper_pearson
from compare.verdict import Outcome, Verdict

__all__ = ["Excess", "excess", "judge"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Excess:
    """The share of networks with D > kappa m^(-1/2), for every width.

    Attributes:
        kappa: fixed so that half of the networks of the smallest width are above.
        share: delta(m).
        interval: of delta(m), Clopper and Pearson (1934).
    """

    kappa: float
    share: tuple[float, ...]
    interval: tuple[Interval, ...]


def excess(widths: Sequence[int], distances: Sequence[Array], confidence: float = 0.99) -> Excess:
    """Count the networks above the threshold of Assumption 3.6."""
    kappa = float(np.median(distances[0]) * np.sqrt(widths[0]))
    counts = [
        (int(np.sum(d > kappa / np.sqrt(m))), d.size)
        for m, d in zip(widths, distances, strict=True)
    ]
    shares = tuple(k / n for k, n in counts)
    return Excess(kappa, shares, tuple(clopper_pearson(k, n, confidence) for k, n in counts))


def judge(power: Power, law: WidthExpansion, above: Excess, last: float) -> Verdict:
    """The verdict from the fits, the excess and the mean distance at the largest width."""
    low, high = power.interval
    floor_low, floor_high = law.floor_interval
    exponent = f"exponent {power.exponent:.3f} in [{low:.3f}, {high:.3f}]"
    ends = f"[{floor_low / last:.1%}, {floor_high / last:.1%}]"
    floor = f"floor {law.floor / last:.1%} of the last distance, in {ends}"
    first, final = above.interval[0], above.interval[-1]
    share = f"share above the threshold from {above.share[0]:.2f} to {above.share[-1]:.3f}"
    if high < 0.5:
        return Verdict(Outcome.FAILS, f"{exponent}, below 1/2")
    if floor_low > last / 2:
        return Verdict(Outcome.FAILS, f"the distance levels off: {floor}; {exponent}")
    doubts = [
        (low <= 0.5, f"{exponent} is not clearly above 1/2"),
        (floor_low > 0 or floor_high >= last / 2, f"{floor}, is not clearly 0"),
        (final[1] >= first[0], f"{share} does not clearly fall"),
    ]
    open_questions = [text for open_, text in doubts if open_]
    if open_questions:
        return Verdict(Outcome.UNDECIDED, "; ".join(open_questions) + "; use more seeds or widths")
    return Verdict(Outcome.HOLDS, f"{exponent}, above 1/2; {floor}; {share}")
