r"""Functions given by pieces, written with max and min alone.

With f_0, ..., f_m on the intervals between c_1 < ... < c_m,

    w(x) = f_0(min(x, c_1)) + sum_i [f_i(max(min(x, c_(i+1)), c_i)) - f_i(c_i)],

which never asks f_i for a value outside its interval, and is continuous. What the pieces jump
by at c_i is added as a multiple of step(x - c_i), so that whoever asks for continuity finds it.
"""

from __future__ import annotations

from typing import Any

import sympy

from analytic.expressions.vocabulary import X

__all__ = ["continued", "without_pieces"]

MOST_PIECES = 8
"""Most pieces of a function."""
_ADVICE = "write for example Piecewise((x, x < 0), (sin(x), x < 1), (sin(1), True))"


def without_pieces(expression: Any) -> Any:
    """An expression in x with every ``Piecewise`` written by max and min.

    Raises:
        ValueError: a condition is not a comparison of x with a number, or they leave a gap.

    Example:
        >>> without_pieces(sympy.Piecewise((0, X < 0), (X**2, True)))
        Max(0, x)**2
    """
    if not expression.has(sympy.Piecewise):
        return expression
    return expression.replace(sympy.Piecewise, _of_sympy)


def _of_sympy(*pairs: Any) -> Any:
    return continued(list(pairs))


def continued(pairs: list[Any]) -> Any:
    """The same for the pairs (piece, condition) of one function; the first that is true holds."""
    for piece, condition in pairs:
        _check(condition)
        if isinstance(piece, sympy.Piecewise):
            raise ValueError(f"expected pieces without pieces of their own, got one; {_ADVICE}")
    remaining: Any = sympy.S.Reals
    found: list[tuple[Any, Any]] = []
    for piece, condition in pairs:
        holds = remaining & _set_of(condition)
        parts = holds.args if isinstance(holds, sympy.Union) else (holds,)
        found += [(part, piece) for part in parts if isinstance(part, sympy.Interval)]
        remaining = remaining - holds
    if remaining is not sympy.S.EmptySet or not found or len(found) > MOST_PIECES:
        raise ValueError(
            f"expected at most {MOST_PIECES} pieces that cover the real line, got"
            f" {len(found)} with {remaining} left; {_ADVICE}"
        )
    found.sort(key=lambda pair: float(pair[0].start))
    return _joined([piece for _, piece in found], [part.end for part, _ in found[:-1]])


def _check(condition: Any) -> None:
    relations: Any = condition.atoms(sympy.core.relational.Relational)
    sides: list[Any] = [[side for side in relation.args if side != X] for relation in relations]
    simple = all(len(one) == 1 and one[0].is_real for one in sides)
    if not simple or condition.atoms(sympy.Eq, sympy.Ne):
        raise ValueError(f"expected comparisons of x with numbers, got {condition}; {_ADVICE}")


def _set_of(condition: Any) -> Any:
    if condition in (sympy.true, sympy.false):
        return sympy.S.Reals if condition else sympy.S.EmptySet
    return condition.as_set()


def _joined(pieces: list[Any], ends: list[Any]) -> Any:
    pieces = [*map(sympy.sympify, pieces)]
    total: Any = pieces[0].subs(X, sympy.Min(X, ends[0]) if ends else X)
    for place, low in enumerate(ends, start=1):
        held = sympy.Min(X, ends[place]) if place < len(ends) else X
        piece: Any = pieces[place]
        start, before = piece.subs(X, low), pieces[place - 1].subs(X, low)
        total += piece.subs(X, sympy.Max(held, low)) - start
        jump = start - before
        if abs(sympy.N(jump, 30)) > 1e-12 * (1 + abs(sympy.N(start, 30))):
            total += jump * sympy.Heaviside(X - low)
    return total
