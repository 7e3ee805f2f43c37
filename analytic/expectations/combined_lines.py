"""Small products of matrices, compiled: the threads of a library cost more than they take.

From some 100 x 64 x 100 products on, OpenBLAS wakes threads that go on to wait for 0.1 s for more,
on the processors that take the pairs: tables of a few hundred inputs took twice as long.
"""

from __future__ import annotations

from typing import Any

from analytic.compilation import elementwise

__all__ = ["combine"]


@elementwise
def combine(weights: Any, lines: Any, sums: Any) -> None:
    """The r-th sum becomes that of weights_dr times the d-th line.

    Args:
        weights: (lines, sums).
        lines: (lines, numbers), rows contiguous.
        sums: (sums, numbers), the same.
    """
    count = lines.shape[0]
    whole = count - count % 4
    for r in range(sums.shape[0]):
        sums[r] = 0.0
        for d in range(0, whole, 4):
            a, b, e, f = weights[d, r], weights[d + 1, r], weights[d + 2, r], weights[d + 3, r]
            for k in range(lines.shape[1]):
                low, high = a * lines[d, k] + b * lines[d + 1, k], e * lines[d + 2, k]
                sums[r, k] += low + (high + f * lines[d + 3, k])
        for d in range(whole, count):
            for k in range(lines.shape[1]):
                sums[r, k] += weights[d, r] * lines[d, k]
