r"""The vector field of gradient flow, as a function of one flat vector.

    theta' = F(theta) = -grad Phi(theta) = -J^T r / n,    Phi = (1/2n) sum_a |r_a|^2

    theta   all trainable parameters, one behind the other, shape (p,)
    r       residuals f(x_a; theta) - y_a, shape (n, k)

The module is copied once. Its parameters are then views of whatever vector the field is
asked at: nothing is copied to them, and gradients are written where they are wanted.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from empirical.flow.dense_jacobian import DenseJacobian
from empirical.jacobian import GraphJacobian, Jacobian, LayerJacobian
from empirical.network import FiniteNetwork
from empirical.tangent import customised, tangent_kernel

__all__ = ["Field"]

_CHUNK = 4096  # points that are evaluated at once


class Field:
    """F for one module and one set of samples.

    Args:
        module: any module; a copy of it is used.
        x: inputs, shape (n, ...).
        y: targets, shape (n,) or (n, k).

    Attributes:
        origin: theta_0, the parameters of the module, shape (p,).
        evaluations: how often J was taken.
    """

    def __init__(self, module: nn.Module, x: Tensor, y: Tensor) -> None:
        self.module = copy.deepcopy(module)
        named = [(k, p) for k, p in self.module.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in named]
        self.leaves = [p for _, p in named]
        self.origin = torch.cat([p.detach().reshape(-1) for p in self.leaves])
        self.x, self.y = x, y.reshape(len(x), -1)
        self.layered = _is_layered(self.module)
        self.evaluations = 0

    @property
    def single(self) -> bool:
        """Whether the module has one output."""
        return self.y.shape[1] == 1

    def __call__(self, theta: Tensor, out: Tensor) -> Jacobian:
        """Write F(theta) into ``out``, shape (p,), and return J there."""
        jacobian = self.jacobian(theta)
        jacobian.pull(jacobian.residual / -len(self.x), self.split(out))
        return jacobian

    def jacobian(self, theta: Tensor) -> Jacobian:
        """J and r at theta."""
        self.move(theta)
        self.evaluations += 1
        if self.layered:
            assert isinstance(self.module, FiniteNetwork)
            return LayerJacobian(self.module, self.leaves, self.x, self.y)
        return GraphJacobian(self.module, self.leaves, self.x, self.y)

    def values(self, theta: Tensor, z: Tensor) -> Tensor:
        """f(z; theta), shape (N, k)."""
        self.move(theta)
        with torch.no_grad():
            return torch.cat([self.module(b).reshape(len(b), -1) for b in z.split(_CHUNK)])

    def kernel(self, theta: Tensor, z: Tensor) -> Tensor:
        """K_t at some points, shape (N, N), or (N, k, N, k) for k outputs."""
        self.move(theta)
        return tangent_kernel(self.module, z, output=0 if self.single else "all")

    def held(self, jacobian: Jacobian) -> Jacobian:
        """J as it is asked many times: with its entries, where they are few."""
        dense = DenseJacobian.of(jacobian) if isinstance(jacobian, GraphJacobian) else None
        return dense or jacobian

    def gram(self, jacobian: Jacobian, theta: Tensor) -> Tensor:
        """J J^T on the samples, shape (n k, n k), for J at theta."""
        if isinstance(jacobian, LayerJacobian | DenseJacobian):
            return jacobian.gram()
        n = jacobian.residual.numel()
        return self.kernel(theta, self.x).reshape(n, n)

    def move(self, theta: Tensor) -> None:
        """Make the parameters of the copy views of theta."""
        for leaf, view in zip(self.leaves, self.split(theta), strict=True):
            leaf.data = view

    def split(self, theta: Tensor) -> list[Tensor]:
        """One view of theta for every parameter."""
        parts = theta.split([leaf.numel() for leaf in self.leaves])
        return [part.view(leaf.shape) for part, leaf in zip(parts, self.leaves, strict=True)]

    def parameters(self, theta: Tensor) -> dict[str, Tensor]:
        """Copies of the parameters with their names."""
        return dict(zip(self.names, (v.clone() for v in self.split(theta)), strict=True))


def _is_layered(module: nn.Module) -> bool:
    """Whether the layer identity gives J: vectors, layers as described, all of them trained."""
    if type(module) is not FiniteNetwork or len(module.input_shape) > 1 or customised(module):
        return False
    return all(p.requires_grad for p in module.parameters())
