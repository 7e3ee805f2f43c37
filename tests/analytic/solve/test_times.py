"""What time a plan names, with clocks that the tests turn themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analytic import (
    AccuracyError,
    Convolution,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    image_plans,
    kernel_plan,
    limit,
)
from analytic.inputs import positions_first
from analytic.solve import KernelSizes, Plan, at_work, foresight, measured


class Clock:
    """Stands still unless somebody turns it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: Any) -> None:
        self.now = 0.0
        for module in modules:
            monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def turning(self, act: Callable[..., Any], *steps: float) -> Callable[..., Any]:
        """The same act, which takes so long the first time, the second time, ..."""
        left = list(steps)

        def turned(*given: Any, **more: Any) -> Any:
            self.now += left.pop(0)
            return act(*given, **more)

        return turned


def _refuse() -> None:
    raise AccuracyError("no")


def _plan(seconds: float) -> Plan:
    return Plan("series", 1, 1, seconds, 0.0)


@pytest.mark.parametrize("act", [dict, _refuse])
def test_short_times_are_taken(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    clock = Clock(monkeypatch, foresight)
    assert measured(_plan(0.1), clock.turning(act, 0.75, 0.125)).seconds == 0.125
    assert measured(_plan(0.1), clock.turning(act, 5.0)).seconds == 5.0  # once is enough


def _does_not_fit() -> None:
    raise MemoryError("no")


def test_long_times_are_foreseen_and_so_are_those_of_what_does_not_fit() -> None:
    assert measured(_plan(60.0), _refuse).seconds == 60.0
    assert measured(_plan(0.1), _does_not_fit).seconds == 0.1


def test_tasks_are_timed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, together = Clock(monkeypatch, foresight), threading.Barrier(4, timeout=60)

    def task() -> None:
        if together.wait() == 0:
            clock.now += 2.0

    assert at_work(4, task) == 0.5


def test_tables_that_were_made_for_the_plan_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, foresight, limit)
    monkeypatch.setattr(limit, "asked", clock.turning(limit.asked, 100.0, 1.0))
    plan = kernel_plan(Network(FullyConnected("tanh")), np.eye(40))
    assert plan.seconds == 1.0


@pytest.mark.parametrize(("own", "times", "seconds"), [
    (True, (2.0, 3.0), 5 * 2.0 + 10 * 3.0), (False, (2.0, 3.0), 9 * 2.0 + 20 * 3.0),
    (True, (np.inf, np.inf), 5 * 4.0 + 10 * 8.0),
])  # fmt: skip
def test_images_by_positions_cost_themselves_and_their_pairs(
    own: bool, times: tuple[float, float], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, image_plans)
    monkeypatch.setattr(image_plans, "cores", lambda: 1)
    monkeypatch.setattr(image_plans, "_seconds_of_images", lambda *_: (*times, 0.0))
    prepare = clock.turning(image_plans.prepare_positions, 4.0)
    monkeypatch.setattr(image_plans, "prepare_positions", prepare)
    network = Network(Convolution("tanh", 2), GlobalAveragePooling())
    x = positions_first(np.random.default_rng(0).standard_normal((4, 1, 2, 2)))
    sizes = KernelSizes(5, 5 if own else 4, own, 1, 4)
    plan = image_plans._slow_plan(network, x, None if own else x, (2, 2), sizes)
    assert plan.seconds == seconds


def test_images_by_positions_are_timed_by_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, image_plans, foresight)
    monkeypatch.setattr(image_plans, "cores", lambda: 1)
    prepare = clock.turning(image_plans.prepare_positions, 100.0, 8.0)
    monkeypatch.setattr(image_plans, "prepare_positions", prepare)
    pairs = clock.turning(image_plans.PositionAngles.pairs, 12.0, 6.0)
    monkeypatch.setattr(image_plans.PositionAngles, "pairs", lambda *given: pairs(*given))
    network = Network(Convolution("tanh", 1), GlobalAveragePooling())
    x = positions_first(np.random.default_rng(0).standard_normal((4, 1, 24, 12)))
    *seconds, bound = image_plans._seconds_of_images(network, x, (24, 12))
    assert seconds == [4 * 8.0 / 4, 4 * 6.0 / 6]  # 12 x 12 have a quarter of the pairs
    assert 0 < bound < 1e-8


def test_tables_do_not_keep_close_pairs_from_being_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sizes = Clock(monkeypatch, foresight, limit), list[int]()
    left_out_pairs = foresight.left_out_pairs

    def slow_at_first(*given: Any) -> Any:
        clock.now += 0.0 if sizes else 100.0
        sizes.append(given[-1].size)
        return left_out_pairs(*given)

    monkeypatch.setattr(foresight, "left_out_pairs", slow_at_first)
    monkeypatch.setattr(limit, "cores", lambda: 1)
    monkeypatch.setattr(limit, "measured", lambda plan, _: plan)
    network = Network(FullyConnected("tanh", weight_std=2e3))  # no table knows 1 - rho well enough
    plan = kernel_plan(network, np.linspace(1, 2, 400)[:, None] * np.array([1.0, 2.0]))
    assert plan.seconds == 0.0
    assert sizes[0] < sizes[-1]
