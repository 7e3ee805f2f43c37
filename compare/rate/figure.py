"""The picture of a width sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from analytic import DistanceLaw
from compare.figure_style import BLUE, GREY, ORANGE, new_axes
from compare.rate.fits import WidthExpansion
from compare.rate.judgement import Excess
from compare.rate.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Sweep", "plot_convergence"]


class Sweep(Protocol):
    """What the picture shows of a width sweep; ``Convergence`` has it."""

    @property
    def widths(self) -> tuple[int, ...]: ...
    @property
    def distances(self) -> tuple[NDArray[np.float64], ...]: ...
    @property
    def law(self) -> WidthExpansion: ...
    @property
    def above(self) -> Excess: ...
    @property
    def exponent(self) -> float: ...
    @property
    def exponent_interval(self) -> Interval: ...
    @property
    def verdict(self) -> str: ...
    @property
    def predicted(self) -> float | None: ...


def plot_convergence(
    result: Sweep, ax: Axes | None = None, law_of_distance: DistanceLaw | None = None
) -> Axes:
    """Distances against width: their spread, means, the law and the threshold."""
    ax = new_axes(ax)
    m = np.array(result.widths, dtype=float)
    means = np.array([d.mean() for d in result.distances])
    errors = np.array([d.std(ddof=1) / np.sqrt(d.size) for d in result.distances])
    low, high = np.array([np.quantile(d, [0.05, 0.95]) for d in result.distances]).T
    line = np.geomspace(m[0], m[-1], 100)
    law = result.law
    fitted = law.constant / line + law.correction / line**2 + law.floor
    ax.fill_between(m, low, high, color=BLUE, alpha=0.12, lw=0, label="5 % to 95 % of the networks")
    ax.plot(
        line, np.where(fitted > 0, fitted, np.nan), color=BLUE, lw=1.2, label=r"$C/m + c/m^2 + B$"
    )
    ax.errorbar(
        m, means, 2.6 * errors, fmt="o", ms=4, color=BLUE, capsize=2, label="mean, 99 % interval"
    )
    threshold = result.above.kappa / np.sqrt(line)
    ax.plot(line, threshold, "--", color=ORANGE, lw=1.2, label=r"$\kappa\, m^{-1/2}$")
    if result.predicted is not None:
        label = "$C/m$ predicted, not fitted"
        ax.plot(line, result.predicted / line, ":", color="black", lw=1.6, label=label)
    if law_of_distance is not None:
        low_q, high_q = (law_of_distance.quantile(p) for p in (0.05, 0.95))
        label = "5 % to 95 % predicted, not fitted"
        ax.fill_between(line, low_q / line, high_q / line, color="black", alpha=0.1, label=label)
    ax.set(xscale="log", yscale="log", xlabel="width $m$", ylabel=r"$\|K_0 - K_\infty\|^2$")
    ax.set_xticks(m, [f"{w:g}" for w in m])
    ax.minorticks_off()
    low_p, high_p = result.exponent_interval
    ax.set_title(
        f"exponent {result.exponent:.3f} in [{low_p:.3f}, {high_p:.3f}]: {result.verdict}",
        fontsize=10,
    )
    ax.legend(fontsize=8, frameon=False)
    ax.grid(color=GREY, alpha=0.15)
    return ax
