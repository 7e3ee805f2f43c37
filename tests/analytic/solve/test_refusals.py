"""Refusals come early, say what will do, and agree with the plan."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from analytic import (
    AccuracyError,
    AveragePooling,
    Convolution,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Residual,
    kernel,
    kernel_estimate,
    kernel_plan,
    request,
)
from analytic.images import Images, Unserved, beyond_series, position_reach, try_positions
from analytic.inputs import positions_first
from analytic.recursion import Cost, Problem, dearest_cost
from analytic.solve import answer, pairs_left_out, solve

pytestmark = pytest.mark.slow  # what is said, not how it is rounded

LAYER = Convolution("tanh", 3, weight_std=1 / 3)
POOLED = Network(LAYER, LAYER, GlobalAveragePooling())
FLAT = Network(LAYER, LAYER)
RAW = np.random.default_rng(3).integers(0, 256, (3, 3, 8, 8)).astype(float)


def advised(error: AccuracyError) -> float:
    """The tolerance that a refusal names, with pair and reason."""
    why = r"(which [\w ]+ costs \(.+\)|to which roundings of all \d+ weight layers add up)"
    found = re.search(rf"pair \(\d+, \d+\), {why}; pass tolerance=(\S+) or", str(error))
    assert found is not None, str(error)
    return float(found[2])


@pytest.mark.parametrize(("network", "x", "tolerance"), [
    (POOLED, RAW, 1e-14), (FLAT, RAW, 1e-14), (POOLED, RAW / 255, 1e-14), (FLAT, RAW / 255, 1e-15),
    (Network(*[FullyConnected("sin", weight_std=7.0)] * 10), RAW[:, 0, 0], 1e-15),
    (Network(*[FullyConnected("tanh", weight_std=10.0)] * 10), RAW[:, 0, 0] / 255, 1e-14),
])  # fmt: skip
def test_the_advised_tolerance_succeeds(network: Network, x: np.ndarray, tolerance: float) -> None:
    with pytest.raises(AccuracyError) as caught:
        kernel(network, x, tolerance=tolerance)
    assert caught.value.bound > tolerance
    found = kernel(network, x, tolerance=advised(caught.value))
    best = caught.value.estimate
    assert best is not None
    assert (abs(best.value - found) <= 2 * best.error + 1e-12 * abs(found)).all()


@pytest.mark.parametrize("tolerance", [1e-10, 1e-14])
@pytest.mark.parametrize(("network", "method"), [(POOLED, "positionangles"), (FLAT, "")])
def test_the_plan_promises_what_the_kernel_gives(
    network: Network, method: str, tolerance: float
) -> None:
    plan = kernel_plan(network, RAW, tolerance=tolerance)
    assert plan.method == (method or plan.method)
    assert 0 < plan.seconds < np.inf
    try:
        kernel(network, RAW, tolerance=tolerance)
        assert plan.bound <= tolerance
    except AccuracyError:
        assert plan.bound > tolerance


def test_the_plan_knows_that_series_serve_pairs_that_are_not_parallel() -> None:
    """Their certain bound, at |rho| = 1, does not keep the tolerance."""
    rng, (u, v) = np.random.default_rng(0), np.mgrid[:16, :16] / 15
    waves = np.sin(4 * u + 6 * v * rng.random((2, 3, 1, 1)) + 6 * rng.random((2, 3, 1, 1)))
    x = np.clip(127.5 + 127.5 * waves + 20 * rng.standard_normal((2, 3, 16, 16)), 0, 255)
    network = Network(LAYER, LAYER, LAYER)
    series = request.asked(network, x, None, "ntk", 1e-10, "cpu")
    assert series.method.error > 1e-10
    solve(series, "ntk", 1e-10)
    plan = kernel_plan(network, x)
    assert plan.method == "images"
    assert plan.bound <= 1e-10


def test_a_refusal_from_a_part_of_an_image_carries_the_best_value() -> None:
    with pytest.raises(AccuracyError) as caught:
        kernel(POOLED, RAW, tolerance=1e-14)
    error = caught.value
    best, known = error.estimate, kernel_estimate(POOLED, RAW, tolerance=1e-9)
    assert best is not None
    assert_array_equal(best.value, known.value)
    assert_array_equal(best.error, known.error)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.bound) == (str(error), error.bound)
    assert_array_equal(copy.estimate.value, best.value)


def test_series_that_cannot_serve_are_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(*_: Any, **__: Any) -> None:
        raise AssertionError("series were begun")

    monkeypatch.setattr(request, "prepare_images", begun)
    assert kernel(POOLED, RAW).shape == (3, 3)
    for network, x in ((FLAT, RAW), (POOLED, RAW / 255)):
        with pytest.raises(AssertionError, match="begun"):
            kernel(network, x)


@pytest.mark.parametrize(("layers", "beyond"), [
    ([LAYER, GlobalAveragePooling()], True),
    ([Convolution("gelu", 3), Convolution("gelu", 3), GlobalAveragePooling()], True),
    ([Convolution("relu", 3), GlobalAveragePooling()], False),  # closed forms
    ([Convolution("erf", 3), GlobalAveragePooling()], False),
    ([LAYER, AveragePooling(2), LAYER, GlobalAveragePooling()], False),  # no other way
    ([LAYER], False),  # equal positions of two images need not be parallel
])  # fmt: skip
def test_where_series_end(layers: list[Any], beyond: bool) -> None:
    x = positions_first(RAW)
    assert beyond_series(Network(*layers), x, (8, 8), 1e-10) == beyond
    assert not beyond_series(Network(*layers), x / 255, (8, 8), 1e-10)


def test_a_part_of_an_image_judges_only_what_is_far_above_the_tolerance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.random.default_rng(4).integers(0, 256, (2, 16 * 16, 1)).astype(float)
    positions, whole = list[int](), position_reach.prepare_positions

    def seen(network: Network, x: np.ndarray, *rest: Any, **more: Any) -> Any:
        positions.append(x.shape[1])
        return whole(network, x, *rest, **more)

    monkeypatch.setattr(position_reach, "prepare_positions", seen)
    found = try_positions(POOLED, x, None, (16, 16), 1e-14)
    assert positions == [12 * 12]
    assert isinstance(found, Unserved)
    problem = try_positions(POOLED, x, None, (16, 16), found.bound / 2)
    assert positions[1:] == [12 * 12, 16 * 16]
    assert isinstance(problem, Unserved)  # by the whole of the first image
    assert problem.ends is not None  # which says why; else series are tried in vain
    assert problem.bound > found.bound / 2
    problem = try_positions(POOLED, x, None, (16, 16), 1e-9)
    assert isinstance(problem, Problem)
    assert problem.method.diagonal <= 1e-9


def test_a_refusal_by_positions_comes_from_the_worst_of_some_images(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Positions of the last image cancel where they are averaged, to 1e-4."""
    x = np.random.default_rng(5).uniform(0.5, 1.5, (3, 1, 20, 20))
    x[2] = np.kron(1e-4 * x[2, :, ::2, ::2], np.ones((2, 2))) + np.tile([1.0, -1.0], 10)
    network = Network(
        Convolution("identity", 1), AveragePooling(2), LayerNorm(eps=1e-12), Convolution("relu", 2),
        Residual(Convolution("erf", 1)), GlobalAveragePooling(),
    )  # fmt: skip
    walked, whole = list[tuple[int, ...]](), position_reach.prepare_positions

    def seen(network: Network, x: np.ndarray, *rest: Any, **more: Any) -> Any:
        walked.append(x.shape)
        return whole(network, x, *rest, **more)

    monkeypatch.setattr(position_reach, "prepare_positions", seen)
    with pytest.raises(AccuracyError, match=r"at the pair \(2, 2\)"):
        kernel(network, x)
    assert walked == [(3, 144, 1)]


