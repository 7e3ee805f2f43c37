"""Fits over widths and samples: found, calibrated, and wrong for a wrong kernel."""

from __future__ import annotations

import json
import math
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from oracles.damages import check_damages

from analytic import FullyConnected, Network
from compare import (
    DynamicsScaling,
    Inputs,
    Target,
    dynamics_growth,
    dynamics_scaling,
)
from compare.dynamics import training
from compare.dynamics.scaling import _measure, _problem
from compare.rate.fits import Floor, Joint, fit_floor, fit_joint

PAIRS = [(m, n) for m in (32, 128, 512) for n in (32, 128, 512, math.inf)]
M, N = [m for m, _ in PAIRS], [n for _, n in PAIRS]
NETWORK = Network(FullyConnected("tanh"))
NO_CONTROLS = (np.empty((2, 2, 0)), np.empty((2, 2, 0)))


def made_up(rng: np.random.Generator, p: float, q: float, count: int = 8):
    """Gamma values (coefficient of variation 0.7) around 2 m^-p + 3 n^-q + floor."""
    return [rng.gamma(2, (2 / m**p + 3 / n**q) / 2, count) for m, n in PAIRS]


def test_intervals_of_both_exponents_are_calibrated(rng: np.random.Generator) -> None:
    covered, repeats = np.zeros(3), 200
    for _ in range(repeats):
        d = made_up(rng, 1.0, 0.75)
        fit = fit_joint(M, N, d, 0.9)
        covered[0] += fit.width_interval[0] <= 1.0 <= fit.width_interval[1]
        covered[1] += fit.sample_interval[0] <= 0.75 <= fit.sample_interval[1]
        low, high = fit_floor(M, N, made_up(rng, 1.0, 1.0), 0.9).interval
        covered[2] += low <= 0 <= high
    assert np.all(np.abs(covered / repeats - 0.9) < 4 * np.sqrt(0.09 / repeats))


def test_a_term_that_is_not_there_has_no_exponent() -> None:
    d = [np.full(4, 1e-9 / m + 3 / min(n, 1e4)) for m, n in PAIRS if math.isfinite(n)]
    finite = [(m, n) for m, n in PAIRS if math.isfinite(n)]
    fit = fit_joint([m for m, _ in finite], [n for _, n in finite], d)
    assert math.isnan(fit.width_exponent)
    assert fit.sample_exponent == pytest.approx(1, abs=1e-3)


def scaling(**named: object) -> DynamicsScaling:
    arguments = {
        "widths": [16, 64], "samples": [16, 64], "horizon": 5.0, "seeds": 6, "points": 32,
        "linearised": 20,
    } | named  # fmt: skip
    return dynamics_scaling(NETWORK, Inputs.sphere(2), Target.harmonic((1, 3), 2), **arguments)  # pyright: ignore


@pytest.fixture(scope="module")
def right() -> DynamicsScaling:
    return scaling()


def test_the_right_kernel_does_not_fail_and_a_wrong_one_levels_off(right: DynamicsScaling) -> None:
    wrong = scaling(limit=Network(FullyConnected("softplus")), widths=[64, 256], seeds=5)
    assert right.holds is not False
    assert wrong.holds is False
    assert "levels off" in wrong.verdict
    assert wrong.epsilon[-1, -1, :, -1].mean() > 3 * right.epsilon[-1, -1, :, -1].mean()


def test_training_on_all_of_the_circle_leaves_only_the_width(right: DynamicsScaling) -> None:
    assert right.samples == (16, 64, math.inf)
    alone = right.epsilon[:, -1, :, -1].mean(axis=1)
    assert alone[-1] < alone[0] / 1.5  # 1/m over a factor of 4
    assert np.all(right.epsilon[:, 0, :, -1].mean(axis=1) > alone)


def test_the_drift_of_the_kernel_falls_faster_than_the_paper_asks(right: DynamicsScaling) -> None:
    drift = right.drift()
    assert drift.interval[0] / 2 > 0.5


def test_saved_scalings_come_back(right: DynamicsScaling, tmp_path: Path) -> None:
    right.save(tmp_path / "scaling.npz")
    again = DynamicsScaling.load(tmp_path / "scaling.npz")
    assert again.config == json.loads(json.dumps(right.config))
    check_damages(tmp_path / "scaling.npz", DynamicsScaling.load)
    assert_array_equal(again.epsilon, right.epsilon)
    assert str(again.table()) == str(right.table())
    assert "<table>" in again._repr_html_()
    figure = again.plot().get_figure(root=True)
    assert figure is not None
    figure.savefig(tmp_path / "scaling.png")


def test_the_gap_falls_when_the_width_grows_with_the_samples() -> None:
    found = dynamics_growth(
        NETWORK, Inputs.sphere(2), Target.harmonic((1, 3), 2),
        ratios=[4.0], samples=[16, 64], horizon=3.0, seeds=16, points=32,
    )  # fmt: skip
    for power in found.values():
        assert power.interval[0] > 0


