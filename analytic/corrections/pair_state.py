r"""What one layer does to a pair of inputs, and to small deviations of what it saw.

The state of a pair after a layer is z = (S_11, S_12, S_22, mu_1, mu_2, g): the limits of
<alpha_a, alpha_b>/m, of the means of the units, and of the trace tr G/m of the Gram matrix
G_ij = <grad alpha_i(x), grad alpha_j(x')>. One unit contributes Y to it,

    Y = (w_1^2, w_1 w_2, w_2^2, w_1, w_2, w'_1 w'_2 T),    T = own + weight g ,
    Lambda = weight S + bias,    own = rate weight S_12 + bias_rate ,

and the layer's map is z -> E[Y] (plain) or, with eta = E[w],

    S_ab -> S_ab + E[w_a w_b] + mu_a eta_b + eta_a mu_b,  mu -> mu + eta,  g -> g + E[Y_g] .

Here stand the map, its Jacobian, and the covariance of Y over the units: the fresh noise of
the layer. docs/theory/fluctuation.md has the derivation. Arrays are (..., n, k), the
components of the state come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.corrections.product_tables import HermiteTable, expectations, tabulate, value
from analytic.corrections.products import Product, Sum, by_covariance, keys, times
from analytic.corrections.stacked_layers import StackLayer

__all__ = [
    "ENTRIES",
    "FIRST",
    "MU1",
    "S11",
    "S12",
    "S22",
    "SLOPES",
    "UNIT",
    "VARIANCE_PRODUCTS",
    "G",
    "OneSide",
    "Pair",
    "at_layer",
    "fresh",
    "jacobian",
    "part",
    "sandwich",
    "sides",
    "start",
    "through",
]

Array = NDArray[np.float64]

S11, S12, S22, MU1, MU2, G = range(6)
ENTRIES = ((0, 0), (0, 1), (1, 1))
"""The entries of Lambda in the order of the state."""

UNIT: tuple[Sum, ...] = (
    {("00", ""): 1.0},
    {("0", "0"): 1.0},
    {("", "00"): 1.0},
    {("0", ""): 1.0},
    {("", "0"): 1.0},
    {("1", "1"): 1.0},
)
"""Y without the factor T."""
SLOPES: tuple[Sum, ...] = ({("11", ""): 1.0}, {("", "11"): 1.0}, {("11", "11"): 1.0})
"""w'_1^2, w'_2^2 and their product, which move the Gram matrix."""
FIRST = {(i, e): by_covariance(UNIT[i], *ENTRIES[e]) for i in range(6) for e in range(3)}
SECOND = {(i, j): times(UNIT[i], UNIT[j]) for i in range(6) for j in range(i, 6)}
VARIANCE_PRODUCTS = keys(*UNIT, *SLOPES, *FIRST.values(), *SECOND.values())
"""All expectations that the variance needs."""


@dataclass(frozen=True, slots=True, eq=False)
class OneSide:
    """What a layer sees of every input alone: a table of its products, and Lambda, shape (n,)."""

    table: HermiteTable
    variance: Array


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Pairs of inputs at one layer.

    Attributes:
        layer: the layer.
        z: the state before it, six arrays that broadcast to (n, k).
        e: the expectations of products of its units.
        t: T.
    """

    layer: StackLayer
    z: tuple[Array, ...]
    e: Mapping[Product, Array]
    t: Array

    def mean(self, terms: Sum) -> Any:
        """E of a sum of products, broadcast to (n, k)."""
        return value(terms, self.e)


def sides(layers: list[StackLayer], squares: Array, factors: frozenset[str]) -> list[OneSide]:
    """The recursion at every input alone, from |x|^2/d."""
    found: list[OneSide] = []
    sigma, mu = squares, np.zeros_like(squares)
    for layer in layers:
        variance = layer.weight * sigma + layer.bias
        table = tabulate(layer.activation, np.sqrt(variance), factors)
        found.append(OneSide(table, variance))
        eta, second = table.mean("0"), table.mean("00")
        sigma = sigma + second + 2 * mu * eta if layer.residual else second
        mu = mu + eta if layer.residual else eta
    return found


def part(side: OneSide, chosen: slice) -> OneSide:
    """The same for some of the inputs."""
    return OneSide(side.table.columns(chosen), side.variance[chosen])


def start(rows: Array, columns: Array) -> tuple[Array, ...]:
    """The state of the inputs: <x, x'>/d, and zeros."""
    d, none = rows.shape[1], np.zeros((1, 1))
    own, others = (np.einsum("id,id->i", x, x) / d for x in (rows, columns))
    return own[:, None], rows @ columns.T / d, others[None, :], none, none, none


