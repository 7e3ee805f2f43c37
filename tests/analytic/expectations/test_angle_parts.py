"""Parts of the range of a table: places, the lanes of each, and sums beside their ends."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from analytic.activation import Activation
from analytic.expectations import (
    EDGES,
    KEYS,
    PARTS,
    KinkTable,
    LogTable,
    kink_table,
    near_table,
    places_of,
    sides_in,
    sort_by_keys,
)
from analytic.expectations.combined_lines import combine
from analytic.machine import UNIT
from tests.oracles.lanes import sums_of_row

ALLOWED = 2**7 * UNIT
"""What bands leave out, and roundings of either sum."""


def _sorted(place: np.ndarray, sign: np.ndarray) -> list[list[int]]:
    order, starts = np.full(place.size, -1), np.zeros(KEYS + 1, dtype=np.int64)
    sort_by_keys(place, sign, order, starts)
    return [order[a:b].tolist() for a, b in pairwise(starts)]


def _slowly(place: np.ndarray, sign: np.ndarray) -> list[list[int]]:
    part, side = np.digitize(place, EDGES[1:-1]), (sign <= 0).astype(int)
    served = place >= 0
    return [np.flatnonzero(served & (2 * part + side == key)).tolist() for key in range(KEYS)]


def test_lanes_stand_by_part_and_sign(rng: np.random.Generator) -> None:
    """Mixed ones, those of one key, and those that no table serves."""
    place, sign = rng.random(128), rng.choice([-1.0, 1.0], 128)
    place[:PARTS], place[10:20], place[30] = EDGES[:-1], -1.0, np.nan
    assert _sorted(place, sign) == _slowly(place, sign)
    for part in range(PARTS):
        inside = EDGES[part] + (EDGES[part + 1] - EDGES[part]) * place[31:] / 2
        for turned in (1.0, -1.0):
            some = np.full(inside.size, turned)
            assert _sorted(inside, some) == _slowly(inside, some)
    one = np.full(128, 0.1)
    for p in (0, 5, 127):  # one lane is not like the others
        for other in (-1.0, np.nan, 0.3):
            alone = one.copy()
            alone[p] = other
            assert _sorted(alone, one) == _slowly(alone, one)
        turned = np.where(np.arange(128) == p, -1.0, 1.0)
        assert _sorted(one, turned) == _slowly(one, turned)


def test_sides_are_those_of_the_lanes() -> None:
    starts = np.zeros((3, KEYS + 1), dtype=np.int64)
    starts[1, 3:] = 5  # lanes of part 1 and rho > 0
    assert [sides_in(starts, 3, part) for part in range(PARTS)] == [(0, 0), (0, 1), *[(0, 0)] * 3]
    starts[2, 4:] = 2  # and of rho < 0
    assert sides_in(starts, 3, 1) == (0, 2)
    assert sides_in(starts, 2, 1) == (0, 1)
    assert sides_in(starts, 1, 1) == (0, 0)


def test_places_are_those_of_the_coordinates() -> None:
    """No inputs out of range, and 0 exactly, although a logarithm of 1 is a rounding."""
    small, work = np.array([0.0, 1e-9, 0.3, 0.3]), np.empty((4, 4))
    steeps = np.array([3.0, 3.0, 3.0, 0.0])
    for kind, of in ((3, np.log1p), (5, lambda z: np.arcsinh(np.sqrt(z)))):
        places_of(kind, 0.7, 2.0, steeps, small, work, 4)
        exact = of(6 * small[:3]) / of(6 * 0.7)
        assert np.allclose(work[0, :3], exact, rtol=0, atol=8 * UNIT)
        assert (work[0, :3] >= 0).all()
        assert work[0, 3] < 0


TABLES = {
    "tanh": lambda s: near_table(Activation("tanh"), s),
    "softplus": lambda s: near_table(Activation("softplus"), s),
    "selu": lambda s: kink_table(Activation("selu"), s, 0.2),
}


def _small_at(table: KinkTable | LogTable, x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """1 - |rho| at the coordinate x of pairs of the first unit with the others."""
    if isinstance(table, KinkTable):
        return table.farthest * x**2
    steep = table.beta**2 * s[0] * s[1:]
    return np.expm1(x * np.log1p(steep * table.farthest)) / steep


@pytest.mark.parametrize("name", TABLES)
def test_sums_of_all_parts_are_those_of_the_table(name: str, rng: np.random.Generator) -> None:
    """Next to the ends of parts and between them, few lanes of a part and all of them."""
    s = np.exp(rng.uniform(np.log(0.7), np.log(3.0), 61))
    table = TABLES[name](s)
    assert table is not None
    ends = np.array(EDGES)[:, None] + np.array([-1e-12, 0.0, 1e-12])
    gaps = np.where((np.arange(60) < 32) & (np.arange(60) % 10 != 5), 0.3, 0.6)  # 29 of 32 lanes
    for x in (np.resize(ends.clip(1e-300, 1 - 1e-12), 60), rng.random(60), gaps, np.full(60, 0.2)):
        small, one = _small_at(table, x, s), np.ones(61)
        given = np.sqrt(small / 2) if isinstance(table, KinkTable) else x
        for side in (0, 1):
            found = sums_of_row(table, side, s, one, one, small)
            exact = table.at(np.full(60, s[0]), s[1:], given, side)
            assert np.abs(found - exact).max() <= ALLOWED


@pytest.mark.parametrize("lines", [1, 4, 7])
def test_lines_are_combined(lines: int, rng: np.random.Generator) -> None:
    weights, given, found = rng.random((lines, 5)), rng.random((lines, 33)), np.empty((5, 33))
    combine(weights, given, found)
    assert np.allclose(found, weights.T @ given, rtol=1e-14, atol=0)
