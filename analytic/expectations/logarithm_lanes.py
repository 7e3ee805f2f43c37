r"""The logarithm of many numbers, so that it is compiled to vector instructions.

    log z = n log 2 + log m,    log m = log(2)/2 + 2 artanh t,    t = (m - sqrt 2)/(m + sqrt 2),

for z = 2^n m with 1 <= m < 2: |t| <= 0.172, so that ten terms of the artanh leave out 1e-17.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analytic.compilation import elementwise

__all__ = ["logarithms"]

TERMS = 11
"""Those of artanh(t)/t in t^2, of which the last is below rounding."""
ROOT, LOG_2 = math.sqrt(2), math.log(2)
_MANTISSA, _ONE, _BIAS = 2**52 - 1, 1023 << 52, 1023
(_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10) = (2 / (2 * k + 1) for k in range(TERMS))


@elementwise
def logarithms(z: Any, exponent: Any, mantissa: Any, count: int) -> None:
    """Replace the first ``count`` numbers of z, at least 1, by their logarithms.

    The absolute error is at most 4 roundings of the larger of 1 and log z.

    Args:
        z: the numbers, contiguous.
        exponent: room of the same size.
        mantissa: the same.
        count: how many.
    """
    bits, rest = z.view(np.int64), mantissa.view(np.int64)
    for i in range(count):
        rest[i] = (bits[i] & _MANTISSA) | _ONE
    for i in range(count):
        exponent[i] = float((bits[i] >> 52) - _BIAS)
    for i in range(count):
        t = (mantissa[i] - ROOT) / (mantissa[i] + ROOT)
        q = t * t
        a = _C10 * q + _C9
        a = a * q + _C8
        a = a * q + _C7
        a = a * q + _C6
        a = a * q + _C5
        a = a * q + _C4
        a = a * q + _C3
        a = a * q + _C2
        a = a * q + _C1
        a = a * q + _C0
        z[i] = (exponent[i] + 0.5) * LOG_2 + a * t
