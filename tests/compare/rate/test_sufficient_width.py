"""Required widths: found within their intervals, and refused where none is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from compare import Convergence
from compare.rate.sufficient_width import _smallest, required_width

WIDTHS = (64, 128, 256, 512, 1024, 2048)
SEEDS = (1000, 800, 600, 400, 300, 300)
SHAPE = 0.7
EPSILON, DELTA = 1e-3, 0.1


def record(
    mean: Callable[[float], float], rng: np.random.Generator, predicted: float | None = None
) -> Convergence:
    config = {"confidence": 0.99, "network": "made up", "predicted": predicted}
    distances = tuple(
        rng.gamma(SHAPE, mean(m) / SHAPE, n) for m, n in zip(WIDTHS, SEEDS, strict=True)
    )
    return Convergence(config, WIDTHS, distances, (0.0,) * 6, (0.0,) * 6)


def bent(m: float) -> float:
    """The mean of the issue's example: a correction that matters."""
    return 3 / m - 60 / m**2


def truth(epsilon: float = EPSILON, delta: float = DELTA) -> float:
    """The larger m with q bent(m) = epsilon."""
    q = float(stats.gamma.ppf(1 - delta, SHAPE)) / SHAPE
    return float(max(np.roots([epsilon / q, -3, 60]).real))


def test_the_width_is_where_the_law_reaches_epsilon(rng: np.random.Generator) -> None:
    hits, close, repeats = 0, [], 60
    for _ in range(repeats):
        result = record(bent, rng)
        found = required_width(WIDTHS, result.distances, result.law, EPSILON, DELTA, 0.95)
        measured, markov, (low, high) = found
        hits += low <= truth() <= high
        close.append(measured / truth())
        assert measured <= markov
    assert hits / repeats > 0.95 - 4 * np.sqrt(0.95 * 0.05 / repeats)
    assert abs(np.mean(close) - 1) < 4 * np.std(close) / np.sqrt(repeats) + 0.01
    assert np.std(close) < 0.1


def test_as_much_lies_below_the_interval_as_above(rng: np.random.Generator) -> None:
    """At confidence 0 both ends are the median of the widths drawn; from there they part."""
    result = record(bent, rng)
    ends = [
        required_width(WIDTHS, result.distances, result.law, EPSILON, DELTA, confidence)[2]
        for confidence in (0.0, 0.5, 0.9)
    ]
    (low, high), *wider = ends
    assert low == high
    for inner, outer in zip(ends, wider, strict=False):
        assert outer[0] < inner[0]
        assert outer[1] > inner[1]


def test_the_correction_moves_the_width() -> None:
    # quantiles instead of draws: the law is found almost exactly; without c = -60 it is 20 too wide
    d = [stats.gamma.ppf((np.arange(n) + 0.5) / n, SHAPE) for n in SEEDS]
    d = [v / v.mean() * bent(m) for v, m in zip(d, WIDTHS, strict=True)]
    result = Convergence(
        {"confidence": 0.99, "network": "made up"}, WIDTHS, tuple(d), (0.0,), (0.0,)
    )
    q = float(np.quantile(np.concatenate([v / v.mean() for v in d]), 1 - DELTA))
    right = max(np.roots([EPSILON / q, -3.0, 60.0]).real)
    measured = required_width(WIDTHS, d, result.law, EPSILON, DELTA, 0.99)[0]
    assert measured == math.ceil(right)


def test_unequal_numbers_of_seeds_do_not_move_the_answer(rng: np.random.Generator) -> None:
    # pooled m D would lean on the many seeds of the narrow widths, where m D is smaller
    law = lambda m: 3 / m - 150 / m**2  # noqa: E731
    d = [
        rng.gamma(SHAPE, law(m) / SHAPE, n) for m, n in zip(WIDTHS, (9000, *SEEDS[1:]), strict=True)
    ]
    result = record(law, rng)
    measured = required_width(WIDTHS, d, result.law, EPSILON, DELTA, 0.99)[0]
    q = float(stats.gamma.ppf(1 - DELTA, SHAPE)) / SHAPE
    right = max(np.roots([EPSILON / q, -3, 150]).real)
    assert measured == pytest.approx(right, rel=0.1)


