"""What a record belongs to: the arguments of a flow, and how its module behaves.

Two modules are the same here if all that is told them apart by is rounding: equal tensors, and
equal outputs and gradients, up to 1000 units, at the points where the record begins and ends.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from empirical.flow.record import Flow
from empirical.flow.vector_field import Field
from empirical.parameter_rates import constants_of

__all__ = ["check_behaviour", "digest", "flow_key"]


def flow_key(
    field: Field, tensors: dict[str, Tensor | None], residual: Tensor, slope: Tensor
) -> dict[str, Any]:
    """Digests of all tensors that decide the flow, and r and F at theta_0.

    Args:
        field: F.
        tensors: the arguments, with their names.
        residual: r = dl/df at theta_0, shape (n, k).
        slope: F at theta_0, shape (p,).
    """
    key: dict[str, Any] = {"parameters": digest(field.origin), "frozen": _frozen(field.module)}
    key |= {name: None if t is None else digest(t) for name, t in tensors.items()}
    return key | {"first residuals": residual.clone(), "first slope": slope.clone()}


def digest(tensor: Tensor) -> str:
    """A name for the numbers in a tensor."""
    dense = tensor.detach() if tensor.layout == torch.strided else tensor.detach().to_dense()
    content = dense.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return f"{tensor.dtype} {tuple(tensor.shape)} {hashlib.sha256(content.data).hexdigest()}"


def _frozen(module: nn.Module) -> str:
    """A name for the buffers and the parameters that are not trained."""
    text = "\n".join(f"{name} {digest(t)}" for name, t in constants_of(module))
    return hashlib.sha256(text.encode()).hexdigest()


def check_behaviour(record: Flow, key: dict[str, Any], field: Field, slope: Tensor) -> None:
    """Raise unless the module does where the record begins and ends what it did then.

    Args:
        record: the record.
        key: of the flow that is to continue it.
        field: F.
        slope: room for F, shape (p,).
    """
    size = float(key["first residuals"].abs().max() + field.y.abs().max())
    steep = float(key["first slope"].abs().max())
    pairs = [
        (
            "outputs at its start",
            record.config.get("first residuals"),
            key["first residuals"],
            size,
        ),
        ("gradients at its start", record.config.get("first slope"), key["first slope"], steep),
    ]
    if len(record.times):
        theta = field.vector(record.parameters)
        now = field.force(field(theta, slope)).reshape(record.residuals[-1].shape)
        norm = torch.linalg.vector_norm(slope, dtype=torch.float64).cpu()
        first = torch.linalg.vector_norm(key["first slope"], dtype=torch.float64).cpu()
        pairs.append(("outputs at its end", record.residuals[-1], now, size))
        if record.state.get("switches") is None:  # which may have changed since
            scale = max(steep, float(first))
            pairs.append(("gradients at its end", record.gradient[-1].sqrt(), norm, scale))
    allowed = 1000 * torch.finfo(slope.dtype).eps
    for what, then, now, scale in pairs:
        known = isinstance(then, Tensor) and then.shape == now.shape
        if not known or not float((then - now).abs().max()) <= allowed * scale:
            raise ValueError(
                f"expected a record of this flow, got one of a module with other {what}; pass the"
                " same module at theta_0 with the same arguments, or start anew"
            )
