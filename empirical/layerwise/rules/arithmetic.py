r"""Parameters that are added or multiplied entry by entry, broadcast along the rest."""

from __future__ import annotations

from torch import Tensor

from empirical.layerwise.gradients import Gradient
from empirical.layerwise.rules.call import Call, Rule, dense
from empirical.layerwise.samples import Samples

__all__ = ["RULES"]


def _add(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    factor = call.saved("alpha") if call.argument == 1 else 1
    return dense(call, signal if factor == 1 else signal * factor, samples)


def _subtract(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    return dense(call, signal * (-call.saved("alpha") if call.argument == 1 else 1), samples)


def _multiply(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    other = call.saved("other" if call.argument == 0 else "self")
    return dense(call, signal * other, samples)


def _divide(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    other = call.saved("other")
    if call.argument == 0:
        return dense(call, signal / other, samples)
    return dense(call, signal * (-call.saved("self") / other**2), samples)


def _prelu(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    """H = max(x, 0) + weight min(x, 0)."""
    return dense(call, signal * call.saved("self").clamp(max=0), samples)


def _expand(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    return dense(call, signal, samples)


RULES: dict[str, Rule] = {
    "AddBackward0": _add,
    "DivBackward0": _divide,
    "ExpandBackward0": _expand,
    "MulBackward0": _multiply,
    "PreluKernelBackward0": _prelu,
    "SubBackward0": _subtract,
}
