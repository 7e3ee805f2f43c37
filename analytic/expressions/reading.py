"""A syntax tree becomes an expression of sympy: what is not on the list is refused.

The sizes of numbers are checked before sympy sees them, since it would compute 9**9**9 to the
last digit; a word that nobody knows gets the words that may have been meant.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import sympy

from analytic.expressions.pieces import continued
from analytic.expressions.syntax import short, syntax_tree
from analytic.expressions.vocabulary import CONSTANTS, FUNCTIONS, MANY, X

__all__ = ["expression_of", "near_misses"]

MOST_CHARACTERS = 1000
"""Most characters of the text of an activation."""
MOST_NODES = 200
"""Most nodes of a syntax tree of an activation."""
LARGEST_NUMBER = 1e12
"""Largest size of a number, and of the inverse of one."""
HIGHEST_POWER = 64
"""Largest exponent; the denominators of fractional ones go up to 8."""
KINKS = 16
"""Most calls of functions with kinks or jumps, whose comparisons sympy makes in pairs."""

_KINKED = frozenset({"Max", "Min", "max", "min", "Abs", "abs", "sign", "Heaviside", "step", "relu"})

_WHAT = "an expression in x such as tanh(x) + x/10"
_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*|[0-9.][0-9A-Za-z_.]*")


def expression_of(text: str) -> Any:
    """The sympy expression of a text, unchecked but for its size.

    Args:
        text: numbers, ``x``, ``pi``, ``E``, the operators + - * / **, the functions in
            ``analytic.expressions.vocabulary.FUNCTIONS``, and ``Piecewise((piece, condition),
            ...)`` with comparisons of x and numbers as conditions.

    Raises:
        ValueError: the text is something else, with the place and the near misses.

    Example:
        >>> expression_of("x*sigmoid(1.702*x) + 2**3/4")
        x*sigmoid(1.702*x) + 2
    """
    tree = syntax_tree(text, what=_WHAT, longest=MOST_CHARACTERS, nodes=MOST_NODES)
    _check_words(text)
    try:
        return _Reader(text.strip()).read(tree)[0]
    except (ArithmeticError, RecursionError, TypeError, ValueError) as error:
        if str(error).startswith("expected"):
            raise
        raise ValueError(f"expected {_WHAT}, got {short(text)}; correct it ({error})") from error


def _check_words(text: str) -> None:
    words = _WORD.findall(text)
    for word in words:
        known = word in FUNCTIONS or word in CONSTANTS or word in _WORDS
        if not (known or word[0] in "0123456789."):
            raise ValueError(_unknown_word(word))
    kinks = sum(word in _KINKED for word in words)
    if kinks > KINKS:
        raise ValueError(f"expected at most {KINKS} functions with kinks, got {kinks}; use fewer")


_WORDS = ("x", "Piecewise", "True")
"""Words that are no functions of one number."""


ALIKE = 0.8
"""How alike a word must be to one that is known to be a slip of the pen."""


def near_misses(word: str, known: Iterable[str]) -> list[str]:
    """The words that may have been meant; a short one must have the same letters.

    Other functions differ by as little as a letter: sinc is not sin, and elu is not relu.
    """
    near = difflib.get_close_matches(word, dict.fromkeys(known), n=3, cutoff=ALIKE)
    same = sorted(word)
    close = [w for w in near if len(word) > 4] or [w for w in known if sorted(w) == same]
    return list(dict.fromkeys(close))


def _unknown_word(word: str) -> str:
    near = near_misses(word, FUNCTIONS)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif len(word) == 1:
        hint = "the variable is x; replace other symbols by numbers"
    else:
        hint = f"use {', '.join(sorted(FUNCTIONS))}"
    return f"expected the symbol x, pi, E or a function, got {short(word, 40)}; {hint}"


_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Div: lambda a, b: a / b,
    ast.Mult: operator.mul,
    ast.Sub: operator.sub,
}


_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Gt: sympy.Gt,
    ast.GtE: sympy.Ge,
    ast.Lt: sympy.Lt,
    ast.LtE: sympy.Le,
}


class _Reader:
    """Builds the expression bottom up, with the float value of every part that is a number."""

    def __init__(self, text: str) -> None:
        self.text = text

    def refuse(self, node: ast.expr, expected: str, advice: str) -> ValueError:
        part = ast.get_source_segment(self.text, node) or self.text
        return ValueError(
            f"expected {expected}, got {short(part)} at character {node.col_offset + 1} of"
            f" {short(self.text)}; {advice}"
        )

    def read(self, node: ast.expr) -> tuple[Any, float | None]:
        """The expression, and its value if it is a number."""
        if isinstance(node, ast.Constant):
            return self.number(node)
        if isinstance(node, ast.Name) and node.id == "x":
            return X, None
        if isinstance(node, ast.Name) and node.id in CONSTANTS:
            return CONSTANTS[node.id], float(CONSTANTS[node.id])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            sign = -1 if isinstance(node.op, ast.USub) else 1
            value, size = self.read(node.operand)
            return sign * value, None if size is None else sign * size
        if isinstance(node, ast.BinOp):
            return self.operation(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Piecewise":
            return continued([self.piece(node, argument) for argument in node.args]), None
        if isinstance(node, ast.Call):
            return self.call(node)
        raise self.refuse(node, "numbers, x, + - * / ** and functions", "use only these")

    def piece(self, node: ast.Call, pair: ast.expr) -> tuple[Any, Any]:
        """A piece and where it holds: a comparison of x with numbers, or True."""
        if node.keywords or not isinstance(pair, ast.Tuple) or len(pair.elts) != 2:
            raise self.refuse(node, "pairs (piece, condition)", "end them with (piece, True)")
        value, condition = pair.elts
        if isinstance(condition, ast.Constant) and condition.value is True:
            return self.read(value)[0], sympy.true
        if not isinstance(condition, ast.Compare):
            raise self.refuse(condition, "a comparison such as x < 1, or True", "use only these")
        sides = [self.read(side)[0] for side in (condition.left, *condition.comparators)]
        holds: list[Any] = []
        for one, kind, other in zip(sides, condition.ops, sides[1:], strict=False):
            if type(kind) not in _COMPARISONS:
                raise self.refuse(condition, "one of < <= > >=", "use only these")
            holds.append(_COMPARISONS[type(kind)](one, other))
        return self.read(value)[0], sympy.And(*holds)

    def number(self, node: ast.Constant) -> tuple[Any, float]:
        value: Any = node.value
        if type(value) not in (int, float) or not abs(value) <= LARGEST_NUMBER:
            raise self.refuse(
                node, f"a real number of size at most {LARGEST_NUMBER:g}", "change it"
            )
        number = sympy.Integer(value) if isinstance(value, int) else sympy.Float(float(value))
        return number, self.sized(node, float(value))

    def sized(self, node: ast.expr, value: float, *, zero: bool = True) -> float:
        """The value, if its size is in the range; 0 only if it may be 0 without rounding."""
        if not (zero and value == 0) and not 1 / LARGEST_NUMBER <= abs(value) <= LARGEST_NUMBER:
            raise self.refuse(
                node,
                f"numbers between {1 / LARGEST_NUMBER:g} and {LARGEST_NUMBER:g} in size",
                "scale it",
            )
        return value

    def operation(self, node: ast.BinOp) -> tuple[Any, float | None]:
        if isinstance(node.op, ast.Pow):
            return self.power(node)
        if type(node.op) not in _OPERATIONS:
            raise self.refuse(node, "the operators + - * / **", "use only these")
        left, a = self.read(node.left)
        right, b = self.read(node.right)
        if isinstance(node.op, ast.Div) and right == 0:
            raise self.refuse(node, "a divisor other than 0", "change it")
        operation = _OPERATIONS[type(node.op)]
        size = None if a is None or b is None else self.sized(node, operation(a, b))
        return operation(left, right), size

    def power(self, node: ast.BinOp) -> tuple[Any, float | None]:
        base, a = self.read(node.left)
        exponent, b = self.read(node.right)
        if b is None:
            if a is None or a <= 0:
                raise self.refuse(node, "a positive number to a power in x", "use exp and log")
            return sympy.exp(exponent * sympy.log(base)), None
        if base == sympy.E:
            return sympy.exp(exponent), self.computed(node, lambda: math.exp(b))
        simple = Fraction(repr(b)) if exponent.is_Float else None
        if exponent.is_Rational:
            simple = Fraction(int(exponent.p), int(exponent.q))
        if simple is None or simple.denominator > 8 or abs(simple) > HIGHEST_POWER:
            raise self.refuse(
                node.right,
                f"an exponent such as 2 or 3/2 of size at most {HIGHEST_POWER}",
                "change it",
            )
        value = None if a is None else self.computed(node, lambda: a**b, zero=a == 0)
        return base ** sympy.Rational(simple.numerator, simple.denominator), value

    def call(self, node: ast.Call) -> tuple[Any, float | None]:
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            raise self.refuse(node, "a call of a function by its name", "write for example tanh(x)")
        name = node.func.id
        wanted = 2 if name in MANY else 1
        plain = not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args)
        if not plain or len(node.args) < wanted or (wanted == 1 and len(node.args) > 1):
            few = "two arguments or more" if name in MANY else "one argument"
            raise self.refuse(node, f"{few} for {name}", "pass them by position")
        arguments = [self.read(argument) for argument in node.args]
        sizes = [size for _, size in arguments if size is not None]
        if len(sizes) < len(arguments):
            return FUNCTIONS[name](*(value for value, _ in arguments)), None
        if name in ("exp", "sinh", "cosh") and abs(sizes[0]) > math.log(LARGEST_NUMBER):
            raise self.refuse(node, f"numbers of size at most {LARGEST_NUMBER:g}", "scale it")
        value = FUNCTIONS[name](*(value for value, _ in arguments))
        if value.is_real is not True:
            raise self.refuse(node, "real finite numbers", "change the argument")
        return value, self.sized(node, float(value), zero=value == 0)

    def computed(self, node: ast.expr, function: Callable[[], Any], *, zero: bool = False) -> float:
        try:
            value = function()
        except (OverflowError, ZeroDivisionError):
            value = math.inf
        if not isinstance(value, float):
            raise self.refuse(node, "real numbers", "take powers of positive numbers")
        return self.sized(node, value, zero=zero)
