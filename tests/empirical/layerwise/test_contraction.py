"""The share of a convolution in the kernel, by all ways."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import positions
from torch import Tensor

from analytic import Convolution, Network
from empirical import FiniteNetwork, tangent_kernel
from empirical.layerwise import contraction, inner_products
from empirical.network.wires import wiring

C = Convolution


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


LAYERS = [
    (C("tanh", 3), (5,)),
    (C("tanh", 4, stride=2), (7,)),
    (C("tanh", 2, padding="valid", stride=3), (6,)),
    (C("tanh", 3, padding_mode="circular", stride=(1, 2)), (3, 4)),
    (C("tanh", (3, 2)), (2, 3)),
]


@pytest.mark.parametrize("way", ["units", "patches", "rows", "counted"])
@pytest.mark.parametrize(("layer", "spatial"), LAYERS, ids=repr)
def test_all_ways_to_contract_agree(
    way: str, layer: Convolution, spatial: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    forced = {"units": (2**60, 2**60), "patches": (-1, 2**60), "rows": (2**60, -1)}
    if way in forced:
        for module in (contraction, inner_products):
            monkeypatch.setattr(module, "costs", lambda *_, **__: forced[way])
    n, k, r, m = 4, 3, 6, 2
    (wire,), _ = wiring(Network(layer), (m, *spatial), r)
    reading = contraction.Patches(*_table(layer, spatial))
    P, Q = wire.feed.positions, wire.positions
    g = torch.Generator().manual_seed(0)
    units = torch.randn(2, (n + k) * P, m, dtype=torch.float64, generator=g)
    signal = torch.randn(2, (n + k) * Q, r, dtype=torch.float64, generator=g)
    table, _ = positions.windows(layer, spatial)
    exact = torch.zeros(2, n + k, len(table[0]), r, m, dtype=torch.float64)
    for p, row in enumerate(table):
        for index, u in enumerate(row):
            if u is not None:
                beta, alpha = signal[:, p::Q], units[:, u::P]
                exact[:, :, index] += beta[..., :, None] * alpha[..., None, :]
    product = torch.einsum("sakrm,sbkrm->sab", exact, exact)
    for workspace in (1, 2**26):
        monkeypatch.setattr(contraction, "WORKSPACE", workspace)
        share = contraction.convolution_share
        assert relative(share(reading, units, signal, n, n), product[:, :n, n:]) <= 1e-13
        assert relative(share(reading, units, signal, n + k, 0), product) <= 1e-13
        of_first = share(reading, units[0], signal, n, n)  # the same units for all networks
        assert relative(of_first[0], product[0, :n, n:]) <= 1e-13


def _table(layer: Convolution, spatial: tuple[int, ...]) -> tuple[Tensor, int]:
    table, _ = positions.windows(layer, spatial)
    rows = [[-1 if u is None else u for u in row] for row in table]
    return torch.tensor(rows), int(np.prod(spatial))


@pytest.mark.parametrize(
    ("width", "spatial", "by_units"), [(256, (4, 4), True), (32, (8, 8), False)]
)
def test_the_way_with_fewer_products_is_taken(
    width: int, spatial: tuple[int, ...], by_units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # per pair of samples: 16^2 (256 + 256 + 100) against 9 256^2; 64^2 (32 + 32) against 9 32^2
    taken: list[bool] = []
    own = contraction._by_units
    monkeypatch.setattr(contraction, "_by_units", lambda *a: taken.append(True) or own(*a))
    x = torch.randn(8, 1, *spatial, dtype=torch.float64)
    f = FiniteNetwork(Network(C("tanh", 3), C("tanh", 3)), x.shape[1:], width)
    tangent_kernel(f, x)
    assert bool(taken) is by_units
