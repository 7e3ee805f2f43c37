r"""Deep linear networks from small weights: a plateau, and a jump at the right time.

With L layers of one unit at the same weight w, x = y = 1, the flow is that of one number,

    w' = w^(L-1) (1 - w^L),    t(w) = int dw / (w^(L-1) (1 - w^L)).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import pytest
import torch
from torch import Tensor, nn

from empirical import gradient_flow

METHODS: list[Any] = ["exponential", "multistep"]
RTOL = 1e-6


def linear(*sizes: int) -> nn.Module:
    layers = [nn.Linear(a, b, bias=False) for a, b in pairwise(sizes)]
    return nn.Sequential(*layers).double()


@lru_cache
def time_of(w: float, start: float, layers: int) -> float:
    """When the weight is w."""
    with mpmath.workdps(30):
        ends = [mpmath.mpf(start)]
        while 3 * ends[-1] < w:
            ends.append(3 * ends[-1])
        value: Any = mpmath.quad(
            lambda v: 1 / (v ** (layers - 1) * (1 - v**layers)), [*ends, mpmath.mpf(w)]
        )
        return float(value)


CASES = [("multistep", n, w) for n in (2, 3, 4) for w in (1e-1, 1e-2, 1e-4, 1e-6)]


@pytest.mark.parametrize(
    ("method", "layers", "start"), [*CASES, ("exponential", 2, 1e-4), ("exponential", 3, 1e-2)]
)
def test_scalar_networks_stay_and_jump_on_time(method: Any, layers: int, start: float) -> None:
    module = linear(*[1] * (layers + 1))
    for p in module.parameters():
        nn.init.constant_(p, start)
    one = torch.ones(1, 1, dtype=torch.float64)
    marks = [2 * start, 0.5 ** (1 / layers), 0.99 ** (1 / layers)]
    exact = [time_of(w, start, layers) for w in marks]
    early, late = ([t * (1 + s) for t in exact] for s in (-10 * RTOL, 10 * RTOL))
    times = sorted(early + late)
    flow = gradient_flow(module, one, one[:, 0], times, evaluate=one, rtol=RTOL, method=method)
    assert flow.evaluation is not None
    values = dict(zip(times, flow.evaluation[:, 0].tolist(), strict=True))
    for w, before, after in zip(marks, early, late, strict=True):  # within 10 rtol of the time
        assert values[before] < w**layers < values[after]
    # the weights stay equal: displacement^2 = L (w - w_0)^2
    assert flow.displacement[0] == pytest.approx(layers**0.5 * start, rel=1e-4)


@pytest.mark.parametrize("method", ["explicit", *METHODS])
def test_a_matrix_network_of_small_weights_leaves_its_saddle(method: Any) -> None:
    torch.manual_seed(0)
    module = linear(4, 10, 10, 1)
    for p in module.parameters():
        nn.init.normal_(p, std=1e-2)
    g = torch.Generator().manual_seed(1)
    x = torch.randn(20, 4, generator=g, dtype=torch.float64)
    y = x[:, 0] - x[:, 1]
    weights: list[Tensor] = [p.detach().clone() for p in module.parameters()]
    times = [1.0, 30.0, 60.0]
    flow = gradient_flow(module, x, y, times, rtol=RTOL, method=method)
    assert float(flow.loss[0]) > 0.99 * float(y.square().mean() / 2)  # still on the plateau
    assert float(flow.loss[2]) < 1e-4  # y is linear in x
    # W_{j+1}^T W_{j+1} - W_j W_j^T is conserved (Arora, Cohen and Hazan 2018)
    after = list(flow.parameters.values())
    for a, b, c, d in zip(weights, weights[1:], after, after[1:], strict=False):
        kept, now = b.T @ b - a @ a.T, d.T @ d - c @ c.T
        torch.testing.assert_close(now, kept, rtol=0, atol=10 * RTOL * float(c.norm()) ** 2)


def test_the_reported_case_of_three_layers() -> None:
    module = linear(1, 1, 1, 1)
    for p in module.parameters():
        nn.init.constant_(p, 0.01)
    one = torch.ones(1, 1, dtype=torch.float64)
    flow = gradient_flow(module, one, one[:, 0], [90.0], method="exponential")
    with mpmath.workdps(30):
        w = mpmath.findroot(
            lambda v: time_of(float(v), 0.01, 3) - 90,
            (0.09, 0.11),
        )
    assert float(flow.residuals[0]) == pytest.approx(float(w) ** 3 - 1, abs=1e-8)
    assert float(flow.residuals[0]) == pytest.approx(-0.9990014826, abs=1e-9)
