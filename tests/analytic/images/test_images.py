"""Kernels of networks of images, against slow recursions, closed forms and identities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import positions

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    SumPooling,
    kernel,
    kernel_diagonal,
    kernel_estimate,
)

C, F, R, A = Convolution, FullyConnected, Residual, AveragePooling
GLOBAL = GlobalAveragePooling()

LINES = [
    lambda w: Network(C(w, 3, dilation=5)),
    lambda w: Network(C(w, 4, stride=2, bias_std=0.5), C(w, 2), GLOBAL),
    lambda w: Network(
        C(w, 3, padding="valid"), R(C(w, 3, dilation=2), C(w, 2)), A(3, stride=2), C(w, 3), GLOBAL
    ),
    lambda w: Network(
        A(2), C(w, 3, padding_mode="circular"), SumPooling(3, stride=1), Flatten(), F(w), R(F(w))
    ),
    lambda w: Network(C(w, 2, stride=3, padding="valid"), R(R(C(w, 1)), C(w, 3)), A(1)),
    lambda w: Network(Flatten(), F(w, bias_std=0.2), R(F(w))),
]
PLANES = [
    lambda w: Network(
        C(w, 3, weight_std=0.5), C(w, (2, 3), stride=(2, 1), dilation=(1, 3)), GLOBAL
    ),
    lambda w: Network(
        C(w, 2, padding_mode="circular"), R(C(w, 2)), A((1, 3), stride=1), Flatten(), F(w)
    ),
    lambda w: Network(C(w, 3, stride=2), GLOBAL, F(w, weight_std=2), R(F(w))),
    lambda w: Network(C(w, 3, padding="valid", weight_std=0.4), A(2), R(C(w, 1, bias_std=0.3))),
]
WIDE = [
    lambda w: Network(C(w, 3, weight_std=0.4), C(w, (2, 5), weight_std=0.3), GLOBAL),
    lambda w: Network(
        C(w, 4, padding_mode="circular", dilation=3, weight_std=0.3),
        A((5, 2), stride=(3, 1)),
        C(w, 3),
        GLOBAL,
    ),
    lambda w: Network(C(w, 3, stride=(1, 2), padding_mode="circular"), R(C(w, 3)), A((2, 1))),
    lambda w: Network(
        C(w, 3, padding="valid", dilation=(3, 2), weight_std=0.4), C(w, 3, stride=2), GLOBAL
    ),
]
"""For images of more positions than a vector has lanes, whose rows do not fit into them."""
SOLIDS = [
    lambda w: Network(
        C(w, (2, 3, 2), stride=(2, 1, 1), dilation=(1, 1, 2), padding_mode="circular"),
        A((1, 2, 2), stride=1),
        C(w, 2, stride=(1, 2, 1), weight_std=0.5),
        GLOBAL,
    ),
    lambda w: Network(C(w, 2, padding="valid"), R(C(w, 2)), SumPooling((1, 2, 1)), Flatten(), F(w)),
]
AROUND = [
    lambda w: Network(
        C(w, 5, padding_mode="circular", weight_std=0.3),
        C(w, (3, 7), padding_mode="circular", weight_std=0.2),
        GLOBAL,
    ),
    lambda w: Network(A((2, 1)), C(w, 3, padding_mode="circular")),
]
"""Filters that go around a circle more than once."""
CASES = [
    *((make, (2, 2, 3), "erf") for make in AROUND),
    *((make, (2, 3, 3, 3), "erf") for make in SOLIDS),
    *((make, (1, 12, 13), "erf") for make in WIDE),
    *((make, (2, 12), name) for make in LINES for name in ("erf", "tanh")),
    *((make, (2, 8), "softplus") for make in LINES if make is not LINES[2]),
    *((make, (2, 4, 4), "erf") for make in PLANES),
]


def _images(rng: np.random.Generator, n: int, shape: tuple[int, ...]) -> np.ndarray:
    """Images with a blank border, a blank image and two that are equal, if there are five."""
    x = rng.standard_normal((n, *shape))
    x[..., -1] = 0
    if n > 4:
        x[3] = 0
        x[4] = x[0]
    return x


@pytest.mark.slow
@pytest.mark.parametrize(("make", "shape", "name"), CASES)
def test_all_layers_against_the_slow_recursion(
    make: Callable[[str], Network], shape: tuple[int, ...], name: str, rng: np.random.Generator
) -> None:
    network = make(name)
    x, y = _images(rng, 2, shape), rng.standard_normal((1, *shape))
    x[1] = x[0] + 1e-3 * x[1]
    for kind in ("nngp", "ntk"):
        exact = positions.kernel(network, x, y, kind)
        found = kernel_estimate(network, x, y, kind=kind)
        assert_allclose(found.value, exact, rtol=3e-13, atol=1e-13 * np.abs(exact).max())
        assert np.all(np.abs(found.value - exact) <= found.error + 1e-13 * np.abs(exact).max())
    own = positions.kernel(network, x)
    assert_allclose(kernel(network, x), own, rtol=1e-10)
    assert_allclose(kernel_diagonal(network, x), np.diag(own), rtol=1e-12)
