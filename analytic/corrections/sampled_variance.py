r"""The variance of one entry of K_0 of images at leading order in 1/m, from sampled units.

The recursions of ``joint_variance`` carry all pairs of all positions through the layers, to read
one number off them at the end. That number is linear in V and in A, so it can be carried backwards
instead. With a the derivatives of the entry by the state (S, g, mu) behind a layer, and weights
U and W on the pairs (a, c) and (b, d) of A(ab, cd),

    C = sum over layers of (a^T Q a + sum U_ac W_bd R(ab, cd)) / ratio,
    a <- J^T a,   U <- P^T U,   W <- P^T W,

Q and R the fresh noise of V and of A, J and P their maps. Now a^T Q a is the variance of one
function of a unit, w^T a_S w + w'^T (a_g T) w' + a_mu^T w, and the other sum the mean of another,
the sum of U_ac W_bd w'_a w'_b w'_c w'_d T_ab T_cd: both are averaged over units h ~ N(0, Lambda),
drawn at all positions, of which a hundred thousand cost what a few hundred quadruples do by a rule
in three dimensions. Everything else, J and P and the means, is as exact as before.

    n images of P positions    n (n + 1)/2 entries, O(units P^3) each, instead of O(n^4 P^4) rules
"""

# numpy says nothing of what its decompositions and generators return
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic.corrections.all_pairs import JointState, PointPairs
from analytic.corrections.joint_variance import COVARIANCE_PRODUCTS
from analytic.corrections.pair_state import S12, UNIT, G, OneSide, at_layer
from analytic.corrections.positions import mean_map, pair_map
from analytic.corrections.product_tables import tabulate
from analytic.corrections.stacked_layers import Place, StackLayer, checked
from analytic.inputs import positions_first
from analytic.network import Network

__all__ = ["sampled_fluctuation"]

Array = NDArray[np.float64]
BATCH = 2**11
"""Units drawn at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A layer with weights as all pairs of its points see it.

    Attributes:
        at: the pairs.
        covariance: Lambda, (N, N).
    """

    at: PointPairs
    covariance: Array


@dataclass(frozen=True, slots=True, eq=False)
class Averages:
    """A layer that averages: its maps of pairs of points, and of the means."""

    pairs: Array
    means: Array


def sampled_fluctuation(
    network: Network, x: ArrayLike, units: int = 2**14, seed: int = 0
) -> tuple[Array, Array]:
    """``fluctuation(network, x)`` of images, and its standard error, shape (n, n) each.

    Args:
        network: as for ``fluctuation``.
        x: images, shape (n, channels, *spatial), or vectors.
        units: how many are drawn for each layer and entry.
        seed: of the units.

    Raises:
        ValueError, TypeError, AccuracyError: as of ``fluctuation``.
    """
    places, rows, _ = checked(network, x, None, 3, images=True)
    n = len(rows)
    scale, _, rate, _ = network.output.coefficients
    value, error = np.empty((n, n)), np.empty((n, n))
    for i in range(n):
        for j in range(i, n):
            rng = np.random.default_rng([seed, i, j])
            images = rows[[i] if i == j else [i, j]]
            found = _entry(places, images, units, rng, rate)
            value[i, j], error[i, j] = (scale**2 * number for number in found)
            value[j, i], error[j, i] = value[i, j], error[i, j]
    return value, error


def _entry(
    places: list[Place], images: Array, units: int, rng: np.random.Generator, rate: float
) -> tuple[float, float]:
    """C of the first and the last of one or two images at a readout's rate, and its error."""
    steps = _forward(places, images)
    n = len(images)
    entry = np.zeros((n, n))
    entry[0, -1] = 1.0
    a = np.concatenate([rate * entry.ravel(), entry.ravel(), np.zeros(n)])
    first, last, crossed = (np.zeros((n, n)) for _ in range(3))
    first[0, 0] = last[-1, -1] = crossed[0, -1] = 1.0
    grams = [(first, last), (crossed, crossed.T)]  # A(ab, ab) and A(ab, ba)
    value = variance = 0.0
    for step in reversed(steps):
        if isinstance(step, Averages):
            a = _averaged(step, a)
            grams = [(_turned(step.pairs, u), _turned(step.pairs, w)) for u, w in grams]
            continue
        ratio = step.at.pair.layer.ratio
        drawn, exact = _fresh(step, a, grams, units, rng)
        value += (drawn.mean() + exact) / ratio
        variance += drawn.var(ddof=1) / units / ratio**2
        a = step.at.jacobian().T @ a
        turn = _turn(step.at)
        grams = [(_turned(turn, u), _turned(turn, w)) for u, w in grams]
    return float(value), float(np.sqrt(variance))


def _forward(places: list[Place], images: Array) -> list[Layer | Averages]:
    """The limits of S, g and mu at all pairs of points, layer by layer."""
    count = len(images)
    points = images if images.ndim == 2 else positions_first(images).reshape(-1, images.shape[1])
    none = np.zeros((len(points), len(points)))
    state = _state(points @ points.T / points.shape[1], none, none[0])
    steps: list[Layer | Averages] = []
    for place in places:
        pairs = pair_map(place.maps, count)
        n = round(len(pairs) ** 0.5)
        s, g = ((pairs @ m.ravel()).reshape(n, n) for m in (state.s, state.g))
        if place.layer is None:
            averages = Averages(pairs, mean_map(place.maps, count))
            state = _state(s, g, averages.means @ state.mu)
            steps.append(averages)
            continue
        layer = _layer(place.layer, state, s, g, pairs)
        state = _state(*layer.at.through())
        steps.append(layer)
    return steps


