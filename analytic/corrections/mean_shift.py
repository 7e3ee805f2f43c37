r"""The mean of K_0 at finite width, to first order in 1/m.

Three things move it. The maps of the layers are curved, so that the fluctuation V of what
they see shifts the mean of what they give by half the Hessian applied to V. The diagonal of the
Gram matrix of gradients is w'_1 w'_2 (own + weight w^T G w/m), and the weights w of a unit
are not independent of its slopes: by Stein's lemma G enters with

    r_cd = lim alpha_c^T G alpha_d / m ,

where c and d run over the two inputs and the constant vector of ones, ``ONES`` below. And a
residual layer has the cross term tr(D W G), which has the mean E[w''] alpha^T G 1/m.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic.corrections.pair_state import (
    ENTRIES,
    FIRST,
    MU1,
    S12,
    VARIANCE_PRODUCTS,
    G,
    Pair,
    at_layer,
    fresh,
    jacobian,
    part,
    sandwich,
    sides,
    start,
    through,
)
from analytic.corrections.products import Sum, by_covariance, keys, slope, times
from analytic.corrections.stacked_layers import checked, require, weighted
from analytic.machine import cores
from analytic.network import Network
from analytic.recursion import mean_squares

__all__ = ["mean_correction"]

Array = NDArray[np.float64]

SHIFT_ROWS = 16
ONES = 2
W: tuple[Sum, Sum] = ({("0", ""): 1.0}, {("", "0"): 1.0})
W1: tuple[Sum, Sum] = ({("1", ""): 1.0}, {("", "1"): 1.0})
BOTH_SLOPES = times(*W1)
CURVED = {
    (i, e, f): by_covariance(FIRST[i, e], *ENTRIES[f])
    for i in range(6)
    for e in range(3)
    for f in range(3)
}
BENT = {(c, d): slope(slope(BOTH_SLOPES, c), d) for c in (0, 1) for d in (0, 1)}
TURNED = {
    (a, c, e): slope(W1[a] if c == ONES else times(W1[a], W[c]), e)
    for a in (0, 1)
    for c in range(3)
    for e in (0, 1)
}
SEEN = {(c, d): times(BOTH_SLOPES, W[c], W[d]) for c in (0, 1) for d in (0, 1)}
SEEN_ONCE = [times(BOTH_SLOPES, W[c]) for c in (0, 1)]
BOTH = {(c, d): times(W[c], W[d]) for c in (0, 1) for d in (0, 1)}
SHIFT_PRODUCTS = VARIANCE_PRODUCTS | keys(
    *CURVED.values(), *BENT.values(), *TURNED.values(), *SEEN.values(), *SEEN_ONCE
)


def mean_correction(network: Network, x: ArrayLike) -> Array:
    r"""The first-order shift b of the mean of K_0 at finite width.

        E K_0(x, x') = K_inf(x, x') + b(x, x') / m + O(m^-2)

    over networks of width m; 0 for one layer. It is a hundredth of the fluctuation's size at
    widths in the hundreds, and what is left when many networks are averaged.

    Args:
        network: fully connected and residual layers, residual blocks of one layer, whose
            activations have five derivatives.
        x: inputs, shape (n, d).

    Returns:
        b, shape (n, n), float64.

    Raises:
        ValueError: the network is another one (the layer and the reason are named), or
            wrong shapes, empty arrays, NaN or infinity.
        TypeError: the network or the inputs are of the wrong kind.
        MemoryError: the pairs do not fit; the message says how many bytes they need.
        AccuracyError: the pre-activations are too wide for the series.

    References:
        Hanin and Nica (2020), Huang and Yau (2020), Dyer and Gur-Ari (2020) for its order.

    Example:
        One layer has no shift; with two, tanh of a fluctuating variance falls below.

        >>> import numpy as np
        >>> from analytic import FullyConnected, Network, mean_correction
        >>> x = np.ones((1, 4))
        >>> mean_correction(Network(FullyConnected("tanh")), x)
        array([[0.]])
        >>> b = mean_correction(Network(*[FullyConnected("tanh")] * 2), x)
        >>> bool(b[0, 0] < 0)
        True
    """
    places, rows, _ = checked(network, x, None, 5)
    require(24 * len(rows) ** 2, f"pairs of {len(rows)} inputs")
    layers = weighted(places)
    scale, _, rate, _ = network.output.coefficients
    factors = frozenset(digits for product in SHIFT_PRODUCTS for digits in product if digits)
    side = sides(layers, mean_squares(rows).astype(np.float64), factors)
    answer = np.empty((len(rows), len(rows)))

    def strip(first: int) -> None:
        own, others = slice(first, first + SHIFT_ROWS), slice(first, None)
        shift = Shift(start(rows[own], rows[others]))
        for layer, one in zip(layers, side, strict=True):
            pair = at_layer(layer, shift.z, part(one, own), part(one, others), SHIFT_PRODUCTS)
            shift = shift.through(pair)
        answer[own, others] = scale * (rate * shift.mean[S12] + shift.mean[G])

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(strip, range(0, len(rows), SHIFT_ROWS)))
    return np.triu(answer) + np.triu(answer, 1).T


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """The state of pairs, and what finite width adds to it.

    Attributes:
        z: the limit, six arrays.
        mean: m (E z_hat - z), shape (6, n, k).
        spread: V = m Cov z_hat, shape (6, 6, n, k).
        r: alpha_c^T G alpha_d / m, shape (3, 3, n, k).
    """

    z: tuple[Array, ...]
    mean: Any = 0.0
    spread: Any = 0.0
    r: Any = 0.0

    def through(self, pair: Pair) -> Shift:
        """The same after a layer."""
        shape = pair.t.shape
        mean = np.broadcast_to(self.mean, (6, *shape))
        v = np.broadcast_to(self.spread, (6, 6, *shape))
        r = np.broadcast_to(self.r, (3, 3, *shape))
        j = jacobian(pair)
        new = np.einsum("ij...,j...->i...", j, mean) + bent_maps(pair, v)
        new[G] += gram_shift(pair, r)
        return Shift(
            through(pair),
            new,
            sandwich(j, v) + fresh(pair) / pair.layer.ratio,
            gram_form(pair, r),
        )


def bent_maps(pair: Pair, v: Array) -> Array:
    """Half the Hessian of every component of the layer's map, applied to V."""
    weight, t = pair.layer.weight, pair.t
    bent = np.zeros((6, *t.shape))
    for (i, e, f), terms in CURVED.items():
        bent[i] += weight**2 / 2 * pair.mean(terms) * v[e, f]
    bent[G] *= t
    for e in range(3):  # T moves together with the expectation
        moved = pair.layer.rate * v[e, S12] + v[e, G]
        bent[G] += weight**2 * pair.mean(FIRST[G, e]) * moved
    if not pair.layer.residual:
        return bent
    of_means = bent[MU1 : MU1 + 2].copy()
    for entry, (a, b) in enumerate(ENTRIES):  # mu_a eta_b + eta_a mu_b
        for one, other in ((a, b), (b, a)):
            bent[entry] += pair.z[MU1 + one] * of_means[other]
            for e in range(3):
                moved = weight * pair.mean(FIRST[MU1 + other, e])
                bent[entry] += moved * v[MU1 + one, e]
    return bent


def gram_shift(pair: Pair, r: Array) -> Array:
    """What the weights that a unit shares with its slopes add to the trace of G."""
    weight, before = pair.layer.weight, pair.layer.before
    found = sum(weight**2 * pair.mean(terms) * r[c, d] for (c, d), terms in BENT.items())
    if pair.layer.residual:
        found = found + weight * pair.mean(slope(W1[0], 0)) * r[0, ONES]
        found = found + weight * pair.mean(slope(W1[1], 1)) * r[ONES, 1]
    return np.asarray(found / before)


def gram_form(pair: Pair, r: Array) -> Array:
    """alpha_c^T G alpha_d / m after the layer.

    G <- (I + N) G (I + N')^T + own D D'. The mean of (I + N)^T alpha_c is a
    combination ``turn`` of the vectors before; what it fluctuates by meets only the trace.
    """
    layer, skip = pair.layer, float(pair.layer.residual)
    mean = [skip * pair.z[MU1], skip * pair.z[MU1 + 1], 1.0]  # of alpha_c as it passes
    turn = np.zeros((2, 3, 3, *pair.t.shape))
    for (a, c, e), terms in TURNED.items():
        turn[a, c, e] = layer.weight * pair.mean(terms)
        if c != ONES:
            turn[a, c, e] += layer.weight * mean[c] * pair.mean(slope(W1[a], e))
    for a in (0, 1):
        for c in range(3):
            turn[a, c, c] += skip
        for c in (0, 1):
            turn[a, c, ONES] += skip * pair.mean(W[c])
    new = np.einsum("ce...,df...,ef...->cd...", turn[0], turn[1], r) * layer.ratio / layer.before
    for c in range(3):
        for d in range(3):
            new[c, d] += pair.t * _seen(pair, mean, c, d)
            if ONES not in (c, d):
                covariance = pair.mean(BOTH[c, d]) - pair.mean(W[c]) * pair.mean(W[d])
                new[c, d] += skip * pair.z[G] * covariance
    return new


def _seen(pair: Pair, mean: list[Any], c: int, d: int) -> Any:
    """E[w'_1 w'_2 psi_c psi_d], psi = (skip) alpha + w for the inputs and 1 for the ones."""
    passing = mean[c] * mean[d] if ONES in (c, d) else pair.layer.residual * pair.z[c + d]
    found = passing * pair.mean(BOTH_SLOPES)
    if d != ONES:
        found = found + mean[c] * pair.mean(SEEN_ONCE[d])
    if c != ONES:
        found = found + mean[d] * pair.mean(SEEN_ONCE[c])
    return found if ONES in (c, d) else found + pair.mean(SEEN[c, d])
