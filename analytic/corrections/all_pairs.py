r"""All pairs of points at one layer: the map of their state, its derivatives, its fresh noise.

The many-point form of ``pair_state``; docs/theory/fluctuation.md, (3) to (5).
"""

# scipy has no type stubs
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from analytic.corrections.four_units import FourMoments
from analytic.corrections.pair_state import FIRST, MU1, S12, UNIT, G, Pair
from analytic.corrections.products import Sum

__all__ = ["JointState", "PointPairs", "blocks", "turned"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class JointState:
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


def blocks(*matrices: Array) -> Array:
    """The matrices along the diagonal of a larger one."""
    found: Any = block_diag(*matrices)
    return np.asarray(found, dtype=np.float64)


def turned(gram: Array, one: Array, other: Array) -> Array:
    """A(ab, cd) with a map applied to (a, c) and another one to (b, d)."""
    before, after = gram.shape[0], round(len(one) ** 0.5)
    matrix = gram.transpose(0, 2, 1, 3).reshape(before**2, before**2)
    new = (one @ matrix @ other.T).reshape((after,) * 4)
    return new.transpose(0, 2, 1, 3)


def _full(a: Array, n: int) -> Array:
    return np.asarray(np.broadcast_to(a, (n, n)))


@dataclass(frozen=True, slots=True, eq=False)
class PointPairs:
    """All pairs of n points at one layer, and the joint moments of four of them.

    Attributes:
        pair: the pairs, with S and g summed over the filter.
        four: the joint moments, where they are known.
        n: the number of points after the layer.
        before: the state before the layer, which the skip passes on.
        patch: the sum over the filter, (n^2, n_before^2).
    """

    pair: Pair
    four: FourMoments | None
    n: int
    before: JointState
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
        np.add.at(j, (1, a, b, entries[1]), self.pair.layer.rate * slopes)
        np.add.at(j, (1, a, b, n * n + entries[1]), slopes)
        one = np.arange(n)
        k[one, one * n + one] = weight * self.mean(FIRST[MU1, 0])[:, 0]
        if self.pair.layer.residual:
            mu = self.before.mu
            j[0] += mu[:, None, None] * k[None] + mu[None, :, None] * k[:, None]
        moved = np.concatenate([j.reshape(2 * n * n, -1), k])
        summed = moved @ blocks(self.patch, self.patch)
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
        assert four is not None
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
        assert self.four is not None
        fresh = self.four.slopes * np.einsum("ab,cd->abcd", self.t, self.t)
        turn = layer.weight * slopes.reshape(-1, 1) * self.patch
        if skip:
            crossed = np.einsum("ab,cd->abcd", slopes * self.t, self.before.g)
            fresh = fresh + crossed + crossed.transpose(2, 3, 0, 1)
            turn = turn + np.eye(len(turn))
        return fresh / layer.ratio + turned(self.before.gram, turn, turn)
