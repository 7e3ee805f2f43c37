"""What a module and its inputs must be for a tangent kernel to exist."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy

from empirical.batches import Batch, tensors

__all__ = [
    "MixingError",
    "Names",
    "check_batch",
    "check_differentiable",
    "check_gradients",
    "check_inputs",
    "check_leaves",
    "check_like",
    "check_made_before",
    "check_module",
    "check_outputs",
    "check_parameters",
    "check_repeatable",
    "check_values",
]


class MixingError(ValueError):
    """The samples of a batch meet in the module."""


_MIXES = (
    "expected {} that depend on one sample each, got others for the same sample in another batch"
)


def check_module(module: nn.Module, noisy: bool = False) -> dict[str, nn.Parameter]:
    """The trainable parameters with their names; noise in training mode only if ``noisy``."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"expected a torch.nn.Module, got {type(module).__name__}; pass a module")
    for name, t in itertools.chain(module.named_parameters(), module.named_buffers()):
        if is_lazy(t):
            raise ValueError(
                f"expected parameters with a shape, got none yet for {name}; run the module once"
            )
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not parameters:
        raise ValueError(
            "expected a module with trainable parameters, got none; set requires_grad on some"
        )
    _check_one_kind("dtype", TypeError, {name: p.dtype for name, p in parameters.items()})
    _check_one_kind("device", ValueError, {name: p.device for name, p in parameters.items()})
    for name, p in parameters.items():
        if p.is_complex():
            raise TypeError(f"expected real parameters, got {p.dtype} in {name}; use real ones")
        if p.is_meta:
            raise ValueError(
                f"expected parameters with numbers, got {name} on the meta device; call"
                " module.to_empty(device='cpu') and load them"
            )
        if p.layout != torch.strided:
            raise TypeError(f"expected dense parameters, got {p.layout} in {name}; use to_dense()")
        if p.numel() and not bool(torch.isfinite(torch.stack(torch.aminmax(p.detach()))).all()):
            raise ValueError(
                f"expected finite weights, got NaN or infinity in {name}; repair or redraw them"
            )
    for name, t in itertools.chain(module.named_parameters(), module.named_buffers()):
        if t.is_floating_point() and not t.is_quantized and bool(_stored(t).isnan().any()):
            raise ValueError(f"expected numbers in the frozen {name}, got NaN; repair or redraw it")
    if not noisy:
        _check_mode(module)
    return parameters


Names = str | Sequence[str] | Callable[[str], bool]
"""Names of parameters, patterns of them, or a function that says which names count."""


def check_parameters(
    module: nn.Module, trained: dict[str, nn.Parameter], names: Names | None
) -> dict[str, nn.Parameter]:
    """Those of the trained parameters that are meant; a shared one is by any of its names."""
    if names is None:
        return trained
    patterns = [names] if isinstance(names, str) else names
    known = [(n, id(p)) for n, p in module.named_parameters(remove_duplicate=False)]

    def fits(name: str) -> bool:
        if callable(patterns):
            return bool(patterns(name))
        return any(fnmatchcase(name, pattern) for pattern in patterns)

    meant = {key for name, key in known if fits(name)}
    chosen = {name: p for name, p in trained.items() if id(p) in meant}
    if not chosen:
        raise ValueError(
            f"expected names of trained parameters, got {names!r}, which fits none; see"
            " module.named_parameters()"
        )
    return chosen


def check_differentiable(parameters: Mapping[str, Tensor]) -> None:
    """Raise if autograd cannot differentiate by some of the parameters."""
    for name, p in parameters.items():
        if p.is_inference():
            raise ValueError(
                f"expected parameters that can be differentiated by, got {name} made under"
                " inference_mode; make the module outside of it"
            )


def _stored(t: Tensor) -> Tensor:
    """The numbers that a tensor of any layout holds."""
    if t.layout == torch.strided:
        return t.detach()
    return (t.detach().coalesce() if t.layout == torch.sparse_coo else t.detach()).values()


def _check_one_kind(what: str, error: type[Exception], kinds: dict[str, object]) -> None:
    first, kind = next(iter(kinds.items()))
    for name, other in kinds.items():
        if other != kind:
            raise error(
                f"expected parameters of one {what}, got {kind} in {first} and {other} in {name};"
                " move the module with .to()"
            )


def _check_mode(module: nn.Module) -> None:
    for name, part in module.named_modules():
        rate = part.p if isinstance(part, _DropoutNd) else getattr(part, "dropout", 0)
        if part.training and isinstance(rate, int | float) and rate > 0:
            raise ValueError(
                f"expected a module in eval mode, got {type(part).__name__} {name!r} in training"
                " mode, which is random; call module.eval()"
            )


def check_leaves(leaves: Iterable[Tensor], module: nn.Module) -> None:
    """Raise if outputs depend on trained tensors that the module has not registered."""
    known = {id(p) for p in module.parameters()}
    for leaf in leaves:
        if id(leaf) not in known:
            raise ValueError(
                "expected trained tensors that are registered, got one of shape"
                f" {tuple(leaf.shape)} that the outputs depend on, but that is in none of"
                " module.named_parameters(); register it as a Parameter, or detach it"
            )


def check_made_before(leaves: Iterable[Tensor]) -> None:
    """Raise if forward makes parameters."""
    for leaf in leaves:
        if isinstance(leaf, nn.Parameter):
            raise ValueError(
                f"expected parameters that were there before, got one of shape {tuple(leaf.shape)}"
                " that forward makes; run the module once, or make it in __init__"
            )


