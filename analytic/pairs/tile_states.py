"""What happens to the states of a tile beside its layers: branches and normalisation, compiled."""

from __future__ import annotations

from typing import Any

from analytic.compilation import elementwise
from analytic.machine import LANES
from analytic.pairs.pair_errors import keep_errors, switch_errors
from analytic.recursion import Tile, centred, residual, side_by_side

__all__ = ["change_places", "end_branch", "normalize_tile", "put_aside"]

_residual: Any = elementwise(residual)
_side_by_side: Any = elementwise(side_by_side)
_centred: Any = elementwise(centred)


@elementwise
def normalize_tile(t: Tile, scale: Any, inverse: Any, mean: Any, means: Any) -> None:
    """Sigma and Theta of normalised units; mean is what is taken away."""
    t.group[: scale.size] = 0
    t.largest[: scale.size] = 0.0  # errors grow alike at all rho
    for m in range(scale.size):
        for j in range(LANES):
            sigma, theta = _centred(
                t.sigma[m, j], t.theta[m, j], mean[m], means[j], scale[m] * inverse[j]
            )
            sigma = sigma if sigma < 1.0 else 1.0
            t.sigma[m, j], t.theta[m, j] = sigma if sigma > -1.0 else -1.0, theta


@elementwise
def put_aside(t: Tile, depth: int) -> None:
    """A branch begins: remember alpha."""
    for m in range(t.sigma.shape[0]):
        for j in range(LANES):
            t.stack[depth, 0, m, j], t.stack[depth, 1, m, j] = t.sigma[m, j], t.theta[m, j]
    keep_errors(t, depth)


@elementwise
def change_places(t: Tile, depth: int) -> None:
    """The next branch begins: what was remembered, and the sum so far, change places."""
    for part, kept in ((t.sigma, t.stack[depth, 0]), (t.theta, t.stack[depth, 1])):
        for m in range(part.shape[0]):
            for j in range(LANES):
                part[m, j], kept[m, j] = kept[m, j], part[m, j]
    switch_errors(t, depth)


@elementwise
def end_branch(t: Tile, depth: int, mu: Any, mus: Any, eta: Any, etas: Any, shares: Any) -> None:
    """A branch ends: add it to what was remembered, or put it beside."""
    sigma, theta, sigma0, theta0 = t.sigma, t.theta, t.stack[depth, 0], t.stack[depth, 1]
    p, q = shares
    for m in range(mu.size):
        if p < 1.0:
            for j in range(LANES):
                sigma[m, j], theta[m, j] = _side_by_side(
                    sigma0[m, j], theta0[m, j], sigma[m, j], theta[m, j], p, q
                )
            continue
        for j in range(LANES):
            sigma[m, j], theta[m, j] = _residual(
                sigma0[m, j], theta0[m, j], mu[m], mus[j], sigma[m, j], theta[m, j], eta[m], etas[j]
            )
