"""Text to expression to numbers; nothing is ever evaluated.

Enters: a text in ``x``, or a sympy expression somebody else built. Leaves: an expression in
the one symbol ``X`` and a fixed vocabulary, in a form that its own text reads back as, that
neither overflows nor cancels far from the origin; its derivatives; its values as arrays.

    text -> syntax tree -> expression (whitelist) -> normal form -> derivative -> values

``Order`` is the vocabulary of growth, C x^p exp(b x + a x^2), in which the room above states
what it proves. Below this room there is only sympy.
"""

from analytic.expressions.bent_lines import bent_line
from analytic.expressions.evaluation import values
from analytic.expressions.normal_form import check_size, in_x, normalised, read, text_of
from analytic.expressions.order import START, Order, Tail, fraction, total
from analytic.expressions.pieces import without_pieces
from analytic.expressions.reading import expression_of
from analytic.expressions.removed_zeros import (
    DividedFunction,
    Series,
    divided_function,
    divided_functions,
    plain,
)
from analytic.expressions.rewrite import derivative, elementary, recognised, stable, transform
from analytic.expressions.rounding import extended_values
from analytic.expressions.sine_quotients import (
    NEAR,
    ORDERS,
    SINES,
    cardinal_sine,
    gauss_legendre,
    sinc,
)
from analytic.expressions.syntax import short, syntax_tree
from analytic.expressions.vocabulary import (
    FUNCTIONS,
    HEADS,
    JUMPING,
    KINKED,
    MANY,
    NAMES,
    SWITCHES,
    X,
    normal_cdf,
    sigmoid,
    softplus,
)

__all__ = [
    "FUNCTIONS",
    "HEADS",
    "JUMPING",
    "KINKED",
    "MANY",
    "NAMES",
    "NEAR",
    "ORDERS",
    "SINES",
    "START",
    "SWITCHES",
    "DividedFunction",
    "Order",
    "Series",
    "Tail",
    "X",
    "bent_line",
    "cardinal_sine",
    "check_size",
    "derivative",
    "divided_function",
    "divided_functions",
    "elementary",
    "expression_of",
    "extended_values",
    "fraction",
    "gauss_legendre",
    "in_x",
    "normal_cdf",
    "normalised",
    "plain",
    "read",
    "recognised",
    "short",
    "sigmoid",
    "sinc",
    "softplus",
    "stable",
    "syntax_tree",
    "text_of",
    "total",
    "transform",
    "values",
    "without_pieces",
]
