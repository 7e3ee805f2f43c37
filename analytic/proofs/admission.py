"""From a text or a sympy expression to the expression of an activation, if it is one."""

from __future__ import annotations

from typing import Any

from analytic.expressions import (
    NAMES,
    check_size,
    in_x,
    normalised,
    plain,
    read,
    short,
    text_of,
    transform,
    without_pieces,
)
from analytic.proofs.divided_zeros import without_zeros_below
from analytic.proofs.domain import check_expression, check_parts
from analytic.proofs.joined_branches import joined

__all__ = ["from_sympy", "from_text"]


def from_text(text: str) -> Any:
    """The expression of a name or of a text in ``x``, checked.

    Example:
        >>> from_text("2*(x + 2)*tanh(x)")
        (2*x + 4)*tanh(x)
    """
    return _checked(read(text))


def from_sympy(expression: Any) -> Any:
    """A sympy expression in any symbol as one in X, checked."""
    check_size(expression)
    expression = transform(without_pieces(in_x(expression)), plain)
    check_parts(expression)
    return _checked(expression)


_ODD = (ArithmeticError, AttributeError, NotImplementedError, RecursionError, TypeError)
"""What sympy raises at expressions that make no sense to it."""


def _checked(expression: Any) -> Any:
    """The expression in its normal form, or an error that says why it is no activation."""
    if expression in NAMES.values():
        return expression
    try:
        expression = normalised(expression)
        check_parts(expression)
        expression = without_zeros_below(expression)
        check_expression(expression)
        expression = without_zeros_below(normalised(joined(expression)))
    except _ODD as error:
        raise ValueError(
            f"expected an expression that can be analysed, got {short(text_of(expression))};"
            f" simplify it ({error})"
        ) from error
    return expression
