r"""The vector field of gradient flow, as a function of one flat vector.

    theta' = F(theta) = -grad Phi(theta),    Phi = (1/2n) sum_a |f(x_a; theta) - y_a|^2

    theta   all trainable parameters, one behind the other, shape (p,)
    r       residuals f(x_a; theta) - y_a, shape (n, k)

The module is copied once. Its parameters are then views of whatever vector the field is
asked at: nothing is copied from or to them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from empirical.checks import check_inputs, check_module
from empirical.tangent import tangent_kernel

__all__ = ["Field", "check_data"]

_CHUNK = 4096  # points that are evaluated at once


class Field:
    """F for one module and one set of samples.

    Args:
        module: any module; a copy of it is used.
        x: inputs, shape (n, ...).
        y: targets, shape (n,) or (n, k).

    Attributes:
        origin: theta_0, the parameters of the module, shape (p,).
        evaluations: how often F was computed.
    """

    def __init__(self, module: nn.Module, x: Tensor, y: Tensor) -> None:
        self.module = copy.deepcopy(module)
        named = [(k, p) for k, p in self.module.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in named]
        self.leaves = [p for _, p in named]
        self.origin = torch.cat([p.detach().reshape(-1) for p in self.leaves])
        self.x, self.y = x, y.reshape(len(x), -1)
        self.single = self.y.shape[1] == 1
        self.evaluations = 0

    def __call__(self, theta: Tensor, out: Tensor) -> Tensor:
        """Write F(theta) into ``out``, shape (p,), and return r, shape (n, k)."""
        self.move(theta)
        values = self.module(self.x).reshape(self.y.shape)
        residual = values.detach() - self.y
        signal = (residual / -len(self.x)).reshape(values.shape)
        parts = torch.autograd.grad(values, self.leaves, signal, allow_unused=True)
        for view, part in zip(self.split(out), parts, strict=True):
            _ = view.zero_() if part is None else view.copy_(part)
        self.evaluations += 1
        return residual

    def values(self, theta: Tensor, z: Tensor) -> Tensor:
        """f(z; theta), shape (N, k)."""
        self.move(theta)
        with torch.no_grad():
            return torch.cat([self.module(b).reshape(len(b), -1) for b in z.split(_CHUNK)])

    def kernel(self, theta: Tensor, z: Tensor) -> Tensor:
        """K_t at some points, shape (N, N), or (N, k, N, k) for k outputs."""
        self.move(theta)
        return tangent_kernel(self.module, z, output=0 if self.single else "all")

    def move(self, theta: Tensor) -> None:
        """Make the parameters of the copy views of theta."""
        for leaf, view in zip(self.leaves, self.split(theta), strict=True):
            leaf.data = view

    def split(self, theta: Tensor) -> Iterator[Tensor]:
        """One view of theta for every parameter."""
        place = 0
        for leaf in self.leaves:
            yield theta[place : place + leaf.numel()].view(leaf.shape)
            place += leaf.numel()

    def parameters(self, theta: Tensor) -> dict[str, Tensor]:
        """Copies of the parameters with their names."""
        return {
            name: view.clone() for name, view in zip(self.names, self.split(theta), strict=True)
        }


def check_data(module: nn.Module, x: Tensor, y: Tensor, **others: Tensor | None) -> None:
    """Raise unless the module can be trained on x, y and run on the other inputs."""
    first = next(iter(check_module(module).values()))
    batches = {"x": x, "y": y, **others}
    for name, batch in batches.items():
        if batch is None and name not in ("x", "y"):
            continue
        check_inputs(name, batch, first)  # pyright: ignore[reportArgumentType]
        assert batch is not None
        if name == "y" and not batch.is_floating_point():
            raise TypeError(f"expected real targets y, got {batch.dtype}; pass y.to({first.dtype})")
        if name not in ("x", "y") and batch.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"expected {name} of shape (N, *{tuple(x.shape[1:])}) as x, got"
                f" {tuple(batch.shape)}; match x"
            )
    if len(y) != len(x):
        raise ValueError(f"expected one target for each of {len(x)} inputs, got {len(y)}; match x")
    _check_outputs(module, x, y)


def _check_outputs(module: nn.Module, x: Tensor, y: Tensor) -> None:
    """Raise unless the outputs on x are finite numbers with the shape of y."""
    with torch.no_grad():
        values = module(x)
    if not isinstance(values, Tensor) or not values.is_floating_point():
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"expected a module with real outputs, got {got}; return a real tensor")
    if values.ndim not in (1, 2) or len(values) != len(x):
        raise ValueError(
            f"expected outputs of shape (n,) or (n, k), got {tuple(values.shape)} for a batch of"
            f" {len(x)}; return one row for each sample"
        )
    n, k = len(x), values[0].numel()
    if tuple(y.shape) not in {(n, k), (n,) if k == 1 else (n, k)}:
        wanted = f"({n},)" if k == 1 else f"({n}, {k})"
        raise ValueError(f"expected y of shape {wanted}, got {tuple(y.shape)}; match the outputs")
    if not bool(torch.isfinite(values).all()):
        raise ValueError("expected finite outputs on x, got NaN or infinity; rescale the inputs")
