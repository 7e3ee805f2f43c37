"""Angles of listed pairs, carried from layer to layer by 1 - |c|, compiled.

With c the cosine of two units, 1 - |c| keeps digits that c has lost: the roundings of unit vectors
move it by u sqrt(1 - |c|), and weight layers add what is not negative (docs/theory/near.md).

Legend: r the norm of a unit, s the deviation of the pre-activation, small = 1 - |rho| of these.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from analytic.compilation import compiled, elementwise
from analytic.machine import UNIT, Array

__all__ = [
    "Carried",
    "UnitNorms",
    "behind_table",
    "carried",
    "carry_theta",
    "enter",
    "enter_inputs",
    "entered",
    "leave_table",
]

CHAINS = 8
"""Chains of the sum of squares."""


class Carried(NamedTuple):
    """Pairs on their way through a network, (pairs,) each.

    Units have the cosine ``sign`` (1 - ``near``), known to ``wrong``; theta is known to ``error``,
    relative to its norms. ``small``, ``turn`` and ``off`` are the same three of pre-activations;
    ``d`` is D relative to norms, and ``bent`` its error. Within a layer theta is Gamma.
    """

    near: Array
    sign: Array
    wrong: Array
    theta: Array
    error: Array
    small: Array
    turn: Array
    off: Array
    d: Array
    bent: Array

    @classmethod
    def new(cls, pairs: int) -> Carried:
        """Room for so many, without Theta."""
        return cls(*np.zeros((len(cls._fields), pairs)))


class UnitNorms(NamedTuple):
    """What is asked of each input in a layer, (inputs,).

    r and s; 1/s; ``share`` of s^2 that the weights have; the roots of E w^2 and E w'^2; ``steep`` =
    s times their quotient; and what a change e of rho makes of D for two such units, relative to
    E w'^2: ``bow``^2 e + ``jump``^2 sqrt(e).
    """

    r: Array
    s: Array
    inverse: Array
    share: Array
    unit: Array
    slope: Array
    bow: Array
    steep: Array
    jump: Array

    @classmethod
    def of(
        cls, weight: float, r: Array, s: Array, unit: Array, slope: Array,
        turning: tuple[Array, Array],
    ) -> UnitNorms:  # fmt: skip
        """From r, s, the roots of E w^2 and E w'^2, and bow and jump times the latter."""
        bow, jump = (part / np.where(slope > 0, slope, np.inf) for part in turning)
        steep = np.where(unit > 0, s * slope / np.where(unit > 0, unit, 1.0), np.inf)
        inverse = np.where(s > 0, 1 / np.where(s > 0, s, 1.0), np.inf)  # such pairs become NaN
        share = weight * (r / np.where(s > 0, s, np.inf)) ** 2
        return cls(r, s, inverse, share, unit, slope, bow, steep, jump)


@compiled
def enter_inputs(x: Any, y: Any, inverse: Any, i: Any, j: Any, shift: int, o: Carried) -> None:
    """The angles of inputs x and y, from unit vectors; inverse has 1/|x| of all, 0 where x = 0."""
    d = x.shape[1]
    unit, total, row = np.zeros(d), np.zeros(CHAINS), -1
    if d == 1:  # all are parallel
        for p in range(i.size):
            o.sign[p] = 1.0 if (x[i[p], 0] >= 0) == (y[j[p], 0] >= 0) else -1.0
        return
    for p in range(i.size):
        if i[p] != row:
            row = i[p]
            for f in range(d):
                unit[f] = x[row, f] * inverse[row]
        other, scale = y[j[p]], inverse[j[p] + shift]
        near, sign = _half_square(unit, other, scale, total), 1.0
        if near > 1.0:
            near, sign = _half_square(unit, other, -scale, total), -1.0
        o.near[p], o.sign[p] = near, sign
        o.wrong[p] = (4 * np.sqrt(near) + (d / CHAINS + 2 * CHAINS + 6) * near + 4 * UNIT) * UNIT


@elementwise
def _half_square(unit: Any, other: Any, scale: float, total: Any) -> float:
    """|unit - scale other|^2/2."""
    whole, rest = unit.size - unit.size % CHAINS, 0.0
    total[:] = 0.0
    for f in range(0, whole, CHAINS):
        for k in range(CHAINS):
            apart = other[f + k] * scale - unit[f + k]
            total[k] += apart * apart
    for f in range(whole, unit.size):
        apart = other[f] * scale - unit[f]
        rest += apart * apart
    low = (total[0] + total[1]) + (total[2] + total[3])
    return 0.5 * (rest + (low + ((total[4] + total[5]) + (total[6] + total[7]))))


