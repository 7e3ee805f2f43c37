r"""The share of a convolution in the kernel.

With alpha_u the units of sample a at position u, and beta_p = df/dh at output p, which reads
the positions p + k, the gradient is G_a = sum_p beta_p [alpha_{p + k}]_k^T, and

    <G_a, G_b> = sum_{p, q} (beta_p . beta'_q) sum_k alpha_{p + k} . alpha'_{q + k}.

Three ways, of which the one with fewer multiply-adds is taken: the products of all units at
pairs of positions, summed over k afterwards (P^2 m + Q^2 (r + 10 K) for each pair of
samples); those of whole patches (Q^2 (K m + r)); or products of G itself, formed in blocks
(K m r, and n Q K m r to form them). P and Q are the positions before and after, K those of
the filter, m and r the channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from empirical.layerwise.gradients import WORKSPACE, Gradient
from empirical.layerwise.inner_products import costs, inner
from empirical.layerwise.position_rows import Patches

__all__ = ["convolution_share"]


def convolution_share(
    reading: Patches, units: Tensor, signal: Tensor, n: int, start: int
) -> Tensor:
    """<G_a, G_b> for the first n samples a and the samples b from ``start`` on.

    Args:
        reading: what the outputs read.
        units: before the layer, shape (..., N P, m); leading axes as ``signal``, or none.
        signal: df/dh, shape (..., N Q, r).
        n: number of samples a.
        start: the first sample b.

    Returns:
        shape (..., n, N - start).
    """
    if signal.ndim > 2:
        each = units if units.ndim > 2 else [units] * len(signal)
        pairs = zip(each, signal, strict=True)
        return torch.stack([convolution_share(reading, u, s, n, start) for u, s in pairs])
    (outputs, size), positions = reading.table.shape, reading.positions
    k, m, r = len(signal) // outputs - start, units.shape[1], signal.shape[1]
    by_units = n * k * (positions**2 * m + outputs**2 * (r + 10 * (size + 1)))
    others = costs((n, k), (outputs, outputs), (r, size * m), same=start == 0)
    if by_units < min(others):
        a, b = units[: n * positions], units[start * positions :]
        return _by_units(reading, (a, b), (signal[: n * outputs], signal[start * outputs :]))
    left = signal.unflatten(0, (-1, outputs))[:, None]
    right = reading.read(units).unflatten(0, (-1, outputs))[:, None]
    shape = torch.Size((r, size * m))
    first = Gradient(shape, left[:n], right[:n])
    return inner(first, first if start == 0 else Gradient(shape, left[start:], right[start:]))


def _by_units(
    reading: Patches, units: tuple[Tensor, Tensor], signal: tuple[Tensor, Tensor]
) -> Tensor:
    """From products of units at all pairs of positions, for some samples a at a time."""
    outputs, positions = len(reading.table), reading.positions
    n, k = (len(s) // outputs for s in signal)
    entries = k * (2 * positions**2 + 3 * outputs**2)
    step = max(1, WORKSPACE // (entries * signal[0].element_size()))
    blocks: list[Tensor] = []
    for first in range(0, n, step):
        last = min(first + step, n)
        a = units[0][first * positions : last * positions]
        b = signal[0][first * outputs : last * outputs]
        products = _seen(reading, _by_positions(a @ units[1].T, positions))
        products *= _by_positions(b @ signal[1].T, outputs)
        blocks.append(products.sum(0).reshape(last - first, k))
    return torch.cat(blocks)


def _by_positions(products: Tensor, positions: int) -> Tensor:
    """(n P, k P) -> (P^2, n k)."""
    split = products.unflatten(1, (-1, positions)).unflatten(0, (-1, positions))
    return split.permute(1, 3, 0, 2).flatten(2).flatten(0, 1)


def _seen(reading: Patches, products: Tensor) -> Tensor:
    """Sum over k of the products at the positions read, (P^2, n k) -> (Q^2, n k)."""
    outputs, positions = len(reading.table), reading.positions
    total = products.new_zeros(outputs**2, products.shape[1])
    for out, read in reading.pairs:
        at = (out[:, None] * outputs + out).flatten()
        total.index_add_(0, at, products[(read[:, None] * positions + read).flatten()])
    return total
