r"""The record of a width sweep: distances, exponent, constant, and whether Assumption 3.6 holds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analytic import DistanceLaw
from analytic.files import read_data, write_data
from compare.rate.figure import plot_convergence
from compare.rate.fits import Power, WidthExpansion, fit_expansion, fit_power, leading
from compare.rate.interval_coverage import Coverage, coverage
from compare.rate.judgement import Excess, excess, judge
from compare.rate.statistics import Interval
from compare.rate.sufficient_width import (
    RequiredWidth,
    check_accuracy,
    from_constant,
    required_width,
)
from compare.table import Table
from compare.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Convergence"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Convergence:
    """A width sweep and what follows from it.

    Attributes:
        config: everything needed to make it again.
        widths: increasing.
        distances: ||K_0 - K_inf||^2_{L2(rho x rho)} for every width, (seeds,) each.
        bias: estimates of ||E K_0 - K_inf||^2 from products of different seeds, (widths,).
        rounding: the measured rounding floor of K_0 for every width, relative to
            sqrt(K(x, x) K(x', x')), (widths,).
        power: the fit E D = C m^(-p); with five widths or more the smallest, which feels
            the correction c/m^2 most, is left out of it.
        law: the fit E D = C/m + c/m^2 + B.
        above: the share of networks above kappa m^(-1/2).
        judgement: the verdict on Assumption 3.6.

    The standard errors are those over the seeds: they are conditional on the sample of
    inputs, which all widths share, so that it cancels in the exponent, not in the constant.
    """

    config: dict[str, Any]
    widths: tuple[int, ...]
    distances: tuple[Array, ...]
    bias: tuple[float, ...]
    rounding: tuple[float, ...]
    power: Power = field(init=False)
    law: WidthExpansion = field(init=False)
    above: Excess = field(init=False)
    judgement: Verdict = field(init=False)

    def __post_init__(self) -> None:
        confidence = self.config["confidence"]
        power = fit_power(*leading(self.widths, self.distances), confidence)
        law = fit_expansion(self.widths, self.distances, confidence)
        above = excess(self.widths, self.distances, confidence)
        verdict = judge(power, law, above, float(self.distances[-1].mean()))
        for name, value in zip(_FITS, (power, law, above, verdict), strict=True):
            object.__setattr__(self, name, value)

    @property
    def exponent(self) -> float:
        """The p in E ||K_0 - K_inf||^2 = C m^(-p)."""
        return self.power.exponent

    @property
    def exponent_interval(self) -> Interval:
        """Interval of p at the confidence in ``config`` (0.99)."""
        return self.power.interval

    @property
    def constant(self) -> float:
        """The C in E ||K_0 - K_inf||^2 = C/m + c/m^2 + B."""
        return self.law.constant

    @property
    def predicted(self) -> float | None:
        """C of ``analytic.fluctuation`` on the sample, not fitted; None where it is not derived."""
        found = self.config.get("predicted")
        return None if found is None else float(found)

    @property
    def verdict(self) -> str:
        """Assumption 3.6: "holds", "fails" or "undecided"."""
        return str(self.judgement.outcome)

    @property
    def holds(self) -> bool | None:
        """Assumption 3.6: True, False, or None if the measurement does not decide."""
        return self.judgement.holds

    @property
    def reason(self) -> str:
        """The verdict's reason, with the numbers, and what was compared if no limit was found."""
        if "why" not in self.config:
            return self.judgement.reason
        return (
            f"{self.judgement.reason}; no K_inf was found, and kernels of successive widths were"
            f" compared{self._sizes()} ({self.config['why']})"
        )

    def _sizes(self) -> str:
        """By what kernels were divided first; records before it was so have no such numbers."""
        scales = self.config.get("scales")
        if scales is None:
            return " as they are, which fails where they grow"
        return (
            f", each divided by the mean of K_0(x, x) at its width, {scales[0]:.3g} at"
            f" {self.config['widths'][0]} and {scales[-1]:.3g} at {self.config['widths'][-1]};"
            " limit='successive' compares them as they are"
        )

    def required_width(self, epsilon: float, delta: float) -> RequiredWidth:
        """Widths that suffice for D <= epsilon with probability 1 - delta.

        Raises:
            ValueError: epsilon or delta is out of its range, Assumption 3.6 does not hold on
                this sweep, or delta is too small to be seen in so few networks.
        """
        check_accuracy(epsilon, delta)
        if not self.holds:
            raise ValueError(
                "expected a sweep on which Assumption 3.6 holds, since otherwise no width need"
                f" suffice, got: {self.verdict} ({self.reason}); measure more widths and seeds"
            )
        confidence = self.config["confidence"]
        found = required_width(self.widths, self.distances, self.law, epsilon, delta, confidence)
        c, smallest = self.predicted, self.widths[0]
        predicted = None if c is None else from_constant(c, epsilon, delta, smallest)
        return RequiredWidth(*found, predicted)

    def coverage(self, confidence: float = 0.95, sweeps: int = 200) -> Coverage:
        """How often intervals of such a sweep contain the truth: few seeds say less than they seem.

        It is found from made-up distances with the widths, the numbers of seeds and the
        coefficient of variation of this sweep.
        """
        spread = [d.var(ddof=1) / d.mean() ** 2 for d in self.distances]
        counts = [d.size for d in self.distances]
        variation = max(float(np.sqrt(np.average(spread, weights=counts))), 1e-6)
        return coverage(self.widths, counts, variation, confidence, repeats=sweeps)

    def table(self) -> Table:
        """One row for every width."""
        rows = [
            (
                str(m),
                str(d.size),
                f"{d.mean():.4g}",
                f"{d.std(ddof=1) / np.sqrt(d.size):.2g}",
                f"{m * d.mean():.4g}",
                f"{b:.2g}",
                f"{share:.3f}",
                f"{floor:.1g}",
            )
            for m, d, b, share, floor in zip(
                self.widths,
                self.distances,
                self.bias,
                self.above.share,
                self.rounding,
                strict=True,
            )
        ]
        head = (
            "width m", "seeds", "mean D", "± error", "m · mean D", "bias²", "δ(m)", "rounding",
        )  # fmt: skip
        return Table(head, tuple(rows))

    def plot(self, ax: Axes | None = None, *, law: DistanceLaw | None = None) -> Axes:
        """Distances against width, with the fitted law and the threshold of the assumption.

        Args:
            ax: where; a new picture by default.
            law: of m D, from ``distance_law`` at the same inputs: the band of its 5 and 95 %
                quantiles, which nothing was fitted to.
        """
        return plot_convergence(self, ax, law)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a JSON file; the file is whole or not there at any instant."""
        data = {
            "config": self.config,
            "widths": self.widths,
            "distances": [d.tolist() for d in self.distances],
            "bias": self.bias,
            "rounding": self.rounding,
            "answers": self.answers(),
        }
        write_data(Path(path), data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Convergence:
        """Read what ``save`` wrote; the fits are made again from the distances.

        Raises:
            ValueError: the file is damaged, or holds something else, or what cannot have been
                measured: widths that do not rise, a negative distance, a single seed.
        """
        data = read_data(Path(path), "a record of convergence", _ENTRIES)
        columns = [data[name] for name in ("widths", "distances", "bias", "rounding")]
        try:
            widths, distances, bias, rounding = (tuple(column) for column in columns)
            rising = len(widths) >= 3 and all(a < b for a, b in pairwise((0, *widths)))
            if not rising or {len(column) for column in columns} != {len(widths)}:
                raise ValueError(f"its columns do not fit widths that rise: {widths}")
            rows = tuple(np.array(d, dtype=np.float64) for d in distances)
            return cls(data["config"], widths, rows, bias, rounding)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"expected a record of convergence in {path}, got one that no measurement writes"
                f" ({error}); name another"
            ) from error

    def answers(self) -> dict[str, Any]:
        """The numbers one would print, as plain data."""
        return {
            "exponent": self.exponent,
            "exponent_interval": list(self.exponent_interval),
            "constant": self.constant,
            "constant_interval": list(self.law.constant_interval),
            "correction": self.law.correction,
            "floor": self.law.floor,
            "floor_interval": list(self.law.floor_interval),
            "kappa": self.above.kappa,
            "share_above": list(self.above.share),
            "verdict": self.verdict,
            "holds": self.holds,
            "reason": self.reason,
            "coverage": self.coverage()._asdict() if self._few_seeds else None,
        }

    @property
    def _few_seeds(self) -> bool:
        return min(d.size for d in self.distances) <= FEW_SEEDS

    def __str__(self) -> str:
        successive = self.config.get("limit") == "successive widths"
        apart = ", between successive widths," if successive else ""
        text = f"{self.config['network']}: Assumption 3.6{apart} {self.verdict} ({self.reason})"
        if not self._few_seeds:
            return text
        few, found = min(d.size for d in self.distances), self.coverage()
        return (
            f"{text}; with {few} seeds nominal 95 % intervals are expected to cover"
            f" {found.exponent:.1%} (exponent), {found.constant:.1%} (constant)"
        )

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table()._repr_html_()}"


FEW_SEEDS = 20
"""Up to so many seeds a record says what coverage to expect of its intervals."""
_ENTRIES = ("config", "widths", "distances", "bias", "rounding", "answers")
_FITS = ("power", "law", "above", "judgement")
