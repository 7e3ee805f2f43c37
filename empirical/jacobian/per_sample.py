r"""The tangent kernel by its definition, from the gradient of every sample.

    K_0(a, b) = sum over parameters of <df(x_a)/dtheta, df(x_b)/dtheta>

Exact for whatever torch can differentiate, and the reference for everything faster. A block
of samples at a time, so that memory stays bounded; ``torch.func`` takes the gradients of a
block together, and where it cannot (data-dependent control flow, in-place writes, operations
without a batching rule) they are taken one by one.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

__all__ = ["per_sample_gradients", "per_sample_kernel"]


def per_sample_gradients(
    module: nn.Module, parameters: Mapping[str, nn.Parameter], x: Tensor, output: int
) -> Tensor:
    """df(x_a)/dtheta for some of the parameters, flattened: shape (n, p).

    Args:
        module: the module.
        parameters: those to differentiate by, with their names in the module.
        x: inputs, shape (n, ...).
        output: index of the output.
    """
    try:
        return _together(module, parameters, x, output)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError):
        return _one_by_one(module, list(parameters.values()), x, output)


def _together(
    module: nn.Module, parameters: Mapping[str, nn.Parameter], x: Tensor, output: int
) -> Tensor:
    def value(p: dict[str, Tensor], one: Tensor) -> Tensor:
        return torch.func.functional_call(module, p, (one[None],)).reshape(-1)[output]

    detached = {name: p.detach() for name, p in parameters.items()}
    with torch.no_grad(), warnings.catch_warnings():  # no graph but that of grad itself
        warnings.simplefilter("ignore")  # a missing batching rule makes a loop, not an error
        found = torch.func.vmap(torch.func.grad(value), (None, 0))(detached, x)
    return torch.cat([found[name].reshape(len(x), -1) for name in parameters], dim=1)


def _one_by_one(
    module: nn.Module, parameters: Sequence[nn.Parameter], x: Tensor, output: int
) -> Tensor:
    rows = [x.new_empty(0)] * len(x)
    for a in range(len(x)):
        value = module(x[a : a + 1]).reshape(-1)[output]
        found = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
        rows[a] = torch.cat([g.reshape(-1) for g in found])
    return torch.stack(rows)


def per_sample_kernel(
    module: nn.Module,
    parameters: Mapping[str, nn.Parameter],
    x: Tensor,
    y: Tensor | None,
    outs: Sequence[int],
    full: bool,
) -> Tensor:
    """The share of some parameters in the kernel of two blocks of samples.

    Returns:
        shape (n, k) summed over the outputs, or (n, len(outs), k, len(outs)) if ``full``.
    """
    of_x = [per_sample_gradients(module, parameters, x, output) for output in outs]
    of_y = of_x if y is None else [per_sample_gradients(module, parameters, y, o) for o in outs]
    if full:
        rows, columns = (torch.stack(g, dim=1) for g in (of_x, of_y))  # (n, outputs, p)
        return torch.einsum("aip,bjp->aibj", rows, columns)
    kernel = of_x[0] @ of_y[0].T
    for a, b in zip(of_x[1:], of_y[1:], strict=True):
        kernel += a @ b.T
    return kernel
