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

from collections.abc import Sequence
from itertools import pairwise
from threading import Thread
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from empirical.network import philox_cuda
from empirical.network.philox_cuda import LOW

__all__ = ["normal", "normal_rows", "philox", "redraw"]

NORMALS_AT_ONCE = 256
"""Pairs that are drawn together, in cache."""
PHILOX_ROUNDS = 10
HALF = np.uint64(32)
MULTIPLIER = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))

_compile: Any = njit(
    nogil=True,
    cache=True,
    error_model="numpy",  # a division that could raise would not vectorise
    fastmath={"contract", "nsz"},
)

LOG_SERIES = np.array([1 / (2 * k + 1) for k in range(12)])
"""atanh(s)/s as a series in s^2; |s| <= 0.1716 leaves 2e-19 after twelve terms."""
SIN_SERIES = np.array([(-1.0) ** k / float(np.prod(np.arange(1.0, 2 * k + 2))) for k in range(9)])
COS_SERIES = np.array([(-1.0) ** k / float(np.prod(np.arange(1.0, 2 * k + 1))) for k in range(9)])
"""sin(y)/y and cos(y) as series in y^2; |y| <= pi/4 leaves 1e-18 after nine terms."""


@_compile
def _rounds(c: Any, n: int, k0: Any, k1: Any) -> None:
    """Ten rounds of Philox on the first n columns of c, 32-bit words in 64 bits."""
    for j in range(n):
        c0, c1, c2, c3 = c[0, j], c[1, j], c[2, j], c[3, j]
        a, b = k0, k1
        for _ in range(PHILOX_ROUNDS):
            p0, p1 = MULTIPLIER[0] * c0, MULTIPLIER[1] * c2
            c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ a, p1 & LOW, (p0 >> HALF) ^ c3 ^ b, p0 & LOW
            a = (a + WEYL[0]) & LOW
            b = (b + WEYL[1]) & LOW
        c[0, j], c[1, j], c[2, j], c[3, j] = c0, c1, c2, c3


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, ...]:
    """The four words that Philox-4x32-10 makes of a counter and a key.

    Example:
        The published test vector of the zero counter:

        >>> [f"{word:08x}" for word in philox((0, 0, 0, 0), (0, 0))]
        ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    words = np.array(counter, dtype=np.uint64)[:, None]
    _rounds(words, 1, np.uint64(key[0]), np.uint64(key[1]))
    return tuple(int(word) for word in words[:, 0])


@_compile
def _uniform(high: Any, low: Any, u: Any, n: int) -> None:
    """(k + 1/2) 2^-52 for the first 52 bits k of two words: never 0, never 1."""
    for j in range(n):
        k = (high[j] << np.uint64(20)) | (low[j] >> np.uint64(12))
        u[j] = (np.float64(k) + 0.5) * 2.0**-52


@_compile
def _radius(u: Any, bits: Any, r: Any, n: int) -> None:
    """R <- sqrt(-2 log u); ``bits`` is u seen as integers, and both are overwritten.

    u = 2^e f with f in [1/sqrt 2, sqrt 2], log u = e log 2 + 2 atanh((f - 1)/(f + 1)).
    """
    for j in range(n):
        r[j] = np.float64((bits[j] >> 52) - 1023)
        bits[j] = (bits[j] & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000
    for j in range(n):
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
def _turn(u: Any, r: Any, z0: Any, z1: Any, n: int) -> None:
    """z0, z1 <- r cos(2 pi u), r sin(2 pi u).

    2 pi u = q pi/2 + y with q the nearest quarter turn and |y| <= pi/4.
    """
    for j in range(n):
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
    """The rows row0, row0 + 1, ... of a layer's weights, shape (rows, columns).

    Short rows are drawn several at a time, long ones in parts.
    """
    rows, columns = out.shape
    pairs = (columns + 1) // 2
    span = min(NORMALS_AT_ONCE, pairs)
    height = NORMALS_AT_ONCE // span
    c = np.empty((4, NORMALS_AT_ONCE), dtype=np.uint64)
    u, r, z0, z1 = (
        np.empty(NORMALS_AT_ONCE),
        np.empty(NORMALS_AT_ONCE),
        np.empty(NORMALS_AT_ONCE),
        np.empty(NORMALS_AT_ONCE),
    )
    bits = u.view(np.int64)
    for top in range(0, rows, height):
        for start in range(0, pairs, span):
            h, w = min(height, rows - top), min(span, pairs - start)
            n = h * w
            for i in range(h):
                for j in range(w):
                    c[0, i * w + j] = np.uint64(start + j)
                    c[1, i * w + j] = np.uint64(row0 + top + i)
            c[2, :n] = np.uint64(layer)
            c[3, :n] = np.uint64(0)
            _rounds(c, n, np.uint64(seed) & LOW, np.uint64(seed) >> HALF)
            _uniform(c[0], c[1], u, n)
            _radius(u, bits, r, n)
            _uniform(c[2], c[3], u, n)
            _turn(u, r, z0, z1, n)
            full = min(w, columns // 2 - start)
            for i in range(h):
                for j in range(full):
                    out[top + i, 2 * (start + j)] = z0[i * w + j]
                    out[top + i, 2 * (start + j) + 1] = z1[i * w + j]
                if full < w:
                    out[top + i, columns - 1] = z0[i * w + full]


@_compile
def _fill_networks(out: Any, row0: int, layer: int, seeds: Any) -> None:
    """The same rows for several seeds, shape (seeds, rows, columns)."""
    for s in range(len(seeds)):
        _fill(out[s], row0, layer, seeds[s])


ONE_THREAD = 2**18
"""Numbers below which a second thread is not worth its start."""


def _fill_by_threads(out: NDArray[Any], row0: int, layer: int, seeds: Sequence[int]) -> None:
    """As ``_fill_networks``, with torch's number of threads; no number depends on it."""
    keys = np.array(seeds, dtype=np.uint64)
    threads = 1 if out.size < ONE_THREAD else torch.get_num_threads()
    if len(seeds) == 1:
        cuts = pairwise(out.shape[1] * t // threads for t in range(threads + 1))
        parts = [(out[:, a:b], row0 + a, layer, keys) for a, b in cuts]
    else:
        cuts = pairwise(len(seeds) * t // threads for t in range(threads + 1))
        parts = [(out[a:b], row0, layer, keys[a:b]) for a, b in cuts]
    others = [Thread(target=_fill_networks, args=part) for part in parts[1:]]
    for thread in others:
        thread.start()
    _fill_networks(*parts[0])
    for thread in others:
        thread.join()


def redraw(out: Tensor, *, seeds: Sequence[int], layer: int, row0: int = 0) -> Tensor:
    """Fill a tensor with the weights of a layer, from row ``row0`` on, for some seeds.

    Args:
        out: shape (seeds, rows, columns), on any device.
        seeds: of the networks.
        layer: the index of the weights in the network.
        row0: the first row.
    """
    plain = out.dtype in (torch.float32, torch.float64)
    if out.device.type == "cuda" and plain and philox_cuda.usable():
        for part, seed in zip(out, seeds, strict=True):
            philox_cuda.fill(part, row0, layer, seed)
        return out
    direct = plain and out.device.type == "cpu"
    drawn = out if direct else torch.empty(out.shape, dtype=torch.float64)
    _fill_by_threads(drawn.numpy(), row0, layer, seeds)
    return out if direct else out.copy_(drawn)


def normal_rows(
    rows: slice,
    columns: int,
    *,
    seed: int,
    layer: int,
    dtype: torch.dtype = torch.float64,
    device: str | torch.device = "cpu",
) -> Tensor:
    """Some rows of the standard normal weights of a layer, shape (rows, columns).

    Args:
        rows: which of them; a row does not depend on which others are drawn.
        columns: their length; a shorter row is the beginning of a longer one.
        seed: of the network, below 2^64.
        layer: the index of the weights in the network, below 2^32.
        dtype: float64, or the same numbers rounded to float32 or another format.
        device: where. On a GPU they are those of the CPU up to a few units in the last place.

    References:
        Salmon, Moraes, Dror and Shaw (2011), *Parallel random numbers: as easy as 1, 2, 3*.

    Example:
        >>> whole = normal_rows(slice(0, 9), 5, seed=1, layer=0)
        >>> torch.equal(whole[4:6], normal_rows(slice(4, 6), 5, seed=1, layer=0))
        True
    """
    out = torch.empty(1, rows.stop - rows.start, columns, dtype=dtype, device=device)
    return redraw(out, seeds=[seed], layer=layer, row0=rows.start)[0]


def normal(
    shape: tuple[int, ...],
    *,
    seed: int,
    layer: int,
    dtype: torch.dtype,
    device: str | torch.device,
) -> Tensor:
    """The standard normal weights of a layer as a tensor; see ``normal_rows``."""
    rows, columns = (1, *shape)[-2:]
    values = normal_rows(
        slice(0, rows), columns, seed=seed, layer=layer, dtype=dtype, device=device
    )
    return values.reshape(shape)