def test_the_rest_is_not_begun_behind_a_refused_block(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 9000, 1, 2, 2))
    network = Network(Convolution("tanh", 2))
    problem = request.asked(network, x, y[:3], "ntk", 1e-10, "cpu")
    blocks, fill = list[int](), Images.fill

    def counted(self: Images, data: Any, block: Any, bound: Any) -> tuple[int, int]:
        blocks.append(block.row)
        return fill(self, data, block, bound)

    monkeypatch.setattr(Images, "fill", counted)
    with pytest.raises(AccuracyError) as caught:
        solve(problem, "ntk", 1e-17, None, False)
    some = len(blocks)
    assert caught.value.estimate is not None
    assert caught.value.estimate.value.shape == (9000, 3)
    assert some < (len(blocks) - some) / 2


CONVOLUTION = Convolution("relu", 3, weight_std=1 / 3, bias_std=0.1)
MEAN = GlobalAveragePooling()
NOISE = np.random.default_rng(1).standard_normal((6, 1, 16, 16))
CENTRED = NOISE[:, :, :8, :8] - NOISE[:, :, :8, :8].mean((2, 3), keepdims=True)


@pytest.mark.parametrize(("network", "x", "tolerance", "culprit"), [
    (Network(CONVOLUTION, AveragePooling(2), CONVOLUTION, MEAN), NOISE[:, :, :8, :8], 1e-14,
     "AveragePooling behind weight layer 1"),
    (Network(Convolution("identity", 3), MEAN, FullyConnected("relu")), CENTRED, 1e-12,
     "GlobalAveragePooling behind weight layer 1"),
    (Network(FullyConnected("softplus", weight_std=1e-3), LayerNorm(), FullyConnected("tanh")),
     CENTRED[:, 0, 0], 1e-14, "LayerNorm behind weight layer 1"),
    (Network(FullyConnected("tanh"), FullyConnected("max(x, sin(x))")), CENTRED[:, 0, 0], 1e-10,
     "weight layer 2"),
])  # fmt: skip
def test_a_refusal_names_the_operation_that_costs(
    network: Network, x: np.ndarray, tolerance: float, culprit: str
) -> None:
    """And proposes what succeeds, whatever was seen by then."""
    with pytest.raises(AccuracyError, match=f"which {culprit} costs") as caught:
        kernel(network, x, tolerance=tolerance)
    assert np.isfinite(kernel(network, x, tolerance=advised(caught.value))).all()


