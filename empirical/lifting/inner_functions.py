"""Functions of units that stand side by side, written as functions of each of them.

w(cat(a, b)) is cat(w(a), w(b)), and w(flatten(h)) is flatten(w(h)). In a description a function
acts on units of one kind, so that it goes inside, unless something else reads the units themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analytic.activation import X
from analytic.network import Flatten
from empirical.lifting.places import Location
from empirical.lifting.pointwise_functions import the_factor
from empirical.lifting.units import (
    Applied,
    Averaged,
    Beside,
    InputData,
    Total,
    Units,
    sources,
    upstream,
)

__all__ = ["with_functions_inside"]


def with_functions_inside(units: Units) -> Units:
    """The same units, their functions before they are set side by side or flattened."""
    readers: dict[int, int] = {}
    for one in upstream(units):
        for source in sources(one):
            readers[id(source)] = readers.get(id(source), 0) + 1
    made: dict[int, Units] = {}
    for one in upstream(units):
        bent = isinstance(one, Applied) and the_factor(one.expression) is None
        if isinstance(one, Applied) and bent and readers[id(one.source)] == 1:
            made[id(one)] = _inside(made[id(one.source)], one.expression, one.place)
        else:
            made[id(one)] = _again(one, made)
    return made[id(units)]


def _inside(units: Units, expression: Any, place: Location) -> Units:
    """A function of some units, as far inside as they are of several kinds."""
    if isinstance(units, Beside):
        terms = tuple(_inside(term, expression, place) for term in units.terms)
        return replace(units, terms=terms)
    if isinstance(units, Averaged) and isinstance(units.layer, Flatten):
        return replace(units, source=_inside(units.source, expression, place))
    if isinstance(units, Applied):
        inner = expression.subs(X, units.expression)
        return replace(units, expression=inner, place=place)
    return Applied(units, expression, units.shape, place)


def _again(one: Units, made: dict[int, Units]) -> Units:
    """Some units of others that may have been rebuilt; themselves if none was."""
    before, after = sources(one), tuple(made[id(source)] for source in sources(one))
    if isinstance(one, InputData) or all(a is b for a, b in zip(before, after, strict=True)):
        return one
    return replace(one, terms=after) if isinstance(one, Total | Beside) else _of(one, after[0])


def _of(one: Any, source: Units) -> Units:
    return replace(one, source=source)
