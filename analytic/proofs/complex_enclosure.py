r"""Enclosures of an expression on rectangles of the complex plane.

The bounds of quadrature need the size of an activation beside the real line; the order of
magnitude suffices, but it must be an upper bound. Functions that switch are not analytic:
their size is infinite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.expressions import DividedFunction, X, plain, stable
from analytic.proofs.complex_functions import ANALYTIC
from analytic.proofs.complex_rectangles import (
    ZERO,
    Rectangle,
    added,
    everything,
    extent,
    magnitude,
    multiplied,
    raised,
)
from analytic.proofs.interval import constant, enclose, mean_of
from analytic.proofs.interval_arithmetic import Interval

__all__ = ["Rectangle", "log_real_modulus", "modulus"]

Array = NDArray[np.float64]


def modulus(expression: Any, box: Rectangle) -> Array:
    """An upper bound of the size of f on each rectangle, infinite where none was found.

    The expression has to be in its stable form.

    Example:
        >>> box = Rectangle.of(*map(np.asarray, (0.0, 0.5, 0.0, 1.0)))
        >>> bool(abs(np.tanh(0.5 + 1j)) <= modulus(sympy.tanh(X), box) < np.inf)
        True
    """
    if not expression.free_symbols:
        return np.full_like(box.re.low, extent(constant(expression)))
    with np.errstate(all="ignore"):
        size = magnitude(_visit(expression, {X: box}))
    return np.where(np.isnan(size), np.inf, size)


def log_real_modulus(expression: Any, low: Array, high: Array) -> Array:
    """The logarithm of an upper bound of the size of f on real intervals.

    Where the value overflows, logarithms are carried through sums, products, powers and
    exponentials instead. Infinite where no bound was found.
    """
    box = Interval(low, high)
    with np.errstate(all="ignore"):
        found = _log_size(expression, box) + np.zeros_like(low)
    return np.where(np.isnan(found), np.inf, found)


def _log_size(node: Any, box: Interval) -> Array:
    enclosed = enclose(node, box)
    size = np.log(extent(enclosed)) + 1e-14
    size = np.where(np.isnan(size), np.inf, size)
    if np.all(size < np.inf):
        return size
    if isinstance(node, sympy.exp):
        return np.fmin(size, enclose(node.args[0], box).high)
    if isinstance(node, sympy.cosh | sympy.sinh):
        return np.fmin(size, extent(enclose(node.args[0], box)))
    if isinstance(node, DividedFunction):
        (u,) = node.args
        inner = enclose(u, box)
        away = (inner.low > 0) | (inner.high < 0)
        return np.where(away, np.fmin(size, _log_size(stable(plain(node)), box)), size)
    if node.is_Add or node.is_Mul:
        parts = [_log_size(argument, box) + np.zeros_like(box.low) for argument in node.args]
        combine = np.logaddexp.reduce if node.is_Add else np.sum
        return np.fmin(size, combine(np.stack(parts), axis=0) + 1e-12)
    if node.is_Pow and node.exp.is_positive:
        return np.fmin(size, float(node.exp) * _log_size(node.base, box) * (1 + 1e-15))
    return size


def _visit(node: Any, seen: dict[Any, Rectangle]) -> Rectangle:
    if node not in seen:
        seen[node] = _node(node, seen)
    return seen[node]


def _node(node: Any, seen: dict[Any, Rectangle]) -> Rectangle:
    if not node.free_symbols:
        return Rectangle(constant(node), ZERO)
    if node.is_Pow:
        return raised(_visit(node.base, seen), node.exp)
    parts = [_visit(argument, seen) for argument in node.args]
    if node.is_Add:
        total = parts[0]
        for part in parts[1:]:
            total = Rectangle(added(total.re, part.re), added(total.im, part.im))
        return total
    if node.is_Mul:
        product = parts[0]
        for part in parts[1:]:
            product = multiplied(product, part)
        return product
    if isinstance(node, DividedFunction):
        return _divided(node.func, parts[0])
    known = ANALYTIC.get(node.func)
    return everything(parts[0]) if known is None else known(parts[0])


def _divided(function: Any, u: Rectangle) -> Rectangle:
    """A mean of values of a derivative of the numerator, within the plain quotient."""
    reaching = Rectangle(*(Interval(np.minimum(a.low, 0.0), np.maximum(a.high, 0.0)) for a in u))
    mean = _visit(mean_of(function), {X: reaching})
    far = _visit(stable(function.far()), {X: u})
    parts = zip(mean, far, strict=True)
    return Rectangle(*(Interval(np.fmax(a.low, b.low), np.fmin(a.high, b.high)) for a, b in parts))
