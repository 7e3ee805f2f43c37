r"""The record of a scaling measurement: smallest eps over widths and samples, and its fits."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compare.observations import student
from compare.rate import Floor, Interval, Joint, Power, fit_floor, fit_joint, fit_power
from compare.table import Table, write_arrays

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CONFIDENCE", "DynamicsScaling"]

Array = NDArray[np.float64]
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class DynamicsScaling:
    """Smallest eps of Corollary 3.7 over a grid of widths and numbers of samples.

    Every cell (m, n) has networks and samples of its own, so that the intervals cover both.
    They are conditional on the target and on the evaluation points.

    Attributes:
        config: everything needed to make it again.
        times: T up to which the inequalities are asked for, shape (T,).
        epsilon: of Corollary 3.7, shape (widths, samples, seeds, T).
        own: of the theorem with K = K_0, an extension, of the same shape.
        gap: ||r_t - exp(-T_K t) r_0||, of the same shape.
        moved: ||K_t - K_0||, of the same shape.
    """

    config: dict[str, Any]
    times: Array
    epsilon: Array
    own: Array
    gap: Array
    moved: Array

    @property
    def widths(self) -> tuple[int, ...]:
        """M."""
        return tuple(self.config["widths"])

    @property
    def samples(self) -> tuple[int, ...]:
        """N."""
        return tuple(self.config["samples"])

    def joint(self, own: bool = False) -> Joint:
        """E eps = a m^-p + b n^-q, up to the last time; with K = K_0 on request."""
        return fit_joint(*self._groups(self.own if own else self.epsilon), CONFIDENCE)

    def floor(self) -> Floor:
        """E eps = A/m + B/n + F."""
        return fit_floor(*self._groups(self.epsilon), CONFIDENCE)

    def fit(self, widths: Array, samples: int) -> Array:
        """The fitted a m^-p + b n^-q."""
        joint = self.joint()
        a, b = joint.constants
        return a * widths**-joint.width_exponent + b * samples**-joint.sample_exponent

    def time_exponent(self) -> tuple[float, Interval]:
        """S in eps ~ T^s over the last decade of T, at the largest m and n, with interval."""
        late = self.times >= max(self.times[-1] / 10, self.times[1])
        return _slopes(self.times[late], self.epsilon[-1, -1][:, late])

    def drift(self) -> Power:
        """E ||K_T - K_0||^2 = C m^-p at the last time, all numbers of samples together."""
        last = self.moved[..., -1].reshape(len(self.widths), -1) ** 2
        return fit_power(self.widths, list(last), CONFIDENCE)

    def drift_time_exponent(self) -> tuple[float, Interval]:
        """S in ||K_t - K_0|| ~ t^s over the last decade, at the largest m and n."""
        late = self.times >= max(self.times[-1] / 10, self.times[1])
        return _slopes(self.times[late], self.moved[-1, -1][:, late])

    @property
    def holds(self) -> bool | None:
        """Whether eps falls at least as fast as Corollary 3.7 says; None if undecided."""
        joint, floor = self.joint(), self.floor()
        last = float(self.epsilon[-1, -1, :, -1].mean())
        highs = joint.width_interval[1], joint.sample_interval[1]
        lows = joint.width_interval[0], joint.sample_interval[0]
        if min(highs) < 0.5 or floor.interval[0] > last / 2:
            return False
        if min(lows) > 0.5 and floor.interval[0] <= 0 and floor.interval[1] < last:
            return True
        return None

    @property
    def verdict(self) -> str:
        """The answer in words."""
        joint, floor = self.joint(), self.floor()
        last = float(self.epsilon[-1, -1, :, -1].mean())
        share = [value / last for value in (floor.floor, *floor.interval)]
        left = f"{share[0]:.0%} of the last eps in [{share[1]:.0%}, {share[2]:.0%}]"
        p, q = joint.width_interval, joint.sample_interval
        rates = (
            f"eps falls like m^-{joint.width_exponent:.2f} in [{p[0]:.2f}, {p[1]:.2f}] and"
            f" n^-{joint.sample_exponent:.2f} in [{q[0]:.2f}, {q[1]:.2f}], where the paper claims"
            f" 1/2 and 1/2; floor {left}"
        )
        if self.holds is False:
            return f"Corollary 3.7 fails: eps levels off or falls too slowly; {rates}"
        if self.holds is None:
            return f"undecided: {rates}; use more seeds or a wider range"
        return f"Corollary 3.7 holds: {rates}"

    def answers(self) -> dict[str, Any]:
        """The numbers one would print, as plain data."""
        joint, own, floor, drift = self.joint(), self.joint(own=True), self.floor(), self.drift()
        time, time_interval = self.time_exponent()
        drift_time, drift_time_interval = self.drift_time_exponent()
        return {
            "width_exponent": joint.width_exponent,
            "width_interval": list(joint.width_interval),
            "sample_exponent": joint.sample_exponent,
            "sample_interval": list(joint.sample_interval),
            "own_width_exponent": own.width_exponent,
            "own_width_interval": list(own.width_interval),
            "own_sample_exponent": own.sample_exponent,
            "own_sample_interval": list(own.sample_interval),
            "floor": floor.floor,
            "floor_interval": list(floor.interval),
            "time_exponent": time,
            "time_interval": list(time_interval),
            "drift_exponent": drift.exponent / 2,
            "drift_interval": [end / 2 for end in drift.interval],
            "drift_time_exponent": drift_time,
            "drift_time_interval": list(drift_time_interval),
            "verdict": self.verdict,
            "holds": self.holds,
        }

    def table(self) -> Table:
        """Measured exponents beside those of the paper."""
        a = self.answers()
        head = ("quantity", "measured", "interval", "paper")
        rows = (
            ("ε against m", a["width_exponent"], a["width_interval"], "≥ 1/2"),
            ("ε against n", a["sample_exponent"], a["sample_interval"], "≥ 1/2"),
            ("ε against T", a["time_exponent"], a["time_interval"], "≤ 1 (n), ≤ 2 (m)"),
            ("ε of K = K_0 against m", a["own_width_exponent"], a["own_width_interval"], "≥ 1/2"),
            ("ε of K = K_0 against n", a["own_sample_exponent"], a["own_sample_interval"], "≥ 1/2"),
            ("‖K_T - K_0‖ against m", a["drift_exponent"], a["drift_interval"], "≥ 1/2"),
            (
                "‖K_t - K_0‖ against t",
                a["drift_time_exponent"],
                a["drift_time_interval"],
                "bound 1/2",
            ),
        )
        return Table(head, tuple((q, f"{v:.3f}", f"[{i[0]:.3f}, {i[1]:.3f}]", p)
                                 for q, v, i, p in rows))  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Eps against the width for every number of samples, with the fit."""
        from compare.dynamics_figures import plot_scaling  # matplotlib is slow to import

        return plot_scaling(self, ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file, whole or not there at any instant."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        write_arrays(Path(path), words=np.array(json.dumps(self.config)), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DynamicsScaling:
        """Read what ``save`` wrote; the fits are made again."""
        with np.load(path, allow_pickle=False) as data:
            return cls(json.loads(str(data["words"])), *(data[name] for name in _ARRAYS))

    def _groups(self, values: Array) -> tuple[list[int], list[int], list[Array]]:
        pairs = [(i, j) for i in range(len(self.widths)) for j in range(len(self.samples))]
        groups = [values[i, j, :, -1] for i, j in pairs]
        return [self.widths[i] for i, _ in pairs], [self.samples[j] for _, j in pairs], groups

    def __str__(self) -> str:
        return f"{self.config['network']} on {self.config['inputs']}: {self.verdict}"

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table()._repr_html_()}"


_ARRAYS = ("times", "epsilon", "own", "gap", "moved")


def _slopes(times: Array, values: Array) -> tuple[float, Interval]:
    """Slope of log values over log times for every seed: mean and Student's interval."""
    x = np.log(times) - np.log(times).mean()
    y = np.log(np.maximum(values, 1e-300))
    slopes = (y @ x) / (x @ x)
    return float(slopes.mean()), student(slopes, CONFIDENCE)
