"""What a measurement of the dynamics is asked to do, and whether that makes sense.

Everything here is checked before the first network is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compare.rho import Inputs
from compare.whole_numbers import whole, wholes

__all__ = [
    "Repetition",
    "Resolution",
    "check_cell",
    "check_grid",
    "check_growth",
    "check_linearised",
]


@dataclass(frozen=True, slots=True)
class Resolution:
    """How finely the dynamics are looked at.

    Attributes:
        times: number of output times, at least 8; 1/sigma_k and the stopping times are added.
        spaces: how many eigenspaces to resolve; all trustworthy ones by default.
        epsilon: of Corollary 3.10, whose times T_k are put on the grid; ||f*||/10 by default.
    """

    times: int = 40
    spaces: int | None = None
    epsilon: float | None = None


@dataclass(frozen=True, slots=True)
class Repetition:
    """What differs from one network to the next.

    Attributes:
        first_seed: of the first network and sample.
        share_sample: whether all networks get the same sample; standard errors are then
            conditional on it.
        checked: for how many of the networks the identities of the flow are checked.
    """

    first_seed: int = 0
    share_sample: bool = False
    checked: int = 1


def check_cell(
    inputs: Inputs, width: Any, samples: Any, horizon: Any, seeds: Any, times: Any = 40
) -> None:
    """Raise unless the numbers describe the training of networks of one width.

    Raises:
        TypeError: a number is no integer.
        ValueError: a number is out of its range.
    """
    for name, value, least in (
        ("width", width, 1), ("samples", samples, 2), ("seeds", seeds, 2), ("times", times, 8),
    ):  # fmt: skip
        if whole(name, value) < least:
            raise ValueError(f"expected {name} of at least {least}, got {value}; raise it")
    if inputs.population is not None and samples > inputs.population:
        raise ValueError(
            f"expected at most {inputs.population} samples, all of {inputs.name}, got {samples};"
            " lower the number"
        )
    if not np.isscalar(horizon) or not 0 < float(horizon) < np.inf:  # type: ignore[arg-type]
        raise ValueError(
            f"expected a positive, finite horizon, got {horizon!r}; 10/sigma_1 shows the leading"
            " eigenspaces"
        )


def check_grid(
    inputs: Inputs, widths: Sequence[int], samples: Sequence[int], horizon: Any, seeds: Any
) -> tuple[list[int], list[int]]:
    """The widths and the numbers of samples of a grid in increasing order, checked."""
    wide, many = (
        sorted(set(wholes(name, values)))
        for name, values in (("widths", widths), ("samples", samples))
    )
    if len(wide) < 2 or len(many) < 2:
        raise ValueError(
            "expected at least two widths and two numbers of samples, got"
            f" {list(widths)} and {list(samples)}; add some"
        )
    for m in wide:
        for n in many:
            check_cell(inputs, m, n, horizon, seeds)
    return wide, many


def check_growth(
    inputs: Inputs, ratios: Sequence[float], samples: Sequence[int], horizon: Any, seeds: Any
) -> list[int]:
    """The numbers of samples in increasing order, checked together with the ratios m/n."""
    many = sorted(set(wholes("samples", samples)))
    if len(many) < 2 or min(ratios, default=0) <= 0:
        raise ValueError(
            f"expected positive ratios and at least two numbers of samples, got {list(ratios)} and"
            f" {list(samples)}; change them"
        )
    for n in many:
        check_cell(inputs, 1, n, horizon, seeds)
    return many


def check_linearised(count: Any) -> None:
    """Raise unless so many linearised networks can be drawn: none, or at least 2."""
    if whole("linearised", count) < 0 or count == 1:
        raise ValueError(
            f"expected 0 linearised networks for each cell, or at least 2, got {count}; one alone"
            " has no standard error"
        )
