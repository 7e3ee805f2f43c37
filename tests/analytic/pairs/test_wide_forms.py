"""Networks of large inputs, with and without tables in the tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analytic import Estimate, FullyConnected, Network, Residual, kernel, kernel_estimate
from analytic.machine import LANES
from analytic.pairs import Series, preparation, wide_forms
from analytic.request import asked
from analytic.solve import solve

N = 400
GENERATOR = np.random.default_rng(0)
INPUTS = {
    "line": np.linspace(-30, 30, N)[:, None],
    "windows": np.lib.stride_tricks.sliding_window_view(
        20 + 5 * np.sin(0.05 * np.arange(N + 9)), 10
    ),
    "plane": 40.0 * GENERATOR.standard_normal((N, 2)),
}
NETWORKS = {
    "tanh": Network(*[FullyConnected("tanh", bias_std=0.5)] * 3),
    "softplus": Network(*[FullyConnected("softplus", bias_std=0.1)] * 2),
    "gelu": Network(*[FullyConnected("gelu", bias_std=0.3)] * 2),
    "residual": Network(FullyConnected("sigmoid", bias_std=0.3), Residual(FullyConnected("tanh"))),
}


def _solved(network: Network, x: np.ndarray, tables: bool) -> tuple[Estimate, bool]:
    """Both kernels with the bounds of all entries, and whether a layer has a table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wide_forms, "ENOUGH", 2**12)
        if not tables:
            patch.setattr(preparation, "with_log_tables", lambda _, *given: given[:2])
        problem = asked(network, x, None, "both", 1e-10, "cpu")
    found = solve(problem, "both", 1e-10, progress=False, certificate=True)
    assert isinstance(problem.method, Series)
    return found, bool((problem.method.plan.close[:, 0] > 0).any())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "inputs"),
    [("tanh", "line"), ("softplus", "windows"), ("gelu", "plane"), ("residual", "line")],
)
def test_tables_agree_with_pairs_one_by_one(network: str, inputs: str) -> None:
    """Within the sum of both bounds; nothing that a table was made for is called certified."""
    x = np.ascontiguousarray(INPUTS[inputs])
    (found, used), (exact, without) = (
        _solved(NETWORKS[network], x, tables) for tables in (True, False)
    )
    assert used
    assert not without
    for one, other, wrong, more in zip(
        found.value, exact.value, found.error, exact.error, strict=True
    ):
        assert np.all(np.abs(one - other) <= wrong + more)
        assert not np.array_equal(one, other)
    assert not found.certified


@pytest.mark.parametrize("name", ["tanh", "elu", "hardtanh"])
def test_forms_begin_where_the_series_of_a_tile_end(name: str) -> None:
    """Tiles of smaller inputs may have larger radii; Theta was another pair's between the two."""
    x, network = INPUTS["line"] / 4, Network(*[FullyConnected(name, bias_std=0.5)] * 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wide_forms, "ENOUGH", 2**12)
        problem = asked(network, x, None, "ntk", 1e-10, "cpu")
    method = problem.method
    assert isinstance(method, Series)
    assert (method.plan.close[:, 0] > 0).any()
    bounds, one = method.plan.bounds, np.zeros(N + LANES, dtype=np.int64)
    radius = bounds.radius.copy()
    radius[:, -2] *= 1.03
    sized = bounds._replace(sizes=radius[None, None], row_sizes=one[:N], column_sizes=one)
    other = replace(problem, method=replace(method, plan=method.plan._replace(bounds=sized)))
    exact, found = (solve(part, "ntk", 1e-10, progress=False).value for part in (problem, other))
    assert not np.array_equal(found, exact)
    scale = np.sqrt(np.outer(exact.diagonal(), exact.diagonal()))
    assert (np.abs(found - exact) <= 1e-9 * scale).all()


def test_a_layer_without_a_table_behind_one_that_has_it() -> None:
    """Softplus on a line with a bias: entries were wrong by a tenth for a day."""
    x, network = np.linspace(-30, 30, 700)[:, None], NETWORKS["softplus"]
    found = kernel(network, x, progress=False)[[100, 360]]
    exact = kernel_estimate(network, x[[100, 360]], x[::9], tolerance=1e-9)
    assert (np.abs(found[:, ::9] - exact.value) <= exact.error + 1e-9 * exact.value).all()


def test_few_pairs_and_small_inputs_make_no_tables() -> None:
    windows = np.ascontiguousarray(INPUTS["windows"])
    assert not _solved(NETWORKS["tanh"], windows[:60], True)[1]
    assert not _solved(NETWORKS["tanh"], windows / 20, True)[1]


def test_lines_without_bias_keep_their_series_and_rays() -> None:
    """Pairs of small inputs have no place in a table, and a line has many of them."""
    network = Network(*[FullyConnected("tanh")] * 2)
    assert not _solved(network, INPUTS["line"], True)[1]


def test_relu_takes_nearly_parallel_rows_in_tiles() -> None:
    """Years and months: all pairs have rho > 0.9999, some 1 - 1e-8, and none is left out."""
    x = np.stack([2000.0 + np.arange(N) // 12, np.arange(N) % 12], axis=1)
    network = Network(*[FullyConnected("relu", bias_std=0.1)] * 2)
    problem = asked(network, x, None, "ntk", 1e-10, "cpu")
    assert problem.method.error <= 1e-10
    assert isinstance(problem.method, Series)
    assert problem.method.plan.bounds.ceiling >= 1 - 1e-6
    few = np.arange(0, N, 40)
    exact = kernel_estimate(network, x[few])
    found = kernel(network, x, progress=False)[np.ix_(few, few)]
    scale = np.sqrt(np.outer(np.diag(exact.value), np.diag(exact.value)))
    assert np.all(np.abs(found - exact.value) <= exact.error + 1e-10 * scale)
