r"""The record of a scaling measurement: smallest eps over widths and samples, and its fits."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analytic.files import read_arrays, write_arrays
from compare.configuration import check_arrays, check_rising, packed, plausible, unpacked
from compare.dynamics.failure_shares import Failures, joint_failures
from compare.dynamics.figures import plot_scaling
from compare.dynamics.runs import stderr
from compare.rate import (
    Controlled,
    Distances,
    Floor,
    Interval,
    Joint,
    Power,
    fit_floor,
    fit_joint,
    fit_power,
    slopes,
    student_of_mean,
)
from compare.table import Table
from compare.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CONFIDENCE", "DynamicsScaling"]

Array = NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class DynamicsScaling:
    """Smallest eps of Corollary 3.7 over a grid of widths and numbers of samples.

    Every cell (m, n) has networks and samples of its own; intervals are conditional on the target
    and on the evaluation points.

    Attributes:
        config: everything needed to make it again.
        times: T up to which the inequalities are asked for, shape (T,).
        epsilon: of Corollary 3.7, shape (widths, samples, seeds, T).
        own: of the theorem with K = K_0, an extension, of the same shape.
        gap: ||r_t - exp(-T_K t) r_0||, of the same shape.
        moved: ||K_t - K_0||, of the same shape.
        controls: eps at the last time for the linearisation of the same networks on the same
            samples, shape (widths, samples, seeds).
        linearised: the same for networks that were not trained, shape (widths, samples, L);
            with L = 0 the fits do without.
    """

    config: dict[str, Any]
    times: Array
    epsilon: Array
    own: Array
    gap: Array
    moved: Array
    controls: Array
    linearised: Array

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths m."""
        return tuple(self.config["widths"])

    @property
    def samples(self) -> tuple[float, ...]:
        """The numbers of samples n; inf for networks that were trained on all of rho."""
        return tuple(math.inf if n is None else n for n in self.config["samples"])

    def means(self) -> tuple[Array, Array]:
        """E eps at the last time and its standard error, shape (widths, samples) each."""
        shape, groups = (len(self.widths), len(self.samples)), self._groups()
        errors = [
            np.sqrt(sum(g.variances())) if isinstance(g, Controlled) else stderr(g) for g in groups
        ]
        return np.reshape([g.mean() for g in groups], shape), np.reshape(errors, shape)

    def joint(self, own: bool = False) -> Joint:
        """E eps = a m^-p + b n^-q, up to the last time; with K = K_0 on request."""
        values = self.own[..., -1].reshape(-1, self.own.shape[2])
        return fit_joint(*self._cells(), list(values) if own else self._groups(), CONFIDENCE)

    def floor(self) -> Floor:
        """E eps = A/m + B/n + F."""
        return fit_floor(*self._cells(), self._groups(), CONFIDENCE)

    def fit(self, widths: Array, samples: float) -> Array:
        """The fitted a m^-p + b n^-q."""
        joint = self.joint()
        a, b = joint.constants
        total = np.zeros(len(widths))
        if a:
            total += a * widths**-joint.width_exponent
        if b:
            total += b * samples**-joint.sample_exponent
        return total

    def time_exponent(self, column: int = -1) -> tuple[float, Interval]:
        """The s in eps ~ T^s over the last decade of T, at the largest m, with interval.

        Args:
            column: which number of samples.
        """
        late = self.times >= max(self.times[-1] / 10, self.times[1])
        return _slopes(self.times[late], self.epsilon[-1, column][:, late])

    def failures(self) -> Failures:
        """How often networks and samples together miss eps <= kappa (m^(-1/2) + n^(-1/2)).

        The paper's statements hold with high probability over both theta_0 and the sample; every
        seed has a network and a sample of its own, so that the shares are those of both.
        """
        return joint_failures(self.widths, self.samples, self.epsilon[..., -1], CONFIDENCE)

    def drift(self) -> Power:
        """E ||K_T - K_0||^2 = C m^-p at the last time, all numbers of samples together."""
        last = self.moved[..., -1].reshape(len(self.widths), -1) ** 2
        return fit_power(self.widths, list(last), CONFIDENCE)

    def drift_time_exponent(self) -> tuple[float, Interval]:
        """The s in ||K_t - K_0|| ~ t^s over the last decade, at the largest m and n."""
        late = self.times >= max(self.times[-1] / 10, self.times[1])
        return _slopes(self.times[late], self.moved[-1, -1][:, late])

    @property
    def judgement(self) -> Verdict:
        """Corollary 3.7 claims that eps falls like m^(-1/2) and n^(-1/2) at least."""
        joint, floor = self.joint(), self.floor()
        last = float(self.epsilon[-1, -1, :, -1].mean())
        share = [value / last for value in (floor.floor, *floor.interval)]
        rates = (
            f"{_fall('m', joint.width_exponent, joint.width_interval)} and"
            f" {_fall('n', joint.sample_exponent, joint.sample_interval)}, where the paper claims"
            f" 1/2; floor {share[0]:.0%} of the last eps in [{share[1]:.0%}, {share[2]:.0%}]"
        )
        lows, highs = np.array([joint.width_interval, joint.sample_interval]).T
        if np.nanmin(highs, initial=np.inf) < 0.5 or floor.interval[0] > last / 2:
            return Verdict(Outcome.FAILS, f"eps levels off or falls too slowly; {rates}")
        gone = floor.interval[0] <= 0 and floor.interval[1] < last
        if gone and np.nanmin(lows, initial=np.inf) > 0.5:
            return Verdict(Outcome.HOLDS, rates)
        return Verdict(Outcome.UNDECIDED, f"{rates}; use more seeds or a wider range")

    @property
    def holds(self) -> bool | None:
        """Whether eps falls at least as fast as Corollary 3.7 says; None if undecided."""
        return self.judgement.holds

    @property
    def verdict(self) -> str:
        """The answer in words."""
        found = self.judgement
        subject = "" if found.outcome is Outcome.UNDECIDED else "Corollary 3.7 "
        return f"{subject}{found.outcome}: {found.reason}"

    def exponents(self) -> list[tuple[str, float, Interval, float, int]]:
        """What was fitted: (name, exponent, interval, the paper's, sign).

        Sign 1 means that the paper claims at least its exponent, -1 at most, and 0 that its
        exponent is that of a bound whose constant is another matter.
        """
        joint, own, drift = self.joint(), self.joint(own=True), self.drift()
        low, high = drift.interval
        finite = sum(map(math.isfinite, self.samples)) - 1
        rows = [
            ("ε against m", joint.width_exponent, joint.width_interval, 0.5, 1),
            ("ε against n", joint.sample_exponent, joint.sample_interval, 0.5, 1),
            (f"ε against T, n = {self.samples[finite]}", *self.time_exponent(finite), 1.0, -1),
            ("ε for K = K_0 against m", own.width_exponent, own.width_interval, 0.5, 1),
            ("ε for K = K_0 against n", own.sample_exponent, own.sample_interval, 0.5, 1),
            ("‖K_T - K_0‖ against m", drift.exponent / 2, (low / 2, high / 2), 0.5, 1),
            ("‖K_t - K_0‖ against t", *self.drift_time_exponent(), 0.5, 0),
        ]
        if math.isinf(self.samples[-1]):
            rows.insert(3, ("ε against T, n = all", *self.time_exponent(), 2.0, -1))
        return rows

    def answers(self) -> dict[str, Any]:
        """The numbers one would print, as plain data."""
        floor = self.floor()
        fits = {
            name: {"exponent": value, "interval": list(interval), "paper": paper}
            for name, value, interval, paper, _ in self.exponents()
        }
        return {
            "exponents": fits,
            "joint_failures": self.failures().share.tolist(),
            "floor": floor.floor,
            "floor_interval": list(floor.interval),
            "verdict": self.verdict,
            "holds": self.holds,
        }

    def table(self) -> Table:
        """Measured exponents beside those of the paper, and by how much they are better."""
        head = ("quantity", "exponent", "interval", "paper", "better by")
        signs = {1: "at least", -1: "at most", 0: "bound"}
        rows = tuple(
            (
                name,
                f"{value:.3f}" if np.isfinite(value) else "not visible",
                f"[{low:.3f}, {high:.3f}]" if np.isfinite(value) else "",
                f"{signs[sign]} {paper:g}",
                f"{sign * (value - paper):.2f}" if sign and np.isfinite(value) else "",
            )
            for name, value, (low, high), paper, sign in self.exponents()
        )
        return Table(head, rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The eps of Corollary 3.7 against the width for every number of samples, with the fit."""
        return plot_scaling(self, ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file, whole or not there at any instant."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        write_arrays(Path(path), {"words": packed(self.config), **arrays})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DynamicsScaling:
        """Read what ``save`` wrote; the fits are made again.

        Raises:
            ValueError: the file is damaged, or holds something else or what makes no sense.
        """
        what = "a record of dynamics_scaling"
        data = read_arrays(Path(path), what, ("words", *_ARRAYS))
        with plausible(path, what):
            config = unpacked(data["words"], ("network", "inputs", "widths", "samples"))
            found = cls(config, *(data[name] for name in _ARRAYS))
            check_rising("widths", (0, *found.widths), 2)
            check_rising("times", found.times.tolist(), 2)
            if not all(n > 0 for n in found.samples):
                raise ValueError(f"numbers of samples {found.samples}")
            grid = "widths samples seeds"
            shapes = {"times": "times", "controls": grid, "linearised": "widths samples others"}
            shapes |= dict.fromkeys(("epsilon", "own", "gap", "moved"), f"{grid} times")
            sizes = {"widths": len(found.widths), "samples": len(found.samples)}
            check_arrays(data, shapes, sizes, positive=_ARRAYS)
            str(found)  # it has an answer
            return found

    def _cells(self) -> tuple[list[int], list[float]]:
        """m and n of every cell."""
        pairs = list(product(self.widths, self.samples))
        return [m for m, _ in pairs], [n for _, n in pairs]

    def _groups(self) -> list[Distances]:
        """eps of every cell at the last time, with its control variate."""
        parts = (self.epsilon[..., -1], self.controls, self.linearised)
        cells = len(self.widths) * len(self.samples)
        values, controls, others = (a.reshape(cells, a.shape[-1]) for a in parts)
        if not others.shape[-1]:
            return list(values)
        return [Controlled(*group) for group in zip(values, controls, others, strict=True)]

    def __str__(self) -> str:
        return f"{self.config['network']} on {self.config['inputs']}: {self.verdict}"

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table()._repr_html_()}"


_ARRAYS = ("times", "epsilon", "own", "gap", "moved", "controls", "linearised")


def _fall(name: str, exponent: float, interval: Interval) -> str:
    if not np.isfinite(exponent):
        return f"eps does not visibly depend on {name}"
    low, high = interval
    return f"eps falls with exponent {exponent:.2f} in [{low:.2f}, {high:.2f}] in {name}"


def _slopes(times: Array, values: Array) -> tuple[float, Interval]:
    """Slope of log values over log times for every seed: mean and Student's interval."""
    found = slopes(times, np.maximum(values, 1e-300).T)
    return float(found.mean()), student_of_mean(found, CONFIDENCE)