def test_markovs_width_needs_only_the_mean(rng: np.random.Generator) -> None:
    found = record(lambda m: 3 / m, rng, predicted=3.0).required_width(EPSILON, DELTA)
    assert found.predicted == math.ceil(3 / (EPSILON * DELTA))
    assert found.markov == pytest.approx(found.predicted, rel=0.15)
    assert found.interval[0] <= found.measured <= found.interval[1]
    assert record(lambda m: 3 / m, rng).required_width(EPSILON, DELTA).predicted is None


def test_beyond_what_the_floor_allows_the_interval_is_open() -> None:
    # quantiles instead of draws: the floor is estimated as 0, and half of its errors are above
    d = tuple(
        stats.gamma.ppf((np.arange(n) + 0.5) / n, SHAPE) * 3 / m / SHAPE
        for m, n in zip(WIDTHS, SEEDS, strict=True)
    )
    result = Convergence({"confidence": 0.99, "network": "made up"}, WIDTHS, d, (0.0,), (0.0,))
    assert result.required_width(EPSILON, DELTA).interval[1] < math.inf
    found = result.required_width(1e-6, DELTA)
    assert found.interval[1] == math.inf
    assert found.measured == pytest.approx(3e6 * stats.gamma.ppf(0.9, SHAPE) / SHAPE, rel=0.02)


@pytest.mark.parametrize("law", [lambda m: 3 / m**0.5, lambda m: 3 / m + 0.1])
def test_without_the_assumption_no_width_is_promised(
    law: Callable[[float], float], rng: np.random.Generator
) -> None:
    with pytest.raises(ValueError, match=r"on which Assumption 3.6 holds.*got: (fails|undecided)"):
        record(law, rng).required_width(EPSILON, DELTA)


def test_no_width_below_the_smallest_measured_is_promised(rng: np.random.Generator) -> None:
    found = record(lambda m: 3 / m, rng, predicted=3.0).required_width(100.0, DELTA)
    assert (found.measured, found.markov, found.predicted) == (64, 64, 64)
    assert found.interval == (64.0, 64.0)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf, math.nan, 1e-320])
def test_accuracies_out_of_range_are_refused(epsilon: float, rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="expected epsilon > 0"):
        record(lambda m: 3 / m, rng).required_width(epsilon, DELTA)


@pytest.mark.parametrize("delta", [0.0, 1.0, math.nan])
def test_probabilities_out_of_range_are_refused(delta: float, rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="0 < delta < 1"):
        record(lambda m: 3 / m, rng).required_width(EPSILON, delta)


def test_what_so_few_networks_do_not_show_is_refused(rng: np.random.Generator) -> None:
    result = record(lambda m: 3 / m, rng)
    total = sum(SEEDS)
    result.required_width(EPSILON, 1 / total * 1.001)
    with pytest.raises(ValueError, match=f"as {total} networks show nothing rarer"):
        result.required_width(EPSILON, 1 / total * 0.999)


def test_widths_beyond_all_integers_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match=r"expected a width below 2\^53"):
        record(lambda m: 3 / m, rng).required_width(1e-300, DELTA)


@pytest.mark.parametrize(
    ("law", "bound", "width"),
    [
        ((2.0, 0.0, 0.0), 0.5, 4.0),
        ((2.0, 0.0, 0.25), 0.5, 8.0),
        ((2.0, 0.0, 0.5), 0.5, math.inf),
        ((4.0, -4.0, 0.0), 1.0, 2.0),  # a double root
        ((3.0, -100.0, 0.0), 1.0, 1.0),  # never as large as 1
        ((1.0, 6.0, 0.0), 1.0, 3.0),  # 1/3 + 6/9 = 1
        ((-1.0, 6.0, 0.0), 1.0, 2.0),  # -1/2 + 6/4 = 1
        ((-1.0, 0.0, 0.0), 1.0, 1.0),
    ],
)
def test_the_smallest_width_solves_the_quadratic(
    law: tuple[float, float, float], bound: float, width: float
) -> None:
    found = _smallest(np.array([law]), np.array([bound]), 1)
    assert found[0] == pytest.approx(width, rel=1e-12)
