r"""What an activation must be: one real function on the whole real line, of finitely many pieces.

Everything else is refused with the reason and the place: functions that are not known,
logarithms and roots of negative numbers, poles, endless jumps, and growth so fast that the
Gaussian moments E[w(s z)^2] diverge for large s.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import sympy

from analytic.expressions import HEADS, DividedFunction, X, derivative, elementary, plain
from analytic.proofs.asymptotics import tail
from analytic.proofs.nonsmooth_points import jumps, kinks
from analytic.proofs.signs import Sign, sign

__all__ = ["check_expression", "check_parts"]

HIGHEST_GROWTH = 64
"""Highest power of |x| as which an activation may grow."""


@lru_cache(maxsize=1024)
def check_expression(expression: Any) -> None:
    """Refuse an expression in x that is no activation.

    Raises:
        ValueError: with the reason and the place.

    Example:
        >>> from analytic.expressions.vocabulary import X
        >>> check_expression(sympy.log(X))
        Traceback (most recent call last):
        ValueError: expected an activation that is real on the whole real line, got log(x): x must \
be positive, and is not at x = 0; change it
    """
    for node in sympy.postorder_traversal(expression):
        for condition, wanted, sentence in _conditions(node):
            found = sign(condition)
            if found.value == 0 or (wanted and found.value != wanted):
                if sentence is _POLE:
                    sentence = _removable(expression, found) or sentence
                raise ValueError(sentence.format(_short(expression), _short(condition), _at(found)))
    _check_jumps(expression)
    _check_growth(expression)


def check_parts(expression: Any) -> None:
    """Refuse an expression with parts that no activation has, whatever its symbol.

    Raises:
        ValueError: complex or infinite numbers, or functions that are not known.
    """
    for node in sympy.preorder_traversal(expression):
        if node.is_Number or node.is_NumberSymbol or node is sympy.I or node is sympy.zoo:
            if node is sympy.I:
                raise ValueError(
                    f"expected a real activation, got the complex {_short(expression)}; remove I"
                )
            if not node.is_finite:
                raise ValueError(
                    f"expected finite numbers, got {node} in {_short(expression)}; change it"
                )
        elif node.func not in HEADS:
            raise ValueError(
                "expected functions that an activation may be made of, got"
                f" {getattr(node.func, '__name__', node)} in {_short(expression)};"
                " see analytic.expressions.vocabulary.FUNCTIONS"
            )


def _short(expression: Any) -> str:
    text = str(expression)
    return text if len(text) <= 60 else text[:57] + "..."


def _at(found: Sign) -> str:
    place = "far from 0" if abs(found.place) > 1e18 else f"at x = {found.place:.6g}"
    return place if found.sure else f"(as far as could be decided) {place}"


_REAL = (
    "expected an activation that is real on the whole real line, got {0}: {1} must be positive,"
    " and is not {2}; change it"
)
_ROOT = (
    "expected fractional powers of positive parts, got {0}: {1} must be positive, and is not {2},"
    " where the power is not real or not smooth; change it"
)
_POLE = "expected an activation without poles, got {0}, which has one {2}; move or remove it"
_POWER = "expected constant powers, got {0}; write exp(a*log(b)) with a positive b"


def _removable(expression: Any, found: Sign) -> str | None:
    """What to say of a quotient that is 0/0 and yet has a limit there."""
    if not abs(found.place) < 1e18:
        return None
    place = sympy.nsimplify(found.place, rational=True)
    if elementary(expression).subs(X, place) is not sympy.nan:  # a pole, or a place beside it
        return None
    limits = {sympy.limit(elementary(expression), X, place, side) for side in "+-"}
    (value, *others) = limits
    if others or not (value.is_finite and value.is_real):
        return None
    return (
        "expected an activation that has a value everywhere, got {0}, which is 0/0 {2} though it"
        f" tends to {value} there; such quotients cannot be evaluated yet"
    )


def _conditions(node: Any) -> Iterator[tuple[Any, int, str]]:
    """What must have one sign for a node to be defined: 1 for positive, 0 for either."""
    if isinstance(node, sympy.log):
        yield node.args[0], 1, _REAL
    elif isinstance(node, sympy.tan):
        yield sympy.cos(node.args[0]), 0, _POLE
    elif node.is_Pow and node.free_symbols:
        if not node.exp.is_Rational:
            yield sympy.S.Zero, 0, _POWER
        elif not node.exp.is_Integer:
            yield node.base, 1, _ROOT
        elif node.exp < 0:
            yield node.base, 0, _POLE
    elif isinstance(node, DividedFunction):
        yield from _conditions_inside(node)


def _conditions_inside(quotient: Any) -> Iterator[tuple[Any, int, str]]:
    """What must have one sign in the numerator of a quotient whose zero has been divided out."""
    whole = plain(quotient)
    for part in sympy.preorder_traversal(whole):
        for condition, wanted, sentence in _conditions(part):
            if sentence is not _POLE or condition != quotient.args[0]:
                yield condition, wanted, sentence


def _check_jumps(expression: Any) -> None:
    for found in jumps(expression):
        if not (found.sure and kinks(expression).complete):
            raise ValueError(
                "expected an activation that is continuous, or jumps at finitely many known"
                f" places, got {_short(expression)}, which jumps from {_short(found.left)} to"
                f" {_short(found.right)} at x = {found.place}; smooth it"
            )


def _finite_below(above: Any) -> str:
    """Where E w(s z)^2 is finite: 2 c s^2 < 1/2 if w grows like exp(c x^2)."""
    if above is None:
        return ""
    bound = 1 / (4 * float(above.curvature))
    return (
        f", whose second moment exists only where weight_std^2 |x|^2/d + bias_std^2 < {bound:.3g},"
        " at each layer with the E w^2 before it for |x|^2/d"
    )


def _check_growth(expression: Any) -> None:
    for order, name in ((0, "it"), (1, "its slope")):
        for side, where in ((1, "right"), (-1, "left")):
            above = tail(derivative(expression, order), side).above
            if above is None or above.curvature > 0:
                how = "faster than exp(c |x|)" if above is None else f"like {above}"
                raise ValueError(
                    "expected growth of at most exp(c |x|), so that Gaussian moments are finite,"
                    f" got {_short(expression)}: {name} may grow {how} on the {where}"
                    f"{_finite_below(above)}; damp it"
                )
            if above.power > HIGHEST_GROWTH:
                raise ValueError(
                    f"expected growth of at most |x|^{HIGHEST_GROWTH}, got {_short(expression)},"
                    f" which may grow like {above} on the {where}; lower its power"
                )
