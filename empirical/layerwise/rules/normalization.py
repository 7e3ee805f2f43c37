r"""Normalisations with a scale and a shift: h = scale * z + shift.

z is the normalised input: over features (LayerNorm, RMSNorm), over groups of channels
(GroupNorm), over positions (InstanceNorm), or with fixed statistics (BatchNorm in eval
mode). df/dscale = sum df/dh z and df/dshift = sum df/dh over all that they are broadcast to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from empirical.layerwise.rules.call import Rule, Share, dense

__all__ = ["RULES"]


def _affine(
    scale: Tensor | None, shift: Tensor | None, z: Callable[[], Tensor], ndim: int
) -> list[tuple[Any, Share]]:
    """Shares of scale and shift; ``ndim`` is that of h if they belong to its axis 1, or 0."""

    def shape(parameter: Tensor) -> Sequence[int]:
        return (len(parameter), *(1,) * (ndim - 2)) if ndim else parameter.shape

    def of_scale(signal: Tensor, samples: Any) -> Any:
        assert scale is not None
        return dense(scale, signal * z(), samples, shape(scale))

    def of_shift(signal: Tensor, samples: Any) -> Any:
        assert shift is not None
        return dense(shift, signal, samples, shape(shift))

    return [(scale, of_scale), (shift, of_shift)]


def _layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> list[tuple[Any, Share]]:
    return _affine(
        weight,
        bias,
        lambda: functional.layer_norm(input, normalized_shape, None, None, eps),
        ndim=0,
    )


def _rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> list[tuple[Any, Share]]:
    return _affine(
        weight, None, lambda: functional.rms_norm(input, normalized_shape, None, eps), ndim=0
    )


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> list[tuple[Any, Share]] | None:
    if training:
        return None

    def z() -> Tensor:
        return functional.batch_norm(
            input, running_mean, running_var, None, None, False, momentum, eps
        )

    return _affine(weight, bias, z, input.ndim)


def _group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> list[tuple[Any, Share]]:
    return _affine(
        weight, bias, lambda: functional.group_norm(input, num_groups, None, None, eps), input.ndim
    )


def _instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> list[tuple[Any, Share]]:
    def z() -> Tensor:
        return functional.instance_norm(
            input, running_mean, running_var, None, None, use_input_stats, momentum, eps
        )

    return _affine(weight, bias, z, input.ndim)


RULES: dict[Any, Rule] = {
    functional.batch_norm: _batch_norm,
    functional.group_norm: _group_norm,
    functional.instance_norm: _instance_norm,
    functional.layer_norm: _layer_norm,
    torch.layer_norm: _layer_norm,
}
if hasattr(functional, "rms_norm"):  # since torch 2.4
    RULES[functional.rms_norm] = _rms_norm
