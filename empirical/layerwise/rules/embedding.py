r"""Tables of vectors: h_t = W[i_t], so that df/dW = sum_t e_{i_t} (df/dh_t)^T."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from empirical.layerwise.gradients import Gradient
from empirical.layerwise.rules.call import Rule, Share
from empirical.layerwise.samples import Samples

__all__ = ["RULES"]


def _embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> list[tuple[Any, Share]] | None:
    del norm_type, sparse
    if max_norm is not None or scale_grad_by_freq:
        return None

    def of_weight(signal: Tensor, samples: Samples) -> Gradient:
        right, index = samples.rows(signal), samples.split(input).reshape(samples.count, -1)
        if padding_idx is not None:
            right = right * (index != padding_idx % len(weight))[..., None]
        return Gradient(weight.shape, right=right[:, None], index=index)

    return [(weight, of_weight)]


RULES: dict[Any, Rule] = {functional.embedding: _embedding}
