r"""Sums over the positions that a layer of images reads, as sympy has them.

Legend: p and q positions behind the layer, r and t positions before it. A filter reads
r = s p + d k - o and t = s q + d k - o with the same k, an average its windows at p and at q
independently. Outside an image all functions are 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import sympy

from analytic.network.averages import Averaging, Flatten, Pooling, SumPooling
from analytic.network.equation_system import FIRST, SECOND, Units, at
from analytic.network.layers import Convolution
from analytic.network.shapes import filter_axes

__all__ = ["averaged", "filtered", "own_mean"]

Place = tuple[Any, ...]
Limits = list[tuple[Any, int, int]]


def filtered(layer: Convolution, before: Units, after: Units, function: Any) -> Any:
    """The sum over a filter of a function of two positions, divided by K for ``fan_in``."""
    sizes = [k for k, *_ in filter_axes(layer, before.spatial)]
    k = _limits("k", sizes)
    total = _sum(at(function, *((x, _read(layer, before, p, k)) for x, p in _ends(after))), k)
    return total / math.prod(sizes) if layer.normalize == "fan_in" else total


def averaged(layer: Averaging, before: Units, after: Units) -> tuple[Any, Any, Any]:
    """Sigma, Theta and mu behind an average."""
    sizes = list(before.spatial)
    if isinstance(layer, Pooling):
        sizes = [size for size, *_ in filter_axes(layer, before.spatial)]
    count = 1 if isinstance(layer, SumPooling) else math.prod(sizes)
    k = _limits("k", sizes)
    others = [] if isinstance(layer, Flatten) else _limits("l", sizes)  # flat: the same position
    indices = zip(_ends(after), (k, others or k), strict=True)
    ends = [(x, _read(layer, before, p, each)) for (x, p), each in indices]
    number = count**2 if others else count
    sigma, theta = (
        _sum(at(before.function(name), *ends), k + others) / number for name in ("Sigma", "Theta")
    )
    return sigma, theta, _sum(at(before.function("mu"), ends[0]), k) / count


def own_mean(units: Units, function: Any, x: Any) -> Any:
    """The mean over all positions of a function of two, at equal positions of one input."""
    r = _limits("r", units.spatial)
    end = x, tuple(symbol for symbol, *_ in r)
    return _sum(at(function, end, end), r) / math.prod(units.spatial)


def _ends(units: Units) -> tuple[tuple[Any, Place], tuple[Any, Place]]:
    """The two inputs with their positions."""
    return (FIRST, units.p), (SECOND, units.q)


def _limits(name: str, sizes: Sequence[int]) -> Limits:
    """Indices that run over a window."""
    symbols = Units("", tuple(sizes)).named(name)
    return [(symbol, 0, size - 1) for symbol, size in zip(symbols, sizes, strict=True)]


def _read(layer: Convolution | Averaging, before: Units, p: Place, limits: Limits) -> Place:
    """The position that a layer reads for an output at p and some indices."""
    k = tuple(symbol for symbol, *_ in limits)
    if not isinstance(layer, Convolution | Pooling):
        return k  # all of them, whatever p is
    axes = filter_axes(layer, before.spatial)
    read = (s * x + d * i - o for (_, s, d, o), x, i in zip(axes, p, k, strict=True))
    if isinstance(layer, Convolution) and layer.padding_mode == "circular":
        return tuple(map(sympy.Mod, read, before.spatial))
    return tuple(read)


def _sum(term: Any, limits: Limits) -> Any:
    """The sum over all indices; one that has a single value is put in."""
    term = term.subs({symbol: 0 for symbol, _, last in limits if last == 0})
    left = [limit for limit in limits if limit[2] > 0]
    return sympy.Sum(term, *left) if left else term
