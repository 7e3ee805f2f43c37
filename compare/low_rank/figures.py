"""Pictures of spectra and of what depends on the width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compare.figure_style import BLUE, GREY, ORANGE, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_hessian_growth", "plot_rank_growth", "plot_rank_path", "plot_spectrum"]

Array = NDArray[np.float64]
SHADES = (BLUE, "#2e7d4f", "#8a4fa0", "#b8860b")


def plot_rank_growth(
    widths: Sequence[int],
    parameters: NDArray[np.int64],
    ranks: Mapping[float, Array],
    limits: Mapping[float, int],
    ax: Axes | None = None,
) -> Axes:
    """Effective ranks at several scales, their limits, and the number of parameters."""
    ax = new_axes(ax)
    m = np.array(widths, dtype=float)
    ax.plot(m, parameters, "s-", ms=4, color=ORANGE, lw=1.2, label="parameters $p$")
    for shade, (scale, values) in zip(SHADES, ranks.items(), strict=False):
        shown = np.maximum(values, 0.5)
        ax.fill_between(m, shown.min(1), shown.max(1), color=shade, alpha=0.15, lw=0)
        label = rf"$\tilde p(F^{{1/2}}, {scale:g})$"
        ax.plot(m, shown.mean(1), "o-", ms=4, color=shade, lw=1.2, label=label)
        ax.axhline(max(limits[scale], 0.5), ls=":", lw=1.0, color=shade)
    ax.plot([], [], ":", color=GREY, lw=1.0, label=r"from $K_\infty$")
    ax.set(xscale="log", yscale="log", xlabel="width $m$", ylabel="dimension")
    _ticks(ax, m)
    return _finish(ax)


def plot_hessian_growth(
    widths: Sequence[int], norms: Array, title: str, ax: Axes | None = None
) -> Axes:
    """Norms of every network, their means, and the two laws with fitted constants."""
    ax = new_axes(ax)
    m = np.array(widths, dtype=float)
    means = np.exp(np.log(norms).mean(1))
    line = np.geomspace(m[0], m[-1], 100)
    ax.plot(np.repeat(m, norms.shape[1]), norms.ravel(), ".", color=BLUE, alpha=0.3, ms=4)
    ax.plot(m, means, "o", ms=5, color=BLUE, label="geometric mean")
    laws = (
        (r"$C\, m^{-1/2}$", "--", ORANGE, lambda w: w**-0.5),
        (r"$C \sqrt{\log m / m}$", "-", "black", lambda w: np.sqrt(np.log(w) / w)),
    )
    for label, style, colour, law in laws:
        constant = np.exp(np.mean(np.log(means / law(m))))
        ax.plot(line, constant * law(line), style, color=colour, lw=1.2, label=label)
    ax.set(xscale="log", yscale="log", xlabel="width $m$", ylabel=r"$\|\nabla^2_\theta f\|$")
    ax.set_title(title, fontsize=10)
    _ticks(ax, m)
    return _finish(ax)


def plot_spectrum(
    eigenvalues: Array,
    limit: Array | None,
    floors: Array,
    fit: tuple[float, float, range] | None,
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """Normalised eigenvalues against their index, as in Figure 1 of the paper.

    Args:
        eigenvalues: of K_0/n, shape (seeds, k).
        limit: of K_inf/n, shape (seeds, k), or None.
        floors: what rounding makes of a zero eigenvalue, shape (seeds,).
        fit: exponent a and constant C of lambda_k/lambda_1 = C k^(-a), and the indices of it; None
            where nothing was fitted.
        title: what it is the spectrum of.
        ax: where.
    """
    ax = new_axes(ax)
    scaled = eigenvalues / eigenvalues[:, :1]
    index = np.arange(1, scaled.shape[1] + 1)
    for row in scaled:
        ax.plot(index, np.where(row > 0, row, np.nan), color=BLUE, lw=0.8, alpha=0.5)
    ax.plot([], [], color=BLUE, lw=1.2, label=f"$K_0$, {len(scaled)} initialisations and batches")
    if limit is not None:
        mean = (limit / limit[:, :1]).mean(0)
        ax.plot(index, np.where(mean > 0, mean, np.nan), color="black", lw=1.3, ls="--",
                label=r"$K_\infty$, mean over the batches")  # fmt: skip
    if fit is not None:
        a, constant, indices = fit
        k = np.array(indices, dtype=float)
        label = f"$k^{{-{a:.2f}}}$, fitted from {indices[0]} to {indices[-1]}"
        ax.plot(k, constant * k**-a, color=ORANGE, lw=1.6, ls=":", label=label)
    floor = float((floors / eigenvalues[:, 0]).max())
    if scaled[scaled > 0].min() < 100 * floor:
        ax.axhspan(ax.get_ylim()[0], floor, color=GREY, alpha=0.25, lw=0)
    ax.axhline(floor, color=GREY, lw=1.0, label="rounding of the eigenvalues")
    ax.set(yscale="log", xlabel="index $k$", ylabel=r"$\lambda_k / \lambda_1$")
    ax.set_title(title, fontsize=9)
    return _finish(ax)


def plot_rank_path(
    times: Array, ranks: Mapping[float, NDArray[np.int64]], title: str, ax: Axes | None = None
) -> Axes:
    """Effective ranks at some shares of the first lambda_1^(1/2) against time."""
    ax = new_axes(ax)
    for shade, (share, values) in zip(SHADES, ranks.items(), strict=False):
        label = rf"at ${share:g}\, \lambda_1(0)^{{1/2}}$"
        ax.plot(times, np.maximum(values, 0.5), "o-", ms=4, color=shade, lw=1.2, label=label)
    ax.set_xscale("symlog", linthresh=float(times[1]) if len(times) > 1 else 1.0)
    ax.set(yscale="log", xlabel="time $t$", ylabel=r"$\tilde p(F_t^{1/2})$")
    ax.set_title(title, fontsize=10)
    return _finish(ax)


def _ticks(ax: Axes, widths: Array) -> None:
    ax.set_xticks(widths, [f"{w:g}" for w in widths])
    ax.minorticks_off()


def _finish(ax: Axes) -> Axes:
    ax.legend(fontsize=8, frameon=False)
    ax.grid(color=GREY, alpha=0.15)
    return ax
