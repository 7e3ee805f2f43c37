r"""How fast K_0 approaches K_inf, and whether Assumption 3.6 holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from analytic import Network, kernel
from analytic.files import read_data, write_data
from compare.provenance import versions
from compare.rate.figure import plot_convergence
from compare.rate.fits import Power, WidthExpansion, fit_expansion, fit_power
from compare.rate.judgement import Excess, excess, judge
from compare.rate.predicted_constant import predicted_mean
from compare.rate.statistics import Interval
from compare.rate.width_sweep import check_design, sweep
from compare.rho import Inputs
from compare.table import Table
from compare.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Convergence", "RequiredWidth", "convergence"]

Array = NDArray[np.float64]


class RequiredWidth(NamedTuple):
    """Widths that suffice for ||K_0 - K_inf||^2 <= epsilon with probability 1 - delta.

    ``measured`` reads them off the law of m D pooled over all widths; ``markov`` is
    C/(epsilon delta), which needs nothing but the mean.
    """

    measured: int
    markov: int


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
        first = 1 if len(self.widths) >= 5 else 0
        power = fit_power(self.widths[first:], self.distances[first:], confidence)
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
        """The verdict's reason, with the numbers."""
        return self.judgement.reason

    def required_width(self, epsilon: float, delta: float) -> RequiredWidth:
        """Widths that suffice for D <= epsilon with probability 1 - delta.

        Raises:
            ValueError: epsilon is not positive, or delta not between 0 and 1.
        """
        if not epsilon > 0 or not 0 < delta < 1:
            raise ValueError(
                f"expected epsilon > 0 and 0 < delta < 1, got {epsilon} and {delta}; change them"
            )
        pooled = np.concatenate([m * d for m, d in zip(self.widths, self.distances, strict=True)])
        measured = float(np.quantile(pooled, 1 - delta)) / epsilon
        markov = float(np.mean(pooled)) / (epsilon * delta)
        return RequiredWidth(int(np.ceil(measured)), int(np.ceil(markov)))

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

    def plot(self, ax: Axes | None = None) -> Axes:
        """Distances against width, with the fitted law and the threshold of the assumption."""
        return plot_convergence(self, ax)

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
            ValueError: the file is damaged, or holds something else.
        """
        data = read_data(Path(path), "a record of convergence", _ENTRIES)
        distances = tuple(np.array(d) for d in data["distances"])
        bias, rounding = tuple(data["bias"]), tuple(data["rounding"])
        return cls(data["config"], tuple(data["widths"]), distances, bias, rounding)

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
        }

    def __str__(self) -> str:
        return f"{self.config['network']}: Assumption 3.6 {self.verdict} ({self.reason})"

    def _repr_html_(self) -> str:
        return f"<p>{self}</p>{self.table()._repr_html_()}"


_ENTRIES = ("config", "widths", "distances", "bias", "rounding", "answers")
_FITS = ("power", "law", "above", "judgement")


def convergence(
    network: Network,
    inputs: Inputs,
    widths: Sequence[int],
    seeds: int | Sequence[int] = 100,
    *,
    points: int = 256,
    executor: Executor | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: bool | None = None,
    limit: Network | Callable[[Network, Array], Array] | None = None,
) -> Convergence:
    r"""Measure ||K_0 - K_inf||^2 over widths and seeds, and judge Assumption 3.6.

    Args:
        network: the description.
        inputs: the distribution rho.
        widths: at least three different ones.
        seeds: the number of networks, at least 2; or one number for every width.
        points: size of the sample of inputs, at least 3, capped at the population's.
        executor: any ``concurrent.futures.Executor``; threads by default.
        device: of the finite networks.
        dtype: of the finite networks.
        progress: show a progress bar; None shows it on terminals and notebooks.
        limit: a network whose kernel takes the place of K_inf, or a function of (network, x)
            that gives another kernel: a negative control.

    Returns:
        the record ``Convergence``.

    Raises:
        ValueError: a number is out of its range.

    References:
        Bowman and Montufar (2022), Assumption 3.6.

    Example:
        >>> from analytic import FullyConnected
        >>> network = Network(FullyConnected("tanh"))
        >>> result = convergence(network, Inputs.sphere(3), [16, 32, 64], 20, points=8)
        >>> result.widths, [d.shape for d in result.distances]
        ((16, 32, 64), [(20,), (20,), (20,)])
    """
    widths, counts, points = check_design(inputs, widths, seeds, points)
    x = inputs.sample(points)
    groups = sweep(
        network, x, _limit_kernel(limit, network, x), widths, counts, population=inputs.population,
        executor=executor, device=device, dtype=dtype, progress=progress,
    )  # fmt: skip
    config = {
        "network": repr(network),
        "inputs": inputs.name,
        "points": points,
        "population": inputs.population,
        "widths": list(widths),
        "seeds": list(counts),
        "limit": None if limit is None else repr(limit),
        "dtype": str(dtype),
        "device": device,
        "confidence": 0.99,
        "predicted": predicted_mean(network, x, inputs.population) if limit is kernel else None,
        "versions": versions(),
    }
    distances, bias = tuple(g.distances for g in groups), tuple(g.bias for g in groups)
    rounding = tuple(g.rounding for g in groups)
    return Convergence(config, tuple(widths), distances, bias, rounding)


def _limit_kernel(limit: Any, network: Network, x: Array) -> Array:
    if limit is None or isinstance(limit, Network):
        return kernel(limit or network, x)
    return limit(network, x)
