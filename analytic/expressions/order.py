r"""Orders of growth: functions C x^p exp(b x + a x^2) that bound others for large x.

Legend: START the point from which on all bounds hold; an order is C (as its logarithm),
the power p, the rate b and the curvature a, the last three as exact fractions so that
equal orders compare as equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

__all__ = ["START", "Order", "Tail", "fraction", "total"]

START = 2.0**64
"""Where the tail begins: every feature of an activation written in float64 lies before it,
or is too wide to tell from its limit."""


_CONSTANT = (Fraction(0), Fraction(0), Fraction(0))


@dataclass(frozen=True, slots=True)
class Order:
    """The function C x^p exp(b x + a x^2) on [START, infinity).

    Attributes:
        scale: log C.
        power: p.
        rate: b.
        curvature: a.
    """

    scale: float = 0.0
    power: Fraction = Fraction(0)
    rate: Fraction = Fraction(0)
    curvature: Fraction = Fraction(0)

    @property
    def rank(self) -> tuple[Fraction, Fraction, Fraction]:
        """Larger ranks outgrow smaller ones; constants have rank (0, 0, 0)."""
        return self.curvature, self.rate, self.power

    @property
    def grows(self) -> bool:
        """Whether it tends to infinity."""
        return self.rank > _CONSTANT

    @property
    def decays(self) -> bool:
        """Whether it tends to 0."""
        return self.rank < _CONSTANT

    def __str__(self) -> str:
        power = "" if not self.power else f"|x|^{_short(self.power)}".removesuffix("^1")
        exponent = " + ".join(
            f"{_short(number)} {name}".removeprefix("1 ").replace("-1 ", "-")
            for number, name in ((self.rate, "|x|"), (self.curvature, "x^2"))
            if number
        )
        return f"{power} exp({exponent})".strip() if exponent else power or "1"

    def __mul__(self, other: Order) -> Order:
        return Order(
            self.scale + other.scale,
            self.power + other.power,
            self.rate + other.rate,
            self.curvature + other.curvature,
        )

    def __pow__(self, r: Fraction) -> Order:
        return Order(float(r) * self.scale, r * self.power, r * self.rate, r * self.curvature)

    def times(self, c: float) -> Order:
        """c times this, for c > 0."""
        return Order(self.scale + math.log(c), self.power, self.rate, self.curvature)

    @property
    def is_falling(self) -> bool:
        """Whether it never increases: its logarithm has the slope p/x + b + 2 a x."""
        steepest = max(self.power, Fraction(0)) / Fraction(START) + self.rate
        return self.curvature <= 0 and steepest + 2 * self.curvature * Fraction(START) <= 0

    def at_start(self) -> float:
        """The logarithm at START, rounded up."""
        start = Fraction(START)
        exponent = float(self.rate * start + self.curvature * start * start)
        value = self.scale + float(self.power) * math.log(START) + exponent
        return value + 1e-13 * (1 + abs(self.scale) + abs(exponent))

    def ratio(self, other: Order) -> float | None:
        """log sup of this / other, or None if the quotient is not seen to fall."""
        quotient = self * other ** Fraction(-1)
        return quotient.at_start() if quotient.is_falling else None


@dataclass(frozen=True, slots=True)
class Tail:
    """What is known of e(x) for x >= START.

    Attributes:
        low, high: e(x) lies between them.
        above: an order with |e(x)| <= above(x), or None.
        below: an order with |e(x)| >= below(x), or None.
        limit: the exact limit, infinities included, or None if it is not known.
    """

    low: float
    high: float
    above: Order | None
    below: Order | None
    limit: Any

    @property
    def size(self) -> float:
        """A bound of |e(x)|, perhaps infinite."""
        return max(abs(self.low), abs(self.high))


def _short(number: Fraction) -> str:
    return f"{float(number):.4g}"


def total(orders: Sequence[Order]) -> Order | None:
    """A bound of the sum: the largest of them, times what the others may add."""
    orders = [order for order in orders if order.scale > -math.inf]  # without zeros
    if not orders:
        return Order(-math.inf)
    largest = max(orders, key=lambda order: (order.rank, order.scale))
    shares = [order.ratio(largest) for order in orders]
    if any(share is None for share in shares):
        return None
    return largest.times(sum(math.exp(share) for share in shares if share is not None))


def fraction(number: float, up: bool) -> Fraction:
    """The number as a fraction, moved by a unit in the last place in the given direction."""
    return Fraction(math.nextafter(number, math.inf if up else -math.inf))