def test_a_refusal_of_what_only_rounds_blames_no_layer() -> None:
    network = Network(*[FullyConnected("relu")] * 3)
    with pytest.raises(AccuracyError, match="to which roundings of all 3 weight layers add up"):
        kernel(network, CENTRED[:, 0, 0], tolerance=1e-15)


def test_the_operation_that_costs_most_is_found_beyond_roundings() -> None:
    rounds, doubles, costs = (
        Cost("a", 0, 1e-18, 5e-15), Cost("b", 1, 1e-13, 1.9e-13), Cost("c", 2, 1e-13, 1e-12)
    )  # fmt: skip
    assert dearest_cost([]) is None
    assert dearest_cost([rounds, doubles]) is None
    assert dearest_cost([rounds, costs, doubles]) == costs


def test_no_plan_promises_positions_where_chords_have_proofs() -> None:
    """Positions would have a smaller bound here, an estimate."""
    network = Network(*[CONVOLUTION, AveragePooling(2)] * 2, CONVOLUTION, MEAN)
    plan = kernel_plan(network, NOISE, tolerance=1e-12)
    assert (plan.method, plan.bound > 1e-12) == ("images", True)
    with pytest.raises(AccuracyError) as caught:
        kernel(network, NOISE, tolerance=1e-12)
    assert np.isfinite(kernel(network, NOISE, tolerance=advised(caught.value))).all()
    assert kernel_estimate(network, NOISE).certified


@pytest.mark.slow
def test_some_of_many_close_pairs_are_enough_for_a_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The best values come when they are asked for."""
    network, x = Network(FullyConnected("tanh(60*(x-1))")), np.linspace(-3, 3, 60)[:, None]
    taken, whole = list[int](), pairs_left_out.left_out_pairs
    monkeypatch.setattr(pairs_left_out, "SLOW", -1.0)
    monkeypatch.setattr(pairs_left_out, "SOON", 0.0)
    monkeypatch.setattr(answer, "HOPELESS", np.inf)  # K(x, x) of the smallest inputs is not known
    monkeypatch.setattr(request, "refused_by_few", lambda *_, **__: None)

    def seen(*given: Any) -> Any:
        taken.append(given[-1].size)
        return whole(*given)

    monkeypatch.setattr(pairs_left_out, "left_out_pairs", seen)
    with pytest.raises(AccuracyError) as caught:
        kernel(network, x)
    assert taken == [pairs_left_out.SAMPLES[0]]
    best = caught.value.estimate
    assert best is not None
    assert sum(taken[1:]) > 10 * taken[0]
    assert best.value.shape == (60, 60)


def test_pairs_of_a_sample_are_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x = 1 + 0.05 * np.random.default_rng(0).standard_normal((20, 5))
    taken, whole = list[int](), pairs_left_out.left_out_pairs

    def seen(*given: Any) -> Any:
        taken.append(given[-1].size)
        return whole(*given)

    monkeypatch.setattr(pairs_left_out, "left_out_pairs", seen)
    network = Network(FullyConnected("elu"))
    value = kernel(network, x)
    assert taken == [pairs_left_out.SAMPLES[0], 190 - pairs_left_out.SAMPLES[0]]
    alone = [kernel(network, x[[0, k]])[0, 1] for k in range(1, 20)]  # few: no sample is taken
    assert np.allclose(value[0, 1:], alone, rtol=1e-12)
