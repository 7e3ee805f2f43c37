"""How often the intervals of a sweep contain the truth, on made-up distances whose law is known.

The distances are gamma variables of mean 1/m and of some coefficient of variation: shapes 1/2, 1
and 2 are scaled chi-squares with 1, 2 and 4 degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from compare.rate.fits import fit_expansion, fit_power, leading

__all__ = ["Coverage", "coverage"]


class Coverage(NamedTuple):
    """Shares of made-up sweeps whose intervals contain the truth.

    ``exponent``, ``constant``, ``correction`` and ``floor`` are those of p, C, c and B;
    ``repeats`` is the number of sweeps.
    """

    exponent: float
    constant: float
    correction: float
    floor: float
    repeats: int


def coverage(
    widths: Sequence[int],
    seeds: Sequence[int],
    variation: float,
    confidence: float = 0.95,
    *,
    repeats: int = 2000,
    seed: int = 0,
) -> Coverage:
    """The coverage to expect of a design.

    Args:
        widths: of the sweep.
        seeds: for every width.
        variation: standard deviation of the distances over their mean, positive.
        confidence: nominal.
        repeats: made-up sweeps; the standard error of a share p is sqrt(p (1 - p)/repeats).
        seed: of the generator.

    Example:
        >>> found = coverage([64, 128, 256], [50, 50, 50], 0.5, repeats=200)
        >>> 0.9 < found.exponent <= 1
        True
    """
    rng, shape = np.random.default_rng(seed), variation**-2.0
    means = 1 / np.asarray(widths, dtype=np.float64)
    truth, hits = (1.0, 1.0, 0.0, 0.0), np.zeros(4)
    for _ in range(repeats):
        d = [rng.gamma(shape, mean / shape, n) for mean, n in zip(means, seeds, strict=True)]
        law = fit_expansion(widths, d, confidence)
        found = (
            fit_power(*leading(widths, d), confidence).interval,
            law.constant_interval, law.correction_interval, law.floor_interval,
        )  # fmt: skip
        hits += [low <= value <= high for (low, high), value in zip(found, truth, strict=True)]
    p, c1, c2, floor = (float(share) for share in hits / repeats)
    return Coverage(p, c1, c2, floor, repeats)
