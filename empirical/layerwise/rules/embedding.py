r"""Tables of vectors: h_t = W[i_t], so that df/dW = sum_t e_{i_t} (df/dh_t)^T."""

from __future__ import annotations

from torch import Tensor

from empirical.layerwise.gradients import Gradient
from empirical.layerwise.rules.call import Call, Rule
from empirical.layerwise.samples import Samples

__all__ = ["RULES"]


def _embedding(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    indices, ignored = call.saved("indices"), call.saved("padding_idx")
    if call.saved("scale_grad_by_freq") or samples.axis >= indices.ndim:
        return None
    right, index = samples.rows(signal), samples.split(indices).reshape(samples.count, -1)
    if 0 <= ignored < call.shape[0]:  # torch writes -1, or 2^64 - 1, for none
        right = right * (index != ignored)[..., None]
    return Gradient(call.shape, right=right[:, None], index=index)


RULES: dict[str, Rule] = {"EmbeddingBackward0": _embedding}
