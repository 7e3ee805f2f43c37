r"""The record of a measurement of the dynamics gap, and the answers that follow from it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analytic.files import read_arrays, write_arrays
from compare.configuration import check_entries, packed, plausible, unpacked
from compare.dynamics.doubt import Doubt
from compare.dynamics.figures import plot_gap, plot_modes, plot_rates, plot_theorem
from compare.dynamics.runs import SHAPES, Modes, StackedRuns, from_arrays, mean_error, stderr
from compare.dynamics.trajectories import GAP_PARTS
from compare.table import Table
from compare.theory import Inequalities, Rates, decay_rates, stopping_times, theorem
from compare.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DynamicsGap"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DynamicsGap:
    """How far trained networks are from exp(-T_K t) r_0, and why.

    ``gap``, ``drift``, ``initial`` and ``sampling`` are L2(rho) norms, means over the seeds,
    shape (T,), each with a standard error ``gap_stderr`` and so on. A seed is a network and,
    unless the sample is shared, a sample of its own: the standard errors cover both. They are
    conditional on the evaluation points, unless these are a quadrature rule or all of rho.

    Attributes:
        config: everything needed to make it again.
        labels: what the eigenspaces are.
        times: from 0 to the last time that was reached, shape (T,).
        modes: the eigenspaces and the target.
        runs: what every seed gave.
    """

    config: dict[str, Any]
    labels: tuple[str, ...]
    times: Array
    modes: Modes
    runs: StackedRuns

    def _mean(self, part: str) -> Array:
        return self.runs.norms[:, GAP_PARTS.index(part)].mean(axis=0)

    def _stderr(self, part: str) -> Array:
        return stderr(self.runs.norms[:, GAP_PARTS.index(part)])

    @property
    def gap(self) -> Array:
        """||r_t - exp(-T_K t) r_0||, shape (T,)."""
        return self._mean("gap")

    @property
    def gap_stderr(self) -> Array:
        """Its standard error, shape (T,)."""
        return self._stderr("gap")

    @property
    def drift(self) -> Array:
        """||r_t - r_t^lin||: what the change of the kernel did, shape (T,)."""
        return self._mean("drift")

    @property
    def drift_stderr(self) -> Array:
        """Its standard error, shape (T,)."""
        return self._stderr("drift")

    @property
    def initial(self) -> Array:
        """||r_t^lin - r_t^n||: what K_0 - K_inf did, shape (T,)."""
        return self._mean("initial")

    @property
    def initial_stderr(self) -> Array:
        """Its standard error, shape (T,)."""
        return self._stderr("initial")

    @property
    def sampling(self) -> Array:
        """||r_t^n - exp(-T_K t) r_0||: what n samples instead of rho did, shape (T,)."""
        return self._mean("sampling")

    @property
    def sampling_stderr(self) -> Array:
        """Its standard error, shape (T,)."""
        return self._stderr("sampling")

    def theorem(self) -> Inequalities:
        """Both sides of both inequalities of Theorem 3.5 with K = K_inf, for every seed.

        The arrays are (S, T, k + 1): complete eigenspaces k, and the second inequality last.
        """
        gap = self.runs.norms[:, 0] ** 2
        spaces = self.runs.spaces[:, 0]
        distance = np.maximum(self.runs.distance, 0.0)  # a U-statistic may be negative
        sup = float(self.modes.supremum)
        return theorem(self.times, self.modes.eigenvalues, spaces, gap, sup, distance)

    def epsilon(self, corollary: bool = True) -> Array:
        """Smallest eps that makes Corollary 3.7 (or Theorem 3.5) true up to t, shape (S, T)."""
        if not corollary:
            return self.theorem().epsilon
        gap, spaces = self.runs.norms[:, 0] ** 2, self.runs.spaces[:, 0]
        return theorem(self.times, self.modes.eigenvalues, spaces, gap).epsilon

    def own_epsilon(self) -> Array:
        """The same for Theorem 3.5 with K = K_0: an extension, since K_0 is random; (S, T)."""
        return self.runs.own

    def rates(self, count: int = 10) -> Rates:
        """Observation 3.8: fitted decay rates beside the eigenvalues.

        Eigenspaces in which the target has less than a thousandth of its energy are left out.
        """
        strong = self.modes.energies > 1e-3 * self.modes.square_norm
        amplitudes = np.where(strong, self.runs.amplitudes, np.nan)
        return decay_rates(
            self.times, amplitudes, self.modes.eigenvalues, self.labels,
            count=count, confidence=self.config["confidence"],
        )  # fmt: skip

    def stopping_tests(self, count: int = 10) -> list[tuple[int, Array, Array, float]]:
        """Corollary 3.10 at T_k = log(||f*||/eps)/sigma_k, for the k whose T_k was reached.

        For each the index k, ||P_k r_T||^2 and ||r_T||^2/2 for every seed, and
        ||(I - P_k) f*||^2.
        """
        sup, epsilon = float(self.modes.supremum), self.config["epsilon"]
        stop = stopping_times(self.modes.eigenvalues, sup, epsilon)
        tails = np.maximum(self.modes.square_norm - np.cumsum(self.modes.energies), 0.0)
        learnt = np.cumsum(self.runs.residual[:, :, :-1], axis=2)
        tests: list[tuple[int, Array, Array, float]] = []
        for k in range(min(count, len(stop))):
            at = np.flatnonzero(np.isclose(self.times, stop[k], rtol=1e-6))
            if at.size:
                half = self.runs.residual[:, at[0], -1] / 2
                tests.append((k, learnt[:, at[0], k], half, float(tails[k])))
        return tests

    def stopping(self, count: int = 10) -> Table:
        """Corollary 3.10 as a table."""
        epsilon = self.config["epsilon"]
        stop = stopping_times(self.modes.eigenvalues, float(self.modes.supremum), epsilon)
        head = ("up to", "T_k", "||P_k r_T||²", "ε", "½ ||r_T||²", "||(I - P_k) f*||²")
        rows = tuple(
            (
                self.labels[k],
                f"{stop[k]:.4g}",
                mean_error(inside),
                f"{epsilon:.3g}",
                mean_error(test),
                f"{tail:.4g}",
            )
            for k, inside, test, tail in self.stopping_tests(count)
        )
        return Table(head, rows)

    @property
    def holds(self) -> bool | None:
        """True if Theorem 3.5 needs no eps for any seed; None if it needs some, or in doubt."""
        return self.judgement.holds

    @property
    def doubt(self) -> Doubt | None:
        """Why nothing can be said, if nothing can."""
        if len(self.times) < 2:
            return Doubt.UNREACHED
        return Doubt.IDENTITY if self._defect > 1000 * self.config["rtol"] else None

    @property
    def _defect(self) -> float:
        """By how much Duhamel's formula or the energy identity is off, in the worst seed."""
        return float(np.abs(np.nan_to_num(self.runs.checks[:, :2])).max())

    @property
    def judgement(self) -> Verdict:
        """Theorem 3.5 holds if no seed needs an eps; with some eps it always does: undecided."""
        if self.doubt is Doubt.UNREACHED:
            return Verdict(Outcome.UNDECIDED, "no time after 0 was reached by every seed")
        if self.doubt is Doubt.IDENTITY:
            reason = f"an identity of the flow is off by {self._defect:.1e}, by the flow or by the"
            return Verdict(Outcome.UNDECIDED, f"{reason} check's nodes")
        needed = self.epsilon(False)[:, -1]
        if np.all(needed == 0):
            reason = f"Theorem 3.5 holds with eps = 0 for all {len(needed)} seeds"
            return Verdict(Outcome.HOLDS, reason)
        return Verdict(Outcome.UNDECIDED, f"Theorem 3.5 needs eps = {mean_error(needed)}")

    @property
    def verdict(self) -> str:
        """The answer in words."""
        found = self.judgement
        if self.doubt:
            return f"{found.outcome}: {found.reason}"
        most = max(GAP_PARTS[1:], key=lambda part: float(self._mean(part)[-1]))
        norm = float(np.sqrt(self.modes.square_norm))
        return (
            f"up to t = {self.times[-1]:.4g}: {found.reason}; Corollary 3.7 needs eps ="
            f" {mean_error(self.epsilon()[:, -1])}; the gap ends at"
            f" {mean_error(self.runs.norms[:, 0, -1] / norm)} of ||f*||, most of it {most}"
        )

    def answers(self) -> dict[str, Any]:
        """The numbers one would print, as plain data."""
        end = {part: float(self._mean(part)[-1]) for part in GAP_PARTS}
        errors = {f"{part}_stderr": float(self._stderr(part)[-1]) for part in GAP_PARTS}
        rates = self.rates()
        return {
            "horizon": float(self.times[-1]),
            **end,
            **errors,
            "epsilon_corollary": self.epsilon()[:, -1].tolist(),
            "epsilon_theorem": self.epsilon(False)[:, -1].tolist(),
            "epsilon_own": self.runs.own[:, -1].tolist(),
            "largest_left_over_right": self.theorem().slack,
            "kernel_drift": float(self.runs.moved[:, -1].mean()),
            "rates": rates.rates.tolist(),
            "rate_intervals": rates.intervals.tolist(),
            "rate_eigenvalues": rates.eigenvalues.tolist(),
            "duhamel": float(self.runs.checks[0, 0]),
            "energy": float(self.runs.checks[0, 1]),
            "verdict": self.verdict,
            "holds": self.holds,
        }

    def table(self, rows: int = 10) -> Table:
        """The gap and its parts at some of the times, with standard errors."""
        head = ("t", "sigma_1 t", *GAP_PARTS, "||K_t - K_0||")
        chosen = np.unique(np.linspace(0, len(self.times) - 1, rows).round().astype(int))
        columns = [*(self.runs.norms[:, i] for i in range(4)), self.runs.moved]
        body = tuple(
            (
                f"{self.times[i]:.4g}",
                f"{self.times[i] * self.modes.eigenvalues[0]:.3g}",
                *(mean_error(column[:, i]) for column in columns),
            )
            for i in chosen
        )
        return Table(head, body)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The gap and its three parts over time, with two standard errors."""
        return plot_gap(self, ax)

    def plot_modes(self, ax: Axes | None = None, count: int = 5) -> Axes:
        """Spectral bias outside the training set: projections against exact exponentials."""
        return plot_modes(self, ax, count)

    def plot_theorem(self, ax: Axes | None = None) -> Axes:
        """Both sides of Theorem 3.5."""
        return plot_theorem(self, ax)

    def plot_rates(self, ax: Axes | None = None) -> Axes:
        """Observation 3.8: fitted rates against eigenvalues."""
        return plot_rates(self.rates(), ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file; it is whole or not there at any instant."""
        arrays = {name: attrgetter(name)(self) for name in SHAPES}
        words = packed({"config": self.config, "labels": self.labels})
        write_arrays(Path(path), {"words": words, **arrays})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DynamicsGap:
        """Read what ``save`` wrote.

        Raises:
            ValueError: the file is damaged, or holds something else or what makes no sense.
        """
        what = "a record of dynamics_gap"
        data = read_arrays(Path(path), what, ("words", *SHAPES))
        with plausible(path, what):
            words = unpacked(data["words"], ("config", "labels"))
            check_entries(words["config"], ("network", "inputs", "epsilon", "confidence", "rtol"))
            modes, runs = from_arrays(data, len(words["labels"]))
            found = cls(words["config"], tuple(words["labels"]), data["times"], modes, runs)
            str(found)  # it has an answer
            return found

    def __str__(self) -> str:
        return f"{self.config['network']} on {self.config['inputs']}: {self.verdict}"

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table()._repr_html_()}"
