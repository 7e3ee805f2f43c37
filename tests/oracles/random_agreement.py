"""How K_0 of a network approaches its limit, and a limit without the terms of means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from oracles import positions

from analytic import Network, kernel
from compare import Convergence
from empirical import tangent_kernels

__all__ = ["Agreement", "agreement", "share_of_means", "terms_of_means"]

Array = Any


class Agreement(NamedTuple):
    """What finite networks of some widths say.

    Attributes:
        found: their distances to K_inf, in which K(x, x) is 1, and the verdict.
        control: the same networks against the limit without the terms of means.
        bias: the largest m |E K_0 - K_inf| at the largest width m.
        worst: the largest deviation of E K_0 without its part in 1/m, in standard errors.
        missing: the largest term of means.
        level: ``missing`` over the largest |E K_0 - K_inf| at the largest width.
        without: ``worst`` of the limit that lacks these terms.
    """

    found: Convergence
    control: Convergence
    bias: float
    worst: float
    missing: float
    level: float
    without: float


def agreement(
    network: Network, x: np.ndarray, widths: Sequence[int], counts: Sequence[int], first: int = 0
) -> Agreement:
    """Compare finite networks with both limits.

    Args:
        network: the description.
        x: inputs, (n, d) or (n, channels, positions).
        widths: at least three; the last one twice the last but one.
        counts: of networks, for every width.
        first: number of the first network of a width.
    """
    limit = kernel(network, x, tolerance=1e-8)
    root = np.sqrt(np.diag(limit))
    upper = np.triu_indices(len(x))
    missing = (terms_of_means(network, x) / np.outer(root, root))[upper]
    signals = torch.from_numpy(x)
    errors = [
        ((tangent_kernels(network, signals, m, range(first, first + count)).numpy() - limit)
         / np.outer(root, root))[:, *upper]
        for m, count in zip(widths, counts, strict=True)
    ]  # fmt: skip
    weights = np.where(upper[0] == upper[1], 1, 2) / len(x) ** 2
    wide, narrow = errors[-1], errors[-2]
    bias = np.abs(wide.mean(axis=0)).max()
    unbiased = 2 * wide.mean(axis=0) - narrow.mean(axis=0)
    error = np.sqrt(4 * wide.var(axis=0) / len(wide) + narrow.var(axis=0) / len(narrow))
    return Agreement(
        _judged(widths, [part**2 @ weights for part in errors]),
        _judged(widths, [(part + missing) ** 2 @ weights for part in errors]),
        float(widths[-1] * bias),
        float((np.abs(unbiased) / error).max()),
        float(np.abs(missing).max()),
        float(np.abs(missing).max() / bias),
        float((np.abs(unbiased + missing) / error).max()),
    )


def terms_of_means(network: Network, x: np.ndarray) -> Array:
    """What the products of the means of what is added are in the limit, slowly; 0 if none."""
    written = network.summed(x.ndim - 2) if x.ndim > 2 else network
    return positions.kernel(written, x) - positions.kernel(written, x, means=False)


def share_of_means(network: Network, x: np.ndarray) -> float:
    """The largest of these terms, in which K(x, x) is 1."""
    root = np.sqrt(np.diag(kernel(network, x, tolerance=1e-8)))
    return float(np.abs(terms_of_means(network, x) / np.outer(root, root)).max())


def _judged(widths: Sequence[int], distances: Sequence[Array]) -> Convergence:
    """The verdict of the package on these distances."""
    unknown = (float("nan"),) * len(widths)
    config = {"confidence": 0.99}
    return Convergence(config, tuple(widths), tuple(distances), unknown, unknown)
