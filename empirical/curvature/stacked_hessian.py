r"""The Hessian of a fully connected network at one input, in the directions where it is not zero.

A matrix W of the network meets the input as W alpha, with one vector alpha, so that

    df/dW = b alpha^T,          (H v)_W = (delta b) alpha^T + b (delta alpha)^T

for any v: the range of H, and all eigenvectors of eigenvalues that are not zero, consist of
matrices c a^T + e (d - a a^T d)^T, with a and e along alpha and b. These z = (c, d), one pair for
each matrix, and vectors for the biases and the readout are some 2 m L numbers in place of the
p = m^2 L of theta. P : z -> theta is an isometry on the complement of its null space, and P^T H P
is the Hessian of z -> f(x; theta + P z) at 0, whose products cost a few products of W with a
vector. No matrix but those of the network is ever formed, other than by ``slope``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from empirical.curvature.hessian import MovableModule, derivative, flat
from empirical.network import FiniteNetwork, PointwiseLayer, Stack, WeightLayer

__all__ = ["StackedHessian", "is_stacked"]


def is_stacked(module: nn.Module, x: object, output: object) -> bool:
    """Whether a module is a fully connected network, all of whose parameters are free."""
    return (
        type(module) is FiniteNetwork
        and isinstance(x, Tensor)
        and output == 0
        and len(module.input_shape) == 1
        and all(p.requires_grad for p in module.parameters())
        and all(copy.is_plain for copy in module.copies())
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """Unit vectors along what a layer reads, shape (m_in,), and along its signal, (m_out,).

    Where one of them is zero so is its direction, as is what would be multiplied by it.
    """

    a: Tensor
    e: Tensor

    def across(self, d: Tensor) -> Tensor:
        """The part of d that is orthogonal to a."""
        return d - (self.a @ d) * self.a


class StackedHessian:
    """P^T H P of f(x; theta) for one x and a fully connected network.

    Args:
        network: fully connected, see ``is_stacked``.
        x: one input, shape (1, d).
    """

    def __init__(self, network: FiniteNetwork, x: Tensor) -> None:
        self.place, self.x, self.products = MovableModule(network), x, 0
        self.sizes = [n for leaf in self.place.leaves for n in leaf.shape]  # (c, d), or a vector
        self.size = sum(self.sizes)
        self._frames: list[_Frame] = []
        self._z = self._gradient = torch.zeros(0)

    @property
    def network(self) -> FiniteNetwork:
        """The copy that is moved."""
        assert isinstance(self.place.module, FiniteNetwork)
        return self.place.module

    def move(self, theta: Tensor) -> None:
        """Take the frames at theta, and the gradient in z with its graph."""
        self.place.move(theta)
        self._frames = self._frames_here()
        self._z = torch.zeros(self.size, dtype=theta.dtype, device=theta.device).requires_grad_()
        value = self._value(self._z, held=True)
        (self._gradient,) = derivative(value, [self._z])

    def __call__(self, v: Tensor) -> Tensor:
        """P^T H P v, shape (size,)."""
        self.products += 1
        if not self._gradient.requires_grad:
            return torch.zeros_like(v)
        return derivative(self._gradient @ v, [self._z], further=False)[0]

    def slope(self, u: Tensor) -> Tensor:
        """The gradient of <P u, H(theta) P u> in theta, P u held, shape (p,)."""
        self.products += 2
        s = torch.zeros((), dtype=u.dtype, device=u.device).requires_grad_()
        value = self._value(s * u, held=False)
        for _ in range(2):
            (value,) = derivative(value, [s])
        if not value.requires_grad:
            return torch.zeros_like(self.place.origin)
        return flat(derivative(value, self.place.leaves, further=False))

    def full(self, v: Tensor) -> Tensor:
        """H v = P (P^T H P) P^T v for v of shape (p,)."""
        return self.expand(self(self.compress(v)))

    def expand(self, z: Tensor) -> Tensor:
        """P z, shape (p,)."""
        theta: list[Tensor] = []
        frames, parts = iter(self._frames), iter(z.split(self.sizes))
        for leaf in self.place.leaves:
            if leaf.ndim == 1:
                theta.append(next(parts))
            else:
                frame, c, d = next(frames), next(parts), next(parts)
                theta.append(torch.outer(c, frame.a) + torch.outer(frame.e, frame.across(d)))
        return flat(theta)

    def compress(self, theta: Tensor) -> Tensor:
        """P^T theta, shape (size,)."""
        z: list[Tensor] = []
        frames = iter(self._frames)
        for part in self.place.split(theta):
            if part.ndim == 1:
                z.append(part)
            else:
                frame = next(frames)
                z += [part @ frame.a, frame.across(frame.e @ part)]
        return flat(z)

    def _value(self, z: Tensor, held: bool) -> Tensor:
        """f(x; theta + P z), with the parameters held or free."""
        frames, parts = iter(self._frames), iter(z.split(self.sizes))

        def behind(layer: PointwiseLayer, alpha: Tensor) -> Tensor:
            if not isinstance(layer, WeightLayer):
                return layer(alpha)
            frame, c, d = next(frames), next(parts), next(parts)
            weight = layer.weight.detach() if held else layer.weight
            along = (alpha @ frame.a) * c + (alpha @ frame.across(d)) * frame.e
            h = (alpha @ weight.T + along) * layer.wire.scale
            if layer.bias is not None:
                bias = layer.bias.detach() if held else layer.bias
                h = h + layer.bias_std * (bias + next(parts))
            return layer.activation(h)

        def read(stack: Stack) -> Tensor:
            units, readout = stack.units(self.x, behind), stack.readout
            weight = readout.weight.detach() if held else readout.weight
            return (units @ (weight + next(parts))).sum() * readout.scale

        return self.network.combined(read)

    def _frames_here(self) -> list[_Frame]:
        """From one pass forward and one back, without a matrix of derivatives."""
        reads: list[Tensor] = []
        signals: list[Tensor] = []

        def behind(layer: PointwiseLayer, alpha: Tensor) -> Tensor:
            if not isinstance(layer, WeightLayer):
                return layer(alpha)
            reads.append(alpha.detach())
            h = layer.preactivation(alpha)
            signals.append(h.requires_grad_())
            return layer.activation(h)

        value = self.network.combined(lambda s: s.readout(s.units(self.x, behind)).sum())
        backward = derivative(value, signals, further=False)
        return [_Frame(_unit(a), _unit(e)) for a, e in zip(reads, backward, strict=True)]


def _unit(v: Tensor) -> Tensor:
    row = v.reshape(-1)
    return row / torch.linalg.vector_norm(row).clamp(min=torch.finfo(v.dtype).tiny)
