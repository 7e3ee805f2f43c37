"""Pictures of the dynamics: the gap, both sides of the theorem, spectral bias, rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compare.dynamics.runs import Modes, StackedRuns
from compare.figure_style import BLUE, GREY, ORANGE, new_axes
from compare.theory import Inequalities, Rates, mode_factor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_gap", "plot_modes", "plot_rates", "plot_scaling", "plot_theorem"]

Array = NDArray[np.float64]
PART_STYLES = {
    "gap": (r"total gap", "black"),
    "drift": (r"drift, $K_t - K_0$", "#8a4fbf"),
    "initial": (r"initial kernel, $K_0 - K_\infty$", ORANGE),
    "sampling": (r"sampling, $n$ points", BLUE),
}


class Gap(Protocol):
    """What the pictures show of a measurement of the gap; ``DynamicsGap`` has it."""

    @property
    def config(self) -> dict[str, Any]: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def times(self) -> Array: ...
    @property
    def modes(self) -> Modes: ...
    @property
    def runs(self) -> StackedRuns: ...
    def theorem(self) -> Inequalities: ...
    def epsilon(self, corollary: bool = True) -> Array: ...


class Scaling(Protocol):
    """What the picture shows of a scaling measurement; ``DynamicsScaling`` has it."""

    @property
    def widths(self) -> tuple[int, ...]: ...
    @property
    def samples(self) -> tuple[float, ...]: ...
    @property
    def epsilon(self) -> Array: ...
    def means(self) -> tuple[Array, Array]: ...
    def fit(self, widths: Array, samples: float) -> Array: ...


def plot_gap(result: Gap, ax: Axes | None = None) -> Axes:
    """The gap and its parts over time, means with two standard errors."""
    ax = new_axes(ax)
    t, norm = result.times, float(np.sqrt(result.modes.square_norm))
    seen = t > 0
    for part, (label, colour) in PART_STYLES.items():
        mean = getattr(result, part)[seen] / norm
        error = 2 * getattr(result, f"{part}_stderr")[seen] / norm
        low = np.maximum(mean - error, mean / 10)  # a band to 0 has no place on a log axis
        ax.plot(t[seen], mean, color=colour, lw=2 if part == "gap" else 1.3, label=label)
        ax.fill_between(t[seen], low, mean + error, color=colour, alpha=0.13, lw=0)
    for sigma in result.modes.eigenvalues[:10]:
        if t[seen][0] < 1 / sigma < t[-1]:
            ax.axvline(1 / sigma, color=GREY, lw=0.6, ls=":", zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="time $t$ (dotted: $1/\\sigma_k$)")
    ax.set_ylabel(r"$L^2(\rho)$ norm over $\|f^*\|$")
    ax.set_title(f"width {result.config['width']}, {result.config['samples']} samples", fontsize=10)
    return _finish(ax)


def plot_modes(result: Gap, ax: Axes | None = None, count: int = 5) -> Axes:
    """Projections on eigenspaces at the evaluation points against exp(-sigma_k t)."""
    ax = new_axes(ax)
    strong = result.modes.energies > 1e-3 * result.modes.square_norm
    chosen = np.flatnonzero(strong)[:count]
    t = result.times
    line = np.linspace(0, t[-1], 300)
    for colour, k in zip(_shades(len(chosen)), chosen, strict=True):
        a = result.runs.amplitudes[:, :, k]
        sigma = result.modes.eigenvalues[k]
        ax.plot(line, np.exp(-sigma * line), color=colour, lw=1, ls="--")
        ax.plot(t, a.mean(axis=0), "o", ms=3, color=colour, label=_name(result.labels[k]))
        if len(a) > 1:
            spread = a.std(axis=0, ddof=1)
            ax.fill_between(
                t, a.mean(0) - spread, a.mean(0) + spread, color=colour, alpha=0.15, lw=0
            )
    ax.plot([], [], color=GREY, ls="--", lw=1, label=r"$\exp(-\sigma_k t)$")
    if len(result.runs.own) > 1:
        ax.fill_between([], [], color=GREY, alpha=0.25, lw=0, label="± standard deviation of seeds")
    ax.set(xlabel="time $t$", ylabel=r"$\langle r_t, \Pi_k r_0\rangle / \|\Pi_k r_0\|^2$")
    ax.set(ylim=(-0.12, 1.05), xlim=(0, t[-1]))
    n = result.config["samples"]
    ax.set_title(f"at points it was not trained on; {n} samples", fontsize=10)
    return _finish(ax)


def plot_theorem(result: Gap, ax: Axes | None = None) -> Axes:
    """Left and right sides for the first, the middle and all eigenspaces, worst seed."""
    ax = new_axes(ax)
    found, t = result.theorem(), result.times
    last = found.left.shape[-1] - 1
    chosen = sorted({0, min(4, last - 1), last})
    for colour, k in zip(_shades(len(chosen)), chosen, strict=True):
        label = r"all: $t^2$" if k == last else f"up to {_name(result.labels[k])}"
        ax.plot(t[1:], found.left[:, 1:, k].max(axis=0), color=colour, lw=1.6, label=label)
        ax.plot(t[1:], found.right[:, 1:, k].min(axis=0), color=colour, lw=1.2, ls="--")
        needed = (
            result.epsilon()[:, -1].max()
            * mode_factor(np.append(result.modes.eigenvalues, 0.0)[[k]], t)[:, 0] ** 2
        )
        ax.plot(t[1:], needed[1:], color=colour, lw=0.9, ls=":")
    ax.plot([], [], color=GREY, label="left side, largest of the seeds")
    ax.plot([], [], color=GREY, ls="--", label=r"right side, $\epsilon = 0$, smallest")
    ax.plot([], [], color=GREY, ls=":", label=r"Corollary 3.7 with its $\epsilon$")
    ax.set(xscale="log", yscale="log", xlabel="time $t$", ylabel="both sides of the inequality")
    slack = found.slack
    ax.set_title(f"Theorem 3.5: left side at most {slack:.2g} of the right", fontsize=10)
    return _finish(ax)


def plot_rates(rates: Rates, ax: Axes | None = None) -> Axes:
    """Fitted rates against eigenvalues, with intervals."""
    ax = new_axes(ax)
    sigma, fitted = rates.eigenvalues, rates.rates
    line = np.array([sigma.min() / 1.5, sigma.max() * 1.5])
    ax.plot(line, line, color=GREY, lw=1, ls="--", label="rate = eigenvalue")
    errors = np.abs(rates.intervals - fitted[:, None]).T
    ax.errorbar(
        sigma, fitted, errors, fmt="o", ms=4, color=BLUE, capsize=2,
        label=f"fitted, {rates.confidence:.0%} interval",
    )  # fmt: skip
    ax.set(xscale="log", xlabel=r"eigenvalue $\sigma_k$", ylabel="decay rate of the projection")
    if np.all(fitted > 0):
        ax.set(yscale="log", ylim=(sigma.min() / 3, sigma.max() * 3))
    return _finish(ax)


def plot_scaling(result: Scaling, ax: Axes | None = None) -> Axes:
    """The eps of Corollary 3.7 against the width, one line for each number of samples."""
    ax = new_axes(ax)
    m = np.array(result.widths, dtype=float)
    line, (means, errors) = np.geomspace(m[0], m[-1], 60), result.means()
    for colour, n, j in zip(
        _shades(len(result.samples)), result.samples, range(len(result.samples)), strict=True
    ):
        label = f"$n = {n}$" if np.isfinite(n) else r"all of $\rho$"
        points = {"fmt": "o", "ms": 4, "capsize": 2, "color": colour, "label": label}
        ax.errorbar(m, means[:, j], 2 * errors[:, j], **points)
        ax.plot(line, result.fit(line, n), color=colour, lw=1)
    start = means[0].mean()
    ax.plot(
        line, start * np.sqrt(m[0] / line), ls="--", lw=1, color=GREY, label=r"paper: $m^{-1/2}$"
    )
    ax.set(xscale="log", yscale="log", xlabel="width $m$")
    ax.set_ylabel(r"$\epsilon$ of Corollary 3.7")
    ax.set_xticks(m, [f"{w:g}" for w in m])
    ax.minorticks_off()
    return _finish(ax)


def _name(label: str) -> str:
    return label if label.startswith("degree") else f"eigenspace {label}"


def _shades(count: int) -> list[Any]:
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 0.85, count)))


def _finish(ax: Axes) -> Axes:
    ax.legend(fontsize=7.5, frameon=False)
    ax.grid(color=GREY, alpha=0.15)
    return ax
