r"""Pairs the tiles leave out: nearly parallel or nearly opposite inputs.

Where a network is chaotic, a rounding of rho near 1 is amplified at every layer. Such
pairs carry instead the complements of the cosine c = Sigma_12/sqrt(Sigma_11 Sigma_22),

    minus = 1 - c,    plus = 1 + c,

the smaller of them to full *relative* accuracy, which the layers do not amplify: the map
minus -> minus is concave (docs/theory/near.md). A layer takes them from the closed form of
a x + b |x| or from ``analytic.expectations.distances``.

Legend: r, r' the norms sqrt(Sigma) of the units, s, s' those of the pre-activations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import (
    Angle,
    Gaps,
    NormGap,
    Units,
    distances,
    gap_of_activations,
    gap_of_preactivations,
    jump_distances,
    slope_change,
)
from analytic.machine import UNIT, Array
from analytic.network import fold
from analytic.pairs.arccosines import arccosine_moments
from analytic.pairs.close_inputs import Close
from analytic.pairs.input_angles import alike, angle_of_inputs, gap_of_inputs
from analytic.pairs.pair_sums import share_or_zero as _share
from analytic.pairs.pair_sums import summed_error
from analytic.pairs.unit_angles import angle_of_sum, normalized_angle
from analytic.recursion import Account, Cost, Junction, Stage, in_kernels, plain, preactivation

__all__ = [
    "NearlyParallel",
    "behind",
    "first_state",
    "nearly_parallel_pairs",
    "unit_moments",
]

Index = NDArray[np.intp]


class NearlyParallel(NamedTuple):
    """Sigma and Theta at the readout, and bounds of their relative errors, (pairs,) each."""

    sigma: Array
    theta: Array
    error: Array


class PairState(NamedTuple):
    """Angle of the units, theta, and its error relative to sqrt(Theta_ii Theta_jj).

    ``gap`` is the difference of their norms where it is known better than these.
    """

    angle: Angle
    theta: Array
    error: Array
    gap: NormGap | None = None

    def take(self, chosen: Index) -> PairState:
        """Some pairs, without gaps."""
        angle = Angle(*(part[chosen] for part in self.angle))
        return PairState(angle, self.theta[chosen], self.error[chosen])


class _Moments(NamedTuple):
    """The angle of w(u) and w(v), d = E w'(u) w'(v), and the error of d.

    The latter is relative to the root of E w'(u)^2 E w'(v)^2.
    """

    angle: Angle
    d: Array
    error: Array


def nearly_parallel_pairs(
    close: Close, x: Array, y: Array, i: Index, j: Index, *, sharp: bool = False,
    costs: list[Cost] | None = None, begun: PairState | None = None,
) -> NearlyParallel:  # fmt: skip
    """Run the recursion for pairs of inputs.

    Args:
        close: what ``Close.of`` made.
        x: the first inputs of the pairs, shape (pairs, d).
        y: the second ones, the same.
        i: their places among the inputs of ``close``, shape (pairs,).
        j: those of the second ones.
        sharp: whether to carry the gaps of norms as well, which takes twice as long.
        costs: where to note what layers and sums make of the errors.
        begun: what is behind the first layer, if it is known (``first_state``).
    """
    ends, pinned = close.ends, _pinned(close, x, y)
    rows = iter(range(len(ends.stages)))
    noises = [UNIT]  # the largest so far

    def after(stage: Stage, state: PairState) -> PairState:
        noises.append(max(noises[-1], stage.moments.noise.of_values + UNIT))
        if (row := next(rows)) == 0 and begun is not None:
            return begun
        return pinned(_layer(close, row, noises[-1], i, j, state, sharp))

    def added(stage: Stage, number: int, total: PairState, branch: PairState) -> PairState:
        p, q = stage.step.shares[number] or (1.0, 1.0)
        total, branch = (a._replace(theta=c * a.theta) for a, c in ((total, p), (branch, q)))
        return pinned(_sum(stage.junctions[number], noises[-1], i, j, total, branch))

    ways: tuple[Any, Any] = after, added
    if costs is not None:
        steps = [stage.step for stage in ends.stages]
        seen = Account(steps, lambda a: float(np.maximum(a.angle.error, a.error).max()), costs)
        ways = seen.after(after), seen.added(added)
    state = fold(ends.stages, begun or _of_inputs(x, y), *ways)
    sigma = np.sqrt(ends.sigma[i] * ends.sigma[j]) * state.angle.cosine
    angle_error = state.angle.error + close.sigmas[-1]
    *_, rounding = in_kernels(ends)
    both = summed_error(i, j, (angle_error, ends.sigma), (state.error, ends.theta))
    both = np.maximum(angle_error, state.error) if rounding else both
    return NearlyParallel(sigma, state.theta, np.maximum(angle_error, both) + 4 * UNIT + rounding)


def first_state(close: Close, x: Array, y: Array, i: Index, j: Index) -> PairState:
    """What pairs carry behind the first layer, which opens no branch."""
    noise = max(UNIT, close.ends.stages[0].moments.noise.of_values) + UNIT
    return _pinned(close, x, y)(_layer(close, 0, noise, i, j, _of_inputs(x, y)))


def behind(close: Close, state: PairState, i: Index, j: Index) -> NearlyParallel:
    """Sigma and Theta behind the first layer; ``error`` has a row for each, (2, pairs)."""
    own = close.ends.stages[0].moments.second
    sigma = np.sqrt(own[i] * own[j]) * state.angle.cosine
    of_sigma = state.angle.error + close.sigmas[1] + 4 * UNIT
    return NearlyParallel(sigma, state.theta, np.stack([of_sigma, state.error]))


def _of_inputs(x: Array, y: Array) -> PairState:
    none = np.zeros(len(x))
    return PairState(angle_of_inputs(x, y), none, none, gap_of_inputs(x, y))


def _pinned(close: Close, x: Array, y: Array) -> Callable[[PairState], PairState]:
    """Equal inputs stay equal: no rounding moves the angle of two units that are one."""
    same, opposite = alike(close.network, x, y)

    def pinned(state: PairState) -> PairState:
        minus, plus, error = state.angle
        one, other = same & (minus < plus), opposite & (plus < minus)
        minus = np.where(one, 0.0, np.where(other, 2.0, minus))
        plus = np.where(one, 2.0, np.where(other, 0.0, plus))
        return state._replace(angle=Angle(minus, plus, np.where(one | other, 0.0, error)))

    return pinned


def _layer(
    close: Close, row: int, noise: float, i: Index, j: Index, state: PairState, sharp: bool = False
) -> PairState:
    stage = close.ends.stages[row]
    if stage.step.normalizes:
        return _normalized(stage, noise, i, j, state)
    if stage.step.noise > 1:  # the diagonal alone has become larger
        return state._replace(angle=state.angle.thinned(1 / stage.step.noise), gap=None)
    weight, bias, rate, bias_rate = stage.step.coefficients
    r, r_ = np.sqrt(stage.sigma[i]), np.sqrt(stage.sigma[j])
    s, s_ = np.sqrt(stage.variance[i]), np.sqrt(stage.variance[j])
    gap = state.gap or NormGap(r - r_, 2 * UNIT * np.maximum(r, r_))
    own = close.sigmas[row] if state.gap is None else 0.0
    angle = _affine(state.angle, r, r_, s, s_, weight, bias, gap, own)
    gaps = _gaps(close, row, i, j, state.gap) if sharp and state.gap is not None else None
    moments = unit_moments(close, row, angle, i, j, gaps)
    given = r * r_ * state.angle.cosine, state.theta
    _, _, gamma = preactivation(*given, *stage.step.coefficients)
    _, theta = plain(None, moments.d, gamma)
    kept = _share(np.abs(moments.d), np.sqrt(stage.moments.slope[i] * stage.moments.slope[j]))
    variation = close.sigmas[row] + 9 * UNIT  # of what is read: r r' c, weight_std^2, and a sum
    trained = [(angle.error + variation, stage.variance)]
    if (rate, bias_rate) != (1.0, bias):
        learned = state.angle.error + variation + 2 * UNIT, rate * weight * stage.sigma
        trained = [learned, (np.zeros(i.size), bias_rate + 0 * stage.sigma)]
    theta_error = summed_error(i, j, *trained, (state.error, weight * stage.theta))
    error = moments.error + kept * (theta_error + 2 * UNIT) + 2 * UNIT
    return PairState(moments.angle, theta, error, None if gaps is None else gaps.r)


def _gaps(close: Close, row: int, i: Index, j: Index, gap: NormGap) -> Gaps:
    """Those before and behind an activation."""
    stage = close.ends.stages[row]
    first, second = (stage.moments.take(k) for k in (i, j))
    r, r_, s, s_ = (np.sqrt(v[k]) for v in (stage.sigma, stage.variance) for k in (i, j))
    before = gap_of_preactivations(gap, r + r_, stage.step.weight, s + s_)
    activation, variation = stage.step.layer.activation, close.variations[row]
    return Gaps(before, gap_of_activations(activation, first, second, s, s_, before, variation))


def _affine(
    angle: Angle, r: Array, r_: Array, s: Array, s_: Array, weight: float, bias: float,
    gap: NormGap, own: float,
) -> Angle:  # fmt: skip
    """The angle of the pre-activations, from s s' (1 -+ rho) without cancellation.

    ``own`` is an error of Sigma at x = x' that the gap of norms has too: beside a bias it turns
    the pre-activation of each unit.
    """
    both, inner = s * s_, weight * r * r_
    wide = np.where(both > 0, both, 1.0)
    apart = weight * bias * gap.value**2 / (wide + inner + bias)  # s s' - w r r' - b
    around = (weight * bias * (r**2 + r_**2) + bias**2) / (wide + inner) + bias
    minus = np.where(both > 0, (apart + inner * angle.minus) / wide, 1.0)
    plus = np.where(both > 0, (around + inner * angle.plus) / wide, 1.0)
    error = inner / wide * angle.error + 4 * UNIT * np.minimum(minus, plus)
    error += 2 * weight * bias * np.abs(gap.value) * gap.error / wide**2
    rho = np.asarray(np.where(minus < plus, 1 - minus, plus - 1), dtype=np.float64)
    for size, deviation in ((r, s), (r_, s_)):
        share = _share(weight * size**2, deviation**2)
        error += own / 2 * np.abs(inner / wide * angle.cosine - rho * share)
    return Angle.of(minus, plus, error)


def _sum(
    junction: Junction, noise: float, i: Index, j: Index, alpha: PairState, branch: PairState
) -> PairState:
    """The sum of units and an independent branch, whose means make the two correlated."""
    (_, theta0, _), (_, own, _), _ = junction
    angle = angle_of_sum(junction, noise, i, j, alpha.angle, branch.angle)
    theta_error = summed_error(i, j, (alpha.error, theta0), (branch.error, own))
    return PairState(angle, alpha.theta + branch.theta, theta_error + 4 * UNIT)


def _normalized(stage: Stage, noise: float, i: Index, j: Index, state: PairState) -> PairState:
    """Units without their mean."""
    angle = normalized_angle(stage, noise, i, j, state.angle)
    whole = np.sqrt(stage.variance)
    theta = state.theta / (whole[i] * whole[j])
    return PairState(angle, theta, state.error + 4 * UNIT)


def unit_moments(
    close: Close, row: int, angle: Angle, i: Index, j: Index, gaps: Gaps | None = None
) -> _Moments:
    """E and D of a layer, and how much it amplifies the error of rho."""
    stage, of = close.ends.stages[row], close.units[row]
    if of is None and stage.step.layer.activation.jump is not None:
        return _jumping(close, row, angle, i, j)
    if of is None:
        line = stage.step.layer.activation.bent_line
        assert line is not None
        alive = stage.variance[i] * stage.variance[j] > 0
        return _Moments(*arccosine_moments(angle, alive, *line))
    table = stage.moments
    found = distances(of, angle, i, j, close.variations[row], gaps)
    slope = np.sqrt(table.slope[i] * table.slope[j])
    steep = _share(of.s[i] * of.s[j], of.r[i] * of.r[j])
    bent = _bent(of, angle, i, j, np.maximum(slope - np.abs(found.d), 0))
    error = found.error + steep * (np.abs(found.d) + bent) * angle.error
    result = Angle.of(found.minus, found.plus, error)
    return _Moments(result, found.d, found.error_d + _share(bent, slope) + 8 * UNIT)


def _bent(of: Units, angle: Angle, i: Index, j: Index, lacking: Array) -> Array:
    """How much D changes by the error of rho.

    |D| is convex in 1 - |rho|: its chord to |rho| = 1, where it lacks no more than it does of the
    root of E w'(u)^2 E w'(v)^2, bounds the change, and so do D' there and ``slope_change``.
    """
    e, curvature = angle.error, of.moments.curvature
    chord = lacking * np.minimum(_share(e, angle.small), 1)
    bend = np.sqrt(curvature[i] * curvature[j])
    moved = of.s[i] * of.s[j] * e  # 0 of equal or zero inputs: the curvature may be infinite
    turned = np.multiply(moved, bend, out=np.zeros_like(e), where=moved > 0)
    bent = np.minimum(chord, turned)
    if np.isfinite(curvature).all():
        return bent
    root = (slope_change(of.activation, of.s[k], e) for k in (i, j))
    return np.minimum(bent, np.sqrt(np.prod(list(root), axis=0)))


def _jumping(close: Close, row: int, angle: Angle, i: Index, j: Index) -> _Moments:
    """E of a layer whose activation jumps; D is not wanted."""
    stage = close.ends.stages[row]
    table, s = stage.moments, np.sqrt(stage.variance)
    r, means = np.sqrt(table.second), (table.mean[i], table.mean[j])
    found = jump_distances(
        stage.step.layer.activation, s[i], s[j], means, r[i], r[j], angle, close.variations[row]
    )
    none = np.zeros(i.size)
    return _Moments(found, none, none)
