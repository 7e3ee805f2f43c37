r"""The variance of K_0 at leading order in 1/m: the constant of Assumption 3.6."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic.corrections.joint_variance import fluctuation_covariance
from analytic.corrections.pair_state import (
    S12,
    SLOPES,
    VARIANCE_PRODUCTS,
    G,
    OneSide,
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
from analytic.corrections.products import Product
from analytic.corrections.stacked_layers import StackLayer, checked, require, weighted
from analytic.machine import cores
from analytic.network import Network
from analytic.recursion import mean_squares

__all__ = ["Gram", "fluctuation"]

Array = NDArray[np.float64]

VARIANCE_ROWS = 32
"""Rows of pairs that are carried through the layers together."""


def fluctuation(network: Network, x: ArrayLike, y: ArrayLike | None = None) -> Array:
    r"""The constant C of the fluctuation of K_0 at finite width.

    For independent networks of width m, in both parametrisations of the readout,

        Var K_0(x, x') = C(x, x') / m + O(m^-2),

    exactly C/m at any m for one layer. It has two parts: the sums over units
    that K_0 consists of fluctuate and pass through the layers after them, and the readout
    is a quadratic form of the Gram matrix of gradients, all of whose entries count
    (docs/theory/fluctuation.md). The expectations in it are accurate to 1e-10 and better,
    relative to their own scale.

    Args:
        network: layers of vectors or images, residual blocks of one layer, whose activations
            have three derivatives.
        x: inputs, shape (n, d); images ``(n, channels, *spatial)`` cost as much as
            ``fluctuation_covariance``, so that only a few small ones are possible.
        y: other inputs, shape (k, ...); x itself if None.

    Returns:
        C, shape (n, k), float64.

    Raises:
        ValueError: the network is another one (the layer and the reason are named), or
            wrong shapes, empty arrays, NaN or infinity.
        TypeError: the network or the inputs are of the wrong kind.
        MemoryError: the pairs do not fit; the message says how many bytes they need.
        AccuracyError: the pre-activations are too wide for the series.

    References:
        Bowman and Montufar (2022), Assumption 3.6; Hanin and Nica (2020) for relu.

    Example:
        One linear layer: K_0(x, x) is the mean of h^2 + v^2 over units at norm sqrt(d).

        >>> import numpy as np
        >>> from analytic import FullyConnected, Network
        >>> fluctuation(Network(FullyConnected("identity")), np.ones((1, 4))).round(12)
        array([[4.]])
    """
    places, rows, columns = checked(network, x, y, 3, images=True)
    if network.is_spatial:
        return _of_images(network, rows, None if y is None else columns)
    require(24 * len(rows) * len(columns), f"pairs of {len(rows)} and {len(columns)} inputs")
    layers = weighted(places)
    scale, _, rate, _ = network.output.coefficients
    factors = frozenset(digits for product in VARIANCE_PRODUCTS for digits in product if digits)
    n, whole = len(rows), rows if y is None else np.concatenate([rows, columns])
    side = sides(layers, mean_squares(whole).astype(np.float64), factors)
    shift = 0 if y is None else n
    answer = np.empty((len(rows), len(columns)))

    def strip(first: int) -> None:
        own, others = (
            slice(first, min(first + VARIANCE_ROWS, n)),
            slice(first if y is None else 0, None),
        )
        right = slice(shift + others.start, None)
        block = [part(one, own) for one in side], [part(one, right) for one in side]
        v, gram = _variance(layers, *block, rows[own], columns[others])
        sums = rate**2 * v[S12, S12] + 2 * rate * v[S12, G] + v[G, G]
        answer[own, others] = scale**2 * (sums + gram.squares + gram.traces)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(strip, range(0, len(rows), VARIANCE_ROWS)))
    return answer if y is not None else np.triu(answer) + np.triu(answer, 1).T


def _of_images(network: Network, x: Array, y: Array | None) -> Array:
    """The diagonal of the covariance of all entries: positions only close together."""
    whole = x if y is None else np.concatenate([x, y])
    c = np.einsum("abab->ab", fluctuation_covariance(network, whole))
    return c if y is None else c[: len(x), len(x) :]


def _variance(
    layers: list[StackLayer], left: list[OneSide], right: list[OneSide], rows: Array, columns: Array
) -> tuple[Array, Gram]:
    """The recursion V <- J V J^T + Q/ratio, and that of the Gram matrix beside it."""
    z = start(rows, columns)
    v: Any = np.zeros((6, 6, 1, 1))
    gram = Gram()
    for layer, one, other in zip(layers, left, right, strict=True):
        pair = at_layer(layer, z, one, other, VARIANCE_PRODUCTS)
        v = sandwich(jacobian(pair), v) + fresh(pair) / layer.ratio
        gram = gram.through(pair)
        z = through(pair)
    return v, gram


@dataclass(frozen=True, slots=True, eq=False)
class Gram:
    """Off the diagonal of G = G(x, x'): what a quadratic form of the readout feels.

    Attributes:
        squares: A = lim m |G|_F^2 / m_l^2.
        traces: B = lim m tr(G G) / m_l^2.
    """

    squares: Any = 0.0
    traces: Any = 0.0

    def through(self, pair: Pair) -> Gram:
        """G <- (I + N) G (I + N')^T + own D D', N = D W scaled, I only for the skip."""
        first, second, both = (pair.mean(terms) for terms in SLOPES)
        slopes = pair.mean(D)
        weight, skip = pair.layer.weight, float(pair.layer.residual)
        diagonal = both * pair.t**2 + skip * 2 * slopes * pair.t * pair.z[G]
        spread = (skip + weight * first) * (skip + weight * second)
        return Gram(
            diagonal / pair.layer.ratio + spread * self.squares,
            diagonal / pair.layer.ratio + (skip + weight * slopes) ** 2 * self.traces,
        )


D: dict[Product, float] = {("1", "1"): 1.0}
"""w'_1 w'_2."""
