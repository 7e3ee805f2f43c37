"""Roundings that the bound counts, against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np
import pytest

from analytic import Convolution, Flatten, FullyConnected, GlobalAveragePooling, Network
from analytic.images.field_averages import add_total, finish_total
from analytic.images.fields import Shifts, window_sums
from analytic.images.image_blocks import image_roundings
from analytic.images.linear_maps import passages
from analytic.images.stretch_layouts import layouts
from analytic.images.stretches import network_stretches
from analytic.images.wide_sums import wide_window_sums
from analytic.machine import LANES, UNIT
from analytic.pairs.input_products import roundings, scalar_products
from analytic.pairs.pair_recursion import _mehler, _mehler_even
from analytic.pairs.power_series import series
from analytic.recursion import Data, Tile, diagonal, new_tile, preactivation
from analytic.recursion.amplification_factors import OF_D, OF_E, Rests, factors_of_series
from analytic.recursion.roundings import roundings_of


def _of_lambda(**options: float) -> float:
    network = Network(FullyConnected("erf", **options))
    return float(roundings_of(diagonal(network, np.ones(1)).stages[0])[0])


def test_exact_squares_and_products_count_for_nothing() -> None:
    assert _of_lambda(weight_std=1.0) == 0
    assert _of_lambda(weight_std=2.0, bias_std=0.5) == UNIT  # the sum
    assert _of_lambda(weight_std=3.0) == UNIT  # the product
    assert _of_lambda(weight_std=0.3) == 2 * UNIT
    assert 2 * UNIT < _of_lambda(weight_std=0.3, bias_std=0.1) < 3 * UNIT
    assert _of_lambda(weight_std=1e-9, bias_std=0.1) == pytest.approx(2 * UNIT)


def test_roundings_of_lambda_are_not_more() -> None:
    """Of 20,000 cases one comes near to what is counted."""
    rng, most = np.random.default_rng(0), 0.0
    for _ in range(20_000):
        weight_std, bias_std, sigma = rng.uniform(0.1, 2, 3)
        bias_std = float(rng.choice([0.0, 0.5, bias_std]))
        found = preactivation(sigma, 0.0, weight_std**2, bias_std**2, 1.0, bias_std**2)[0]
        exact = Fraction(weight_std) ** 2 * Fraction(sigma) + Fraction(bias_std) ** 2
        share = float(Fraction(bias_std) ** 2 / exact)
        counted = 2 * (1 - share) + share * (bias_std not in (0, 0.5)) + (bias_std > 0)
        ratio = float(abs(Fraction(found) - exact) / exact) / (counted * UNIT)
        most = max(most, ratio)
    assert 0.6 < most <= 1


@pytest.mark.parametrize("features", [1, 2, 3, 8, 9, 20, 128, 200])
def test_roundings_of_scalar_products(features: int) -> None:
    """The products of neighbours are as unlike as float64 allows, so that all sums round."""
    rng = np.random.default_rng(features)
    x = rng.uniform(0.5, 1, (4, features)) * 2.0 ** rng.integers(-2, 3, (4, features))
    padded = -(-features // 8) * 8
    rows, columns = np.zeros((4, padded)), np.zeros((padded, LANES))
    rows[:, :features], columns[:features, :4] = x, x.T
    tile = new_tile(0)
    scalar_products(tile, Data(rows, columns, features, False), 0, 4, 0)
    for i in range(4):
        for j in range(4):
            terms = [Fraction(a) * Fraction(b) for a, b in zip(x[i], x[j], strict=True)]
            exact = sum(terms) / features
            assert abs(Fraction(tile.sigma[i, j]) - exact) <= roundings(features) * UNIT * exact
    if features < 8:  # one chain here and there
        assert image_roundings(features) == roundings(features)


def test_roundings_of_the_series() -> None:
    """Of E and D in terms of the numbers that enter the series: rho, rho^2 and coefficients."""
    rng, most = np.random.default_rng(1), [0.0, 0.0]
    for case in range(40):
        both, with_mean = case % 2 == 0, case % 4 < 2
        even, odd = 4, 4 * both
        table, coef = rng.standard_normal((even + odd, LANES)), rng.standard_normal((1, even + odd))
        tile = new_tile(0)
        rho = rng.uniform(-1, 1, LANES)
        tile.rho[0], tile.x[0], tile.sigma[0], tile.theta[0] = rho, rho * rho, rho, 1.0
        mean, means = (rng.standard_normal(n) * with_mean for n in (1, LANES))
        _by_series(tile, table, coef, even, odd, float(mean[0]), means)
        k_e = np.ones(8) if both else np.tile([1.0, 0.0], 4)
        share = 0.5 * with_mean
        at = factors_of_series(k_e, k_e, Rests(0, 0, 0, 0, 0), share, 1.0, np.ones(1))
        counts = float(at.size_e[0]) * OF_E, float(at.size_d[0] / at.r_d[0]) * OF_D
        for lane in range(LANES):
            exact, sizes = _exact_series(tile, coef[0], table, rho, mean, means, even, lane)
            for number, found in enumerate((tile.sigma[0, lane], tile.theta[0, lane])):
                own, growing = sizes[number]
                bound = counts[number] * own + growing + (number == 1) * abs(exact[1])
                ratio = float(abs(Fraction(found) - exact[number]) / (bound * Fraction(UNIT)))
                most[number] = max(most[number], ratio)
    assert 0.1 < most[0] <= 1
    assert 0.1 < most[1] <= 1


def _by_series(
    t: Tile,
    table: np.ndarray,
    coef: np.ndarray,
    even: int,
    odd: int,
    mean: float,
    means: np.ndarray,
) -> None:
    """Sigma and Theta of the first row of a tile, as a layer takes them."""
    values, slopes = (t.value0, t.value1), (t.slope0, t.slope1)
    for first, terms, value, slope in zip((0, even), (even, odd), values, slopes, strict=True):
        series(table, coef, first, terms, np.zeros(1, dtype=np.int64), 0, t.x[:1], value, slope)
    sums = t.value0[0], t.slope0[0]
    if odd == 0:
        _mehler_even(t.sigma[0], t.theta[0], t.x[0], *sums, mean, means)
    else:
        row = t.sigma[0], t.theta[0], t.rho[0], t.x[0]
        _mehler(*row, *sums, t.value1[0], t.slope1[0], mean, means)


def _exact_series(
    tile: object, coef: np.ndarray, table: np.ndarray, rho: np.ndarray, mean: np.ndarray,
    means: np.ndarray, even: int, lane: int,
) -> tuple[list[Fraction], list[tuple[Fraction, Fraction]]]:  # fmt: skip
    """E, D, and of both the sum of all sizes and that of k times the size of order k."""
    r, x = Fraction(rho[lane]), Fraction(float(rho[lane] * rho[lane]))
    product = Fraction(float(mean[0])) * Fraction(float(means[lane]))
    e, d, size_e, size_d, grown_e, grown_d = product, Fraction(0), *[Fraction(0)] * 4
    for row in range(len(coef)):
        odd, j = row >= even, row % even
        k = 2 * j + odd
        term = Fraction(coef[row]) * Fraction(table[row, lane]) * x**j * (r if odd else 1)
        for_e, for_d = r * term, (k + 1) * term
        e, d = e + for_e, d + for_d
        size_e, size_d = size_e + abs(for_e), size_d + abs(for_d)
        grown_e, grown_d = grown_e + k * abs(for_e), grown_d + k * abs(for_d)
    return [e, d], [(size_e + abs(product), grown_e), (size_d, grown_d)]


@pytest.mark.parametrize("positions", [2, 3, 16, 100, 300])
def test_roundings_of_a_total(positions: int) -> None:
    rng = np.random.default_rng(positions)
    values = np.zeros((1, -(-positions // LANES) * LANES))
    values[0, :positions] = rng.uniform(0.5, 1, positions)
    total, lost, out = np.zeros((1, 1, LANES)), np.zeros((1, 1, LANES)), np.zeros((1, 1, LANES))
    add_total(1, positions, values, total, lost)
    finish_total(total, positions, out)
    exact = sum(map(Fraction, values[0, :positions])) / positions
    network = Network(Convolution("erf", 1), Flatten())
    *_, (flatten,) = passages(network, (positions,))
    counted = flatten.leave(flatten.before).rounding
    assert abs(Fraction(out[0, 0, 0]) - exact) <= counted * exact
    pooled = Network(Convolution("erf", 1), GlobalAveragePooling())
    *_, (pool,) = passages(pooled, (positions,))
    assert counted < pool.leave(pool.before).rounding <= 16 * UNIT


@pytest.mark.parametrize("filters", [(3, 3), (5, 4), (1, 7), (2, 1)])
@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_roundings_of_sums_over_windows(
    filters: tuple[int, int], mode: Literal["zeros", "circular"]
) -> None:
    """Lines are added up, then columns: fewer roundings than positions."""
    rng = np.random.default_rng(filters)
    network = Network(Convolution("erf", filters, padding_mode=mode), Flatten())
    stretch, *_ = network_stretches(network, (6, 9))
    (layout, *_), (counted,) = layouts(network, (stretch,), 1), stretch.additions
    window = layout.windows[0]
    assert window is not None
    assert counted is not None
    assert counted == sum(filters) - 2
    before = np.zeros((200, LANES))
    before[:, :54] = rng.uniform(-1, 1, (200, 54)) * 2.0 ** rng.integers(-2, 3, (200, 54))
    after, sizes, line = np.empty_like(before), np.empty_like(before), np.zeros(LANES + 18)
    still = Shifts(*[np.zeros(1, dtype=np.int64)] * 4)
    window_sums(*window, still, layout.shape, before, line, after)
    window_sums(*window, still, layout.shape, np.abs(before), line, sizes)
    exact = wide_window_sums(*window, layout.shape, before[:, :54])
    off = np.abs(after[:, :54] - exact) / (sizes[:, :54] * UNIT)
    assert 0.25 * counted < off.max() <= counted


def test_sums_over_positions_that_cancel_round_like_their_terms() -> None:
    """A thousand equal terms, then as many that cancel them: the sum has none of their size."""
    reads = 2000
    up = reads * 2 // 3
    terms = np.append(np.full(up, 1.1), np.full(reads - up, -1.1 * up / (reads - up)))
    off = abs(Fraction(float(np.cumsum(terms)[-1])) - sum(map(Fraction, terms)))
    size = sum(abs(Fraction(t)) for t in terms)
    network = Network(Convolution("erf", reads, padding_mode="circular"), Flatten())
    stage = diagonal(Network(FullyConnected("erf")), np.ones(1)).stages[0]
    counted = float(roundings_of(type(stage)(**{**_fields(stage), "reads": reads}))[0])
    assert network.is_spatial
    assert 3 * UNIT * size < off <= counted * size


def _fields(stage: object) -> dict[str, object]:
    return {name: getattr(stage, name) for name in stage.__dataclass_fields__}  # type: ignore[attr-defined]
