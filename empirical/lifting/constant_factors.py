r"""Constants in front of products, taken into the weights.

W alpha / sqrt(m), written by hand, is a product and then a factor. Where units with weights are
read through c times themselves or more, the weights are c W. This is done at the end of a run and
not as factors come, since units may be read with other factors as well (x sigmoid(1.702 x)).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy

from analytic.activation import NAMES, X
from empirical.lifting.linear_maps import scaled_weights
from empirical.lifting.pointwise_functions import number
from empirical.lifting.units import (
    Applied,
    Beside,
    InputData,
    Total,
    Units,
    Weights,
    sources,
    upstream,
)

__all__ = ["with_factors_in"]


def with_factors_in(units: Units) -> Units:
    """The same units, of weights that have the constant factors behind them."""
    readers: dict[int, list[Units]] = {}
    for one in upstream(units):
        for source in sources(one):
            readers.setdefault(id(source), []).append(one)
    made: dict[int, Units] = {}
    for one in upstream(units):
        made[id(one)] = _rebuilt(one, made, _factor(one, readers))
    return made[id(units)]


def _rebuilt(one: Units, made: dict[int, Units], factor: float | None) -> Units:
    """Some units of others that have been rebuilt."""
    if isinstance(one, Total | Beside):
        return replace(one, terms=tuple(made[id(term)] for term in one.terms))
    if isinstance(one, Weights):
        weights = replace(one, source=made[id(one.source)])
        return weights if factor is None else scaled_weights(weights, factor)
    if isinstance(one, Applied):
        source, expression = made[id(one.source)], one.expression
        if isinstance(one.source, Weights) and isinstance(source, Weights):
            taken = source.weight.factor / one.source.weight.factor
            expression = expression if taken == 1 else _divided(expression, taken)
        return source if expression == X else replace(one, source=source, expression=expression)
    return one if isinstance(one, InputData) else replace(one, source=made[id(one.source)])


def _factor(one: Units, readers: dict[int, list[Units]]) -> float | None:
    """The constant through which all readers of units with weights read them."""
    ahead = readers.get(id(one), [])
    if not isinstance(one, Weights) or not all(isinstance(r, Applied) for r in ahead):
        return None
    expressions = [r.expression for r in ahead if isinstance(r, Applied)]
    found = sorted(set().union(*map(_factors, expressions)))
    if not found or found[0] <= 0 or all(e in _NAMED for e in expressions):
        return None
    for factor in found:
        if all(_divided(e, factor) in _NAMED for e in expressions):
            return factor
    return None if 1.0 in found else found[0]


_NAMED = frozenset(NAMES.values())


def _factors(expression: Any) -> set[float]:
    """The numbers in front of x, wherever it stands."""
    if expression == X:
        return {1.0}
    rest = list(expression.args)
    found: set[float] = set()
    if expression.is_Mul and X in rest:
        found.add(float(sympy.Mul(*(a for a in rest if a.is_number))))
        rest = [a for a in rest if a != X and not a.is_number]
    return found.union(*map(_factors, rest))


def _divided(expression: Any, factor: float) -> Any:
    """The expression of x / factor."""
    if expression == X:
        return number(1 / factor) * X
    if not expression.args:
        return expression
    rest = list(expression.args)
    if expression.is_Mul and X in rest:
        front = float(sympy.Mul(*(a for a in rest if a.is_number)))
        inner = [_divided(a, factor) for a in rest if a != X and not a.is_number]
        return sympy.Mul(number(front / factor), X, *inner)
    return expression.func(*(_divided(a, factor) for a in rest))
