"""Fits and verdicts on made-up distances, whose law is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compare.rate.fits import fit_expansion, fit_power
from compare.rate.judgement import excess, judge

WIDTHS = [64, 128, 256, 512, 1024]
SEEDS = [400, 300, 200, 200, 200]


MANY = [2000, 4000, 2000, 1200, 600]


def made_up(
    law: Callable[[int], float], rng: np.random.Generator, seeds: list[int] = SEEDS
) -> list[np.ndarray]:
    """Gamma distances (coefficient of variation 1.2, as on digits) with the given mean."""
    return [rng.gamma(0.7, law(m) / 0.7, n) for m, n in zip(WIDTHS, seeds, strict=True)]


@pytest.mark.parametrize("p", [0.3, 0.5, 1.0])
def test_the_exponent_is_found(p: float, rng: np.random.Generator) -> None:
    fit = fit_power(WIDTHS, made_up(lambda m: m**-p, rng))
    assert abs(fit.exponent - p) < 4 * fit.stderr
    assert 0.01 < fit.stderr < 0.05


def test_the_law_is_found(rng: np.random.Generator) -> None:
    exact = [np.full(5, 2 / m + 30 / m**2 + 0.01) for m in WIDTHS]
    law = fit_expansion(WIDTHS, exact)
    assert (law.constant, law.correction, law.floor) == pytest.approx((2, 30, 0.01), rel=1e-6)


def verdict_of(d: list[np.ndarray]):
    power, law = fit_power(WIDTHS, d), fit_expansion(WIDTHS, d)
    return judge(power, law, excess(WIDTHS, d), float(d[-1].mean()))


def test_a_proper_decay_holds(rng: np.random.Generator) -> None:
    verdict = verdict_of(made_up(lambda m: 3 / m, rng, MANY))
    assert verdict.holds is True
    assert verdict.outcome == "holds"
    assert "above 1/2" in verdict.reason


def test_a_distance_that_levels_off_fails(rng: np.random.Generator) -> None:
    verdict = verdict_of(made_up(lambda m: 1 / m + 0.02, rng))
    assert verdict.holds is False
    assert verdict.outcome == "fails"


def test_a_faked_exponent_does_not_hold(rng: np.random.Generator) -> None:
    # 1/m + 1/512 has an exponent above 1/2 here, but never gets below 1/512
    d = made_up(lambda m: 1 / m + 1 / 512, rng)
    assert fit_power(WIDTHS, d).exponent > 0.45
    assert verdict_of(d).holds is not True


def test_a_rounding_floor_does_not_hold_at_any_scale(rng: np.random.Generator) -> None:
    # float32: (2^-23)^2 below distances that have fallen to it
    d = made_up(lambda m: 1e-12 / m + 2.0**-46, rng)
    assert verdict_of(d).holds is False
    fine = made_up(lambda m: 1e-12 / m, rng, MANY)
    assert verdict_of(fine).holds is True


def test_a_slow_decay_fails(rng: np.random.Generator) -> None:
    assert verdict_of(made_up(lambda m: m**-0.25, rng)).holds is False


def test_few_seeds_do_not_decide(rng: np.random.Generator) -> None:
    d = [x[:5] for x in made_up(lambda m: 3 / m, rng)]
    verdict = verdict_of(d)
    assert verdict.holds is None
    assert "use more seeds" in verdict.reason


def test_excess_counts_networks_above_the_threshold() -> None:
    d = [np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.2, 5.0, 6.0])]
    above = excess([1, 4], d)
    assert above.kappa == 2.5
    assert above.share == (0.5, 0.5)
    assert above.interval[0][0] < 0.5 < above.interval[0][1]
