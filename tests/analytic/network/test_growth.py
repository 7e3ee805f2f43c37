"""Chaos, and the mean over a filter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analytic import (
    Convolution,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    kernel,
    kernel_diagonal,
    kernel_plan,
)
from analytic.network import parse_network

C, F, R = Convolution, FullyConnected, Residual


@pytest.mark.parametrize(
    ("sizes", "count", "shape"), [(3, 9, (1, 4, 4)), (4, 4, (2, 6)), ((2, 3), 6, (1, 4, 4))]
)
def test_fan_in_is_a_weight_std(
    sizes: int | tuple[int, ...], count: int, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    def network(**options: object) -> Network:
        layer = C("tanh", sizes, bias_std=0.1, **options)  # type: ignore[arg-type]
        return Network(layer, R(layer), GlobalAveragePooling())

    mean = network(normalize="fan_in", weight_std=1.5)
    summed = network(weight_std=1.5 / math.sqrt(count))
    x = rng.standard_normal((3, *shape))
    assert_allclose(kernel(mean, x, tolerance=1e-8), kernel(summed, x, tolerance=1e-8), rtol=1e-13)
    assert_allclose(kernel_diagonal(mean, x), kernel_diagonal(summed, x), rtol=1e-13)
    assert parse_network(repr(mean)) == mean
    assert mean != summed
    assert mean.summed(len(shape) - 1) == summed


def test_another_word_for_the_normalisation_is_refused() -> None:
    with pytest.raises(ValueError, match="normalize 'sum' or 'fan_in'"):
        C("tanh", 3, normalize="mean")  # type: ignore[arg-type]


def test_growth_has_the_closed_form_of_erf(rng: np.random.Generator) -> None:
    std = 1.7
    v = std**2
    exact = v * 4 / math.pi / math.sqrt(1 + 4 * v)  # E erf'(u)^2 at variance v
    summary = Network(F("erf", weight_std=std)).summary((5,))
    assert_allclose(summary.growth, exact, rtol=1e-6)  # trapezoidal sums, two digits are shown
    x = rng.standard_normal((6, 5))
    x *= np.sqrt(5 / np.sum(x**2, axis=1))[:, None]
    assert_allclose(kernel_plan(Network(F("erf", weight_std=std)), x).growth, exact, rtol=1e-12)
    images = np.tile(x[0].reshape(1, 5, 1), (6, 1, 1, 1))  # how many are sampled depends on time
    plan = kernel_plan(Network(C("erf", 1, weight_std=std)), images)
    slopes = v * 4 / math.pi / np.sqrt(1 + 4 * v * x[0] ** 2)
    assert_allclose(plan.growth, slopes.mean(), rtol=1e-12)


def test_chaos_is_named_with_its_remedy() -> None:
    paper = Network(*[C("tanh", 3)] * 3)
    gentle = Network(*[C("tanh", 3, normalize="fan_in")] * 3)
    assert "chaotic: small differences grow 1.7 times" in repr(paper.summary((1, 8, 8)))
    assert "fan_in" in paper.summary((1, 8, 8))._repr_html_().split("<p>")[1]
    assert "chaotic" not in repr(gentle.summary((1, 8, 8)))
    x = np.random.default_rng(0).standard_normal((3, 1, 8, 8))
    assert kernel_plan(paper, x, tolerance=1e-6).chaotic
    assert not kernel_plan(gentle, x).chaotic


def test_residual_branches_do_not_count() -> None:
    plain = Network(F("relu", weight_std=2.0))
    with_skip = Network(F("relu", weight_std=2.0), R(F("tanh", weight_std=9.0)))
    assert_allclose(plain.summary((3,)).growth, 2.0, rtol=1e-2)
    assert plain.summary((3,)).growth == with_skip.summary((3,)).growth
