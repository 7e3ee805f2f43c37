"""How K_0 of a network approaches its limit, and a limit without the terms of means."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from oracles import positions

from analytic import Network, kernel
from empirical import tangent_kernels

__all__ = ["Agreement", "agreement"]


class Agreement(NamedTuple):
    """What two widths say.

    Attributes:
        exponent: p of E |K_0 - K_inf|^2 = C m^-p between the two widths.
        exponent_error: its standard error.
        bias: the largest m |E K_0 - K_inf| at the larger width, relative to the diagonal.
        worst: the largest deviation of E K_0 without its part in 1/m, in standard errors.
        terms: the largest relative share of the terms of means in the kernel.
        without: ``worst`` of a limit that lacks these terms.
    """

    exponent: float
    exponent_error: float
    bias: float
    worst: float
    terms: float
    without: float


def agreement(network: Network, x: np.ndarray, widths: tuple[int, int], count: int) -> Agreement:
    """Compare ``count`` finite networks of two widths with the limit.

    Args:
        network: the description.
        x: inputs, (n, d) or (n, channels, positions).
        widths: the second one twice the first.
        count: networks of each width.
    """
    limit = kernel(network, x, tolerance=1e-8)
    lacking = positions.kernel(
        network.summed(x.ndim - 2) if x.ndim > 2 else network, x, means=False
    )
    scale = np.sqrt(np.outer(np.diag(limit), np.diag(limit)))
    upper = np.triu_indices(len(x))
    narrow, wide = (
        ((tangent_kernels(network, torch.from_numpy(x), m, range(count)).numpy() - limit) / scale)[
            :, *upper
        ]
        for m in widths
    )
    squares = [np.mean(part**2, axis=1) for part in (narrow, wide)]
    means = [part.mean() for part in squares]
    errors = [part.std() / part.mean() / count**0.5 for part in squares]
    error = np.sqrt((4 * wide.var(axis=0) + narrow.var(axis=0)) / count)
    unbiased = 2 * wide.mean(axis=0) - narrow.mean(axis=0)
    missing = ((limit - lacking) / scale)[upper]
    return Agreement(
        float(np.log2(means[0] / means[1])),
        float(np.hypot(*errors) / np.log(2)),
        float(widths[1] * np.abs(wide.mean(axis=0)).max()),
        float((np.abs(unbiased) / error).max()),
        float(np.abs(missing).max()),
        float((np.abs(unbiased + missing) / error).max()),
    )
