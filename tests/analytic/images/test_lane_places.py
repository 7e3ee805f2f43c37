"""Coefficients of images that stand side by side, and lanes that nobody asks for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analytic import Convolution, Network, kernel_estimate
from analytic.expectations import coefficients, moments, orders
from analytic.images.lane_places import Known, KnownPanels, place
from analytic.machine import LANES


@pytest.mark.parametrize("name", ["tanh", "softplus", "sin(x)"])
def test_coefficients_that_follow_have_the_bits_of_all_at_once(
    name: str, rng: np.random.Generator
) -> None:
    activation = Network(Convolution(name, 3)).steps[0].layer.activation
    s = rng.uniform(0.05, 3.0, 300)
    known = Known(activation, s, 160)
    wanted = orders(activation)
    first = known.begin(24, moments(activation, s))
    whole = coefficients(activation, s, 160, wanted, 160).b
    assert_array_equal(first.b, whole[: len(first.b)])
    for count in (20, 10, 33, len(whole), 2 * len(whole)):
        found = np.concatenate(known.first(count))
        assert len(found) >= min(count, len(whole))
        assert_array_equal(found, whole[: len(found)])


def test_parts_stand_behind_each_other_in_the_lanes(rng: np.random.Generator) -> None:
    activation = Network(Convolution("softplus", 3)).steps[0].layer.activation  # of both parities
    s, positions = rng.uniform(0.5, 2.0, 4 * 50), 50
    known = Known(activation, s, 48)
    known.begin(8, moments(activation, s))
    panels = np.array([[2, 0], [3, 1]])
    some = np.array([[panel, copy] for panel in range(2) for copy in range(2)])
    out, whole = np.zeros((2, 2, 1, 32, LANES))
    KnownPanels({7: known}, panels).place(7, some, positions, True, out)
    b = coefficients(activation, s, 32, orders(activation), 48).b
    for order, row in ((0, 0), (1, 4), (2, 1), (9, 12), (31, 31)):
        for panel, copy in some:
            image = panels[panel, copy]
            lanes = slice(copy * positions, (copy + 1) * positions)
            assert_array_equal(out[panel, 0, row, lanes], b[order, image * 50 : image * 50 + 50])
    place(b, 0, some, panels.ravel(), positions, True, whole)
    assert_array_equal(out, whole)


def test_an_image_with_itself_asks_for_no_terms(rng: np.random.Generator) -> None:
    """Beside another one in a panel it has rho = 1; given as two sets, it is wanted."""
    network = Network(*[Convolution("tanh", 3, weight_std=1 / 3)] * 2)
    x = rng.standard_normal((9, 3, 6, 6))
    alone, wanted = kernel_estimate(network, x), kernel_estimate(network, x, x)
    above = np.triu(np.ones((9, 9), dtype=bool), 1)
    assert alone.terms < wanted.terms / 2
    assert (alone.error <= wanted.error)[above].all()
    assert (alone.error < 0.9 * wanted.error)[0, 1]
    size = alone.error + wanted.error
    assert (abs(alone.value - wanted.value) <= size)[above].all()
    for i, j in ((0, 1), (3, 4), (7, 8)):  # neighbours, on their own
        pair = kernel_estimate(network, x[[i]], x[[j]])
        assert_allclose(alone.value[i, j], pair.value[0, 0], atol=size[i, j], rtol=0)
