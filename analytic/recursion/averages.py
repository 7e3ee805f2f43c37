"""What averaging over the positions of images does to errors and to norms."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import NamedTuple

from analytic.machine import Array

__all__ = ["NO_AVERAGE", "Average", "AveragedNorms"]


@dataclass(frozen=True, slots=True)
class Average:
    """What averaging over positions does to relative errors of Sigma and Theta.

    The mean over p, q of errors below sqrt(Sigma_pp Sigma_qq) is at most the square of the mean of
    sqrt(Sigma_pp): ``sigma`` times the mean of Sigma, the same for Theta. ``rounding`` is that of
    all averages that follow each other; ``mixes`` says whether any has pairs p != q.
    """

    sigma: float = 1.0
    theta: float = 1.0
    rounding: float = 0.0
    mixes: bool = False

    def joined(self, other: Average) -> Average:
        """The larger factors of both."""
        return Average(*map(max, astuple(self), astuple(other)))

    def behind(self, other: Average) -> Average:
        """This one and another one before it."""
        factors = self.sigma * other.sigma, self.theta * other.theta
        return Average(*factors, self.rounding + other.rounding, self.mixes or other.mixes)


NO_AVERAGE = Average()
"""Where positions stay what they are."""


class AveragedNorms(NamedTuple):
    """What an average makes of the norms r of the units of images.

    ``lines`` (n, positions) are those of ``analytic.images.unit_norms``, in their order; ``apart``
    (2,) the errors of chords of one image where positions mix (``chord_errors``), and ``share`` (n,
    positions before) that of every r in the sum over its window, else None.
    """

    lines: dict[str, Array]
    apart: Array | None = None
    share: Array | None = None
