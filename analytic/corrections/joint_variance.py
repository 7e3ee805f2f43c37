r"""The covariance of any two entries of K_0 at leading order in 1/m.

The recursion of ``pair_variance`` for all pairs at once. The state is S_ab and g_ab for all
ordered pairs and mu_a for all inputs, one vector of 2 n^2 + n numbers; its covariance passes
V <- J V J^T + Q/ratio, where Q takes the expectations at four units. The Gram matrices are met by

    A(ab, cd) = lim m tr(G_ab G_cd^T) / m_l^2 ,     tr(G_ab G_cd) being A(ab, dc).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import block_diag

from analytic.corrections.four_units import FourMoments, four_moments
from analytic.corrections.pair_state import FIRST, MU1, S12, UNIT, G, Pair, Side, at_layer
from analytic.corrections.positions import mean_map, pair_map
from analytic.corrections.product_tables import tabulate
from analytic.corrections.products import Sum, keys
from analytic.corrections.stacked_layers import StackLayer, checked
from analytic.inputs import positions_first
from analytic.machine import available_memory
from analytic.network import Network

__all__ = ["fluctuation_covariance"]

Array = NDArray[np.float64]

W1: Sum = {("1", ""): 1.0}
PRODUCTS = keys(*UNIT, *FIRST.values())


def fluctuation_covariance(network: Network, x: ArrayLike) -> Array:
    r"""The covariance of any two entries of K_0 at finite width, at leading order.

        m Cov(K_0(x_a, x_b), K_0(x_c, x_d)) -> answer[a, b, c, d]

    exactly at any m for one layer. ``answer[a, b, a, b]`` is ``fluctuation(network, x)[a, b]``.
    Its expectations at four units are accurate to about 1e-7 of their scale.

    Args:
        network: layers of vectors or images, residual blocks of one layer, whose activations
            have three derivatives.
        x: inputs, shape (n, d) or (n, channels, *spatial); the time grows like n^4, where every
            position of an image counts as a point.

    Returns:
        shape (n, n, n, n), float64.

    Raises:
        ValueError: the network is another one (the layer and the reason are named), or
            wrong shapes, empty arrays, NaN or infinity.
        TypeError: the network or the inputs are of the wrong kind.
        MemoryError: the quadruples do not fit; the message says how many bytes they need.
        AccuracyError: the pre-activations are too wide for the rules.

    Example:
        >>> import numpy as np
        >>> from analytic import FullyConnected, Network
        >>> c = fluctuation_covariance(Network(FullyConnected("identity")), 2 * np.eye(2)[:, :2])
        >>> c[0, 0, 0, 0].round(6), c[0, 1, 0, 1].round(6), c[0, 0, 1, 1].round(6)
        (np.float64(16.0), np.float64(4.0), np.float64(8.0))
    """
    places, rows, _ = checked(network, x, None, 3, images=True)
    points = rows if rows.ndim == 2 else positions_first(rows).reshape(-1, rows.shape[1])
    n = max(len(points), len(rows) * max(place.points for place in places))
    require(8 * (6 * n**4 + 5 * (2 * n**2 + n) ** 2), n)
    state = beginning(points)
    for place in places:
        if place.layer is None:
            state = averaged(state, place.maps, len(rows))
        else:
            state = through_layer(state, place.layer, pair_map(place.maps, len(rows)))
    n = len(rows)
    s, g = slice(0, n * n), slice(n * n, 2 * n * n)
    v = state.v
    total = (v[s, s] + v[s, g] + v[g, s] + v[g, g]).reshape(n, n, n, n)
    return np.asarray(total + state.gram + state.gram.transpose(0, 1, 3, 2))


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """All pairs of N points, and their fluctuations.

    Attributes:
        s, g: (N, N).
        mu: (N,).
        v: V of (S, g, mu), (2 N^2 + N, 2 N^2 + N).
        gram: A(ab, cd), (N, N, N, N).
    """

    s: Array
    g: Array
    mu: Array
    v: Array
    gram: Array


def beginning(points: Array) -> Joint:
    """The inputs themselves: nothing fluctuates."""
    n = len(points)
    none = np.zeros((n, n))
    s = points @ points.T / points.shape[1]
    return Joint(s, none, none[0], np.zeros((2 * n * n + n,) * 2), np.zeros((n,) * 4))


def averaged(state: Joint, maps: list[Array], inputs: int) -> Joint:
    """Pooling and flattening, which are linear."""
    pi, mean = pair_map(maps, inputs), mean_map(maps, inputs)
    n = len(mean)
    whole = block_diag(pi, pi, mean)
    s, g = ((pi @ a.ravel()).reshape(n, n) for a in (state.s, state.g))
    return Joint(s, g, mean @ state.mu, whole @ state.v @ whole.T, turned(state.gram, pi, pi))


def turned(gram: Array, one: Array, other: Array) -> Array:
    """A(ab, cd) with a map applied to (a, c) and another one to (b, d)."""
    before, after = gram.shape[0], round(len(one) ** 0.5)
    matrix = gram.transpose(0, 2, 1, 3).reshape(before**2, before**2)
    new = (one @ matrix @ other.T).reshape((after,) * 4)
    return new.transpose(0, 2, 1, 3)


def through_layer(state: Joint, layer: StackLayer, patch: Array) -> Joint:
    """A layer with weights; ``patch`` sums pairs of points over the offsets of its filters."""
    n = round(len(patch) ** 0.5)
    s, g = ((patch @ a.ravel()).reshape(n, n) for a in (state.s, state.g))
    covariance = layer.weight * s + layer.bias
    variance = np.diag(covariance)
    factors = frozenset(digits for product in PRODUCTS for digits in product if digits)
    side = Side(tabulate(layer.activation, np.sqrt(variance), factors), variance)
    own = np.diag(s)
    z = own[:, None], s, own[None, :], np.zeros((1, 1)), np.zeros((1, 1)), g
    pair = at_layer(layer, z, side, side, PRODUCTS)
    at = Points(pair, four_moments(layer.activation, covariance), n, state, patch)
    j = at.jacobian()
    return Joint(*at.through(), j @ state.v @ j.T + at.fresh() / layer.ratio, at.gram())


def require(size: int, n: int) -> None:
    """Refuse what memory does not hold, before it is allocated."""
    free = available_memory()
    if free is not None and size > free:
        raise MemoryError(
            f"expected {size:.3g} bytes of memory for the quadruples of {n} points, got"
            f" {free:.3g}; take fewer or smaller inputs"
        )


def _full(a: Array, n: int) -> Array:
    return np.asarray(np.broadcast_to(a, (n, n)))


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """All pairs of n points at one layer, and the joint moments of four of them.

    Attributes:
        pair: the pairs, with S and g summed over the filter.
        four: the joint moments.
        n: the number of points after the layer.
        before: the state before the layer, which the skip passes on.
        patch: the sum over the filter, (n^2, n_before^2).
    """

    pair: Pair
    four: FourMoments
    n: int
    before: Joint
    patch: Array

    def mean(self, terms: Sum) -> Array:
        """An expectation at all pairs."""
        return _full(self.pair.mean(terms), self.n)

    @property
    def t(self) -> Array:
        """T of all pairs."""
        return _full(self.pair.t, self.n)

    @property
    def eta(self) -> Array:
        """E w of every point."""
        return self.mean(UNIT[MU1])[:, 0]

    def through(self) -> tuple[Array, Array, Array]:
        """S, g and mu after the layer."""
        s, g, mu = self.mean(UNIT[S12]), self.mean(UNIT[G]) * self.t, self.eta
        if not self.pair.layer.residual:
            return s, g, mu
        cross = np.outer(self.before.mu, self.eta)
        return s + self.before.s + cross + cross.T, g + self.before.g, mu + self.before.mu

    def jacobian(self) -> Array:
        """Derivatives of (S_ab, g_ab, mu_a) after the layer by those before."""
        n, weight = self.n, self.pair.layer.weight
        j = np.zeros((2, n, n, 2 * n * n))
        k = np.zeros((n, 2 * n * n))
        a, b = np.indices((n, n))
        entries = (a * n + a, a * n + b, b * n + b)
        for e, place in enumerate(entries):  # += at equal places: a = b has all three
            np.add.at(j, (0, a, b, place), weight * self.mean(FIRST[S12, e]))
            np.add.at(j, (1, a, b, place), weight * self.mean(FIRST[G, e]) * self.t)
        slopes = weight * self.mean(UNIT[G])
        np.add.at(j, (1, a, b, entries[1]), slopes)
        np.add.at(j, (1, a, b, n * n + entries[1]), slopes)
        one = np.arange(n)
        k[one, one * n + one] = weight * self.mean(FIRST[MU1, 0])[:, 0]
        if self.pair.layer.residual:
            mu = self.before.mu
            j[0] += mu[:, None, None] * k[None] + mu[None, :, None] * k[:, None]
        moved = np.concatenate([j.reshape(2 * n * n, -1), k])
        summed = moved @ block_diag(self.patch, self.patch)
        whole = np.hstack([summed, np.zeros((len(summed), len(self.before.mu)))])
        return self._skipped(whole) if self.pair.layer.residual else whole

    def _skipped(self, j: Array) -> Array:
        """What passes the skip: everything, and mu times the means of the layer."""
        n = self.n
        a, b = np.indices((n, n))
        np.add.at(j, (a * n + b, 2 * n * n + a), self.eta[b])
        np.add.at(j, (a * n + b, 2 * n * n + b), self.eta[a])
        return j + np.eye(len(j))

    def fresh(self) -> Array:
        """The covariance over units of (w_a w_b, w'_a w'_b T_ab, w_a)."""
        n, four = self.n, self.four
        t = self.t.ravel()
        e, slopes, eta = self.mean(UNIT[S12]).ravel(), self.mean(UNIT[G]).ravel(), self.eta
        pairs = (n * n, n * n)
        mixed, mixed_three = four.mixed.reshape(pairs), four.mixed_three.reshape(n * n, n)
        ss = four.units.reshape(pairs) - np.outer(e, e)
        gs = (mixed - np.outer(slopes, e)) * t[:, None]
        gg = (four.slopes.reshape(pairs) - np.outer(slopes, slopes)) * np.outer(t, t)
        sm = four.three.reshape(n * n, n) - np.outer(e, eta)
        gm = (mixed_three - np.outer(slopes, eta)) * t[:, None]
        mm = e.reshape(n, n) - np.outer(eta, eta)
        q = np.block([[ss, gs.T, sm], [gs, gg, gm], [sm.T, gm.T, mm]])
        return self._with_skip(q, mm) if self.pair.layer.residual else q

    def _with_skip(self, q: Array, spread: Array) -> Array:
        """The same with w_a w_b + alpha_a w_b + w_a alpha_b: mean and spread of alpha."""
        n, mu = self.n, self.before.mu
        m = np.eye(len(q))
        a, b = np.indices((n, n))
        np.add.at(m, (a * n + b, 2 * n * n + b), mu[a])
        np.add.at(m, (a * n + b, 2 * n * n + a), mu[b])
        q = m @ q @ m.T
        alpha = self.before.s - np.outer(mu, mu)
        cross = np.einsum("ac,bd->abcd", alpha, spread)
        cross = cross + cross.transpose(1, 0, 3, 2)  # alpha_b alpha_d, w_a w_c
        cross = cross + cross.transpose(0, 1, 3, 2)
        q[: n * n, : n * n] += cross.reshape(n * n, n * n)
        return q

    def gram(self) -> Array:
        """A(ab, cd) after the layer."""
        layer, skip = self.pair.layer, float(self.pair.layer.residual)
        slopes = self.mean(UNIT[G])
        fresh = self.four.slopes * np.einsum("ab,cd->abcd", self.t, self.t)
        turn = layer.weight * slopes.reshape(-1, 1) * self.patch
        if skip:
            crossed = np.einsum("ab,cd->abcd", slopes * self.t, self.before.g)
            fresh = fresh + crossed + crossed.transpose(2, 3, 0, 1)
            turn = turn + np.eye(len(turn))
        return fresh / layer.ratio + turned(self.before.gram, turn, turn)
