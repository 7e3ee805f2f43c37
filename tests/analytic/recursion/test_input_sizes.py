"""Series of pairs with a small input are cut where their own coefficients allow it."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import FullyConnected, Network, kernel, kernel_estimate
from analytic.expectations import coefficients
from analytic.pairs.row_blocks import Series
from analytic.recursion import GROUP
from analytic.request import asked

LINE = np.linspace(-6, 6, 300)[:, None]
"""Beside a bias: without one such lines go by rays."""


@pytest.mark.parametrize("text", ["tanh", "sigmoid(2*x)"])
def test_every_group_leaves_out_what_is_granted(text: str) -> None:
    """The coefficients themselves, of every pair of sizes: sum over k >= N of |c_k c'_k| R^k."""
    network = Network(FullyConnected(text, bias_std=0.1))
    problem = asked(network, LINE, None, "both", 1e-10, "cpu")
    assert isinstance(problem.method, Series)
    bounds, stage = problem.method.plan.bounds, problem.diagonal.stages[0]
    s, size = np.sqrt(stage.variance), bounds.row_sizes
    table = coefficients(stage.step.layer.activation, s, 4096)
    c = np.abs(table.b) * np.sqrt(np.arange(1.0, 4097))[:, None] / np.sqrt(stage.moments.slope)
    largest = [np.flatnonzero(size == number)[np.argmax(s[size == number])] for number in range(16)]
    terms = GROUP * np.arange(1, bounds.radius.shape[1] + 1)
    fewer = 0
    for a, i in enumerate(largest):
        for b, j in enumerate(largest):
            radius, products = bounds.sizes[a, b, 0], c[:, i] * c[:, j]
            for g in (20, 60, 120, 200):
                first = terms[g]
                left = products[first:] @ radius[g] ** np.arange(first, 4096)
                assert left <= bounds.truncation[0, 0, g]
                fewer += radius[g] > bounds.radius[0, g]
    assert fewer > 500


@pytest.mark.parametrize("columns", [None, np.linspace(0.5, 8, 40)[:, None]])
def test_the_kernel_keeps_its_tolerance(columns: np.ndarray | None) -> None:
    """Against ``kernel_estimate``, whose pairs all have the longest series."""
    network = Network(FullyConnected("tanh", bias_std=0.1), FullyConnected("tanh"))
    found = kernel(network, LINE, columns)
    exact = kernel_estimate(network, LINE, columns, tolerance=1e-10)
    own = np.sqrt(np.diag(kernel(network, LINE)))
    others = own if columns is None else np.sqrt(np.diag(kernel(network, columns)))
    scale = np.outer(own, others)
    assert (np.abs(found - exact.value) <= 1e-10 * scale + exact.error).all()
    problem = asked(network, LINE, columns, "ntk", 1e-10, "cpu")
    assert isinstance(problem.method, Series)
    assert problem.method.plan.bounds.row_sizes.size