def at_layer(
    layer: StackLayer,
    z: tuple[Array, ...],
    left: OneSide,
    right: OneSide,
    products: frozenset[Product],
) -> Pair:
    """The pairs as the layer sees them."""
    covariance = layer.weight * z[S12] + layer.bias
    size = np.sqrt(left.variance[:, None] * right.variance[None, :])
    rho = np.clip(covariance / np.where(size > 0, size, 1.0), -1.0, 1.0)
    e = expectations(left.table, right.table, rho, products)
    return Pair(layer, z, e, layer.own(z[S12]) + layer.weight * z[G])


def through(pair: Pair) -> tuple[Array, ...]:
    """The state after the layer."""
    y = [pair.mean(terms) for terms in UNIT]
    y[G] = y[G] * pair.t
    if not pair.layer.residual:
        return tuple(y)
    mu1, mu2 = pair.z[MU1], pair.z[MU2]
    y[S11] = y[S11] + 2 * mu1 * y[MU1]
    y[S12] = y[S12] + mu1 * y[MU2] + mu2 * y[MU1]
    y[S22] = y[S22] + 2 * mu2 * y[MU2]
    return tuple(old + new for old, new in zip(pair.z, y, strict=True))


def jacobian(pair: Pair) -> Array:
    """d z_after[i] / d z_before[j], shape (6, 6, n, k)."""
    weight, d = pair.layer.weight, pair.mean(UNIT[G])
    j = np.zeros((6, 6, *pair.t.shape))
    for (i, e), terms in FIRST.items():
        j[i, e] = weight * pair.mean(terms)
    j[G, :3] *= pair.t
    j[G, S12] += pair.layer.rate * weight * d  # T contains S_12
    j[G, G] = weight * d
    if pair.layer.residual:
        _add_skip(pair, j)
    return j


def _add_skip(pair: Pair, j: Array) -> None:
    """S_ab + mu_a eta_b + eta_a mu_b, mu and g of the skip, differentiated."""
    mu, eta = pair.z[MU1 : MU2 + 1], [pair.mean(UNIT[i]) for i in (MU1, MU2)]
    for entry, (a, b) in enumerate(ENTRIES):
        for one, other in ((a, b), (b, a)):
            j[entry, MU1 + one] += eta[other]
            j[entry] += mu[one] * j[MU1 + other] * _BEFORE_MEANS
    for i in range(6):
        j[i, i] += 1.0


_BEFORE_MEANS = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]).reshape(6, 1, 1)
"""The part of the state that eta depends on."""


def fresh(pair: Pair) -> Array:
    """The covariance of Y over the units, shape (6, 6, n, k)."""
    y = [pair.mean(terms) for terms in UNIT]
    q = np.empty((6, 6, *pair.t.shape))
    for (i, j), terms in SECOND.items():
        q[i, j] = q[j, i] = pair.mean(terms) - y[i] * y[j]
    q[G] *= pair.t
    q[:, G] *= pair.t
    return _with_skip(pair, q) if pair.layer.residual else q


def _with_skip(pair: Pair, q: Array) -> Array:
    """The same where w_a w_b has become w_a w_b + alpha_a w_b + w_a alpha_b.

    alpha is given, with mean mu and second moment S over the units: its mean makes the map
    m of Y, its spread S - mu mu^T meets the covariance of (w_1, w_2).
    """
    mu, s = pair.z[MU1 : MU2 + 1], pair.z[:3]
    m = np.zeros_like(q)
    for i in range(6):
        m[i, i] = 1.0
    for entry, (a, b) in enumerate(ENTRIES):
        m[entry, MU1 + b] += mu[a]
        m[entry, MU1 + a] += mu[b]
    new = sandwich(m, q)
    spread = {(a, b): s[a + b] - mu[a] * mu[b] for a in (0, 1) for b in (0, 1)}
    for i, (a, b) in enumerate(ENTRIES):
        for j, (c, d) in enumerate(ENTRIES):
            for one, other in ((a, b), (b, a)):
                for three, four in ((c, d), (d, c)):
                    new[i, j] += spread[one, three] * q[MU1 + other, MU1 + four]
    return new


def sandwich(j: Array, v: Array) -> Array:
    """J V J^T, matrices first."""
    j, v = np.moveaxis(j, (0, 1), (-2, -1)), np.moveaxis(v, (0, 1), (-2, -1))
    return np.moveaxis(j @ v @ np.swapaxes(j, -1, -2), (-2, -1), (0, 1))
