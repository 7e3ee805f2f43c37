"""Losses other than the square: closed forms, torch's own, the energy identity."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from empirical import gradient_flow

METHODS: list[Any] = ["explicit", "multistep"]
TIMES = [0.5, 2.0, 10.0]
ONE = torch.ones(1, 1, dtype=torch.float64)
OTHERS: list[Any] = ["huber", "logistic", "cross-entropy"]


def linear(outputs: int) -> nn.Module:
    module = nn.Linear(1, outputs, bias=False).double()
    nn.init.zeros_(module.weight)
    return module


def problem(loss: str) -> tuple[nn.Module, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(12, 3, generator=g, dtype=torch.float64)
    torch.manual_seed(1)
    k = 3 if loss == "cross-entropy" else 2
    module = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, k)).double()
    if loss == "cross-entropy":
        return module, x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    y = 3 * x[:, :2]
    return module, x, y.sign() if loss == "logistic" else y


def mean_loss(loss: str, f: Tensor, y: Tensor) -> Tensor:
    """Phi by torch's functions."""
    if loss == "cross-entropy":
        return F.cross_entropy(f, y)
    if loss == "logistic":
        return F.binary_cross_entropy_with_logits(f, (y + 1) / 2, reduction="sum") / len(f)
    return F.huber_loss(f, y, reduction="sum") / len(f)


@pytest.mark.parametrize("method", METHODS)
def test_one_weight_follows_its_closed_form(method: Any) -> None:
    """Logistic: w' = 1/(1 + e^w), so w + e^w = 1 + t. Two classes: the difference at twice that.

    Huber with y = 3: w = t until the residual is 1 at t = 2, then 3 - e^(2 - t).
    """

    def lambert(t: float) -> float:
        return float(1 + t - mpmath.lambertw(mpmath.exp(1 + t)))

    given: dict[str, Any] = {"rtol": 1e-9, "method": method, "evaluate": ONE}
    y = torch.ones(1, dtype=torch.float64)
    logistic = gradient_flow(linear(1), ONE, y, TIMES, loss="logistic", **given)
    classes = gradient_flow(linear(2), ONE, y.long(), TIMES, loss="cross-entropy", **given)
    huber = gradient_flow(linear(1), ONE, 3 * y, TIMES, loss="huber", **given)
    for i, t in enumerate(TIMES):
        w, (a, b) = lambert(t), classes.evaluation[i, 0].tolist()  # pyright: ignore
        assert float(logistic.evaluation[i]) == pytest.approx(w, abs=1e-8)  # pyright: ignore
        assert b - a == pytest.approx(lambert(2 * t), abs=1e-8)
        assert a + b == pytest.approx(0, abs=1e-12)
        kink = t if t < 2 else 3 - math.exp(2 - t)
        assert float(huber.evaluation[i]) == pytest.approx(kink, abs=1e-7)  # pyright: ignore


@pytest.mark.parametrize("loss", OTHERS)
def test_what_is_recorded_is_what_torch_finds(loss: Any) -> None:
    module, x, y = problem(loss)
    flows = [
        gradient_flow(module, x, y, TIMES, loss=loss, method=m, rtol=r)
        for m, r in zip(METHODS, (1e-10, 1e-8), strict=True)  # the bend of Huber's costs a digit
    ]
    kept = 25e-8 if loss == "huber" else 1e-8  # what docs/theory/flow.md says of explicit steps
    torch.testing.assert_close(flows[0].residuals, flows[1].residuals, rtol=0, atol=kept)
    module.load_state_dict(flows[1].parameters)
    outputs = module(x)
    value = mean_loss(loss, outputs, y)
    slopes = torch.autograd.grad(value, outputs, retain_graph=True)[0]
    grads = torch.autograd.grad(value, list(module.parameters()))
    tight: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-14}
    torch.testing.assert_close(flows[1].loss[-1], value.detach(), **tight)
    torch.testing.assert_close(flows[1].residuals[-1], len(x) * slopes, **tight)
    torch.testing.assert_close(flows[1].gradient[-1], sum(g.square().sum() for g in grads), **tight)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("loss", OTHERS[1:])
def test_the_energy_identity_holds_for_smooth_losses(loss: Any, method: Any) -> None:
    module, x, y = problem(loss)
    nodes, weights = np.polynomial.legendre.leggauss(12)
    inner = 1.5 * (nodes + 1)
    flow = gradient_flow(
        module, x, y, [0.0, *inner.tolist(), 3.0], loss=loss, rtol=1e-9, method=method
    )
    lost = float(flow.loss[0] - flow.loss[-1])
    assert lost == pytest.approx(1.5 * float(weights @ flow.gradient[1:-1].numpy()), rel=1e-7)


@pytest.mark.parametrize(
    ("loss", "y", "words"),
    [
        ("hinge", ONE[:, 0], "expected loss 'square', 'huber', 'logistic', 'cross-entropy', got"),
        ("logistic", 0 * ONE[:, 0], "targets -1 and 1 for the logistic loss, got 0; pass 2 y - 1"),
        ("cross-entropy", ONE[:, 0].long(), 'an output for each class .* loss="logistic"'),
    ],
)
def test_bad_targets_are_refused(loss: Any, y: Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gradient_flow(linear(1), ONE, y, [1.0], loss=loss)


def test_bad_classes_and_methods_are_refused() -> None:
    cases: list[tuple[Tensor, str]] = [
        (torch.tensor([2]), r"classes 0 to 1 in y of shape \(n,\), got \(1,\) from 2 to 2"),
        (torch.tensor([[0.7, 0.7]]).double(), "probabilities in the rows of y"),
    ]
    for y, words in cases:
        with pytest.raises(ValueError, match=words):
            gradient_flow(linear(2), ONE, y, [1.0], loss="cross-entropy")
    with pytest.raises(ValueError, match="the square loss for the exponential method, got 'huber'"):
        gradient_flow(linear(1), ONE, ONE[:, 0], [1.0], loss="huber", method="exponential")
    half = torch.full((1, 2), 0.5, dtype=torch.float64)
    flow = gradient_flow(linear(2), ONE, half, [1.0], loss="cross-entropy")
    assert not flow.residuals.any()


def test_the_loss_is_part_of_the_key() -> None:
    record = gradient_flow(linear(1), ONE, ONE[:, 0], [0.5])
    with pytest.raises(ValueError, match="with other loss"):
        gradient_flow(linear(1), ONE, ONE[:, 0], [0.5, 1.0], loss="huber", resume=record)
