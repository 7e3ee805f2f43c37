r"""Standard normal weights by counter: a function of (seed, layer, row, column) alone.

Philox-4x32-10 (Salmon et al. 2011) maps a counter of four 32-bit words and a key of two to
four random words. The words of the counter are (pair of columns, row, layer, 0) and those
of the key the seed, so that any block of rows of any layer can be drawn by itself, in any
order and on any device, and is always the same. Two words make a uniform number with 53
bits; two uniform numbers make two normal ones (Box and Muller 1958),

    z_0 = sqrt(-2 log u) cos(2 pi u'),    z_1 = sqrt(-2 log u) sin(2 pi u').

Logarithm and sine are written out as polynomials, so that the loops vectorise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["normal", "normal_rows", "philox"]

BLOCK = 256
"""Pairs that are drawn together, in cache."""
ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
MULTIPLIER = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))

_compile: Any = njit(nogil=True, cache=True, fastmath={"contract", "nsz"})

LOG_SERIES = np.array([1 / (2 * k + 1) for k in range(12)])
"""atanh(s)/s as a series in s^2; |s| <= 0.1716 leaves 2e-19 after twelve terms."""
SIN_SERIES = np.array([(-1.0) ** k / float(np.prod(np.arange(1.0, 2 * k + 2))) for k in range(9)])
COS_SERIES = np.array([(-1.0) ** k / float(np.prod(np.arange(1.0, 2 * k + 1))) for k in range(9)])
"""sin(y)/y and cos(y) as series in y^2; |y| <= pi/4 leaves 1e-18 after nine terms."""


@_compile
def _rounds(c: Any, k0: Any, k1: Any) -> None:
    """Ten rounds of Philox on the columns of c, shape (4, n), 32-bit words in 64 bits."""
    for _ in range(ROUNDS):
        for j in range(c.shape[1]):
            p0, p1 = MULTIPLIER[0] * c[0, j], MULTIPLIER[1] * c[2, j]
            c0 = (p1 >> HALF) ^ c[1, j] ^ k0
            c2 = (p0 >> HALF) ^ c[3, j] ^ k1
            c[0, j], c[1, j], c[2, j], c[3, j] = c0, p1 & LOW, c2, p0 & LOW
        k0 = (k0 + WEYL[0]) & LOW
        k1 = (k1 + WEYL[1]) & LOW


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, ...]:
    """The four words that Philox-4x32-10 makes of a counter and a key.

    Example:
        The published test vector of the zero counter:

        >>> [f"{word:08x}" for word in philox((0, 0, 0, 0), (0, 0))]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    words = np.array(counter, dtype=np.uint64)[:, None]
    _rounds(words, np.uint64(key[0]), np.uint64(key[1]))
    return tuple(int(word) for word in words[:, 0])


@_compile
def _uniform(high: Any, low: Any, u: Any) -> None:
    """(n + 1/2) 2^-52 for the first 52 bits n of two words: never 0, never 1."""
    for j in range(u.size):
        n = (high[j] << np.uint64(20)) | (low[j] >> np.uint64(12))
        u[j] = (np.float64(n) + 0.5) * 2.0**-52


@_compile
def _radius(u: Any, bits: Any, r: Any) -> None:
    """R <- sqrt(-2 log u); ``bits`` is u seen as integers, and both are overwritten.

    u = 2^e f with f in [1/sqrt 2, sqrt 2], log u = e log 2 + 2 atanh((f - 1)/(f + 1)).
    """
    for j in range(r.size):
        r[j] = np.float64((bits[j] >> 52) - 1023)
        bits[j] = (bits[j] & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000
    for j in range(r.size):
        large = u[j] > 1.4142135623730951
        f = 0.5 * u[j] if large else u[j]
        e = r[j] + 1.0 if large else r[j]
        s = (f - 1.0) / (f + 1.0)
        y = s * s
        p = LOG_SERIES[11]
        for k in range(10, -1, -1):
            p = p * y + LOG_SERIES[k]
        r[j] = np.sqrt(-2.0 * (e * 0.6931471805599453 + 2.0 * s * p))


@_compile
def _turn(u: Any, r: Any, z0: Any, z1: Any) -> None:
    """z0, z1 <- r cos(2 pi u), r sin(2 pi u).

    2 pi u = q pi/2 + y with q the nearest quarter turn and |y| <= pi/4.
    """
    for j in range(r.size):
        q = np.floor(4.0 * u[j] + 0.5)
        y = (u[j] - 0.25 * q) * 6.283185307179586
        x = y * y
        sine, cosine = SIN_SERIES[8], COS_SERIES[8]
        for k in range(7, -1, -1):
            sine = sine * x + SIN_SERIES[k]
            cosine = cosine * x + COS_SERIES[k]
        sine = sine * y
        odd = q == 1.0 or q == 3.0
        a, b = (sine, cosine) if odd else (cosine, sine)
        a = -a if q == 1.0 or q == 2.0 else a
        b = -b if q == 2.0 or q == 3.0 else b
        z0[j] = r[j] * a
        z1[j] = r[j] * b


@_compile
def _fill(out: Any, row0: int, layer: int, seed: int) -> None:
    """The rows row0, row0 + 1, ... of a layer's weights, shape (rows, columns)."""
    rows, columns = out.shape
    c = np.empty((4, BLOCK), dtype=np.uint64)
    u, r, z0, z1 = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    bits = u.view(np.int64)
    for row in range(rows):
        for start in range(0, columns, 2 * BLOCK):
            for j in range(BLOCK):
                c[0, j] = np.uint64(start // 2 + j)
                c[1, j] = np.uint64(row0 + row)
                c[2, j] = np.uint64(layer)
                c[3, j] = np.uint64(0)
            _rounds(c, np.uint64(seed) & LOW, np.uint64(seed) >> HALF)
            _uniform(c[0], c[1], u)
            _radius(u, bits, r)
            _uniform(c[2], c[3], u)
            _turn(u, r, z0, z1)
            for j in range(min(BLOCK, (columns - start) // 2)):
                out[row, start + 2 * j] = z0[j]
                out[row, start + 2 * j + 1] = z1[j]
            if columns - start < 2 * BLOCK and columns % 2 == 1:
                out[row, columns - 1] = z0[(columns - start) // 2]


def normal_rows(rows: slice, columns: int, *, seed: int, layer: int) -> NDArray[np.float64]:
    """Some rows of the standard normal weights of a layer, shape (rows, columns).

    Args:
        rows: which of them; a row does not depend on which others are drawn.
        columns: their length; a shorter row is the beginning of a longer one.
        seed: of the network, below 2^64.
        layer: the index of the weights in the network, below 2^32.

    Example:
        >>> whole = normal_rows(slice(0, 9), 5, seed=1, layer=0)
        >>> bool(np.all(whole[4:6] == normal_rows(slice(4, 6), 5, seed=1, layer=0)))
        True
    """
    out = np.empty((rows.stop - rows.start, columns))
    _fill(out, rows.start, layer, np.uint64(seed))
    return out


def normal(
    shape: tuple[int, ...], *, seed: int, layer: int, dtype: torch.dtype, device: str
) -> Tensor:
    """The standard normal weights of a layer as a tensor; see ``normal_rows``."""
    rows, columns = (1, *shape)[-2:]
    values = normal_rows(slice(0, rows), columns, seed=seed, layer=layer)
    return torch.from_numpy(values.reshape(shape)).to(device=device, dtype=dtype)
