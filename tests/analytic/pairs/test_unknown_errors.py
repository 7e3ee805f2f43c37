"""An error that is not a number is no error that is small; and hard inputs give no warnings."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analytic import (
    AccuracyError,
    FullyConnected,
    LayerNorm,
    Network,
    Nonlinearity,
    Residual,
    kernel,
)
from analytic.pairs.pair_errors import bound_of_kernels
from analytic.pairs.row_blocks import Series
from analytic.recursion import new_tile
from analytic.recursion.error_propagation import _Errors  # pyright: ignore[reportPrivateUsage]
from analytic.recursion.layer_errors import of_sum
from analytic.request import asked
from analytic.solve import solve

F = FullyConnected


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("nngp", [False, True])
def test_a_tile_passes_it_on(part: int, nngp: bool) -> None:
    tile = new_tile(0, rows=1)
    tile.error[:2] = 1e-12
    tile.error[part] = math.nan
    assert math.isnan(bound_of_kernels(tile, 0, 0, np.array([[1.0, 1.0, 0.0]]), nngp, True))
    tile.error[part] = 1e-11
    bound = bound_of_kernels(tile, 0, 0, np.array([[1.0, 1.0, 0.0]]), nngp, True)
    assert bound == pytest.approx(1e-11)


def test_sums_pass_it_on() -> None:
    for a, b in ((math.nan, 1.0), (1.0, math.nan)):
        assert math.isnan(of_sum(a, b, 0.5, 0.5))
        joined = _Errors(a, 0.0, 0.0).joined(_Errors(b, 0.0, 0.0))
        assert math.isnan(joined.sigma)
    assert of_sum(1.0, 3.0, 0.5, 0.25) == 1.5
    assert of_sum(3.0, 1.0, 0.5, 0.25) == 2.0


def test_the_answer_is_refused() -> None:
    problem = asked(Network(F("tanh")), np.eye(3), None, "ntk", 1e-10, "cpu")
    method = problem.method
    assert isinstance(method, Series)
    bounds = method.plan.bounds._replace(diagonal=math.nan)
    broken = replace(problem, method=replace(method, plan=method.plan._replace(bounds=bounds)))
    with pytest.raises(AccuracyError):
        solve(broken, "ntk", 1e-10)


def test_a_kink_that_no_two_rules_resolve_is_refused(rng: np.random.Generator) -> None:
    """x and tanh(x) touch at 0, which is not isolated: 300 deviations from there."""
    with pytest.raises(AccuracyError):
        kernel(Network(F("Max(x, tanh(x))")), 300 * rng.standard_normal((3, 4)))


def test_a_slope_below_the_smallest_number(rng: np.random.Generator) -> None:
    """Of x^3 after x^3 after x^3 of an input of size 1e-12."""
    x = rng.standard_normal((4, 1))
    x[0] *= 1e-12
    assert np.isfinite(kernel(Network(*[F("Max(0, x)**3")] * 3), x, kind="nngp")).all()


def test_correlations_of_a_sample_stay_correlations(rng: np.random.Generator) -> None:
    """Behind a normalisation they are not known, and their powers were too large."""
    name, x = "exp(-abs(x)) - 1", rng.standard_normal((400, 3))
    x[::3] *= 1e-12
    layers = F("identity"), LayerNorm(eps=1e-5), Nonlinearity(name), Residual(F(name))
    assert np.isfinite(kernel(Network(*layers), x)).all()
