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

from analytic.corrections.four_units import FourMoments, four_moments
from analytic.corrections.pair_state import FIRST, MU1, S12, UNIT, G, Pair, at_layer, sides, start
from analytic.corrections.products import Sum, keys
from analytic.corrections.stacked_layers import checked
from analytic.machine import available_memory
from analytic.network import Network
from analytic.recursion import mean_squares

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
        network: fully connected and residual layers, residual blocks of one layer, whose
            activations have three derivatives.
        x: inputs, shape (n, d); the time grows like n^4.

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
    layers, rows, _ = checked(network, x, None, 3)
    n = len(rows)
    require(8 * (6 * n**4 + 5 * (2 * n**2 + n) ** 2), n)
    factors = frozenset(digits for product in PRODUCTS for digits in product if digits)
    z, v, gram = start(rows, rows), np.zeros((2 * n * n + n,) * 2), np.zeros((n,) * 4)
    for layer, side in zip(layers, sides(layers, mean_squares(rows), factors), strict=True):
        pair = at_layer(layer, z, side, side, PRODUCTS)
        four = four_moments(layer.activation, layer.weight * _full(z[S12], n) + layer.bias)
        at = Points(pair, four, n)
        j = at.jacobian()
        v = j @ v @ j.T + at.fresh() / layer.ratio
        gram = at.gram(gram)
        z = at.through()
    s, g = slice(0, n * n), slice(n * n, 2 * n * n)
    total = (v[s, s] + v[s, g] + v[g, s] + v[g, g]).reshape(n, n, n, n)
    return np.asarray(total + gram + gram.transpose(0, 1, 3, 2))


def require(size: int, n: int) -> None:
    """Refuse what memory does not hold, before it is allocated."""
    free = available_memory()
    if free is not None and size > free:
        raise MemoryError(
            f"expected {size:.3g} bytes of memory for the quadruples of {n} inputs, got"
            f" {free:.3g}; take fewer inputs"
        )


def _full(a: Array, n: int) -> Array:
    return np.asarray(np.broadcast_to(a, (n, n)))


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """All pairs of n inputs at one layer, and the joint moments of four of them."""

    pair: Pair
    four: FourMoments
    n: int

    def mean(self, terms: Sum) -> Array:
        """An expectation at all pairs."""
        return _full(self.pair.mean(terms), self.n)

    @property
    def t(self) -> Array:
        """T of all pairs."""
        return _full(self.pair.t, self.n)

    @property
    def eta(self) -> Array:
        """E w of every input."""
        return self.mean(UNIT[MU1])[:, 0]

    @property
    def mu(self) -> Array:
        """The means of the units before the layer."""
        return _full(self.pair.z[MU1], self.n)[:, 0]

    def through(self) -> tuple[Array, ...]:
        """The state after the layer."""
        s, g, mu = self.mean(UNIT[S12]), self.mean(UNIT[G]) * self.t, self.eta
        if self.pair.layer.residual:
            cross = np.outer(self.mu, self.eta)
            s = s + self.pair.z[S12] + cross + cross.T
            g, mu = g + self.pair.z[G], mu + self.mu
        own = np.diag(s)
        return own[:, None], s, own[None, :], mu[:, None], mu[None, :], g

    def jacobian(self) -> Array:
        """Derivatives of the state (S_ab, g_ab, mu_a) after the layer by that before."""
        n, weight = self.n, self.pair.layer.weight
        j = np.zeros((2, n, n, 2 * n * n + n))
        k = np.zeros((n, 2 * n * n + n))
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
            j[0] += self.mu[:, None, None] * k[None] + self.mu[None, :, None] * k[:, None]
            np.add.at(j, (0, a, b, 2 * n * n + a), self.eta[b])
            np.add.at(j, (0, a, b, 2 * n * n + b), self.eta[a])
        whole = np.concatenate([j.reshape(2 * n * n, -1), k])
        return whole + np.eye(len(whole)) if self.pair.layer.residual else whole

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
        n, mu = self.n, self.mu
        m = np.eye(len(q))
        a, b = np.indices((n, n))
        np.add.at(m, (a * n + b, 2 * n * n + b), mu[a])
        np.add.at(m, (a * n + b, 2 * n * n + a), mu[b])
        q = m @ q @ m.T
        alpha = _full(self.pair.z[S12], n) - np.outer(mu, mu)
        cross = np.einsum("ac,bd->abcd", alpha, spread)
        cross = cross + cross.transpose(1, 0, 3, 2)  # alpha_b alpha_d, w_a w_c
        cross = cross + cross.transpose(0, 1, 3, 2)
        q[: n * n, : n * n] += cross.reshape(n * n, n * n)
        return q

    def gram(self, before: Array) -> Array:
        """A(ab, cd) after the layer."""
        layer, skip = self.pair.layer, float(self.pair.layer.residual)
        slopes = self.mean(UNIT[G])
        moving, resting = slopes * self.t, skip * _full(self.pair.z[G], self.n)
        fresh = self.four.slopes * np.einsum("ab,cd->abcd", self.t, self.t)
        fresh += np.einsum("ab,cd->abcd", moving, resting)
        fresh += np.einsum("ab,cd->abcd", resting, moving)
        turn = skip + layer.weight * slopes
        return np.asarray(fresh / layer.ratio + np.einsum("ac,bd,abcd->abcd", turn, turn, before))
