r"""Two-dimensional quadrature for nearly parallel pairs.

    minus = E (w(u)/r - w(v)/r')^2/2,    plus = E (w(u)/r + w(v)/r')^2/2,    d = E w'(u) w'(v)

with r^2 = E w(u)^2: what is small is a mean of squares, and nothing cancels.

Legend: z, xi independent standard normal; u = s z, u - v = (s - s' rho) z - s' sqrt(1 - rho^2) xi.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.estimated_tables import is_rough
from analytic.expectations.quadrature import Rule, graded_rule, uniform_rule
from analytic.expectations.steep_places import Place, rules_at, steep_place
from analytic.machine import UNIT, Array

__all__ = ["LARGEST_RULE", "Angle", "squared_differences"]

LARGEST_RULE = 2**20
"""Most nodes of a product rule."""
LARGEST_PRODUCT = 2**24
"""Most numbers of an array of such rules, 128 MB: where s is large they have many nodes."""


SAFETY = 8.0
"""Of errors that fall like a power that is not known, and unevenly."""


class Angle(NamedTuple):
    """A cosine by its complements 1 - c and 1 + c, and its absolute error, (pairs,) each."""

    minus: Array
    plus: Array
    error: Array

    @property
    def cosine(self) -> Array:
        return np.where(self.minus < self.plus, 1 - self.minus, self.plus - 1)

    @property
    def small(self) -> Array:
        return np.minimum(self.minus, self.plus)

    @classmethod
    def of(cls, minus: Array, plus: Array, error: Array) -> Angle:
        """The complement that is not small follows from the one that is."""
        close = minus < plus
        minus, plus = np.clip(minus, 0, 2), np.clip(plus, 0, 2)
        return cls(np.where(close, minus, 2 - plus), np.where(close, 2 - minus, plus), error)

    def thinned(self, keep: float) -> Angle:
        """That of a cosine that is multiplied by ``keep``: 1 - k c = (1 - k) + k (1 - c)."""
        minus, plus = (1 - keep + keep * part for part in (self.minus, self.plus))
        return Angle.of(minus, plus, keep * self.error + 4 * UNIT)

    def take(self, chosen: Any) -> Angle:
        return Angle(*(field[chosen] for field in self))


def squared_differences(
    activation: Activation, s: Array, s_: Array, angle: Angle, unit: Array, unit_: Array,
    largest: int = LARGEST_RULE, enough: float = 0.0,
) -> Array:  # fmt: skip
    """The squared difference and sum of two units by quadrature, and their D.

    Where w turns in one place away from 0, by nodes that are dense there, if these serve.

    Args:
        activation: w.
        s: standard deviation of u, shape (pairs,).
        s_: that of v.
        angle: complements of their correlation.
        unit: 1/sqrt(E w(u)^2).
        unit_: 1/sqrt(E w(v)^2).
        largest: most nodes of a rule of two dimensions.
        enough: an error below which no finer rule is asked, where nodes are dense in a place.

    Returns:
        (minus, plus, d, error of the smaller of the first two, error of d), (5, pairs): by
        two sizes of the rules, whose difference is the error.
    """
    place = None if is_rough(activation) else steep_place(activation)
    if place is None:
        return _around_zero(activation, s, s_, angle, unit, unit_, largest)
    units = s, s_, angle, unit, unit_
    found, known = _in_place(activation, place, units, largest // PLACED, enough)
    rest = np.flatnonzero(~known)
    if rest.size:
        some = s[rest], s_[rest], angle.take(rest), unit[rest], unit_[rest]
        other, here = _around_zero(activation, *some, largest), found[:, rest]
        found[:, rest] = np.where(other[3] + other[4] < here[3] + here[4], other, here)
    return found


PLACED = 2
"""How many fewer nodes are tried in a place: these converge sooner, if at all."""


def _around_zero(
    activation: Activation, s: Array, s_: Array, angle: Angle, unit: Array, unit_: Array,
    largest: int,
) -> Array:  # fmt: skip
    """The same by nodes that are dense around 0."""
    width = max(0.25, float(np.max(s_ * np.sqrt(angle.minus * angle.plus))))
    size = 48.0
    coarse: Array = np.full((3, s.size), np.inf)
    before: Array = coarse[:2]
    while True:
        if s.size * 4 * size**2 * (0.5 + width) > LARGEST_PRODUCT:
            return _unknown(angle)
        rules = _rules(size, float(s.max()), width)
        fine = _product_rule(activation, s, s_, angle, unit, unit_, *rules)
        with np.errstate(invalid="ignore"):
            change: Array = np.abs(fine - coarse)
        noise = 8 * UNIT * (np.sqrt(np.minimum(fine[0], fine[1])) + UNIT)
        first = np.asarray(fine[0] < fine[1])
        error = np.asarray(np.where(first, change[0], change[1]), dtype=np.float64) + noise
        wrong = np.array([error, change[2]])
        good = (error <= 4 * noise) & (change[2] <= 2**6 * UNIT * np.abs(fine[2]).max())
        nodes = rules[0].nodes.size * rules[1].nodes.size
        full = 2 * nodes > largest or 2 * nodes * s.size > LARGEST_PRODUCT
        if good.all() or (full and np.isfinite(error).all()):
            return np.concatenate([fine, _safely(activation, wrong, before)])
        before = wrong
        coarse, size = fine, size * math.sqrt(2)


Pairs = tuple[Array, Array, Angle, Array, Array]
"""s, s', their angle, 1/r and 1/r'."""
FIRST_SIZES = 80, 64
"""Steps of the first rules in a place."""
NODES_AT_ONCE = 2**16
"""Nodes of rules in a place that are taken together."""


def _in_place(
    activation: Activation, place: Place, units: Pairs, largest: int, enough: float
) -> tuple[Array, NDArray[np.bool_]]:
    """The same by nodes that are dense in a place, and which pairs are known so."""
    many = units[0].size
    found, known = np.full((5, many), np.inf), np.zeros(many, dtype=np.bool_)
    size = np.array(FIRST_SIZES, dtype=np.float64)
    while size.prod() <= largest and not known.all():
        left = np.flatnonzero(~known)
        step = max(1, int(NODES_AT_ONCE / size.prod()))
        for start in range(0, left.size, step):
            k = left[start : start + step]
            s, s_, angle, unit, unit_ = units
            some = s[k], s_[k], angle.take(k), unit[k], unit_[k]
            fine, noise = _placed_sum(activation, place, some, size)
            with np.errstate(invalid="ignore"):
                change = np.abs(fine[:3] - found[:3, k])
            near = np.minimum(fine[0], fine[1])
            off = np.asarray(np.where(fine[0] < fine[1], change[0], change[1]), np.float64)
            least = np.maximum(3 * noise[0], enough * near), np.maximum(noise[1], enough * fine[3])
            known[k] = (off <= least[0]) & (change[2] <= least[1])
            found[:3, k], found[3, k], found[4, k] = fine[:3], off + noise[0], change[2] + noise[1]
        size *= math.sqrt(2)
    return found, known


def _placed_sum(
    activation: Activation, place: Place, units: Pairs, size: Array
) -> tuple[Array, Array]:
    """minus, plus, d and the root of E w'(u)^2 E w'(v)^2 as the rules have it, (4, pairs).

    And what rounding makes of the smaller one of the first two, and of d, (2, pairs): v is a sum of
    numbers of the size of s', so that w(v) errs by NODE roundings of s' w'(v), and w'(v), which
    turns within the width of the place, by as many of s'/width.
    """
    s, s_, angle, unit, unit_ = units
    slope, tau = s_ * angle.cosine / s, s_ * np.sqrt(angle.minus * angle.plus)
    shift = (s - s_) + s_ * angle.minus
    outer, inner = (round(part) for part in size.tolist())
    z, p, xi, q = rules_at(place, s, slope, tau, shift, (outer, inner))
    u = s[:, None] * z
    w, w1 = activation.derivatives(u, 1)
    v = u - shift[:, None] * z
    v, v1 = activation.derivatives(v[..., None] + tau[:, None, None] * xi, 1)
    w, v = w * unit[:, None], v * unit_[:, None, None]
    minus, plus, square = (
        np.sum(p * np.einsum("kpq,kpq->kp", q, f), axis=1)
        for f in ((w[..., None] - v) ** 2 / 2, (w[..., None] + v) ** 2 / 2, v1**2)
    )
    d = np.sum(p * w1 * np.einsum("kpq,kpq->kp", q, v1), axis=1)
    norm = np.sqrt(np.sum(p * w1**2, axis=1) * square)
    near = np.sqrt(np.minimum(minus, plus))
    moved = NODE * UNIT * s_ * np.sqrt(square) * unit_
    noise = 8 * UNIT * (near + UNIT) + moved * (near + moved)
    turned = NODE * UNIT * (4 + s_ / place.width) * norm
    return np.stack([minus, plus, d, norm]), np.stack([noise, turned])


NODE = 2.0
"""Roundings of a node of the second unit: of three sums and products, in the mean."""


def _safely(activation: Activation, wrong: Array, before: Array) -> Array:
    """The last changes as errors; of kinks that nothing is known of the larger ones of two."""
    return SAFETY * np.maximum(wrong, before) if is_rough(activation) else wrong


def _unknown(angle: Angle) -> Array:
    """What to say where the rules would not fit into memory: nothing is known."""
    none = np.zeros_like(angle.minus)
    return np.stack([angle.minus, angle.plus, none, none + 2, none + np.inf])


def _rules(size: float, outer: float, width: float) -> tuple[Rule, Rule]:
    half = round(size)
    first = graded_rule(half, outer / 2) if outer > 0.5 else uniform_rule(half)
    return first, uniform_rule(round(size * (0.5 + width)))


def _product_rule(
    activation: Activation, s: Array, s_: Array, angle: Angle, unit: Array, unit_: Array,
    first: Rule, second: Rule,
) -> Array:  # fmt: skip
    """(minus, plus, d), shape (3, pairs)."""
    a, a_, minus, plus, b, b_ = (
        field[:, None, None] for field in (s, s_, angle.minus, angle.plus, unit, unit_)
    )
    z, xi = first.nodes[:, None], second.nodes
    u = a * z
    away = ((a - a_) + a_ * minus) * z - a_ * np.sqrt(minus * plus) * xi  # (pairs, q, q')
    w, w1 = activation.derivatives(u, 1)
    v, v1 = activation.derivatives(u - away, 1)
    weights = first.weights[:, None] * second.weights
    squares = ((b * w - b_ * v) ** 2 / 2, (b * w + b_ * v) ** 2 / 2, w1 * v1)
    return np.stack([np.tensordot(f, weights, axes=2) for f in squares])
