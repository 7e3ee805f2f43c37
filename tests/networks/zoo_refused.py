"""Modules that have no tangent kernel, or none that can be known, each with its sentence."""

from __future__ import annotations

import torch
from networks.zoo_parts import Animal, Counting, Free, normal, plain, two
from torch import nn
from torch.nn import functional

__all__ = ["REFUSED"]

REFUSED: dict[str, Animal] = {
    "dropout in training mode": Animal(
        lambda: Free(lambda m, x: plain(m, functional.dropout(x, 0.5, True)), **two()), normal(3),
        "expected a function of its inputs",
    ),
    "noise of 1e-9": Animal(
        lambda: Free(lambda m, x: plain(m, x + 1e-9 * torch.randn_like(x)), **two()), normal(3),
        "expected a function of its inputs",
    ),
    "counts its calls": Animal(Counting, normal(3), "expected a function of its inputs"),
    "detached": Animal(
        lambda: Free(lambda m, x: plain(m, x).detach(), **two()), normal(3),
        "expected outputs that depend on the trained parameters",
    ),
    "tuple of outputs": Animal(
        lambda: Free(lambda m, x: (plain(m, x), x), **two()), normal(3),
        "expected a tensor as output",
    ),
    "adjacency as a second argument": Animal(
        lambda: Free(lambda m, x, g: g @ plain(m, x), **two()), normal(3),
        "expected x with as many arguments",
    ),
    "wrong width": Animal(
        lambda: Free(plain, **two()), normal(4), "expected a batch that Free can take"
    ),
    "parameters on the meta device": Animal(
        lambda: nn.Linear(3, 2, device="meta"), normal(3), "expected parameters with numbers"
    ),
    "complex parameters": Animal(
        lambda: nn.Linear(3, 2, dtype=torch.complex128), normal(3), "expected real parameters"
    ),
    "lazy": Animal(lambda: nn.LazyLinear(2), normal(3), "expected parameters with a shape"),
}  # fmt: skip
