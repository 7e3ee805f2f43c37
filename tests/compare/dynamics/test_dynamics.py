"""The four trajectories, their identities, and what is refused."""

from __future__ import annotations

import functools
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from oracles.damages import check_damages
from scipy import linalg

import compare.theory.duhamel
from analytic import FullyConnected, Network, kernel
from compare import (
    DynamicsError,
    DynamicsGap,
    Inputs,
    Repetition,
    Resolution,
    Target,
    dynamics_gap,
)
from compare.command.dynamics_report import Findings, statements
from compare.dynamics import Doubt
from compare.dynamics.measurement import prepare
from compare.dynamics.trajectories import GAP_PARTS, Sample, _residuals, draw
from compare.theory.duhamel import duhamel_defect, track
from compare.theory.observations import decay_rates
from compare.verdict import Outcome
from empirical import FiniteNetwork, gradient_flow, tangent_kernel

NETWORK = Network(FullyConnected("tanh", weight_std=2.0), FullyConnected("softplus"))
CIRCLE = Inputs.sphere(2)
DIGITS = Inputs.array(Inputs.digits().points[:40])  # pyright: ignore[reportOptionalSubscript]
LABELS = Target.parity().labels[:40]  # pyright: ignore[reportOptionalSubscript]


def measure(**named: object) -> DynamicsGap:
    arguments = {"width": 24, "samples": 20, "horizon": 6.0, "seeds": 2, "points": 64} | named
    inputs, target = arguments.pop("inputs", CIRCLE), arguments.pop("target", Target.step())
    return dynamics_gap(NETWORK, inputs, target, **arguments)  # pyright: ignore


@pytest.fixture(scope="module")
def result() -> DynamicsGap:
    return measure(seeds=3)


def test_the_parts_add_up_to_the_gap_and_start_at_zero(result: DynamicsGap) -> None:
    gap, *parts = (getattr(result, part) for part in GAP_PARTS)
    assert np.all(gap <= sum(parts) + 1e-12)
    assert np.all(gap[1:] > 0)
    for part in GAP_PARTS:
        assert getattr(result, part)[0] < 1e-12
    assert result.times[0] == 0
    assert result.times[-1] == 6.0


def test_projections_never_exceed_the_whole(result: DynamicsGap) -> None:
    total = result.runs.spaces.sum(axis=-1)
    assert np.all(total <= result.runs.norms**2 * (1 + 1e-9) + 1e-15)


def test_closed_forms_agree_with_the_matrix_exponential() -> None:
    target = Target.smooth(2)
    problem, _, _ = prepare(NETWORK, CIRCLE, target, 3.0, points=16, resolution=Resolution(times=8))
    network, sample = FiniteNetwork(NETWORK, (2,), 8), draw(CIRCLE, target, 6, 1)
    x, y, z = (torch.from_numpy(a) for a in (sample.x, sample.y, problem.points.x))
    flow = track(network, problem.times, x=x, y=y, evaluate=z, watch=z[:2])
    start = tangent_kernel(network, torch.cat([z, x])).numpy()
    found = _residuals(problem, sample, flow, start)
    limit = kernel(NETWORK, np.concatenate([problem.points.x, sample.x]))
    for index, k in ((1, start), (2, limit)):
        generator = np.zeros_like(k)
        generator[:, 16:] = -k[:, 16:] / 6  # residuals at all points, driven by the sample
        r_0 = -np.concatenate([problem.reference.values, sample.y])
        for t, values in zip(problem.times, found[index], strict=True):
            assert_allclose(values, (linalg.expm(generator * t) @ r_0)[:16], atol=1e-7)


def test_training_on_the_whole_population_leaves_no_sampling_error() -> None:
    result = measure(inputs=DIGITS, target=LABELS, samples=40, points=40, horizon=3.0)
    assert result.config["kind"] == "population"
    assert result.sampling.max() < 1e-8
    assert result.initial[-1] > 1e-4


def test_the_limit_of_another_network_shows_in_the_initial_kernel(result: DynamicsGap) -> None:
    other = measure(
        seeds=3, limit=Network(FullyConnected("sigmoid")), repetition=Repetition(checked=0)
    )
    assert other.initial[-1] > 2 * result.initial[-1]
    assert other.drift[-1] == pytest.approx(result.drift[-1], rel=1e-3)  # the same networks


