r"""Losses of a flow: Phi = (1/n) sum_a l(f_a, y_a), and the slope r_a = dl/df that drives it.

    square         l = |f - y|^2 / 2                        r = f - y
    huber          l = sum h(f - y), h(u) = u^2/2           r = clamp(f - y, -1, 1)
                   up to |u| = 1 and |u| - 1/2 beyond
    logistic       l = sum log(1 + exp(-y f)), y = -1, 1    r = -y/(1 + exp(y f))
    cross-entropy  l = log sum exp f - sum y f              r = softmax(f) - y

for all of them F = -J^T r / n. In cross-entropy y are probabilities, one row for each sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

__all__ = ["LOSSES", "Loss", "LossName", "check_targets"]

LossName = Literal["square", "huber", "logistic", "cross-entropy"]


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss of one sample.

    Attributes:
        value: l of f and y, both of shape (n, k), with the shape (n,).
        slope: dl/df, shape (n, k).
    """

    value: Callable[[Tensor, Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]


LOSSES: dict[str, Loss] = {
    "square": Loss(lambda f, y: (f - y).square().sum(1) / 2, lambda f, y: f - y),
    "huber": Loss(
        lambda f, y: F.huber_loss(f, y, reduction="none").sum(1),
        lambda f, y: (f - y).clamp(-1.0, 1.0),
    ),
    "logistic": Loss(
        lambda f, y: F.softplus(-y * f).sum(1), lambda f, y: -y * torch.sigmoid(-y * f)
    ),
    "cross-entropy": Loss(
        lambda f, y: f.logsumexp(1) - (y * f).sum(1), lambda f, y: f.softmax(1) - y
    ),
}


def check_targets(loss: str, y: Tensor, outputs: Tensor) -> Tensor:
    """The targets as real numbers of the outputs' shape; classes become unit vectors.

    Args:
        loss: the name of a loss.
        y: targets; for cross-entropy also classes, integers of shape (n,).
        outputs: of the module, shape (n,) or (n, k).

    Raises:
        ValueError: the loss is not defined for such targets.
    """
    if loss == "logistic" and not bool((y.abs() == 1).all()):
        raise ValueError(
            f"expected targets -1 and 1 for the logistic loss, got {float(y[y.abs() != 1][0]):.3g};"
            " pass 2 y - 1 for 0 and 1"
        )
    if loss != "cross-entropy":
        return y
    k = outputs.shape[1] if outputs.ndim == 2 else 1
    if k < 2:
        raise ValueError(
            "expected a module with an output for each class for cross-entropy, got one; pass"
            ' loss="logistic"'
        )
    if y.is_floating_point():
        if tuple(y.shape) == tuple(outputs.shape) and (
            bool((y < 0).any()) or not torch.allclose(y.sum(1), torch.ones_like(y[:, 0]))
        ):
            raise ValueError(
                "expected probabilities in the rows of y for cross-entropy, got rows that are"
                " negative or do not sum to 1; divide them by their sums"
            )
        return y
    if y.ndim != 1 or int(y.min()) < 0 or int(y.max()) >= k:
        raise ValueError(
            f"expected classes 0 to {k - 1} in y of shape (n,), got {tuple(y.shape)} from"
            f" {int(y.min())} to {int(y.max())}; number them from 0"
        )
    return F.one_hot(y.long(), k).to(outputs.dtype)
