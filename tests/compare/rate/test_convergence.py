"""The width sweep from end to end."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from oracles import dense
from oracles.damages import check_damages

from analytic import FullyConnected, Network, Residual, kernel
from compare import Convergence, Inputs, convergence
from empirical import FiniteNetwork, tangent_kernel

F, R = FullyConnected, Residual
SMALL = Network(F("tanh"), F("sigmoid"))


def sweep(**named: object) -> Convergence:
    arguments = {"widths": [16, 32, 64], "seeds": [30, 20, 10], "points": 12} | named
    return convergence(SMALL, Inputs.digits(), **arguments)  # pyright: ignore[reportArgumentType]


def test_distances_are_what_they_claim_to_be() -> None:
    inputs = Inputs.digits()
    result = sweep()
    x = inputs.sample(12)
    f = FiniteNetwork(SMALL, (64,), 32, seed=32 * 2**32 + 7, antisymmetric=False)
    e2 = (tangent_kernel(f, torch.from_numpy(x)).numpy() - kernel(SMALL, x)) ** 2
    off = (e2.sum() - np.trace(e2)) / (12 * 11)
    exact = (1 - 1 / 1797) * off + np.trace(e2) / 12 / 1797
    assert result.distances[1][7] == pytest.approx(exact, rel=1e-9)
    assert [d.size for d in result.distances] == [30, 20, 10]


def test_bias_estimates_come_from_different_seeds() -> None:
    result = convergence(Network(F("softplus")), Inputs.sphere(4), [4, 8, 16], 400, points=10)
    # one hidden layer has no bias; its estimates scatter around 0, far below the distances
    for bias, d in zip(result.bias, result.distances, strict=True):
        assert abs(bias) < 0.02 * d.mean()


def test_any_executor_gives_the_same_bits() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:  # before any thread
        processes = sweep(executor=pool)
    threads = sweep()
    torch.set_num_threads(2)  # set back to 1 before the next test
    with ThreadPoolExecutor(3) as pool:
        more = sweep(executor=pool)
    assert torch.get_num_threads() == 2
    for other in (processes, more):
        for a, b in zip(threads.distances, other.distances, strict=True):
            assert_array_equal(a, b)
        assert (threads.bias, threads.rounding) == (other.bias, other.rounding)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_rounding_floor_stands_beside_every_width(dtype: torch.dtype) -> None:
    result = convergence(
        Network(FullyConnected("tanh")), Inputs.sphere(3), [16, 32, 64], 3, points=8, dtype=dtype
    )
    eps = torch.finfo(dtype).eps
    assert len(result.rounding) == 3
    assert all(eps / 100 < floor < 100 * eps for floor in result.rounding)
    assert result.table().head[-1] == "rounding"


def test_saved_results_come_back(tmp_path) -> None:
    result = sweep()
    path = tmp_path / "result.json"
    result.save(path)
    again = Convergence.load(path)
    assert again.config == json.loads(json.dumps(result.config))
    assert again.widths == result.widths
    for a, b in zip(result.distances, again.distances, strict=True):
        assert_array_equal(a, b)
    assert again.rounding == result.rounding
    check_damages(path, Convergence.load)
    assert again.answers() == result.answers()
    assert list(tmp_path.iterdir()) == [path]


def test_tables_pictures_and_words(tmp_path) -> None:
    result = sweep()
    text = str(result.table())
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["16", "32", "64"]
    assert "<table>" in result._repr_html_()
    assert result.verdict in str(result)
    ax = result.plot()
    assert ax.get_xlabel() == "width $m$"
    assert result.plot(ax) is ax
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.savefig(tmp_path / "plot.png")


def test_few_seeds_say_what_coverage_to_expect() -> None:
    few = sweep()
    assert "with 10 seeds nominal 95 % intervals are expected to cover" in str(few)
    assert few.answers()["coverage"]["repeats"] == 200


def without_mean_terms(network: Network, x: np.ndarray) -> np.ndarray:
    return dense.trapezoid_kernel(network, x, x, means=False)[0]


RESIDUAL = {name: Network(F(name), R(F(name)), R(F(name))) for name in ("softplus", "sigmoid")}
CONTROLS = {
    "right": None,
    "another depth": Network(F("softplus"), R(F("softplus"))),
    "another activation": Network(F("softplus"), R(F("softplus")), R(F("tanh"))),
    "means dropped": without_mean_terms,
}


@pytest.mark.parametrize("control", CONTROLS)
def test_wrong_limits_do_not_hold(control: str) -> None:
    result = convergence(
        RESIDUAL["softplus"], Inputs.digits(), [32, 64, 128, 256], [150, 100, 80, 60],
        points=10, limit=CONTROLS[control],
    )  # fmt: skip
    if control == "right":
        assert result.holds is not False
    else:
        assert result.verdict == "fails"
        assert result.holds is False


def test_without_the_mean_terms_of_sigmoid_the_verdict_is_fails() -> None:
    result = convergence(
        RESIDUAL["sigmoid"], Inputs.digits(), [32, 64, 128, 256], [150, 100, 80, 60],
        points=10, limit=without_mean_terms,
    )  # fmt: skip
    assert result.verdict == "fails"


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (lambda n, x: np.ones((3, 3)), r"expected a limit of shape \(12, 12\)"),
        (lambda n, x: np.full((12, 12), np.nan), "with NaN or infinity"),
        (lambda n, x: np.triu(np.ones((12, 12))), "expected a symmetric limit"),
    ],
)
def test_limits_that_are_no_kernels_are_refused(limit: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sweep(limit=limit)


def test_inputs_that_are_all_zero_have_no_rate() -> None:
    with pytest.raises(ValueError, match="only zeros in group 1: a distance that is exactly 0"):
        convergence(Network(F("tanh")), Inputs.array(np.zeros((4, 3))), [8, 16, 32], 3)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"widths": [0, 32, 64]}, "expected widths of at least 1, got 0"),
        ({"widths": [32, 64], "seeds": 5}, "at least 3 different widths"),
        ({"widths": [32, 32, 64]}, "at least 3 different widths"),
        ({"seeds": [5, 5]}, "one number of seeds for each of the 3 widths, got 2"),
        ({"seeds": 1}, "expected at least 2 seeds, got 1"),
        ({"points": 2}, "expected at least 3 points, got 2"),
    ],
)
def test_bad_designs_are_refused(named: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sweep(**named)