def _state(s: Array, g: Array, mu: Array) -> JointState:
    """A state whose fluctuations are not followed."""
    return JointState(s, g, mu, np.empty((0, 0)), np.empty((0,) * 4))


def _layer(layer: StackLayer, state: JointState, s: Array, g: Array, patch: Array) -> Layer:
    """``joint_variance.through_layer`` without four units."""
    covariance = layer.weight * s + layer.bias
    variance = np.diag(covariance)
    factors = frozenset(digits for product in COVARIANCE_PRODUCTS for digits in product if digits)
    side = OneSide(tabulate(layer.activation, np.sqrt(variance), factors), variance)
    own, none = np.diag(s), np.zeros((1, 1))
    z = own[:, None], s, own[None, :], none, none, g
    pair = at_layer(layer, z, side, side, COVARIANCE_PRODUCTS)
    return Layer(PointPairs(pair, None, len(s), state, patch), covariance)


def _averaged(step: Averages, a: Array) -> Array:
    """The derivatives by the state before an average."""
    after = len(step.pairs)
    parts = a[:after], a[after : 2 * after], a[2 * after :]
    return np.concatenate(
        [step.pairs.T @ parts[0], step.pairs.T @ parts[1], step.means.T @ parts[2]]
    )


def _turned(map_of_pairs: Array, weights: Array) -> Array:
    """Weights on the pairs before a map, (N, N)."""
    before = round(map_of_pairs.shape[1] ** 0.5)
    return (map_of_pairs.T @ weights.ravel()).reshape(before, before)


def _turn(at: PointPairs) -> Array:
    """P: what a layer does to the pairs (a, c), and (b, d), of A."""
    turn = at.pair.layer.weight * at.mean(UNIT[G]).reshape(-1, 1) * at.patch
    return turn + np.eye(len(turn)) if at.pair.layer.residual else turn


def _fresh(
    step: Layer,
    a: Array,
    grams: list[tuple[Array, Array]],
    units: int,
    rng: np.random.Generator,
) -> tuple[Array, float]:
    """a^T Q a and the sum of U W R: a number for every drawn unit, and what is known exactly."""
    at, n = step.at, step.at.n
    of_s, of_g, of_mu = a[: n * n].reshape(n, n), a[n * n : 2 * n * n].reshape(n, n), a[2 * n * n :]
    exact = 0.0
    if at.pair.layer.residual:
        mu = at.before.mu
        of_mu = of_mu + of_s.T @ mu + of_s @ mu
        exact = _of_skip(at, of_s) + _crossed(at, grams)
    of_g = of_g * at.t
    mean_of_s, mean_of_g = (of_s * at.mean(UNIT[S12])).sum(), (of_g * at.mean(UNIT[G])).sum()
    mean = float(mean_of_s + mean_of_g + of_mu @ at.eta)
    lift = 16 * n * np.finfo(np.float64).eps * np.diag(step.covariance).max()  # it may be singular
    root: Any = np.linalg.cholesky(step.covariance + lift * np.eye(n))
    drawn = np.empty(units)
    for start in range(0, units, BATCH):
        h: Array = rng.standard_normal((min(BATCH, units - start), n)) @ root.T
        w, slope = at.pair.layer.activation.derivatives(h, 1)
        y = _form(w, of_s) + _form(slope, of_g) + w @ of_mu
        squares = sum(_squares(slope, u, v, at.t) for u, v in grams)
        drawn[start : start + len(h)] = (y - mean) ** 2 + squares
    return drawn, exact


def _form(w: Array, matrix: Array) -> Array:
    """w^T M w of every unit."""
    return np.einsum("ia,ia->i", w @ matrix, w)


def _squares(slope: Array, u: Array, v: Array, t: Array) -> Array:
    """sum U_ac W_bd w'_a w'_b w'_c w'_d T_ab T_cd of every unit, over the points that count."""
    a, c, b, d = (np.flatnonzero(m.any(axis=k)) for m in (u, v) for k in (1, 0))
    left = slope[:, a, None] * u[np.ix_(a, c)] * slope[:, None, c]
    right = slope[:, b, None] * v[np.ix_(b, d)] * slope[:, None, d]
    return np.einsum("iad,iad->i", left @ t[np.ix_(c, d)], t[np.ix_(a, b)] @ right)


def _of_skip(at: PointPairs, of_s: Array) -> float:
    """What the spread of alpha over the units adds, (4) of docs/theory/fluctuation.md."""
    mu, eta = at.before.mu, at.eta
    alpha, spread = at.before.s - np.outer(mu, mu), at.mean(UNIT[S12]) - np.outer(eta, eta)
    both = of_s + of_s.T
    return float(((both @ alpha @ both.T) * spread).sum())


def _crossed(at: PointPairs, grams: list[tuple[Array, Array]]) -> float:
    """What the skip adds to R: E[w'_a w'_b] T_ab g_cd and its mirror image."""
    fresh, before = at.mean(UNIT[G]) * at.t, at.before.g
    return float(
        sum(
            (u * (fresh @ w @ before.T)).sum() + (u * (before @ w @ fresh.T)).sum()
            for u, w in grams
        )
    )
