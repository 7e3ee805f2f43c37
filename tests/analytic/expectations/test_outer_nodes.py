"""Nodes of the outer law beside a kink at 0, and pairs that are summed by few of them."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from analytic.activation import Activation
from analytic.expectations import Angle, moments, units
from analytic.expectations.conditioned_pairs import by_conditioning, resolving_heats
from analytic.expectations.conditioning import Split
from analytic.expectations.heat_choice import heats
from analytic.expectations.outer_nodes import OuterNodes
from analytic.expectations.spline_pairs import spline_distances
from analytic.expectations.splines import spline
from analytic.machine import UNIT

BESIDE_ZERO = ("elu", "softsign", "exp(-abs(x))", "x*abs(x)")


@pytest.mark.parametrize("halves", [True, False])
def test_rules_sum_what_is_smooth_on_each_half(halves: bool) -> None:
    """E |y|, E exp(-|y|) and P(y > 0) of laws of many widths, all nodes within reach."""
    nodes = OuterNodes.reaching(2.0**14, 0.25 if halves else 2.0**-40, 0.1, halves)
    y, dy, _ = nodes.rule()
    assert (y == -y[::-1]).all()
    assert y[-1] >= 2.0**14
    for sigma in (2.0, 30.0, 1000.0):
        p = np.exp(-((y / sigma) ** 2) / 2) * dy.astype(np.float64) / sigma / math.sqrt(2 * math.pi)
        with mpmath.workdps(40):
            tail = float(mpmath.exp(sigma**2 / 2) * mpmath.erfc(sigma / mpmath.sqrt(2)))
        sums = [p @ np.abs(y), p @ np.exp(-np.abs(y)), p[y > 0].sum() + p[y == 0].sum() / 2]
        exact = [sigma * math.sqrt(2 / math.pi), tail, 0.5]
        np.testing.assert_allclose(sums, exact, rtol=2**6 * UNIT)


def test_every_second_node_of_half_the_step_is_one_of_the_whole_step() -> None:
    for halves in (True, False):
        nodes = OuterNodes(0.5, 0.2, 30, halves)
        (y, dy, _), (fine, finer, whole) = nodes.rule(), nodes.rule(2)
        assert fine.size == 2 * y.size - 1
        np.testing.assert_allclose(fine[whole], y, rtol=4 * UNIT)
        np.testing.assert_allclose((2 * finer[whole]).astype(float), dy.astype(float), 4 * UNIT)


def _pairs(seed: int, count: int) -> tuple[np.ndarray, Angle]:
    """Deviations of twice ``count`` units, and angles of all sizes and both signs between them."""
    rng = np.random.default_rng(seed)
    s = np.exp(rng.uniform(-3, 6, count))
    apart = np.exp(np.where(rng.random(count) < 0.5, 0, rng.normal(0, 0.3, count)))
    small = 10 ** rng.uniform(-9, -0.5, count)
    flip = rng.random(count) < 0.3
    minus, plus = np.where(flip, 2 - small, small), np.where(flip, small, 2 - small)
    return np.concatenate([s, s * apart]), Angle(minus, plus, np.zeros(count))


@pytest.mark.parametrize("name", BESIDE_ZERO)
def test_few_nodes_agree_with_geometric_ones(name: str) -> None:
    """Within the sum of both bounds; and tables of few nodes take most of the pairs."""
    activation, count = Activation(name), 400
    s, angle = _pairs(1, count)
    of = units(activation, s, moments(activation, s))
    i, j = np.arange(count), np.arange(count) + count
    ways = resolving_heats(of, angle, i, j)
    assert sum(mask.sum() for _, mask in ways) == count
    finest = heats(activation)[-1]
    taken = 0
    for table, mask in ways:
        k = np.flatnonzero(mask)
        if not table.rule.halves or k.size == 0:
            continue
        taken += k.size
        split = Split.of(np.minimum(s[i], s[j])[k], np.maximum(s[i], s[j])[k], angle.small[k])
        assert split.tau_2.min() >= 4 * table.rule.scale
        assert (split.tau_1[split.tau_1 > 0]).min(initial=np.inf) >= 4 * table.rule.scale
        few = by_conditioning(table, of, angle.take(k), i[k], j[k])
        many = by_conditioning(finest, of, angle.take(k), i[k], j[k])
        norms = np.sqrt(of.moments.slope[i[k]] * of.moments.slope[j[k]])
        for row, error in ((0, 3), (1, 3), (2, 4)):
            scale = norms if row == 2 else np.where(few[row] < 1, 1, np.inf)
            assert (np.abs(few[row] - many[row]) <= scale * (few[error] + many[error])).all()
        assert (few[3] <= 4 * many[3] + 2**11 * UNIT * np.minimum(few[0], few[1])).all()
    assert taken > count / 2


@pytest.mark.parametrize("name", ["elu", "softsign"])
def test_few_nodes_agree_with_panels_of_a_spline(name: str) -> None:
    """Another sum: pieces of cubics between panels that end at the kink."""
    activation, count = Activation(name), 60
    s, angle = _pairs(2, count)
    of, line = units(activation, s, moments(activation, s)), spline(activation)
    assert line is not None
    i, j = np.arange(count), np.arange(count) + count
    for table, mask in resolving_heats(of, angle, i, j):
        k = np.flatnonzero(mask & table.rule.halves)
        if k.size:
            few = by_conditioning(table, of, angle.take(k), i[k], j[k])
            other = spline_distances(
                line, of.s[i[k]], of.s[j[k]], of.r[i[k]], of.r[j[k]], angle.take(k)
            )
            near = np.minimum(few[0], few[1]), np.minimum(other[0], other[1])
            assert (np.abs(near[0] - near[1]) <= few[3] + other[3]).all()
            norms = np.sqrt(of.moments.slope[i[k]] * of.moments.slope[j[k]])
            assert (np.abs(few[2] - other[2]) <= norms * (few[4] + other[4])).all()


@pytest.mark.parametrize("name", [*BESIDE_ZERO, "relu(x)**2", "selu"])
def test_parallel_pairs_are_sums_over_one_variable(name: str) -> None:
    """u = s z and v = +-s' z: integrals over either half of the line, by few nodes."""
    activation, rng = Activation(name), np.random.default_rng(4)
    s = np.exp(rng.uniform(-2, 4, 60))
    s_, flip = s * np.exp(rng.normal(0, 0.7, 60)), rng.random(60) < 0.3
    of = units(activation, np.concatenate([s, s_]), moments(activation, np.concatenate([s, s_])))
    i, j, none = np.arange(60), np.arange(60) + 60, np.zeros(60)
    angle = Angle(np.where(flip, 2.0, none), np.where(flip, none, 2.0), none)
    ways = [(table, mask) for table, mask in resolving_heats(of, angle, i, j) if mask.any()]
    assert all(table.rule.halves for table, _ in ways)
    found = np.empty((5, 60))
    for table, mask in ways:
        k = np.flatnonzero(mask)
        found[:, k] = by_conditioning(table, of, angle.take(k), i[k], j[k])
    ends = np.concatenate([[0.0], 2.0 ** np.arange(-12, 1.0), np.arange(2.0, 14.0)])
    nodes, weights = np.polynomial.legendre.leggauss(30)
    half, middle = np.diff(ends)[:, None] / 2, (ends[1:] + ends[:-1])[:, None] / 2
    z, p = (middle + half * nodes).ravel(), (half * weights).ravel()
    z, p = np.concatenate([-z, z]), np.tile(p * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi), 2)
    one = activation.derivatives(s[:, None] * z, 1)
    other = activation.derivatives((np.where(flip, -s_, s_))[:, None] * z, 1)
    cosine = (one[0] * other[0]) @ p / (of.r[i] * of.r[j])
    near, exact = np.minimum(found[0], found[1]), 1 - np.abs(cosine)
    assert np.all(np.abs(near - exact) <= found[3] + 2**6 * UNIT)
    root = np.sqrt(of.moments.slope[i] * of.moments.slope[j])
    assert np.all(np.abs(found[2] - (one[1] * other[1]) @ p) <= (found[4] + 2**6 * UNIT) * root)
