"""Numbers printed by neural-tangents 0.6.5 on JAX 0.5.3 (2026-11-23), converted to ours."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analytic import FullyConnected, Network, Residual, kernel

F = FullyConnected
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
