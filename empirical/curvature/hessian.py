r"""Second and third derivatives of one output of a module at one input, along vectors.

    H(theta) v = d/dtheta <grad f, v>,       slope(u) = d/dtheta <u, H(theta) u>

All parameters that require gradients form one flat vector theta, shape (p,). The module is
copied once; the graph of its gradient is kept for as long as theta stays where it is.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from empirical.batches import Batch
from empirical.forward_pass import forward_passes
from empirical.layerwise import combination
from empirical.module_function import ModuleFunction
from empirical.outputs import Output
from empirical.parameter_rates import named_copies

__all__ = ["Curvature", "MovableModule", "OutputHessian", "check_hessian", "derivative", "flat"]


class MovableModule:
    """A copy of a module whose parameters are views of one vector.

    Attributes:
        module: the copy.
        leaves: its parameters that require gradients, in order.
        origin: their values in the module, shape (p,).
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = copy.deepcopy(module)
        named = [(k, p) for k, p in self.module.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in named]
        self.leaves = [p for _, p in named]
        self.origin = flat([p.detach() for p in self.leaves])

    def move(self, theta: Tensor) -> None:
        """Make the parameters views of theta."""
        for leaf, part in zip(self.leaves, self.split(theta), strict=True):
            leaf.data = part

    def parameters(self, theta: Tensor) -> dict[str, Tensor]:
        """Copies of the parameters with their names, at rates those of the module itself."""
        return named_copies(self.module, zip(self.names, self.split(theta), strict=True))

    def split(self, theta: Tensor) -> list[Tensor]:
        """One view of theta for every parameter."""
        parts = theta.split([leaf.numel() for leaf in self.leaves])
        return [part.view(leaf.shape) for part, leaf in zip(parts, self.leaves, strict=True)]

    def gradient(self, x: Batch, output: Output) -> Tensor:
        """That of one output at one input where the parameters are, with its graph, (p,)."""
        with forward_passes(self.module) as run, sdpa_kernel(SDPBackend.MATH):
            function = ModuleFunction(run, output)
            function.rehearse(x)
            value = combination(function(x), function.output).sum()
            return flat(derivative(value, self.leaves))


class Curvature(Protocol):
    """The Hessian of a function of a module's parameters, wherever they are moved to.

    Attributes:
        place: the module.
        size: of the vectors that the Hessian takes.
        products: that were taken.
    """

    place: MovableModule
    size: int
    products: int

    def move(self, theta: Tensor) -> None:
        """Take the Hessian at theta, shape (p,), from now on."""
        ...

    def __call__(self, v: Tensor) -> Tensor:
        """H v, shape (size,)."""
        ...

    def slope(self, u: Tensor) -> Tensor:
        """The gradient of <u, H(theta) u> in theta, u held, shape (p,)."""
        ...

    def full(self, v: Tensor) -> Tensor:
        """H v for v of shape (p,)."""
        ...


class OutputHessian:
    """H of f(x; theta) for one x, of shape (p, p).

    Args:
        module: any module that is a function of its inputs.
        x: a batch of one input.
        output: which output.
    """

    def __init__(self, module: nn.Module, x: Batch, output: Output) -> None:
        self.place, self.x = MovableModule(module), x
        self.output: Output = output
        self.size, self.products = len(self.place.origin), 0
        self._gradient: Tensor | None = None

    def move(self, theta: Tensor) -> None:
        """Take the gradient at theta, with its graph."""
        self.place.move(theta)
        self._gradient = self.place.gradient(self.x, self.output)

    def __call__(self, v: Tensor) -> Tensor:
        """H v, shape (p,)."""
        assert self._gradient is not None, "move first"
        self.products += 1
        return self._along(self._gradient, v, further=False)

    full = __call__

    def slope(self, u: Tensor) -> Tensor:
        """The gradient of <u, H(theta) u> in theta, u held, shape (p,)."""
        assert self._gradient is not None, "move first"
        self.products += 2  # about what it costs
        return self._along(self._along(self._gradient, u, further=True), u, further=False)

    def _along(self, field: Tensor, v: Tensor, further: bool) -> Tensor:
        """d<field, v>/dtheta; zero where the field does not depend on theta."""
        if not field.requires_grad:
            return torch.zeros_like(field)
        return flat(derivative(field @ v, self.place.leaves, further))


def check_hessian(hessian: Curvature, x: Batch, output: Output, v: Tensor) -> None:
    """Compare H v at the origin with a difference of gradients, and stay there.

    An operation whose derivative is a constant for autograd has a Hessian of zero without a
    word (``once_differentiable``, a detached factor).

    Raises:
        ValueError: they differ by more than the difference can be off.
    """
    eps, place = torch.finfo(v.dtype).eps, hessian.place
    step, v = eps ** (1 / 3), v / torch.linalg.vector_norm(v)
    sides: list[Tensor] = []
    for sign in (1, -1):
        place.move(place.origin + sign * step * v)
        sides.append(place.gradient(x, output).detach())
    hessian.move(place.origin)
    difference, product = (sides[0] - sides[1]) / (2 * step), hessian.full(v)
    size, gradient, off = (
        float(torch.linalg.vector_norm(t)) for t in (difference, sides[0], difference - product)
    )
    if off > 0.01 * size + 100 * eps * gradient / step:
        raise ValueError(
            "expected a module that autograd can differentiate again and again, got one whose"
            " second derivatives are not the differences of its gradients; look for detached"
            " factors and functions that are once differentiable"
        )


def derivative(value: Tensor, leaves: Sequence[Tensor], further: bool = True) -> Sequence[Tensor]:
    """d value/d leaves, with its own graph unless it goes no further."""
    try:
        return torch.autograd.grad(
            value, leaves, retain_graph=True, create_graph=further, allow_unused=True,
            materialize_grads=True,
        )  # fmt: skip
    except RuntimeError as error:
        raise ValueError(
            "expected a module that autograd can differentiate again and again, got one with"
            f" an operation that it cannot ({str(error).splitlines()[0]}); write it in terms"
            " of differentiable operations"
        ) from error


def flat(parts: Sequence[Tensor]) -> Tensor:
    """All numbers in one row."""
    return torch.cat([part.reshape(-1) for part in parts])
