r"""Products with a weight: h = A W at every position t, and h = W B.

df/dW = sum_t A_t^T (df/dh_t), and the same with the sides changed; a shift b has
df/db = sum_t df/dh_t. A batch of products has one matrix for each group g.
"""

from __future__ import annotations

from torch import Tensor

from empirical.layerwise.gradients import Gradient
from empirical.layerwise.rules.call import Call, Rule, dense
from empirical.layerwise.samples import Samples

__all__ = ["RULES"]


def _product(
    call: Call, side: int, other: Tensor, signal: Tensor, samples: Samples
) -> Gradient | None:
    """W on a side (0 left, 1 right) of a product of matrices with ``other``."""
    if samples.axis != signal.ndim - 1 - side:
        return None  # W itself would have an axis of samples
    if side == 0:
        left, right = (_rows(f.mT, samples, f.ndim - 2) for f in (signal, other))
    else:
        left, right = (_rows(f, samples, f.ndim - 2) for f in (other, signal))
    return Gradient(call.shape, left, right)


def _rows(factor: Tensor, samples: Samples, axis: int) -> Tensor:
    """(g, n t, m) or (n t, m) -> (n, g, t, m)."""
    split = Samples(axis, samples.count, samples.first).split(factor)
    return split[:, None] if factor.ndim == 2 else split.transpose(1, 2)


def _shift(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    if samples.axis != 0 or signal.ndim != 2 or call.shape[-1:] != signal.shape[-1:]:
        return dense(call, signal, samples)
    left = samples.rows(signal)[:, None]
    if left.shape[2] > 1 or call.shape.numel() != signal.shape[-1]:
        return dense(call, signal, samples)
    return Gradient(call.shape, left, left[..., :0], ones=True)


def _mm(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    other = call.saved("mat2" if call.argument == 0 else "self")
    return _product(call, call.argument, other, signal, samples)


def _addmm(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    factor = call.saved("beta" if call.argument == 0 else "alpha")
    signal = signal if factor == 1 else signal * factor
    if call.argument == 0:
        return _shift(call, signal, samples)
    other = call.saved("mat2" if call.argument == 1 else "mat1")
    return _product(call, call.argument - 1, other, signal, samples)


def _mv(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    """H = A w; the weights of a readout with one output."""
    if call.argument == 0:
        return None
    left = samples.rows(call.saved("self"))[:, None]
    return Gradient(call.shape, left, samples.rows(signal[:, None])[:, None])


RULES: dict[str, Rule] = {
    "AddmmBackward0": _addmm,
    "BmmBackward0": _mm,
    "MmBackward0": _mm,
    "MvBackward0": _mv,
}
