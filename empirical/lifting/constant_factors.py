r"""Constants in front of products, taken into the weights.

W alpha / sqrt(m), written by hand, is a product and then a factor. Where units with weights are
read through c times themselves only, the weights are c W. This is done at the end of a run and not
as factors come, since units may be read with other factors as well (x sigmoid(1.702 x)).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy

from analytic.activation import X
from empirical.lifting.linear_maps import scaled_weights
from empirical.lifting.units import Pointwise, Total, Units, Weights, sources, upstream

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
    if isinstance(one, Total):
        return replace(one, terms=tuple(made[id(term)] for term in one.terms))
    if isinstance(one, Weights):
        weights = replace(one, source=made[id(one.source)])
        return weights if factor is None else scaled_weights(weights, factor)
    if isinstance(one, Pointwise):
        before, source = one.source, made[id(one.source)]
        taken = isinstance(before, Weights) and before.weight.factor != source.weight.factor  # pyright: ignore[reportAttributeAccessIssue]
        expression = _without(one.expression)[1] if taken else one.expression
        return source if expression == X else replace(one, source=source, expression=expression)
    return replace(one, source=made[id(one.source)]) if sources(one) else one  # pyright: ignore[reportCallIssue]


def _factor(one: Units, readers: dict[int, list[Units]]) -> float | None:
    """The constant through which all readers of units with weights read them."""
    ahead = readers.get(id(one), [])
    if not isinstance(one, Weights) or not all(isinstance(r, Pointwise) for r in ahead):
        return None
    found = {c for r in ahead if isinstance(r, Pointwise) for c in _without(r.expression)[0]}
    factor = float(found.pop()) if len(found) == 1 else 1.0
    return factor if factor > 0 and factor != 1.0 else None


def _without(expression: Any) -> tuple[set[Any], Any]:
    """The factors in front of x wherever it stands, and the expression without them."""
    if expression == X:
        return {sympy.S.One}, X
    if not expression.args:
        return set(), expression
    found: set[Any] = set()
    rest = list(expression.args)
    if expression.is_Mul and X in rest:
        numbers = [a for a in rest if a.is_number]
        found.add(sympy.Mul(*numbers))
        rest = [a for a in rest if a != X and not a.is_number]
        inner = [_without(a) for a in rest]
        return found.union(*(f for f, _ in inner)), sympy.Mul(X, *(e for _, e in inner))
    inner = [_without(a) for a in rest]
    return found.union(*(f for f, _ in inner)), expression.func(*(e for _, e in inner))
