r"""An activation function, as mathematics.

One sympy expression in one real symbol is all that is stored. Its derivatives, its constants, the
numpy callable of the quadrature and (in ``empirical``) the torch callable of the finite network are
derived from it, so that the limit and the network cannot disagree.

Legend: w the activation, w', w'', w''' its derivatives, x the symbol.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.expressions import NAMES, Order, X, bent_line, derivative, sigmoid, softplus, text_of
from analytic.proofs import (
    Answer,
    Bound,
    assumption,
    first_jump,
    from_sympy,
    from_text,
    growth,
    jumps,
    lipschitz,
    parity,
    sharp_values,
    strip,
)

__all__ = ["NAMES", "Activation", "X", "sigmoid", "softplus"]
_derivative = lru_cache(512)(sympy.diff)


@dataclass(frozen=True, slots=True, repr=False)
class Activation:
    """An activation function w, real on the whole real line, with finitely many jumps if any.

    Sums, products and compositions of activations are activations: ``a + b/10``,
    ``a * b``, ``a(b)``.

    Args:
        spec: a name such as ``"tanh"``, a string in ``x`` such as ``"tanh(x) + x/10"`` (read
            by a whitelist, never evaluated), a sympy expression in at most one symbol, or
            an ``Activation``.

    Raises:
        ValueError: the name is unknown (the nearest ones are suggested), the string or the
            expression is not one of a real function of finitely many pieces with finite
            Gaussian moments (the reason and the place are named).
        TypeError: ``spec`` is none of the four kinds.

    Example:
        >>> import sympy
        >>> t = sympy.Symbol("t")
        >>> Activation(sympy.tanh(t)) == Activation("tanh")
        True
        >>> Activation("x * sigmoid(1.702 * x)")
        Activation("x*sigmoid(1.702*x)")
        >>> Activation("sigmoid").derivative
        (1 - sigmoid(x))*sigmoid(x)
        >>> Activation("tanh")(Activation("sin")) / 2 + Activation("cos")
        Activation("cos(x) + tanh(sin(x))/2")
        >>> float(Activation("softplus")(800.0))
        800.0
    """

    expression: Any

    def __init__(self, spec: str | sympy.Expr | Activation) -> None:
        if isinstance(spec, Activation):
            expression = spec.expression
        elif isinstance(spec, str):
            expression = from_text(spec)
        elif isinstance(spec, sympy.Expr):
            expression = from_sympy(spec)
        else:
            raise TypeError(
                "expected a name, a sympy expression or an Activation, got"
                f" {type(spec).__name__}; write for example Activation('tanh')"
            )
        object.__setattr__(self, "expression", expression)

    @property
    def name(self) -> str:
        """The name if the activation has one, otherwise the expression as text."""
        for name, expression in NAMES.items():
            if expression == self.expression:
                return name
        return text_of(self.expression)

    @property
    def is_relu(self) -> bool:
        """Whether w is max(x, 0), whose expectations have closed forms."""
        return bool(self.expression == NAMES["relu"])

    @property
    def is_erf(self) -> bool:
        """Whether w is erf, whose expectations have closed forms."""
        return bool(self.expression == NAMES["erf"])

    @property
    def is_linear(self) -> bool:
        """Whether w(x) = c x: Gaussian units stay Gaussian.

        Example:
            >>> Activation("2*x").is_linear, Activation("x + 1").is_linear
            (True, False)
        """
        return self.derivative.is_number and self.expression.subs(X, 0) == 0

    @property
    def bent_line(self) -> tuple[float, float] | None:
        """(a, b) if w(x) = a x + b |x| with b not 0, whose expectations have closed forms.

        Example:
            >>> Activation("abs(x)").bent_line, Activation("tanh").bent_line
            ((0.0, 1.0), None)
        """
        return bent_line(self.expression)

    @property
    def jump(self) -> str | None:
        """Where w jumps, in words, or None: its derivative is then no function.

        Example:
            >>> Activation("sign").jump, Activation("relu").jump
            ('w jumps from -1 to 1 at x = 0', None)
        """
        return first_jump(self.expression, 0) if jumps(self.expression) else None

    @property
    def derivative(self) -> Any:
        """The sympy expression of w', without the point masses where w jumps."""
        return self.differentiate(1)

    @property
    def second_derivative(self) -> Any:
        """The sympy expression of w''; Dirac deltas stand for jumps of w'."""
        return self.differentiate(2)

    def differentiate(self, order: int) -> Any:
        """The sympy expression of the derivative of the given order."""
        return _derivative(self.expression, X, order)

    def stable(self, order: int = 0) -> Any:
        """The derivative of the given order in a form that neither overflows nor cancels.

        It may contain ``normal_cdf``, the distribution function of the normal law.

        Example:
            >>> Activation("tanh").stable(1)
            sech(x)**2
        """
        return derivative(self.expression, order)

    @property
    def parity(self) -> Literal["even", "odd"] | None:
        """Whether w(-x) = w(x) or -w(x) by an identity.

        Example:
            >>> Activation("tanh").parity
            'odd'
        """
        return parity(self.expression)

    @property
    def lipschitz(self) -> Bound:
        """The Lipschitz constant of w, ``sup |w'|``: exact, or enclosed by interval arithmetic.

        Example:
            >>> Activation("erf").lipschitz.exact
            2/sqrt(pi)
        """
        return lipschitz(self.expression, 0)

    @property
    def slope_lipschitz(self) -> Bound:
        """The Lipschitz constant of w', ``sup |w''|``, infinite if w' jumps.

        Example:
            >>> bound = Activation("silu").slope_lipschitz
            >>> bound.low <= 0.5 <= bound.high < 0.5 + 1e-9
            True
        """
        return lipschitz(self.expression, 1)

    @property
    def growth(self) -> tuple[Order | None, Order | None]:
        """Orders ``C |x|^p exp(b |x| + a x^2)`` that bound ``|w|`` for x -> -oo and for x -> oo.

        Example:
            >>> [str(order) for order in Activation("softplus").growth]
            ['exp(-|x|)', '|x|']
        """
        return growth(self.expression)

    @property
    def strip(self) -> Any:
        """A number d such that w is analytic for ``|Im x| < d``, or None if none was found.

        It governs how many terms and nodes the limiting kernel needs.

        Example:
            >>> Activation("tanh").strip
            pi/2
        """
        return strip(self.expression)

    def assumption_3_1(self) -> Answer:
        """Whether w is twice continuously differentiable with w and w' Lipschitz, and why.

        Returns:
            the record ``Answer(verdict, reason)``: *holds* with the constants, *fails* with
            the place, or *unknown* with what could not be decided.

        References:
            Bowman and Montufar (2022), Assumption 3.1.

        Example:
            >>> print(Activation("softplus").assumption_3_1())
            holds: |w'| <= 1, |w''| <= 1/4 = 0.25
            >>> print(Activation("relu").assumption_3_1())
            fails: w' jumps from 0 to 1 at x = 0
        """
        return assumption(self.expression)

    def derivatives(self, x: NDArray[np.float64], order: int) -> list[NDArray[np.float64]]:
        """Values of w, w', ..., up to the given order, each of the shape of x.

        Raises:
            TypeError: x is not made of real numbers.
        """
        return sharp_values(self.expression, _real(x), order)

    def __call__(self, x: Any) -> Any:
        """Values of w, elementwise, in float64; or the composition with an activation."""
        if isinstance(x, Activation):
            return Activation(self.expression.subs(X, x.expression))
        return self.derivatives(x, 0)[0]

    def __add__(self, other: Activation | float) -> Activation:
        return _combined(self, other, operator.add)

    def __radd__(self, other: float) -> Activation:
        return self + other

    def __sub__(self, other: Activation | float) -> Activation:
        return _combined(self, other, operator.sub)

    def __rsub__(self, other: float) -> Activation:
        return -self + other

    def __mul__(self, other: Activation | float) -> Activation:
        return _combined(self, other, operator.mul)

    def __rmul__(self, other: float) -> Activation:
        return self * other

    def __truediv__(self, other: Activation | float) -> Activation:
        return _combined(self, other, _quotient)

    def __neg__(self) -> Activation:
        return Activation(-self.expression)

    def __repr__(self) -> str:
        return f'Activation("{self.name}")'


def _real(x: Any) -> NDArray[np.float64]:
    try:
        found = np.asarray(x)
    except ValueError:  # rows of different lengths
        found = np.empty(0, dtype=object)
    if found.dtype.kind not in "biuf":
        raise TypeError(
            f"expected real numbers or an Activation as argument, got {found.dtype} from"
            f" {type(x).__name__}; pass an array of floats, or Activation('tanh') to compose"
        )
    return found.astype(np.float64, copy=False)


def _combined(one: Activation, other: Any, operation: Callable[[Any, Any], Any]) -> Any:
    if isinstance(other, Activation):
        return Activation(operation(one.expression, other.expression))
    if isinstance(other, int | float | sympy.Number):
        return Activation(operation(one.expression, sympy.sympify(other)))
    return NotImplemented


def _quotient(a: Any, b: Any) -> Any:
    return a / b
