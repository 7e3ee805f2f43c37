"""Angles of listed pairs, carried from layer to layer by 1 - |c|, compiled.

With c the cosine of two units, 1 - |c| keeps digits that c has lost: the roundings of unit vectors
move it by u sqrt(1 - |c|), and weight layers add what is not negative (docs/theory/near.md).

Legend: r the norm of a unit, s the deviation of the pre-activation, small = 1 - |rho| of these.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from analytic.compilation import borrowing, compiled
from analytic.expectations import arcsine
from analytic.machine import UNIT, Array

__all__ = ["Carried", "UnitNorms", "bend", "carry_theta", "enter", "enter_inputs", "leave_table"]

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

    r and s; the roots of E w^2 and E w'^2; and ``bow`` = s/sqrt(E w'^2) times that of E w''^2.
    """

    r: Array
    s: Array
    unit: Array
    slope: Array
    bow: Array


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


@borrowing
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


@borrowing
def enter(a: UnitNorms, i: Any, j: Any, numbers: Any, own: float, o: Carried) -> None:
    """The pre-activations, sums of what is not negative, and Gamma; NaN where one of them is 0.

    Args:
        a: the inputs.
        i: the first ones of the pairs.
        j: the second ones.
        numbers: weight, bias, rate and bias_rate of the layer.
        own: relative error of the squares of r.
        o: the pairs.
    """
    weight, bias, rate, bias_rate = numbers
    for p in range(i.size):
        r, r_, both = a.r[i[p]], a.r[j[p]], a.s[i[p]] * a.s[j[p]]
        near, far = o.near[p], 2.0 - o.near[p]
        minus, plus = (near, far) if o.sign[p] > 0 else (far, near)
        inner, gap = weight * r * r_, r - r_
        beside = weight * bias * gap / (both + inner + bias)  # s s' - w r r' - b, over the gap
        around = (weight * bias * (r * r + r_ * r_) + bias * bias) / (both + inner) + bias
        minus, plus = (beside * gap + inner * minus) / both, (around + inner * plus) / both
        o.turn[p] = 1.0 if minus <= plus else -1.0
        o.small[p] = min(minus, plus)
        rounded = 8 * UNIT * abs(beside) * max(r, r_)
        cosine, rho = o.sign[p] * (1.0 - near), o.turn[p] * (1.0 - o.small[p])
        moved = abs(inner / both * cosine - rho * (weight * r * r / (a.s[i[p]] * a.s[i[p]])))
        moved += abs(inner / both * cosine - rho * (weight * r_ * r_ / (a.s[j[p]] * a.s[j[p]])))
        o.off[p] = (inner * o.wrong[p] + rounded) / both + 6 * UNIT * o.small[p] + own / 2 * moved
        learned = rate * inner  # not rate s s' rho less the bias, which may be all but all of it
        whole = learned + bias_rate
        given = cosine * learned + bias_rate
        o.theta[p] = given + weight * o.theta[p]
        part = learned / whole if whole > 0.0 else 0.0
        o.error[p] = max(part * (o.wrong[p] + own), o.error[p])


@borrowing
def leave_table(
    a: UnitNorms, i: Any, j: Any, of: Any, signs: Any, scaled: Any, variation: float, o: Carried
) -> None:
    """The units behind an activation, whose table has left its sums in ``near`` and ``d``.

    Args:
        a: the inputs.
        i: the first ones of the pairs.
        j: the second ones.
        of: beta and the error of the table.
        signs: of c near |rho| = 1, for both signs of rho.
        scaled: whether the sums are those of 1 - |c| over omega.
        variation: relative error of the variances.
        o: the pairs.
    """
    beta, error = of
    for p in range(i.size):
        both, small, off = a.s[i[p]] * a.s[j[p]], o.small[p], o.off[p]
        side = 0 if o.turn[p] > 0 else 1
        omega = np.sqrt(small + 1 / (beta * beta * both)) if scaled[side] else 1.0
        near = max(o.near[p] * omega, 0.0)
        share = min(abs(o.d[p]), 1.0)
        chord = (1.0 - share + error) * (min(off / small, 1.0) if off > 0 else 0.0)
        turned = min(chord, a.bow[i[p]] * a.bow[j[p]] * off)  # the slope of D is s s' E w'' w''
        slope, unit = a.slope[i[p]] * a.slope[j[p]], a.unit[i[p]] * a.unit[j[p]]
        steep = both * slope / unit
        moved = variation * np.sqrt(max(steep, 1.0))
        o.wrong[p] = error * omega + steep * (share + turned) * off
        o.wrong[p] += moved * (2 * np.sqrt(2 * near) + moved)
        o.bent[p] = error + turned + 6 * variation
        o.sign[p] = signs[side] if near <= 1.0 else -signs[side]
        o.near[p] = near if near <= 1.0 else 2.0 - near


@borrowing
def bend(line: float, bend: float, o: Carried) -> None:
    """The same behind a x + b |x|, with the shares of a^2 and b^2 (``arccosines``)."""
    for p in range(o.small.size):
        small, off = o.small[p], o.off[p]
        root = np.sqrt(0.5 * small)
        turn, part = 2.0 * arcsine(root), 2.0 / np.pi
        folded = small - part * _sine_less_cosine(turn, small)
        minus, plus = (small, 2.0 - small) if o.turn[p] > 0 else (2.0 - small, small)
        minus, plus = line * minus + bend * folded, line * plus + bend * (2.0 - folded)
        o.d[p] = line + o.turn[p] * bend * (1.0 - part * turn)
        least = np.sqrt(max(small - off, 0.0))
        moved = 2.0 * off / (np.sqrt(small) + least) if off < small else np.sqrt(8.0 * off)
        o.bent[p] = part * bend * moved + 8 * UNIT
        o.near[p], o.sign[p] = (minus, 1.0) if minus <= plus else (plus, -1.0)
        o.wrong[p] = (abs(o.d[p]) + o.bent[p]) * off + 8 * UNIT * o.near[p]


@borrowing
def _sine_less_cosine(t: float, small: float) -> float:
    """sin(t) - t cos(t) with small = 1 - cos(t): up to t = 1 by its series."""
    if t >= 1.0:
        return np.sqrt(small * (2.0 - small)) - t * (1.0 - small)
    q = t * t
    a = 1.0 / 3 - q * (1.0 / 30 - q * (1.0 / 840 - q * (1.0 / 45360 - q * (1.0 / 3991680 - q * (
        1.0 / 518918400 - q * (1.0 / 93405312000 - q * (
            1.0 / 22230464256000 - q / 6758061133824000)))))))  # fmt: skip
    return t * q * a


@borrowing
def carry_theta(a: UnitNorms, i: Any, j: Any, o: Carried) -> None:
    """Theta = D Gamma behind the activation: |d(D Gamma)| <= |dD| |Gamma| + |D| |dGamma|."""
    for p in range(i.size):
        o.theta[p] *= o.d[p] * (a.slope[i[p]] * a.slope[j[p]])
        share = min(abs(o.d[p]) + o.bent[p], 1.0)
        o.error[p] = o.bent[p] + share * o.error[p] + 16 * UNIT
