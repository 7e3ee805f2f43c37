"""More coefficients are taken where they help, never where their table is worse."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Activation, FullyConnected, Network, kernel
from analytic.expectations.octaves import MOST_TERMS, MOST_TERMS_WHOLE, segment
from analytic.expectations.segments import Segment


@pytest.mark.parametrize("name", ["softplus", "silu"])
def test_the_longest_table_is_as_good_as_the_usual_one(name: str) -> None:
    """At s = 32 a table of 4,096 coefficients would have lost eight digits."""
    usual, longest = (
        segment(Activation(name), 5, most=most, proved=proved)
        for most, proved in ((MOST_TERMS, False), (MOST_TERMS_WHOLE, True))
    )
    assert isinstance(usual, Segment)
    assert isinstance(longest, Segment)
    assert usual.noise.certified
    assert longest.noise.certified
    assert longest.noise.square <= 2 * usual.noise.square


@pytest.mark.parametrize("name", ["softplus", "silu"])
def test_a_close_pair_of_the_first_layer_costs_the_second_no_accuracy(name: str) -> None:
    """One layer of s = 5 and 10 that leaves out a pair, before one of s = 17 and 35."""
    network = Network(*[FullyConnected(name, weight_std=5.0)] * 2)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 20))
    x *= np.sqrt(20 / np.sum(x**2, axis=1, keepdims=True))
    x[1] = x[0] + 1e-6 * rng.standard_normal(20)
    x[2] *= 2
    together = kernel(network, x)
    alone = kernel(network, x[[0, 2]])
    assert together[0, 2] == pytest.approx(alone[0, 1], rel=1e-12)