def test_a_shared_sample_has_no_standard_error() -> None:
    shared = measure(repetition=Repetition(share_sample=True, checked=0))
    assert_array_equal(shared.sampling_stderr, 0)
    assert shared.gap_stderr[-1] > 0


def test_the_identities_hold_along_the_flow(result: DynamicsGap) -> None:
    duhamel, energy, length = result.runs.checks.T
    assert duhamel[0] < 1e-6  # the tolerance of the integrator
    assert energy[0] < 1e-6
    assert np.all(length <= 1e-9)
    assert np.isnan(duhamel[1:]).all()  # checked for the first seed


def test_duhamels_formula_notices_a_wrong_operator() -> None:
    """Kernel flow with T itself satisfies it exactly; one per mille off it does not."""
    problem, _, _ = prepare(
        NETWORK, CIRCLE, Target.smooth(2), 2.0, points=64, resolution=Resolution(times=8)
    )
    seen, points = problem.reference, problem.points
    nodes, weights = np.polynomial.legendre.leggauss(24)
    nodes, weights = nodes + 1, weights
    flow = seen.flow(np.append(nodes, [2.0, 0.0]))
    coefficients = points.coefficients(flow[:-2], seen.functions)
    speeds = (coefficients * seen.eigenvalues[seen.groups]) @ seen.functions.T

    def defect(factor: float) -> float:
        return duhamel_defect(seen, points, nodes, weights, 2.0, flow, speeds * factor)

    assert defect(1.0) < 1e-12
    assert defect(1.001) > 1e-4


def test_a_flow_whose_identities_are_off_is_in_doubt(result: DynamicsGap) -> None:
    checks = result.runs.checks.copy()
    checks[0, 1] = 2e3 * result.config["rtol"]
    doubtful = replace(result, runs=replace(result.runs, checks=checks))
    assert doubtful.doubt is Doubt.IDENTITY
    assert doubtful.judgement.outcome is Outcome.UNDECIDED
    assert doubtful.holds is None
    assert doubtful.verdict == f"undecided: {doubtful.judgement.reason}"
    rows = {row.statement: row.kind for row in statements(Findings("", doubtful))}
    assert rows["Duhamel's formula"] is rows["Theorem 3.5"] is Outcome.UNDECIDED
    rows = {row.statement: row.kind for row in statements(Findings("", result))}
    assert rows["Duhamel's formula"] is rows["Theorem 3.5"] is Outcome.HOLDS
    nothing = replace(result, times=result.times[:1])
    assert nothing.doubt is Doubt.UNREACHED


def test_theorem_and_corollary_are_consistent(result: DynamicsGap) -> None:
    sides = result.theorem()
    k = len(result.labels)
    assert sides.left.shape == (3, len(result.times), k + 1)
    assert_allclose(sides.left[..., -1], result.runs.norms[:, 0] ** 2)
    mismatch = 4 * result.modes.supremum**2 * result.runs.distance
    expected = np.maximum(result.epsilon()[:, -1] - mismatch, 0)
    assert_allclose(result.epsilon(corollary=False)[:, -1], expected, atol=1e-12)
    assert np.all(result.own_epsilon()[:, -1] > 0)


def test_fitted_rates_are_found_and_their_intervals_cover(rng: np.random.Generator) -> None:
    sigma, times = np.array([2.0, 0.5, 0.1]), np.linspace(0, 8, 60)
    covered, a = 0, np.empty(0)
    for _ in range(100):
        rates = sigma * (1 + 0.1 * rng.standard_normal((6, 1)))
        a = np.exp(-times[None, :, None] * rates[:, None, :])
        found = decay_rates(times, a, sigma, ("1", "2", "3"), confidence=0.9)
        covered += found.intervals[1, 0] <= 0.5 <= found.intervals[1, 1]
    assert abs(covered / 100 - 0.9) < 4 * np.sqrt(0.09 / 100)
    a[:, :, 1] = np.nan
    assert decay_rates(times, a, sigma, ("1", "2", "3")).labels == ("1", "3")