@elementwise
def entered(pair: Any, one: Any, other: Any, numbers: Any, own: float) -> Any:
    """A pair before an activation: ``turn``, ``small``, ``off``, Gamma and its error.

    The pre-activations are sums of what is not negative; NaN or infinite where one of them is 0.

    Args:
        pair: near, sign, wrong, theta and error of ``Carried``.
        one: r, s, inverse and share of an input.
        other: those of the other one.
        numbers: weight, bias, rate and bias_rate of the layer.
        own: relative error of the squares of r.
    """
    near, sign, wrong, theta, error = pair
    (r, s, inverse, share), (r_, s_, inverse_, share_) = one, other
    weight, bias, rate, bias_rate = numbers
    far, over = 2.0 - near, inverse * inverse_
    minus, plus = (near, far) if sign > 0 else (far, near)
    inner, gap, both = weight * r * r_, r - r_, s * s_
    beside = around = 0.0
    if bias > 0.0:  # s s' - w r r' - b, over the gap
        beside = weight * bias * gap / (both + inner + bias)
        around = (weight * bias * (r * r + r_ * r_) + bias * bias) / (both + inner) + bias
    minus, plus = (beside * gap + inner * minus) * over, (around + inner * plus) * over
    turn = 1.0 if minus <= plus else -1.0
    small = plus if plus < minus else minus
    rounded = 8 * UNIT * abs(beside) * (r_ if r_ > r else r)
    cosine, rho = inner * over * sign * (1.0 - near), turn * (1.0 - small)
    moved = abs(cosine - rho * share) + abs(cosine - rho * share_)
    off = (inner * wrong + rounded) * over + 8 * UNIT * small + own / 2 * moved
    learned = rate * inner  # not rate s s' rho less the bias, which may be all but all of it
    given = sign * (1.0 - near) * learned + bias_rate
    part = learned / (learned + bias_rate) if bias_rate > 0.0 else 1.0
    new = part * (wrong + own)
    return turn, small, off, given + weight * theta, new if new > error else error


@elementwise
def enter(a: UnitNorms, i: Any, j: Any, numbers: Any, own: float, o: Carried) -> None:
    """The pre-activations of listed pairs and Gamma: see ``entered``.

    Args:
        a: the inputs.
        i: the first ones of the pairs.
        j: the second ones.
        numbers: weight, bias, rate and bias_rate of the layer.
        own: relative error of the squares of r.
        o: the pairs.
    """
    for p in range(i.size):
        m, k = i[p], j[p]
        pair = o.near[p], o.sign[p], o.wrong[p], o.theta[p], o.error[p]
        one = a.r[m], a.s[m], a.inverse[m], a.share[m]
        other = a.r[k], a.s[k], a.inverse[k], a.share[k]
        o.turn[p], o.small[p], o.off[p], o.theta[p], o.error[p] = entered(
            pair, one, other, numbers, own
        )


@elementwise
def behind_table(pair: Any, one: Any, other: Any, of: Any, sides: Any, variation: float) -> Any:
    """A pair behind an activation whose table has its sums: near, sign, wrong, D and its error.

    Args:
        pair: the two sums, small, off and turn.
        one: inverse, bow, steep and jump of an input.
        other: those of the other one.
        of: beta and the error of the table.
        sides: of rho > 0 and of rho < 0, the sign of c near |rho| = 1, and then whether the sum is
            that of 1 - |c| over omega.
        variation: relative error of the variances.
    """
    near, d, small, off, turn = pair
    (inverse, bow, steep, jump), (inverse_, bow_, steep_, jump_) = one, other
    beta, error = of
    sign, scaled = (sides[0], sides[2]) if turn > 0 else (sides[1], sides[3])
    omega = np.sqrt(small + inverse * inverse_ / (beta * beta)) if scaled else 1.0
    near *= omega
    near = 0.0 if near < 0.0 else near
    share = 1.0 if abs(d) > 1.0 else abs(d)
    part = off / small if off > 0.0 else 0.0
    chord = (1.0 - share + error) * part
    root = np.sqrt(off)
    turned, turned_ = bow * bow * root + jump * jump, bow_ * bow_ * root + jump_ * jump_
    turned = root * np.sqrt(turned * turned_)
    turned = chord if chord < turned else turned
    steep *= steep_
    moved = variation * np.sqrt(1.0 if steep < 1.0 else steep)
    wrong = error * omega + steep * (share + turned) * off
    wrong += moved * (2 * np.sqrt(2 * near) + moved)
    bent = error + turned + 6 * variation
    other_side = near > 1.0
    return 2.0 - near if other_side else near, -sign if other_side else sign, wrong, bent


@elementwise
def leave_table(
    a: UnitNorms, i: Any, j: Any, of: Any, sides: Any, variation: float, o: Carried
) -> None:
    """Listed pairs whose table has left its sums in ``near`` and ``d``: see ``behind_table``."""
    for p in range(i.size):
        m, k = i[p], j[p]
        pair = o.near[p], o.d[p], o.small[p], o.off[p], o.turn[p]
        one = a.inverse[m], a.bow[m], a.steep[m], a.jump[m]
        other = a.inverse[k], a.bow[k], a.steep[k], a.jump[k]
        o.near[p], o.sign[p], o.wrong[p], o.bent[p] = behind_table(
            pair, one, other, of, sides, variation
        )


@elementwise
def carried(theta: float, error: float, d: float, bent: float, slope: float) -> Any:
    """Theta = D Gamma and its error: |d(D Gamma)| <= |dD| |Gamma| + |D| |dGamma|."""
    share = abs(d) + bent
    share = 1.0 if share > 1.0 else share
    return theta * (d * slope), bent + share * error + 16 * UNIT


@elementwise
def carry_theta(a: UnitNorms, i: Any, j: Any, o: Carried) -> None:
    """Theta of listed pairs behind the activation."""
    for p in range(i.size):
        slope = a.slope[i[p]] * a.slope[j[p]]
        o.theta[p], o.error[p] = carried(o.theta[p], o.error[p], o.d[p], o.bent[p], slope)
