"""The normal form of an activation's expression: what its text reads back as.

Sympy writes the same function in many ways. An expression is stored with the symbol X,
numbers as float64 has them, sigmoid and softplus recognised, and in the form in which its
own text is read again, so that ``Activation(w.name) == w``.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy.printing.str import StrPrinter

from analytic.expressions.reading import MOST_NODES, expression_of, near_misses
from analytic.expressions.rewrite import recognised, transform
from analytic.expressions.vocabulary import FUNCTIONS, MANY, NAMES, X

__all__ = ["check_size", "in_x", "normalised", "read", "text_of"]

PARTS = 2 * MOST_NODES
"""Most different parts of a sympy expression; names such as gelu have more than their text."""


def check_size(expression: Any) -> None:
    """Refuse expressions far larger than a text may be, over which sympy takes minutes."""
    seen, stack = set[Any](), [expression]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack += node.args
        if len(seen) > PARTS:
            raise ValueError(
                f"expected an expression of at most {PARTS} different parts, got more; simplify it"
            )


def read(text: str) -> Any:
    """The expression of a name or of a text in ``x``."""
    if text in NAMES:
        return NAMES[text]
    if text in FUNCTIONS and text not in MANY:
        return FUNCTIONS[text](X)
    if text.isidentifier() and text not in ("x", "pi", "E") and len(text) <= 40:
        raise ValueError(_unknown(text))
    return expression_of(text)


def _unknown(name: str) -> str:
    near = near_misses(name, [*NAMES, *FUNCTIONS])
    hint = f"did you mean {' or '.join(near)}?" if near else "pass an expression in x instead"
    return f"unknown activation {name!r}: expected one of {', '.join(NAMES)}; {hint}"


def in_x(expression: Any) -> Any:
    """Rename the symbol to X."""
    symbols = sorted(expression.free_symbols, key=str)
    if len(symbols) > 1:
        found = ", ".join(map(str, symbols))
        raise ValueError(f"expected an expression in one symbol, got {found}; fix all but one")
    return expression.subs(symbols[0], X) if symbols else expression


def normalised(expression: Any) -> Any:
    """Numbers as float64 has them, sigmoid and softplus recognised, as its text reads back."""
    return _readable(recognised(transform(expression, _double)))


def _readable(expression: Any) -> Any:
    """The form that the text of the expression reads back as, for example 2*x + 4 for 2*(x + 2)."""
    for _ in range(3):
        try:
            again = recognised(expression_of(text_of(expression)))
        except ValueError:  # an expression of sympy's that no text may have
            return expression
        if again == expression:
            break
        expression = again
    return expression


def _double(node: Any) -> Any:
    """Numbers as float64 has them, and powers such as 2.0 and 1.5 as fractions."""
    if node.is_Float:
        return sympy.Float(float(node)) if node.is_finite else node
    if node.is_Pow and node.exp.is_Float:
        simple = sympy.Rational(float(node.exp)).limit_denominator(8)
        return node.base ** (simple if float(simple) == float(node.exp) else node.exp)
    return node


class _Printer(StrPrinter):
    """sympy's text, but for floats, which are printed so that they read back exactly."""

    def _print_Float(self, expr: Any) -> str:  # noqa: N802 - sympy's name
        return repr(float(expr))


def text_of(value: Any) -> str:
    """The text of an expression; ``expression_of`` reads it back.

    Example:
        >>> text_of(expression_of("x / 10 + tanh(0.1 * x)"))
        'x/10 + tanh(0.1*x)'
    """
    return _Printer().doprint(value)
