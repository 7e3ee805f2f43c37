r"""Error bounds for the pairs of some inputs, where these differ in size.

The constants of a bound are the largest over all inputs, and one large input raises those of all
pairs. For the pairs of inputs from two classes the largest ones over these classes serve: the
bound of a kernel of these inputs alone, whose entries are the same numbers. At x = x' all
depends on |x|^2/d, so that inputs are sorted by it.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.machine import LANES, Array
from analytic.network import Network
from analytic.recursion.averages import Average
from analytic.recursion.certificate import Bounds, constants
from analytic.recursion.error_amplification import Amplification, merged
from analytic.recursion.error_propagation import ErrorPropagation
from analytic.recursion.layer_equations import (
    diagonal,
)
from analytic.recursion.normalization import amplifications
from analytic.recursion.series_radii import truncation_of
from analytic.recursion.shares import in_kernels

__all__ = ["classes_of", "with_classes"]

CLASSES = 8
"""Most of them."""
APART = 1.1
"""The least ratio of |x|^2 within a class that is split."""

Classes = NDArray[np.int64]


def classes_of(squares: Any) -> Classes:
    """The class of every input: the widest one is halved in log |x|^2 as long as there is room."""
    order = np.argsort(squares, kind="stable")
    log = np.log(np.maximum(squares[order], 1e-300)).astype(np.float64).tolist()
    edges = [0, len(log)]
    while len(edges) <= CLASSES:
        widths = [log[b - 1] - log[a] for a, b in pairwise(edges)]
        widest = widths.index(max(widths))
        if widths[widest] <= np.log(APART):
            break
        a, b = edges[widest : widest + 2]
        middle = (log[a] + log[b - 1]) / 2
        edges.insert(widest + 1, bisect_right(log, middle, a, b))
    found = np.empty(len(log), dtype=np.int64)
    found[order] = np.searchsorted(edges, np.arange(len(log)), side="right") - 1
    return found


def with_classes(
    bounds: Bounds,
    network: Network,
    squares: Any,
    n: int,
    layers: list[Amplification],
    *,
    tail: float,
    spread: float,
) -> Bounds:
    """The same bounds with constants of their own for the pairs of every two classes.

    Args:
        bounds: those of all pairs.
        network: the description.
        squares: |x|^2/d of the rows and, unless these are the same, of the columns.
        n: how many rows there are.
        layers: how the layers amplify errors, over all inputs.
        tail: see ``amplification``.
        spread: see ``certify``.
    """
    classes = classes_of(squares)
    count = int(classes.max()) + 1
    if count == 1:
        return bounds
    states = [diagonal(network, squares[classes == number]) for number in range(count)]
    parts = [amplifications(state, tail, like=layers) for state in states]
    shares = [np.array(in_kernels(state)) for state in states]
    kinds, found = np.zeros((count, count), dtype=np.int64), [_first(bounds)]
    for a in range(count):
        for b in range(a + 1):
            both = [merged(one, other) for one, other in zip(parts[a], parts[b], strict=True)]
            kinds[a, b] = kinds[b, a] = len(found)
            found.append(_pair(bounds, both, np.maximum(shares[a], shares[b]), spread))
    parts_of = zip(*found, strict=True)
    truncation, factors, junctions, in_kernel, diagonals = map(np.stack, parts_of)
    columns = classes if n == len(classes) else classes[n:]
    return bounds._replace(
        truncation=truncation,
        factors=factors,
        junctions=junctions,
        in_kernel=in_kernel,
        diagonals=diagonals,
        kinds=kinds,
        rows=classes[:n],
        columns=np.pad(columns, (0, LANES), mode="edge"),
    )


def _first(bounds: Bounds) -> tuple[Array, ...]:
    parts = bounds.truncation, bounds.factors, bounds.junctions, bounds.in_kernel, bounds.diagonals
    return tuple(part[0] for part in parts)


def _pair(
    bounds: Bounds, layers: list[Amplification], in_kernel: Array, spread: float
) -> tuple[Array, ...]:
    """What ``_first`` has, for some inputs."""
    chain = ErrorPropagation(layers, Average(), bounds.start, spread, in_kernel.tolist())
    given = zip(layers, bounds.radius, bounds.truncation[0], strict=True)
    lost = [truncation_of(*each) for each in given]
    return np.stack(lost), *constants(chain, bounds.ceiling), in_kernel, np.array(chain.diagonal)
