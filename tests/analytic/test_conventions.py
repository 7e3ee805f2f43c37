"""Numbers printed by neural-tangents 0.6.5 on JAX 0.5.3 (2026-11-23), converted to ours."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analytic import (
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
    kernel,
)

C, F, R = Convolution, FullyConnected, Residual
X = np.array([[1.0, -0.5, 2.0], [0.3, 0.8, -1.1]])

# network, (W_std, b_std) of its last Dense, nngp and ntk at (0, 0), (0, 1), (1, 1), rtol
CASES = {
    "dense": (
        Network(*[F("erf", weight_std=1.3, bias_std=0.2)] * 2),
        (0.7, 0.3),
        (0.33036943735765734, -0.0283075658318631, 0.30408699084293866),
        (1.1053937577863453, -0.3014152958873724, 0.8658136172186787),
        1e-13,
    ),
    "skip before the nonlinearity": (
        Network(
            F("identity", weight_std=1.3, bias_std=0.2),
            Residual(F("erf"), F("identity", weight_std=1.1)),
        ),
        (1.0, 0.0),
        (3.79053297712609, -1.6818236255786796, 1.7234929297799135),
        (10.143661700145017, -4.31506524631309, 4.931157514792769),
        1e-13,
    ),
    "relu": (
        Network(F("relu", weight_std=2**0.5), F("relu", weight_std=2**0.5, bias_std=0.1)),
        (1.0, 0.0),
        (1.7550000000000008, 0.3672328125627882, 0.6516666666666671),
        (5.2600000000000025, 0.29806517545006506, 1.9500000000000013),
        1e-8,  # the peer's own error at x = x'
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_peer_and_its_readout(case: tuple) -> None:
    network, (r, c), nngp, ntk, rtol = case
    ours = kernel(network, X, kind="both", tolerance=1e-13)
    for k, (aa, ab, bb) in zip(ours, (nngp, ntk), strict=True):
        assert_allclose(r**2 * k + c**2, [[aa, ab], [ab, bb]], rtol=rtol)


IMAGES = (np.arange(48).reshape(2, 2, 4, 3) * 7 % 11 - 5) / 4


def _two(name: str, pad: str) -> Network:
    """Conv((3, 2) or (2, 2), 1.2, 0.3), w, Conv((2, 2) or (3, 3), 0.9, 0.1), w."""
    if pad == "SAME":
        first = C(name, (3, 2), weight_std=1.2 / 6**0.5, bias_std=0.3)
        return Network(first, C(name, 3, weight_std=0.3, bias_std=0.1))
    if pad == "VALID":
        first = C(name, 2, weight_std=0.6, bias_std=0.3, padding="valid")
        second = C(name, 2, weight_std=0.45, bias_std=0.1, padding="valid")
        return Network(first, second, GlobalAveragePooling())
    first = C(name, (3, 2), weight_std=1.2 / 6**0.5, bias_std=0.3, padding_mode="circular")
    second = C(name, 2, weight_std=0.45, bias_std=0.1, padding_mode="circular")
    return Network(first, second, GlobalAveragePooling())


def _skips(mode: Literal["zeros", "circular"], *last: GlobalAveragePooling) -> Network:
    """Conv((3, 3), 1.2, 0.1) and twice x + Conv(Erf(Conv(x))), 1.1 with 0.2 and 0.8."""
    block = R(
        C("erf", 3, weight_std=1.1 / 3, bias_std=0.2, padding_mode=mode),
        C("identity", 3, weight_std=0.8 / 3, padding_mode=mode),
    )
    first = C("identity", 3, weight_std=0.4, bias_std=0.1, padding_mode=mode)
    return Network(first, block, block, *last)


# network, ntk at (0, 0), (0, 1), (1, 1), tolerance
CONVOLUTIONS = {
    "erf, SAME, Flatten": (
        _two("erf", "SAME"), (0.6359573402519616, 0.0244534321623063, 0.6152462343421348), 1e-10,
    ),
    "erf, CIRCULAR, GlobalAvgPool": (
        _two("erf", "CIRCULAR"),
        (0.11303873896420708, 0.09759555262030974, 0.11303873896420705), 1e-10,
    ),
    "erf, VALID, GlobalAvgPool": (
        _two("erf", "VALID"),
        (0.8233194283641878, -0.007469513457620442, 0.8233194283641878), 1e-10,
    ),
    "relu, SAME, Flatten": (
        _two("relu", "SAME"), (0.31552187499999995, 0.07960739058678208, 0.29539843750000006), 1e-5,
    ),
    "relu, CIRCULAR, GlobalAvgPool": (
        _two("relu", "CIRCULAR"),
        (0.21353313797203863, 0.200009831112554, 0.21353313797203863), 1e-5,
    ),
    "relu, VALID, GlobalAvgPool": (
        _two("relu", "VALID"), (0.4931279706317795, 0.13595259712392715, 0.4931279706317795), 1e-5,
    ),
    "skips, SAME, Flatten": (
        _skips("zeros"), (2.5562455775333652, -0.13272452796354084, 2.5562455775333657), 1e-10,
    ),
    "skips, CIRCULAR, GlobalAvgPool": (
        _skips("circular", GlobalAveragePooling()),
        (0.24256209352712, 0.16877036999112865, 0.24256209352711997), 1e-10,
    ),
    "stride, AvgPool, Flatten, Dense": (
        Network(
            C("erf", 3, stride=(1, 2), weight_std=0.4, bias_std=0.1),
            AveragePooling((1, 2)),
            C("erf", 1, weight_std=1.2, bias_std=0.1),
            Flatten(),
            F("erf", weight_std=1.5, bias_std=0.2),
        ),
        (1.3457714540956716, 0.3858296257249815, 1.3457714540956716), 1e-10,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_the_peer_and_its_images(case: tuple) -> None:
    network, (aa, ab, bb), tolerance = case
    ours = kernel(network, IMAGES, tolerance=tolerance)
    exact = np.array([[aa, ab], [ab, bb]])
    assert_allclose(ours, exact, rtol=0, atol=max(1e-12, 1e-3 * tolerance))
