r"""Whether weights are independent of what they read, as those of a fresh draw are.

Weights W that are independent numbers of variance 1, n units of them, are seen along directions
that do not depend on them: with V (columns, k) orthonormal and made of what the layer reads,

    |W V|^2  ~  chi^2 with n k degrees of freedom,

exactly for normal numbers. Gradient descent moves W by sums of products of signals with what the
layer reads at the training inputs: in these directions and no others. Where the inputs at hand are
those of the training, or where units have most directions in common whatever the inputs are, the
numbers along V grow by as much as all of W does, among n k of them instead of n times the columns.
V are the leading 1, 2, 4, ... singular directions of what is read. A product of rank one shows in
the largest singular value of W V, too (Johnstone 2001).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from empirical.layerwise import Link, averages, forward_trace, rows
from empirical.lifting.initial_laws import RARE, outlier
from empirical.lifting.numbers_of_parts import Numbers
from empirical.lifting.places import LiftingError
from empirical.lifting.units import Weights
from empirical.network import Stack, WeightLayer

__all__ = ["chances", "check_fresh"]

Array = NDArray[np.float64]
SPANNED = 64
"""Most rows of what a layer reads that span directions."""
LEAST_SHARE = 1e-8
"""Singular values below this share of the largest one are rounding."""


def check_fresh(
    stack: Stack, data: Tensor, parts: Sequence[Weights], numbers: Sequence[Numbers], readout: Array
) -> None:
    """Raise unless the weights are as along directions that they know nothing of.

    Args:
        stack: a finite network with the weights.
        data: what its first weights read at some inputs.
        parts: the layers of the module that has these weights, the readout last.
        numbers: of these.
        readout: standard normal weights of all outputs, (outputs, units).

    Raises:
        LiftingError: the weights of a layer are larger along what it reads than a draw would be.
    """
    *hidden, (_, units) = _weights(stack, data)
    layers = [*hidden, (readout, units)]
    for (matrix, read), part, one in zip(layers, parts, numbers, strict=True):
        if one.law.family != "normal":
            continue  # others show in their largest numbers, or are orthogonal
        directions = _directions(read)
        if directions.shape[1] == matrix.shape[1]:
            continue  # all of them: what the law says of the matrix
        along = matrix @ directions
        chance = min(chances(along, one.law.error))
        ratio = outlier(along, 1.0)
        if chance < RARE or ratio is not None:
            size = float(np.sqrt((along**2).mean())) if ratio is None else ratio
            raise LiftingError(
                f"expected a fresh draw, got weights {part.weight.name!r} that are"
                f" {size:.3g} times as large as independent numbers along what they read at these"
                f" inputs (chance {chance:.1g}): they are trained; pass the module as it was"
                " initialised"
            )


def chances(along: Array, error: float) -> Iterator[float]:
    """How rarely a draw is as large along the first 1, 2, 4, ... directions, and all of them.

    Args:
        along: W V, shape (units, directions), the leading ones first.
        error: relative error of the standard deviation by which W was divided.
    """
    units, total = along.shape
    counts = sorted({min(2**k, total) for k in range(total.bit_length() + 1)})
    for count in counts:
        freedom = 1 / (1 / (units * count) + 2 * error**2)
        mean = float((along[:, :count] ** 2).mean())
        yield len(counts) * float(stats.chi2.sf(freedom * mean, freedom))


def _weights(stack: Stack, data: Tensor) -> Iterator[tuple[Array, Array]]:
    """The standard normal weights of every layer, and what it reads, the readout last."""
    chain = [Link(layer, data, [range(len(data))]) for layer in stack.chain()]
    trace, units = forward_trace(chain, rows(data))
    for link, (alpha, _) in zip(chain, trace, strict=True):
        if isinstance(link.map, WeightLayer):
            read = alpha if link.patches is None else link.patches.read(alpha)
            yield link.map.matrix.detach().numpy(), read.detach().numpy()
    for average in averages(stack.readout.feed, data.device):
        units = average.read(units)
    yield stack.readout.weight.detach().numpy()[None], units.detach().numpy()


def _directions(read: Array) -> Array:
    """Orthonormal ones that span what is read, the leading ones first, (columns, directions)."""
    some = read[:: max(1, -(-len(read) // SPANNED))]
    _, sizes, directions = np.linalg.svd(some, full_matrices=False)
    return directions[sizes > LEAST_SHARE * sizes[0]].T
