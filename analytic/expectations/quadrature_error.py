r"""The error of the trapezoidal rule, bounded, and the rule that keeps it below rounding.

Let z = z(t) be the map of a rule (z = t, or sinh(t)/beta) and h its step in t; the rule has
the nodes |t| < T, the contour goes on to T' = (m + 1/2) h with z(T') = 2 z(T). For
F(t) = w'(s z) h_k(z) phi(z) z' analytic for |Im t| <= a, the residues of pi cot(pi t/h) in the
rectangle |Re t| <= T' give (docs/theory/quadrature.md)

    |sum - integral| <=  2q/(1 - q) int_{-T'}^{T'} |F(t + ia)| dt            (aliasing)
                       + 2 int_0^a e^(-2 pi y/h) (|F(T' + iy)| + |F(-T' + iy)|) dy   (ends)
                       + |the nodes and the integral over |t| > T|              (tail)

with q = e^(-2 pi a/h).

All orders k < N are bounded at once, in the Euclidean norm over k: by Minkowski's inequality
in the first two terms, with the Mehler kernel for

    sum_{k<N} |h_k(x + iy)|^2 <= r^(1-N) (1 - r^2)^(-1/2) exp(r x^2/(1 + r) + r y^2/(1 - r))

for 0 < r < 1, and by Bessel's inequality in the third, where it is the root of E[w'^2; |z| > z(T)],
once for the integral, sqrt(2) times for the nodes. Beside the real line w' is enclosed on boxes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from analytic.activation import Activation
from analytic.expectations.analytic_regions import image, is_analytic_below
from analytic.expectations.majorants import Majorant, majorant
from analytic.expectations.quadrature import Rule, graded_rule, uniform_rule
from analytic.machine import UNIT, Array
from analytic.proofs import Rectangle, modulus

__all__ = ["PARTS", "Choice", "Contours", "analytic_width", "contours"]


DEEP, FEW = 51.0, 400
"""Beyond |z| = 51 the roots of the weights underflow; of at most 400 orders h_k sqrt(phi) is below
1e-33 there (docs/theory/quadrature.md)."""
LARGEST = 2**15
"""Most nodes of a half of a rule."""
PARTS = 4
"""Parts of an octave of s, each of which has its own bounds."""
SHARE = math.log(UNIT / 16)
"""log of what each of the three errors may be, relative to the norm."""
ALONG, ACROSS = 72, 6
"""Boxes along a contour and at each of its ends."""
REACHES = np.concatenate([np.arange(13, 24), 24 * 1.15 ** np.arange(0, 18)])
"""Where the rules may end; the largest is 258."""
RATES = 1 - np.array([0.6, 0.4, 0.25, 0.15, 0.09, 0.05, 0.03, 0.016, 0.008, 0.004, 0.002, 0.001])
"""The r of the Mehler kernel."""


class Choice(NamedTuple):
    """A rule and bounds of its errors on every part of the octave, (PARTS,) each.

    ``slope`` is the error of the coefficients in the norm over k and ``square`` that of
    E[w'^2]; ``mean`` that of E[w] and ``power`` that of E[w^2].
    """

    rule: Rule
    slope: Array
    square: Array
    mean: Array
    power: Array


class _Map(NamedTuple):
    """A rule without its step: scale beta (0 for z = t) and the height a of the contour."""

    beta: Array
    height: Array


@dataclass(frozen=True, slots=True, eq=False)
class Contours:
    """The integrands on the contours that are tried, for one octave.

    Attributes:
        maps: beta and a of each, shape (maps, 1).
        reach: |z| at the end of the rule.
        x, y: the boxes in z: smallest |x| and largest |y|, shape (maps, boxes).
        length: |z'| times the length of the box in t; at the ends |z'| only.
        depth: how far the boxes at the ends are from the real line in t.
        w, slope: log of bounds of |w| and |w'|, shape (maps, PARTS, boxes).
        norms: log of the roots of E[w'^2] and E[w^2] on the parts, (2, PARTS): estimates.
        tails: log of the tails of w' and w, (2, PARTS).
        high: the largest s.
        unknown: w, if the strip in which it is analytic is not known.
    """

    maps: _Map
    reach: float
    x: Array
    y: Array
    length: Array
    depth: Array
    w: Array
    slope: Array
    norms: Array
    tails: Array
    high: float
    unknown: Any

    def choose(self, terms: int) -> Choice | None:
        """The rule with the fewest nodes whose errors are below rounding."""
        if self.reach > DEEP and terms > FEW:
            return None
        kernel = _kernel(self.x, self.y, terms)[:, None]  # (maps, 1, boxes)
        density = -(self.x**2 - self.y**2)[:, None] / 2
        length = self.length[:, None]
        along = slice(0, ALONG)
        with np.errstate(invalid="ignore", over="ignore"):
            logs = (
                self.slope + kernel + length,
                2 * self.slope + density + length,
                self.w + density + length,
                2 * self.w + density + length,
            )
            sums = [np.logaddexp.reduce(f[..., along], axis=-1) for f in logs]
        scales = (self.norms[0], 2 * self.norms[0], self.norms[1], 2 * self.norms[1])
        wanted = [s - scale - SHARE for s, scale in zip(sums, scales, strict=True)]
        worst = np.max(wanted, axis=(0, 2))
        need = np.where(worst < np.inf, np.logaddexp(0, worst + math.log(2)), np.inf)  # 2 pi a/h
        step = 2 * np.pi * self.maps.height[:, 0] / need
        step = np.minimum(step, _gram_step(self.maps, terms))
        beta = self.maps.beta[:, 0]
        ends = np.where(beta > 0, np.arcsinh(self.reach * beta), self.reach)
        half = np.ceil(ends / np.maximum(step, 1e-9))
        best = self._shortest(half)
        if best is None:
            return None
        n = int(8 * math.ceil(half[best] / 8))
        rule = _rule(float(beta[best]), n, self.reach)
        step = ends[best] / n
        drop = 2 * np.pi * float(self.maps.height[best, 0]) / step  # -log q
        with np.errstate(over="ignore"):
            aliasing = [np.exp(s[best] + math.log(2 / -math.expm1(-drop)) - drop) for s in sums]
            at_ends = [self._ends(f[best], best, step) for f in logs]
        once, twice = TAIL * np.exp(self.tails), TAIL * np.exp(2 * self.tails)
        tails = (once[0], twice[0], once[1], twice[1])
        return Choice(rule, *(a + b + c for a, b, c in zip(aliasing, at_ends, tails, strict=True)))

    def _shortest(self, half: Array) -> int | None:
        """The contour whose rule has the fewest nodes, among those below which w is analytic."""
        for best in np.argsort(half, kind="stable"):
            if not half[best] < LARGEST:
                return None
            beta, height = (float(a[best, 0]) for a in self.maps)
            if self.unknown is None or is_analytic_below(
                self.unknown, self.high, beta, height, 2 * self.reach
            ):
                return int(best)
        return None

    def _ends(self, logs: Array, best: int, step: float) -> Array:
        """The two vertical sides; the boxes of both lie at the same depths."""
        depth, rate = self.depth[best], 2 * np.pi / step
        decay = math.log(2 / rate) - rate * depth[:-1]
        return np.asarray(np.exp(np.logaddexp.reduce(logs[:, ALONG:] + np.tile(decay, 2), axis=1)))


TAIL = 5.0
"""How often a tail counts: for the integral, the nodes (times sqrt(2) and the norm of the
basis), and twice in the interpolation, which takes what lies within the reach."""


def _rule(beta: float, n: int, reach: float) -> Rule:
    return uniform_rule(n, reach) if beta == 0 else graded_rule(n, beta, reach)


def _kernel(x: Array, y: Array, terms: int) -> Array:
    """log of the root of sum_{k < terms} |h_k|^2 times phi."""
    r = RATES[:, None, None]
    logs = -(terms - 1) / 2 * np.log(r) - np.log1p(-(r**2)) / 4
    logs = logs - (x**2 / (1 + r) - y**2 / (1 - r)) / 2
    return np.asarray(logs.min(axis=0) - math.log(2 * np.pi) / 2)


def _gram_step(maps: _Map, terms: int) -> Array:
    """Steps at which the rule keeps the h_k orthonormal, so that it amplifies no rounding.

    On the contour of height a, sum |h_k|^2 |phi| is at most r^(1-N) (1-r^2)^(-1/2) times
    exp(-(1-r)/(1+r) x^2/2 + (1+r)/(1-r) y^2/2); its integral shall be below e^(2 pi a/h)/100.
    """
    heights = np.array([0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 1.0, 2.0, 4.0, 8.0])[:, None, None]
    r = RATES[None, :, None]
    beta = maps.beta[:, 0]
    graded = beta > 0
    tangent = np.where(graded, np.tan(np.minimum(heights, 0.75)), 0.0)
    floor = np.where(graded, np.sin(np.minimum(heights, 0.75)) / np.where(graded, beta, 1), heights)
    # y^2 = floor^2 + tangent^2 x^2 on the contour
    bend = (1 - r) / (1 + r) - (1 + r) / (1 - r) * tangent**2
    logs = -(terms - 1) * np.log(r) - np.log1p(-(r**2)) / 2 + (1 + r) / (1 - r) * floor**2 / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        # |z'| dt = |dz| <= dx/cos(a); the integral of exp(-bend x^2/2)/sqrt(2 pi) is bend^-1/2
        logs = logs - np.log(np.where(bend > 0, bend, 0.0)) / 2 + np.where(graded, 0.4, 0.0)
    logs = np.where(bend > 0, logs, np.inf).min(axis=1)  # (heights, maps)
    heights = np.where(graded & (heights[:, 0] > 0.75), 0.75, heights[:, 0])
    return np.max(2 * np.pi * heights / (np.maximum(logs, 0) + math.log(300)), axis=0)


def contours(
    activation: Activation, low: float, high: float, norms: Array, steepness: float = 1.0
) -> Contours | None:
    """The contours of an octave, or None where w is not known to be analytic beside the line.

    Args:
        activation: w.
        low: smallest s.
        high: largest s.
        norms: log of the roots of E[w'^2] and E[w^2] on the parts, (2, PARTS).
        steepness: how much closer to the line than usual, where the strip is not known.
    """
    strip = activation.strip
    own, slope = majorant(activation.expression, 0), majorant(activation.expression, 1)
    if strip == 0 or own is None or slope is None:
        return None
    edges = low * (high / low) ** (np.arange(PARTS + 1) / PARTS) if low > 0 else None
    if edges is None:
        return None
    found = _reach(own, slope, edges, norms)
    if found is None:
        return None
    reach, tails = found
    width = analytic_width(strip, steepness)
    maps = _maps(width, high)
    x_low, x_high, y_low, y_high, length, depth = _boxes(maps, reach)
    box = Rectangle.of(
        np.minimum(x_low[:, None] * edges[:-1, None], x_low[:, None] * edges[1:, None]),
        np.maximum(x_high[:, None] * edges[:-1, None], x_high[:, None] * edges[1:, None]),
        y_low[:, None] * edges[:-1, None],
        y_high[:, None] * edges[1:, None],
    )
    with np.errstate(divide="ignore"):
        w, slope = (np.log(modulus(activation.stable(order), box)) for order in (0, 1))
    near = np.where(x_low * x_high <= 0, 0.0, np.minimum(np.abs(x_low), np.abs(x_high)))
    unknown = activation.expression if strip is None else None
    return Contours(maps, reach, near, y_high, length, depth, w, slope, norms, tails, high, unknown)


def analytic_width(strip: Any, steepness: float) -> float:
    """The width to try: that of the strip, or 1 and 3 over the steepness."""
    if strip is not None and strip.is_finite:
        return float(strip)
    return 1 / steepness if strip is None else math.inf if steepness == 1 else 3 / steepness


def _reach(
    own: Majorant, slope: Majorant, edges: Array, norms: Array
) -> tuple[float, Array] | None:
    """Where the tails of w' and w have fallen below rounding, and these tails."""
    for reach in REACHES:
        beyond = np.full(PARTS, reach)
        tails = np.stack(
            [
                slope.log_tail(edges[:-1], edges[1:], beyond, 2) / 2,
                own.log_tail(edges[:-1], edges[1:], beyond, 2) / 2,
            ]
        )
        if np.all(tails <= norms + SHARE):
            return float(reach), tails
    return None


def _maps(strip: float, high: float) -> _Map:
    """Contours to try: parallels of the real line, and hyperbolas for wide s."""
    widest = min(0.95 * strip / high, 12.0)
    even = widest * np.array([1.0, 0.85, 0.65, 0.4, 0.25, 0.12])
    if math.isinf(strip) and high > 256:  # |sin(s z)| is beyond float64 on the others
        even = np.append(even, [0.06 * widest, 0.03 * widest])
    graded = high > 0.5 * min(strip, 2.0)
    angles = np.array([0.75, 0.6, 0.42, 0.25, 0.12, 0.05] if graded else [])
    scale = high / min(1.3 * strip, 3.0)
    beta = np.concatenate([np.zeros(even.size), np.full(angles.size, scale)])
    return _Map(beta[:, None], np.concatenate([even, angles])[:, None])


def _boxes(maps: _Map, reach: float) -> tuple[Any, ...]:
    """Boxes around the contours and their ends in z, and |z'| dt on them."""
    beta, height = maps
    graded = beta > 0
    bottom = np.where(graded, beta, 1.0)
    end = np.where(graded, np.arcsinh(2 * reach * bottom), 2 * reach)
    cuts = np.linspace(-1, 1, ALONG + 1)
    depth = height * np.concatenate([[0.0, 0.03], np.arange(1, ACROSS) / (ACROSS - 1)])
    ones = np.ones((1, ACROSS))
    t1 = np.concatenate([end * cuts[:-1], -end * ones, end * ones], axis=1)
    t2 = np.concatenate([end * cuts[1:], -end * ones, end * ones], axis=1)
    a1 = np.concatenate([height * np.ones((1, ALONG)), depth[:, :-1], depth[:, :-1]], axis=1)
    a2 = np.concatenate([height * np.ones((1, ALONG)), depth[:, 1:], depth[:, 1:]], axis=1)
    x_low, x_high, y_low, y_high = image(beta, t1, t2, a1, a2)
    farther = np.maximum(np.abs(t1), np.abs(t2))
    length = np.where(graded, np.log(np.cosh(farther) / bottom), 0.0)
    length[:, :ALONG] += np.log((t2 - t1)[:, :ALONG])
    return x_low, x_high, y_low, y_high, length, depth
