"""Linearised networks: against matrix exponentials, and as the control variate of trained ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import expm

from analytic import FullyConnected, Network
from compare import Inputs, Target, dynamics_growth, dynamics_scaling
from compare.dynamics.linearised import FIRST_LINEARISED, linearised_networks
from compare.dynamics.scaling import _problem
from compare.dynamics.training import Job, Training, draws, train
from compare.rate import fit_joint
from compare.store import Store
from empirical import tangent_kernel

NETWORK, CIRCLE = Network(FullyConnected("tanh")), Inputs.sphere(2)
TARGET = Target.harmonic((1, 3), 2)


def _training(horizon: float = 3.0) -> Training:
    problem = _problem(NETWORK, CIRCLE, TARGET, horizon, 16)
    return Training(problem, NETWORK, TARGET, 1e-7, "cpu", torch.float64)


def test_linearised_networks_follow_the_exponential() -> None:
    """f(t) = K(z, X) K^-1 (1 - exp(-K t/n)) y, the norms by sums over the equidistant points."""
    training = _training()
    (found,) = linearised_networks(training, [(32, 12)], [5], 2, None, False, None)
    problem, seen = training.problem, training.problem.reference
    for row, seed in enumerate((5, 6)):
        finite, sample = draws(training, Job(32, 12, seed))
        z, x = (torch.from_numpy(np.asarray(a)) for a in (problem.points.x, sample.x))
        k, across = (tangent_kernel(finite, x).numpy(), tangent_kernel(finite, z, x).numpy())
        inverse = np.linalg.pinv(k, rcond=1e-13)
        for i, t in enumerate(problem.times):
            f = across @ inverse @ (np.eye(12) - expm(-k * t / 12)) @ sample.y
            apart = f - seen.values - seen.flow(problem.times[i : i + 1])[0]
            gap = np.sqrt(np.mean(apart**2))
            assert_allclose(found.gap[row, i], gap, rtol=1e-6, atol=1e-9)
        assert np.all(np.diff(found.epsilon[row]) >= 0)  # smallest up to each time


def test_wide_networks_hardly_differ_from_their_linearisation() -> None:
    """The gap of a trained network of width 4,096 is that of the linearised one up to its drift."""
    training = _training()
    run = train(training, Job(4096, 24, 3))
    (found,) = linearised_networks(training, [(4096, 24)], [3], 1, None, False, None)
    assert np.all(np.abs(run.norms[0] - found.gap[0]) <= run.norms[1] + 1e-9)
    assert run.norms[1].max() < 0.1 * found.gap[0].max()
    assert found.gap[0].max() > 1e-3


def test_a_store_gives_the_same_bits_and_no_seed_was_trained(tmp_path: Path) -> None:
    training, cells = _training(), [(4, 6), (8, None)]
    alone = linearised_networks(training, cells, [0, FIRST_LINEARISED], 30, None, False, None)
    for _ in range(2):
        with Store(tmp_path / "s", {"a": 1}) as store:
            kept = linearised_networks(
                training, cells, [0, FIRST_LINEARISED], 30, None, False, store
            )
            assert len(store) == 4  # of 25 and 5 networks
        for a, b in zip(alone, kept, strict=True):
            assert_array_equal(a.epsilon, b.epsilon)
            assert_array_equal(a.gap, b.gap)
    assert len(np.unique(alone[0].gap[:, 1])) == 30


@pytest.fixture(scope="module")
def small() -> dict:
    return {"samples": [16, 64], "horizon": 3.0, "seeds": 4, "points": 32}


def test_the_control_variate_narrows_the_exponents(small: dict) -> None:
    result = dynamics_scaling(NETWORK, CIRCLE, TARGET, widths=[16, 64], **small, linearised=100)
    plain = fit_joint(*result._cells(), list(result.epsilon[..., -1].reshape(6, 4)), 0.95)
    narrow = result.joint()
    assert np.ptp(narrow.width_interval) < np.ptp(plain.width_interval) / 2
    assert np.ptp(narrow.sample_interval) < np.ptp(plain.sample_interval) / 2
    same = np.corrcoef(result.controls.ravel(), result.epsilon[..., -1].ravel())[0, 1]
    assert same > 0.9  # the same networks on the same samples
    assert result.linearised.shape == (2, 3, 100)
    means, errors = result.means()
    trained = result.epsilon[..., -1]
    apart = np.abs(means - trained.mean(axis=2))
    assert np.all(apart < 4 * trained.std(axis=2, ddof=1))  # of 4 networks: their own spread
    assert np.all(errors < trained.std(axis=2, ddof=1))


def test_growth_has_narrow_intervals_too(small: dict) -> None:
    arguments = {"ratios": [1.0], **small}
    plain = dynamics_growth(NETWORK, CIRCLE, TARGET, **arguments, linearised=0)[1.0]
    narrow = dynamics_growth(NETWORK, CIRCLE, TARGET, **arguments, linearised=100)[1.0]
    assert narrow.stderr < plain.stderr
    assert narrow.interval[0] > 0


@pytest.mark.parametrize(
    ("count", "error", "message"),
    [
        (1, ValueError, "expected 0 linearised networks for each cell, or at least 2, got 1"),
        (-3, ValueError, "or at least 2, got -3"),
        (2.5, TypeError, "expected an integer for linearised, got 2.5"),
    ],
)
def test_bad_numbers_are_refused(count: object, error: type, message: str, small: dict) -> None:
    with pytest.raises(error, match=message):
        dynamics_scaling(NETWORK, CIRCLE, TARGET, widths=[4, 8], **small, linearised=count)  # pyright: ignore
