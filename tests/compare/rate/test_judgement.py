"""The verdict at its boundaries, on fits made by hand, and the share above the threshold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from compare.rate.fits import Power, WidthExpansion
from compare.rate.judgement import Excess, excess, judge

A_BIT = 1e-9


def verdict(
    exponent: tuple[float, float] = (0.9, 1.1),
    floor: tuple[float, float] = (-0.1, 0.2),
    first: tuple[float, float] = (0.4, 0.6),
    final: tuple[float, float] = (0.0, 0.1),
    last: float = 1.0,
) -> str:
    power = Power(sum(exponent) / 2, 0.1, 1.0, exponent)
    one = (0.0, 1.0)
    law = WidthExpansion(1.0, 0.0, sum(floor) / 2, one, one, floor, np.eye(3))
    above = Excess(1.0, (0.5, 0.3, 0.05), (first, (0.0, 1.0), final))
    return str(judge(power, law, above, last).outcome)


def test_everything_in_order_holds() -> None:
    assert verdict() == "holds"


def test_an_exponent_below_one_half_fails_and_one_at_it_is_undecided() -> None:
    assert verdict(exponent=(0.3, 0.5 - A_BIT)) == "fails"
    assert verdict(exponent=(0.3, 0.5)) == "undecided"
    assert verdict(exponent=(0.5, 0.9)) == "undecided"
    assert verdict(exponent=(0.5 + A_BIT, 0.9)) == "holds"


@pytest.mark.parametrize("last", [1.0, 8.0])
def test_a_floor_above_half_of_the_last_distance_fails(last: float) -> None:
    half = last / 2
    assert verdict(floor=(half + A_BIT, last), last=last) == "fails"
    assert verdict(floor=(half, last), last=last) == "undecided"


@pytest.mark.parametrize("last", [1.0, 8.0])
def test_a_floor_whose_interval_reaches_half_of_the_last_distance_is_undecided(
    last: float,
) -> None:
    half = last / 2
    assert verdict(floor=(-half, half), last=last) == "undecided"
    assert verdict(floor=(-half, half - A_BIT), last=last) == "holds"


def test_a_floor_clearly_above_zero_is_undecided_however_small() -> None:
    assert verdict(floor=(A_BIT, 2 * A_BIT)) == "undecided"
    assert verdict(floor=(0.0, 2 * A_BIT)) == "holds"


def test_the_share_must_clearly_fall_from_the_first_to_the_last_width() -> None:
    assert verdict(first=(0.4, 0.6), final=(0.1, 0.4 - A_BIT)) == "holds"
    assert verdict(first=(0.4, 0.6), final=(0.1, 0.4)) == "undecided"
    assert verdict(first=(0.0, 0.6), final=(0.0, 0.01)) == "undecided"


def test_what_fails_fails_whatever_else_is_in_order() -> None:
    assert verdict(exponent=(0.1, 0.2), floor=(-1, 1), final=(0, 1)) == "fails"
    assert verdict(exponent=(0.1, 0.9), floor=(0.6, 0.7), final=(0, 1)) == "fails"


def test_half_of_the_networks_of_the_smallest_width_are_above_the_threshold() -> None:
    # kappa = median sqrt(m) = 2.5 * 2; thresholds 2.5 at m = 4 and 1.25 at m = 16
    d = [np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.25, 1.25 + A_BIT, 0.1, 0.2, 9.0])]
    above = excess([4, 16], d, 0.9)
    assert above.kappa == 5.0
    assert above.share == (0.5, 0.4)  # a network at the threshold is not above it
    assert above.interval[1] == pytest.approx((0.0764, 0.8107), abs=5e-5)  # 2 of 5, tables


def test_reasons_name_what_is_open() -> None:
    power = Power(0.5, 0.1, 1.0, (0.4, 0.6))
    law = WidthExpansion(1, 0, 0.5, (0, 1), (0, 1), (-1, 1), np.eye(3))
    same = Excess(1.0, (0.5, 0.5), ((0.4, 0.6), (0.4, 0.6)))
    reason = judge(power, law, same, 1.0).reason
    for words in ("not clearly above 1/2", "is not clearly 0", "does not clearly fall"):
        assert words in reason
    assert list(itertools.accumulate(reason.count(c) for c in ";"))[-1] == 3