def test_rates_are_fitted_up_to_the_inverse_of_the_eigenvalue() -> None:
    times = np.linspace(0, 4, 41)
    a = np.where(times <= 0.5 + 1e-9, np.exp(-2 * times), 7.0)[None, :, None].repeat(2, axis=0)
    assert_allclose(decay_rates(times, a, np.array([2.0]), ("1",)).rates, [2.0], rtol=1e-9)
    few = np.where(times <= 0.3 + 1e-9, np.exp(-50 * times), 7.0)[None, :, None].repeat(2, axis=0)
    assert_allclose(decay_rates(times, few, np.array([50.0]), ("1",)).rates, [50.0], rtol=1e-6)


def test_a_horizon_out_of_reach_returns_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    short = functools.partial(gradient_flow, max_evaluations=40)
    monkeypatch.setattr(compare.theory.duhamel, "gradient_flow", short)
    with pytest.raises(DynamicsError, match=r"expected to reach t = .* \(seed 0\)") as caught:
        measure(horizon=500.0, repetition=Repetition(checked=0))
    partial = caught.value.partial
    assert 0 < partial.times[-1] < 500
    assert partial.gap.shape == partial.times.shape
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_saved_results_come_back(result: DynamicsGap, tmp_path: Path) -> None:
    path = tmp_path / "gap.npz"
    result.save(path)
    again = DynamicsGap.load(path)
    assert again.config == result.config
    assert again.answers() == result.answers()
    assert_array_equal(again.gap_stderr, result.gap_stderr)
    assert [p.name for p in tmp_path.iterdir()] == ["gap.npz"]
    check_damages(path, DynamicsGap.load)


def test_tables_pictures_and_words(result: DynamicsGap, tmp_path: Path) -> None:
    assert "Corollary 3.7 needs eps" in str(result)
    assert "<table>" in result._repr_html_()
    assert result.rates(3).table().rows[0][0] == "degree 1"  # nothing of a step is in degree 0
    assert result.holds is not False
    for draw_it in (result.plot, result.plot_modes, result.plot_theorem, result.plot_rates):
        figure = draw_it().get_figure(root=True)
        assert figure is not None
        figure.savefig(tmp_path / "picture.png")


def test_corollary_3_10_is_asked_at_its_own_times(result: DynamicsGap) -> None:
    rows = result.stopping_tests()
    assert rows
    k, inside, half, tail = rows[0]
    stop = np.log(float(result.modes.supremum) / result.config["epsilon"])
    at = int(np.argmin(np.abs(result.times - stop / result.modes.eigenvalues[k])))
    assert_allclose(2 * half, result.runs.residual[:, at, -1])
    assert np.all(inside <= 2 * half)
    assert tail == pytest.approx(1 - result.modes.energies[: k + 1].sum())


@pytest.mark.parametrize(
    ("named", "kind", "message"),
    [
        ({"samples": 41, "inputs": DIGITS, "target": LABELS}, ValueError, "at most 40 samples"),
        ({"horizon": 0.0}, ValueError, "positive, finite horizon, got 0.0"),
        ({"horizon": np.inf}, ValueError, "positive, finite horizon, got inf"),
        ({"seeds": 1}, ValueError, "expected seeds of at least 2, got 1"),
        ({"width": 0}, ValueError, "expected width of at least 1, got 0"),
        ({"resolution": Resolution(times=7)}, ValueError, "expected times of at least 8, got 7"),
        ({"samples": 2.5}, TypeError, "expected an integer for samples, got 2.5"),
        ({"resolution": Resolution(spaces=500)}, ValueError, "the last trustworthy one is degree"),
        ({"target": lambda x: x}, ValueError, "one for each input"),
    ],
)
def test_bad_designs_are_refused(named: dict, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        measure(**named)


def test_samples_of_a_population_are_drawn_with_their_labels() -> None:
    sample = draw(DIGITS, Target.of(LABELS, DIGITS), 10, 3)
    assert isinstance(sample, Sample)
    assert DIGITS.points is not None
    for x, y in zip(sample.x, sample.y, strict=True):
        index = int(np.flatnonzero((DIGITS.points == x).all(axis=1))[0])
        assert y == LABELS[index]