def check_repeatable(first: Tensor, second: Tensor) -> None:
    """Raise unless two runs on the same batch have the same outputs, but for rounding."""
    same = first.shape == second.shape
    allowed = 16 * torch.finfo(first.dtype).eps * float(first.detach().abs().max())
    if same and bool(first.isfinite().all()):
        same = float((first - second).detach().abs().max()) <= allowed
    if not same:
        raise ValueError(
            "expected a function of its inputs, got other outputs in a second run on the same"
            " batch; the module is random: call module.eval() or remove the noise"
        )


def check_inputs(name: str, x: Batch, parameter: nn.Parameter) -> None:
    """Raise unless x is a batch of finite numbers of the parameter's dtype and device."""
    found = list(tensors(name, x))
    if not found:
        raise ValueError(f"expected tensors in {name}, got none; pass a batch")
    for part, t in found:
        _check_tensor(part, t, parameter)
    if len({len(t) for _, t in found}) > 1:
        sizes = ", ".join(f"{part} {tuple(t.shape)}" for part, t in found)
        raise ValueError(f"expected a common first axis of samples, got {sizes}; match them")


def _check_tensor(name: str, x: Any, parameter: nn.Parameter) -> None:
    _check_kind(name, x)
    if x.is_floating_point() and x.dtype != parameter.dtype:
        raise TypeError(
            f"expected {name} of the network's {parameter.dtype}, got {x.dtype};"
            f" pass {name}.to({parameter.dtype})"
        )
    if x.device != parameter.device:
        raise ValueError(
            f"expected {name} on the network's device {parameter.device}, got {x.device};"
            f" pass {name}.to({str(parameter.device)!r})"
        )
    _check_finite(name, x)


def check_batch(name: str, x: object) -> None:
    """Raise unless x is a non-empty batch of finite numbers."""
    _check_finite(name, _check_kind(name, x))


def _check_kind(name: str, x: object) -> Tensor:
    if not isinstance(x, Tensor):
        advice = "use torch.as_tensor"
        if type(x).__name__ == "MaskedArray":
            advice = "its mask would be lost: fill it, or drop the rows"
        raise TypeError(f"expected a tensor {name}, got {type(x).__name__}; {advice}")
    for found, kind, advice in (
        (x.is_nested, "a nested tensor", f"pad it with {name}.to_padded_tensor(0)"),
        (callable(getattr(x, "get_mask", None)), "a masked tensor", "fill it, or drop the rows"),
        (x.layout != torch.strided, str(x.layout), f"pass {name}.to_dense()"),
        (x.is_quantized, "a quantised tensor", f"pass {name}.dequantize()"),
        (x.is_complex(), str(x.dtype), f"pass {name}.real"),
    ):
        if found:
            raise TypeError(f"expected a dense {name} of real numbers, got {kind}; {advice}")
    if x.ndim == 0 or x.numel() == 0:
        raise ValueError(
            f"expected {name} of shape (n, ...) with n >= 1, got {tuple(x.shape)}; pass a batch"
        )
    return x


def _check_finite(name: str, x: Tensor) -> None:
    bad = ~torch.isfinite(x.reshape(len(x), -1)).all(dim=1)
    if bad.any():
        raise ValueError(
            f"expected finite numbers in {name}, got NaN or infinity first in row"
            f" {int(bad.int().argmax())}; remove or repair it"
        )


def check_like(y: object, x: Tensor) -> None:
    """Raise unless y is a batch of the shape, dtype and device of x."""
    check_batch("y", y)
    assert isinstance(y, Tensor)
    if y.shape[1:] != x.shape[1:] or y.device != x.device:
        raise ValueError(
            f"expected y of shape (k, *{tuple(x.shape[1:])}) on {x.device}, got"
            f" {tuple(y.shape)} on {y.device}; match x"
        )
    if y.dtype != x.dtype:
        raise TypeError(f"expected y of x's {x.dtype}, got {y.dtype}; pass y.to({x.dtype})")


def check_outputs(name: str, values: Tensor, start: int) -> None:
    """Raise unless the outputs are finite, for some inputs from row ``start`` on."""
    bad = ~torch.isfinite(values).all(dim=1)
    if bad.any():
        raise ValueError(
            f"expected finite outputs, got NaN or infinity first for row"
            f" {start + int(bad.int().argmax())} of {name}; remove it or rescale the inputs"
        )


def check_values(alone: Tensor, together: Tensor) -> None:
    """Raise unless samples have the same outputs in two different batches."""
    allowed = torch.finfo(alone.dtype).eps ** 0.5 * float(together.abs().max())
    if float((alone - together).abs().max()) > allowed:
        raise MixingError(_MIXES.format("outputs"))


def check_gradients(alone: Sequence[Tensor], together: Sequence[Tensor]) -> None:
    """Raise unless a sample has the same gradients in two different batches."""
    allowed = max(
        torch.finfo(g.dtype).eps ** 0.5 * float(g.abs().max()) for g in together if g.numel()
    )
    differences = [(a - b).abs() for a, b in zip(alone, together, strict=True) if a.numel()]
    if any(float(d.max()) > allowed for d in differences):
        raise MixingError(_MIXES.format("gradients"))
