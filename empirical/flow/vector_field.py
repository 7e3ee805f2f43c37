r"""The vector field of gradient flow, as a function of one flat vector.

    theta' = F(theta) = -grad Phi(theta) = -J^T r / n,    Phi = (1/n) sum_a l(f(x_a), y_a)

    theta   all trainable parameters, one behind the other, shape (p,)
    r       slopes dl/df of the loss, shape (n, k); f(x_a; theta) - y_a for the square

The module is copied once. Its parameters are then views of whatever vector the field is
asked at: nothing is copied to them, and gradients are written where they are wanted.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from empirical.flow.dense_jacobian import DenseJacobian
from empirical.flow.losses import LOSSES, LossName
from empirical.jacobian import GraphJacobian, Jacobian, LayerJacobian
from empirical.network import FiniteNetwork
from empirical.parameter_rates import Rescaled, named_copies
from empirical.tangent import customised, tangent_kernel

__all__ = ["Field", "StepError", "length"]

_CHUNK = 4096  # points that are evaluated at once


class StepError(Exception):
    """No further step is possible; the message says why."""


class Field:
    """F for one module and one set of samples.

    Args:
        module: any module; a copy of it is used.
        x: inputs, shape (n, ...).
        y: targets, shape (n,) or (n, k).
        loss: l.

    Attributes:
        origin: theta_0, the parameters of the module, shape (p,).
        evaluations: how often J was taken.
        budget: how often it may be.
    """

    def __init__(self, module: nn.Module, x: Tensor, y: Tensor, loss: LossName = "square") -> None:
        self.loss = loss
        self.module = copy.deepcopy(module)
        named = [(k, p) for k, p in self.module.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in named]
        self.leaves = [p for _, p in named]
        self.origin = torch.cat([p.detach().reshape(-1) for p in self.leaves])
        self.x, self.y = x, y.reshape(len(x), -1)
        self.layered = _is_layered(self.module)
        self.evaluations, self.budget = 0, sys.maxsize

    @property
    def single(self) -> bool:
        """Whether the module has one output."""
        return self.y.shape[1] == 1

    def __call__(self, theta: Tensor, out: Tensor) -> Jacobian:
        """Write F(theta) into ``out``, shape (p,), and return J there."""
        jacobian = self.jacobian(theta)
        jacobian.pull(self.force(jacobian) / -len(self.x), self.split(out))
        return jacobian

    def force(self, jacobian: Jacobian) -> Tensor:
        """R = dl/df where J was taken, shape (n, k)."""
        if self.loss == "square":
            return jacobian.residual
        return LOSSES[self.loss].slope(jacobian.residual + self.y, self.y)

    def mean_loss(self, jacobian: Jacobian) -> Tensor:
        """Phi where J was taken, in float64 on the CPU."""
        f = jacobian.residual.double()
        if self.loss == "square":
            return f.square().sum().cpu() / (2 * len(f))
        y = self.y.double()
        return LOSSES[self.loss].value(f + y, y).mean().cpu()

    def jacobian(self, theta: Tensor) -> Jacobian:
        """J and r at theta.

        Raises:
            StepError: the budget is spent.
        """
        self.spend()
        self.move(theta)
        if self.layered:
            assert isinstance(self.module, FiniteNetwork)
            return LayerJacobian(self.module, self.leaves, self.x, self.y)
        return GraphJacobian(self.module, self.leaves, self.x, self.y)

    def spend(self) -> None:
        """Count an evaluation."""
        if self.evaluations >= self.budget:
            raise StepError(f"{self.budget} evaluations of the gradient were not enough")
        self.evaluations += 1

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
        """Copies of the parameters with their names, at rates those of the module itself."""
        return named_copies(self.module, zip(self.names, self.split(theta), strict=True))

    def vector(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """theta from what ``parameters`` gives, shape (p,); at rates but for rounding."""
        if isinstance(self.module, Rescaled):
            parameters = self.module.of_theta(parameters)
        return torch.cat([parameters[name].reshape(-1) for name in self.names])


def length(vector: Tensor) -> Tensor:
    """The Euclidean norm in float64 on the CPU, where squares would underflow too."""
    largest = vector.abs().max().double().cpu()
    if not 0 < float(largest) < 1e-100:
        return torch.linalg.vector_norm(vector, dtype=torch.float64).cpu()
    return torch.linalg.vector_norm(vector.cpu().double() / largest) * largest


def _is_layered(module: nn.Module) -> bool:
    """Whether the layer identity gives J: vectors, layers as described, all of them trained."""
    if type(module) is not FiniteNetwork or len(module.input_shape) > 1 or customised(module):
        return False
    plain = all(copy.is_plain for copy in module.copies())
    return plain and all(p.requires_grad for p in module.parameters())