def test_a_scaling_resumed_from_its_store_has_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = {"widths": [4, 8], "samples": [4, 6], "seeds": 2, "points": 16, "horizon": 1.0}
    whole, trained = scaling(**small), []
    one = training.train

    def stopping(shared: Any, job: training.Job) -> Any:
        trained.append(job)
        if len(trained) == 5:
            raise KeyboardInterrupt
        return one(shared, job)

    monkeypatch.setattr(training, "train", stopping)
    with ThreadPoolExecutor(1) as alone:
        with pytest.raises(KeyboardInterrupt):
            scaling(**small, store=tmp_path / "s", executor=alone)
    begun, kept = len(trained), _rows(tmp_path / "s")
    assert 4 <= kept < begun
    with ThreadPoolExecutor(1) as alone:
        again = scaling(**small, store=tmp_path / "s", executor=alone)
    assert len(trained) - begun == 12 - kept
    for name in ("epsilon", "own", "gap", "moved", "times"):
        assert_array_equal(getattr(again, name), getattr(whole, name))
    with pytest.raises(ValueError, match="got one of another: rtol"):
        scaling(**small, store=tmp_path / "s", rtol=1e-6)


def _rows(store: Path) -> int:
    with sqlite3.connect(store) as file:
        return file.execute("SELECT count(*) FROM cells").fetchone()[0]


A_BIT = 1e-9


def judged(
    monkeypatch: pytest.MonkeyPatch,
    m: tuple[float, float] = (0.8, 1.2),
    n: tuple[float, float] = (0.8, 1.2),
    floor: tuple[float, float] = (-0.1, 0.5),
) -> str:
    """The outcome for intervals made by hand; the last eps is 2."""
    joint, plateau = Joint(1.0, 1.0, m, n, (1.0, 1.0)), Floor(1.0, 1.0, 0.1, floor)
    monkeypatch.setattr(DynamicsScaling, "joint", lambda self, own=False: joint)
    monkeypatch.setattr(DynamicsScaling, "floor", lambda self: plateau)
    epsilon = np.full((2, 2, 3, 4), 2.0)
    config = {"widths": [16, 64], "samples": [16, 64]}
    record = DynamicsScaling(
        config, np.arange(4.0), epsilon, epsilon, epsilon, epsilon, *NO_CONTROLS
    )
    return str(record.judgement.outcome)


def test_joint_failures_are_counted_over_networks_and_samples() -> None:
    # rates 1/4 + 1/2, 1/4 + 0 (all of rho), 1/8 + 1/2, 1/8; kappa = 3/(3/4) = 4
    last = np.array([[[2, 3, 4], [1, 1.5, 2]], [[2.5, 2.6, 9], [0.1, 0.2, 0.5]]])
    epsilon = np.stack([9 * last, last], axis=-1)  # only the last time counts
    config = {"widths": [16, 64], "samples": [4, None]}
    record = DynamicsScaling(
        config, np.arange(2.0), epsilon, epsilon, epsilon, epsilon, *NO_CONTROLS
    )
    found = record.failures()
    assert found.kappa == 4
    assert_allclose(found.share, [[1 / 3, 2 / 3], [2 / 3, 0]])  # at the threshold is not above
    # 0 of 3 at 95 %: 1 - 0.025^(1/3)
    assert_allclose(found.interval[1, 1], [0, 1 - 0.025 ** (1 / 3)], rtol=1e-12)


@pytest.mark.parametrize("letter", ["m", "n"])
def test_the_exponents_are_judged_at_one_half(letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for interval, outcome in (
        ((0.3, 0.5 - A_BIT), "fails"),
        ((0.3, 0.5), "undecided"),
        ((0.5, 0.9), "undecided"),
        ((0.5 + A_BIT, 0.9), "holds"),
        ((math.nan, math.nan), "holds"),  # that term is not visible
    ):
        assert judged(monkeypatch, **{letter: interval}) == outcome


def test_the_floor_is_judged_at_half_and_at_all_of_the_last_eps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for floor, outcome in (
        ((1 + A_BIT, 1.5), "fails"),
        ((1.0, 1.5), "undecided"),
        ((A_BIT, 0.5), "undecided"),
        ((0.0, 0.5), "holds"),
        ((0.0, 2 - A_BIT), "holds"),
        ((0.0, 2.0), "undecided"),
    ):
        assert judged(monkeypatch, floor=floor) == outcome


def test_no_network_and_no_sample_of_a_scaling_occurs_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs, target, seen = Inputs.sphere(2), Target.step(), []

    def capture(problem: Any, sample: Any, network: Any, **_: Any) -> None:
        seen.append((next(network.parameters()).flatten()[0].item(), sample.x[0, 0]))

    monkeypatch.setattr(training, "run", capture)
    problem = _problem(NETWORK, inputs, target, 1.0, 16)
    cells: list[tuple[int, int | None]] = [(m, n) for m in (4, 8) for n in (6, 12)]
    shared = training.Training(problem, NETWORK, target, 1e-5, "cpu", torch.float64)
    _measure(shared, cells, 3, None, False)
    assert len(seen) == 12
    assert all(len(set(values)) == 12 for values in zip(*seen, strict=True))


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"widths": [16]}, "at least two widths and two numbers of samples"),
        ({"samples": [16, 16]}, "at least two widths and two numbers of samples"),
        ({"seeds": 1}, "expected seeds of at least 2"),
    ],
)
def test_bad_grids_are_refused(named: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scaling(**named)
