"""The leading spectrum of K_0 over initialisations and batches, and what is read off it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analytic.files import read_arrays, write_arrays
from compare.configuration import check_arrays, packed, plausible, unpacked
from compare.low_rank.figures import plot_spectrum
from compare.low_rank.power_tail import PowerTail, fit_tail
from compare.table import Table
from compare.verdict import Outcome, Verdict
from empirical import effective_rank, participation_ratio, stable_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Spectrum"]

Array = NDArray[np.float64]
TAIL_FROM = 10
"""Where the tail begins that is fitted."""
FEW_OF_ALL = 0.05
"""The share of the points, or of the parameters, that is few."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Leading eigenvalues of K_0/n.

    Attributes:
        config: everything needed to make it again.
        eigenvalues: descending, shape (seeds, k).
        floors: what rounding makes of an eigenvalue that is zero: the unit of rounding times
            the largest eigenvalue, or the most negative eigenvalue if that is more, (seeds,).
        limit: eigenvalues of K_inf/n on the same batches, shape (seeds, k), or None.
    """

    config: dict[str, Any]
    eigenvalues: Array
    floors: Array
    limit: Array | None

    @property
    def normalised(self) -> Array:
        """lambda_k/lambda_1, shape (seeds, k)."""
        return self.eigenvalues / self.eigenvalues[:, :1]

    def tail(self, first: int = TAIL_FROM, last: int | None = None) -> PowerTail:
        """lambda_k/lambda_1 = C k^(-a) over a range of k that is above the rounding.

        Raises:
            ValueError: fewer than three eigenvalues are in it.
        """
        end = self.eigenvalues.shape[1] if last is None else last
        return fit_tail(self.eigenvalues, self.floors, min(first, max(1, end // 4)), end)

    @property
    def _tail(self) -> PowerTail | None:
        """The tail, where enough of it is above the rounding."""
        try:
            return self.tail()
        except ValueError:
            return None

    @property
    def deviation(self) -> float | None:
        """The largest modulus of log10 of lambda_k(K_0)/lambda_k(K_inf), means over the seeds.

        Of the fitted range, or of the first where none can be fitted; None where there is no K_inf.
        """
        if self.limit is None:
            return None
        found = self._tail
        end = found.last if found else 1
        logs = np.log10(self.eigenvalues[:, :end]) - np.log10(
            np.maximum(self.limit[:, :end], 1e-300)
        )
        return float(np.abs(logs.mean(axis=0)).max())

    @property
    def ranks(self) -> tuple[int, ...]:
        """How many eigenvalues of F^(1/2) are above a tenth of the largest, for every seed."""
        return tuple(effective_rank(row, 0.1 * row[0] ** 0.5) for row in self.eigenvalues)

    @property
    def judgement(self) -> Verdict:
        """Low effective rank: few of as many dimensions as there are points are above a tenth."""
        allowed = FEW_OF_ALL * min(self.config["points"], self.config["parameters"])
        low, high = min(self.ranks), max(self.ranks)
        holds = True if high <= allowed else False if low > allowed else None
        reason = (
            f"between {low} and {high} eigenvalues of F^(1/2) are above a tenth of the largest, of"
            f" {self.config['points']} points and {self.config['parameters']} parameters;"
            f" {self._tail or 'too few are above the rounding for a power law'}"
        )
        return Verdict(Outcome.of(holds), reason)

    @property
    def verdict(self) -> str:
        """Low effective rank: "holds", "fails" or "undecided"."""
        return str(self.judgement.outcome)

    @property
    def holds(self) -> bool | None:
        """Low effective rank: True, False, or None if the measurement does not decide."""
        return self.judgement.holds

    def table(self) -> Table:
        """Some eigenvalues over the largest, their spread, and those of the limit."""
        count = self.eigenvalues.shape[1]
        indices = sorted({1, *(k for k in (2, 5, 10, 20, 50, 100, 200, 500) if k < count), count})
        rows: list[tuple[str, ...]] = []
        for k in indices:
            column = self.normalised[:, k - 1]
            limit = "-"
            if self.limit is not None:
                limit = f"{np.mean(self.limit[:, k - 1] / self.limit[:, 0]):.3g}"
            rows.append(
                (
                    str(k),
                    f"{column.mean():.3g}",
                    f"{column.min():.3g}",
                    f"{column.max():.3g}",
                    limit,
                )
            )
        return Table(("k", "λ_k/λ_1", "least", "most", "of K∞"), tuple(rows))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Figure 1 of the paper: normalised eigenvalues against their index."""
        tail = self._tail
        fit = tail and (tail.exponent, tail.constant, range(tail.first, tail.last + 1))
        width = f", width {self.config['width']}" if self.config["width"] else ""
        title = (
            f"{self.config['network']}{width}\n{self.config['inputs']}, batches of"
            f" {self.config['points']}"
        )
        return plot_spectrum(self.eigenvalues, self.limit, self.floors, fit, title, ax)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a file .npz."""
        none = np.zeros((0, 0))
        arrays = {
            "eigenvalues": self.eigenvalues, "floors": self.floors,
            "limit": none if self.limit is None else self.limit, "config": packed(self.config),
        }  # fmt: skip
        write_arrays(Path(path), arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Spectrum:
        """Read what ``save`` wrote.

        Raises:
            ValueError: the file is damaged, or holds something else or what makes no sense.
        """
        what, names = "a record of spectrum", ("eigenvalues", "floors", "limit", "config")
        data = read_arrays(Path(path), what, names)
        limit = data["limit"] if data["limit"].size else None
        shapes = {"eigenvalues": "seeds k", "floors": "seeds"}
        with plausible(path, what):
            config = unpacked(data["config"], ("network", "inputs", "width", "points"))
            shapes |= {} if limit is None else {"limit": "seeds k"}
            check_arrays(data, shapes, {}, positive=("floors",))
            found = cls(config, data["eigenvalues"], data["floors"], limit)
            if not (found.eigenvalues[:, 0] > 0).all() or (np.diff(found.eigenvalues) > 0).any():
                raise ValueError("eigenvalues that do not descend from one above 0")
            str(found)  # it has an answer
            return found

    def answers(self) -> dict[str, Any]:
        """The numbers one would print, as plain data."""
        tail = self._tail
        fit: dict[str, Any] = {}
        if tail:
            fit = {
                "exponent": tail.exponent, "exponent_interval": list(tail.interval),
                "fitted_from": tail.first, "fitted_to": tail.last,
            }  # fmt: skip
        return fit | {
            "stable_rank": float(np.mean([stable_rank(e) for e in self.eigenvalues])),
            "participation_ratio": float(
                np.mean([participation_ratio(e) for e in self.eigenvalues])
            ),
            "floor": float((self.floors / self.eigenvalues[:, 0]).max()),
            "deviation": self.deviation, "verdict": self.verdict, "holds": self.holds,
            "reason": self.judgement.reason,
        }  # fmt: skip

    def __str__(self) -> str:
        beside = ""
        if self.deviation is not None:
            beside = f"; within a factor {10**self.deviation:.2f} of K_inf"
        return (
            f"{self.config['network']} on {self.config['inputs']}: low effective rank"
            f" {self.verdict} ({self.judgement.reason}{beside})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table()._repr_html_()}"
