r"""The weights by counter on a GPU: one kernel, one thread for each pair of normal numbers.

The same counters as on the CPU give the same random words; logarithm, sine and cosine are
those of the device, so that a number may differ in its last places. Needs the CUDA part of numba;
without it, or on other devices, the numbers are drawn on the CPU and copied.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

cuda: Any
try:
    from numba import cuda
except ImportError:  # numba without its CUDA part
    cuda = None

__all__ = ["compiled", "fill", "usable"]

THREADS = 256
LOW = np.uint64(0xFFFFFFFF)


@lru_cache(maxsize=1)
def usable() -> bool:
    """Whether numba can compile for the GPU that torch uses."""
    try:
        return bool(torch.cuda.is_available() and cuda.is_available())
    except ImportError:
        return False


def _uniform(high: Any, low: Any) -> Any:
    """A number between 0 and 1 from two random words."""
    n = (high << np.uint64(20)) | (low >> np.uint64(12))
    return (float(n) + 0.5) * 2.0**-52


def _philox(c0: Any, c1: Any, c2: Any, k0: Any, k1: Any) -> Any:
    """Four random words of the counter (c0, c1, c2, 0) under the key (k0, k1)."""
    c3 = np.uint64(0)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1 = (p1 >> np.uint64(32)) ^ c1 ^ k0, p1 & LOW
        c2, c3 = (p0 >> np.uint64(32)) ^ c3 ^ k1, p0 & LOW
        k0 = (k0 + np.uint64(0x9E3779B9)) & LOW
        k1 = (k1 + np.uint64(0xBB67AE85)) & LOW
    return c0, c1, c2, c3


def _turned(turn: Any) -> Any:
    """Sine and cosine of a share of the whole turn."""
    quarter = math.floor(4.0 * turn + 0.5)
    angle = (turn - 0.25 * quarter) * 6.283185307179586  # of at most pi/4
    sine, cosine = math.sin(angle), math.cos(angle)
    if quarter == 1.0:
        sine, cosine = cosine, -sine
    elif quarter == 2.0:
        sine, cosine = -sine, -cosine
    elif quarter == 3.0:
        sine, cosine = -cosine, sine
    return sine, cosine


@lru_cache(maxsize=1)
def compiled() -> Any:
    """The kernel (out, row0, layer, low word of the seed, high word)."""
    uniform, philox, turned = (
        cuda.jit(device=True)(function) for function in (_uniform, _philox, _turned)
    )

    @cuda.jit
    def kernel(out: Any, row0: Any, layer: Any, low: Any, high: Any) -> None:
        rows, columns = out.shape
        pairs = (columns + 1) // 2
        index = cuda.grid(1)
        while index < rows * pairs:
            row, pair = index // pairs, index % pairs
            c0, c1, c2, c3 = philox(
                np.uint64(pair), np.uint64(row0 + row), np.uint64(layer), low, high
            )
            sine, cosine = turned(uniform(c2, c3))
            radius = math.sqrt(-2.0 * math.log(uniform(c0, c1)))
            out[row, 2 * pair] = radius * cosine
            if 2 * pair + 1 < columns:
                out[row, 2 * pair + 1] = radius * sine
            index += cuda.gridsize(1)

    return kernel


def fill(out: Tensor, row0: int, layer: int, seed: int) -> None:
    """Fill a tensor of shape (rows, columns) on a GPU, in the order of torch's stream."""
    pairs = out.shape[0] * ((out.shape[1] + 1) // 2)
    blocks = max(1, min(-(-pairs // THREADS), 2**16))
    with torch.cuda.device(out.device), cuda.gpus[out.device.index or 0]:
        stream = cuda.external_stream(torch.cuda.current_stream().cuda_stream)
        words = np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)
        compiled()[blocks, THREADS, stream](cuda.as_cuda_array(out), row0, layer, *words)
