r"""The Jacobian J = df/dtheta of a module on its samples, at one place, without its entries.

    pull(w) = J^T w        push(v) = J v        gram() = J J^T

for any module by its graph, and for the networks that a description stands for by the layer
identity: with the inputs A and backward signals B of a weight layer (see ``identity``)

    J^T w = scale (w o B)^T A,        J v = scale rowsum((A V^T) o B),

one matrix product each, written where the result belongs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from empirical.layerwise import Link, backward_signals, forward_trace
from empirical.network import FiniteNetwork, Stack, WeightLayer

__all__ = ["GraphJacobian", "Jacobian", "LayerJacobian"]


class Jacobian(Protocol):
    """J at one place; ``residual`` is f - y there, shape (n, k)."""

    residual: Tensor

    def pull(self, w: Tensor, out: Sequence[Tensor]) -> None: ...
    def push(self, v: Sequence[Tensor]) -> Tensor: ...


class GraphJacobian:
    """J of any module; the parameters must be where they were when it is asked.

    Args:
        module: the module.
        leaves: its trainable parameters.
        x: inputs.
        y: targets, shape (n, k).
    """

    def __init__(
        self, module: nn.Module, leaves: Sequence[nn.Parameter], x: Tensor, y: Tensor
    ) -> None:
        self.leaves = leaves
        self.values = module(x).reshape(y.shape)
        self.residual = self.values.detach() - y
        self._double: tuple[Tensor, Sequence[Tensor | None]] | None = None

    def pull(self, w: Tensor, out: Sequence[Tensor]) -> None:
        """Write J^T w, for w of shape (n, k)."""
        parts = torch.autograd.grad(
            self.values, self.leaves, w, retain_graph=True, allow_unused=True
        )
        for view, part in zip(out, parts, strict=True):
            _ = view.zero_() if part is None else view.copy_(part)

    def push(self, v: Sequence[Tensor]) -> Tensor:
        """J v, shape (n, k): the derivative of J^T u, which is linear in u."""
        if self._double is None:
            u = torch.zeros_like(self.values, requires_grad=True)
            pulled = torch.autograd.grad(
                self.values, self.leaves, u, create_graph=True, allow_unused=True
            )
            self._double = u, pulled
        u, pulled = self._double
        pairs = [(p, a) for p, a in zip(pulled, v, strict=True) if p is not None]
        parts, along = zip(*pairs, strict=True)
        return torch.autograd.grad(parts, u, along, retain_graph=True)[0]


class LayerJacobian:
    """J of a fully connected ``FiniteNetwork`` by the layer identity.

    Args:
        network: the network.
        leaves: its parameters in order.
        x: inputs.
        y: targets, shape (n, 1).
    """

    def __init__(
        self, network: FiniteNetwork, leaves: Sequence[nn.Parameter], x: Tensor, y: Tensor
    ) -> None:
        self.place = {id(leaf): i for i, leaf in enumerate(leaves)}
        signs = (1.0,) if not network.antisymmetric else (math.sqrt(0.5), -math.sqrt(0.5))
        with torch.no_grad():
            self.copies = [
                _Copy(stack, sign, x) for stack, sign in zip(network.copies(), signs, strict=True)
            ]
        values = torch.stack([copy.value for copy in self.copies])
        self.residual = values.sum(0)[:, None] - y

    def pull(self, w: Tensor, out: Sequence[Tensor]) -> None:
        """Write J^T w, for w of shape (n, 1)."""
        for copy in self.copies:
            s = copy.sign * w[:, 0]
            for layer, a, b in copy.layers:
                weighted = (layer.wire.scale * s)[:, None] * b
                torch.mm(weighted.T, a, out=out[self.place[id(layer.weight)]])
                if layer.bias is not None:
                    torch.mv(b.T, layer.bias_std * s, out=out[self.place[id(layer.bias)]])
            readout = copy.stack.readout
            weighted = readout.scale * s
            torch.mv(copy.features.T, weighted, out=out[self.place[id(readout.weight)]])

    def push(self, v: Sequence[Tensor]) -> Tensor:
        """J v, shape (n, 1)."""
        total = torch.zeros_like(self.residual)
        for copy in self.copies:
            readout = copy.stack.readout
            one = readout.scale * (copy.features @ v[self.place[id(readout.weight)]])
            for layer, a, b in copy.layers:
                h = a @ v[self.place[id(layer.weight)]].T
                one += layer.wire.scale * torch.linalg.vecdot(h, b)
                if layer.bias is not None:
                    one += layer.bias_std * (b @ v[self.place[id(layer.bias)]])
            total += copy.sign * one[:, None]
        return total

    def gram(self) -> Tensor:
        """J J^T, shape (n, n)."""
        return torch.stack([copy.sign**2 * copy.gram() for copy in self.copies]).sum(0)


class _Copy:
    """Inputs and backward signals of every layer of one copy."""

    def __init__(self, stack: Stack, sign: float, x: Tensor) -> None:
        self.stack, self.sign = stack, sign
        layers = list(stack.chain())
        maps = [_Lean(layer) if isinstance(layer, WeightLayer) else layer for layer in layers]
        chain = [Link(map, x, [range(len(x))]) for map in maps]
        trace, self.features = forward_trace(chain, x)
        self.value = sign * stack.readout(self.features)
        vector = stack.readout.weight * stack.readout.scale
        signals = backward_signals(chain, trace, vector.expand_as(self.features))
        self.layers = [
            (layer, a, b)
            for layer, (_, a, b) in zip(reversed(layers), signals, strict=True)
            if isinstance(layer, WeightLayer)
        ]

    def gram(self) -> Tensor:
        kernel = self.features @ self.features.T * self.stack.readout.scale**2
        for layer, a, b in self.layers:
            inputs = a @ a.T * layer.wire.scale**2 + layer.bias_std**2
            kernel += inputs.mul_(b @ b.T)
        return kernel


class _Lean:
    """A weight layer that scales within its products and has its slope from its value."""

    def __init__(self, layer: WeightLayer) -> None:
        self.layer, self.wire, self.bias_std = layer, layer.wire, layer.bias_std
        self._slope: Tensor | None = None

    def preactivation(self, alpha: Tensor) -> Tensor:
        bias, weight = self.layer.bias, self.layer.weight
        if bias is None:
            return torch.addmm(weight[0, :1], alpha, weight.T, beta=0, alpha=self.wire.scale)
        return torch.addmm(self.bias_std * bias, alpha, weight.T, alpha=self.wire.scale)

    def pullback(self, signal: Tensor) -> Tensor:
        weight = self.layer.weight
        return torch.addmm(weight[0, :1], signal, weight, beta=0, alpha=self.wire.scale)

    def activation(self, h: Tensor) -> Tensor:
        with torch.enable_grad():
            h = h.detach().requires_grad_()
            value = self.layer.activation(h)
            if value.requires_grad:
                (self._slope,) = torch.autograd.grad(value, h, torch.ones_like(value))
        return value.detach()

    def pulled_back(self, signal: Tensor, h: Tensor) -> Tensor:
        slope, self._slope = self._slope, None  # each is asked for once
        return torch.zeros_like(signal) if slope is None else signal * slope
