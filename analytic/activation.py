r"""An activation function, as mathematics.

One sympy expression in one real symbol is all that is stored. Its derivatives, the
numpy callable of the quadrature and (in ``empirical``) the torch callable of the finite
network are derived from it, so that the limit and the network cannot disagree.

Legend: w the activation, w', w'', w''' its derivatives, x the symbol.
"""

# sympy has no type stubs
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnnecessaryIsInstance=false

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

__all__ = ["NAMES", "Activation", "X", "sigmoid", "softplus"]

X = sympy.Symbol("x", real=True)


class sigmoid(sympy.Function):
    """The logistic function 1/(1 + exp(-x)), kept whole so that it never overflows."""

    def fdiff(self, argindex: int = 1) -> Any:
        return self * (1 - self)


class softplus(sympy.Function):
    """The function log(1 + exp(x)), kept whole so that it never overflows."""

    def fdiff(self, argindex: int = 1) -> Any:
        return sigmoid(self.args[0])


NAMES: dict[str, Any] = {
    "cos": sympy.cos(X),
    "erf": sympy.erf(X),
    "gaussian": sympy.exp(-(X**2)),
    "gelu": X * (1 + sympy.erf(X / sympy.sqrt(2))) / 2,
    "identity": X,
    "relu": sympy.Max(X, 0),
    "sigmoid": sigmoid(X),
    "silu": X * sigmoid(X),
    "sin": sympy.sin(X),
    "softplus": softplus(X),
    "tanh": sympy.tanh(X),
}


@dataclass(frozen=True, slots=True, repr=False)
class Activation:
    """An activation function given by its name or by a sympy expression.

    Args:
        spec: one of the names in ``NAMES``, a sympy expression in at most one symbol,
            or an ``Activation``.

    Raises:
        ValueError: the name is unknown (the nearest ones are suggested), or the
            expression has more than one symbol.
        TypeError: ``spec`` is none of the three kinds.

    Example:
        >>> import sympy
        >>> t = sympy.Symbol("t")
        >>> Activation(sympy.tanh(t)) == Activation("tanh")
        True
        >>> Activation("sigmoid").derivative(1)
        (1 - sigmoid(x))*sigmoid(x)
        >>> float(Activation("softplus")(800.0))
        800.0
    """

    expression: Any

    def __init__(self, spec: str | sympy.Expr | Activation) -> None:
        object.__setattr__(self, "expression", _expression(spec))

    @property
    def name(self) -> str:
        """The name if the activation has one, otherwise the expression as text."""
        for name, expression in NAMES.items():
            if expression == self.expression:
                return name
        return str(self.expression)

    @property
    def is_relu(self) -> bool:
        """Whether w is max(x, 0), whose expectations have closed forms."""
        return bool(self.expression == NAMES["relu"])

    def derivative(self, order: int = 1) -> Any:
        """The sympy expression of the derivative of the given order."""
        return sympy.diff(self.expression, X, order)

    def derivatives(self, x: NDArray[np.float64], order: int) -> list[NDArray[np.float64]]:
        """Values of w, w', ..., up to the given order, each of the shape of x."""
        values = _numpy_callable(self.expression, order)(np.asarray(x, dtype=np.float64))
        return [np.broadcast_to(value, np.shape(x)) for value in values]

    def __call__(self, x: Any) -> NDArray[np.float64]:
        """Values of w, elementwise, in float64."""
        return self.derivatives(np.asarray(x, dtype=np.float64), 0)[0]

    def __repr__(self) -> str:
        return f'Activation("{self.name}")'


def _expression(spec: str | sympy.Expr | Activation) -> Any:
    if isinstance(spec, Activation):
        return spec.expression
    if isinstance(spec, str):
        if spec not in NAMES:
            raise ValueError(_unknown(spec))
        return NAMES[spec]
    if isinstance(spec, sympy.Expr):
        return _in_x(spec)
    raise TypeError(
        f"expected a name, a sympy expression or an Activation, got {type(spec).__name__};"
        f" write for example Activation('tanh')"
    )


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, NAMES, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "pass a sympy expression instead"
    return f"unknown activation {name!r}: expected one of {', '.join(NAMES)}; {hint}"


def _in_x(expression: Any) -> Any:
    """Rename the symbol to X and write the overflowing forms by the stable functions."""
    symbols = sorted(expression.free_symbols, key=str)
    if len(symbols) > 1:
        found = ", ".join(map(str, symbols))
        raise ValueError(f"expected an expression in one symbol, got {found}; fix all but one")
    if symbols:
        expression = expression.subs(symbols[0], X)
    return expression.replace(_is_log_one_plus_exp, _as_softplus).replace(
        _is_power_of_one_plus_exp, _as_sigmoid
    )


def _exponent_of_one_plus_exp(expression: Any) -> Any:
    """A if the expression is 1 + exp(a), otherwise None."""
    if expression.is_Add and len(expression.args) == 2 and sympy.S.One in expression.args:
        rest = expression - 1
        return rest.args[0] if isinstance(rest, sympy.exp) else None
    return None


def _is_log_one_plus_exp(e: Any) -> bool:
    return isinstance(e, sympy.log) and _exponent_of_one_plus_exp(e.args[0]) is not None


def _as_softplus(e: Any) -> Any:
    return softplus(_exponent_of_one_plus_exp(e.args[0]))


def _is_power_of_one_plus_exp(e: Any) -> bool:
    negative = e.is_Pow and e.exp.is_Integer and e.exp.is_negative
    return bool(negative) and _exponent_of_one_plus_exp(e.base) is not None


def _as_sigmoid(e: Any) -> Any:
    return sigmoid(-_exponent_of_one_plus_exp(e.base)) ** (-e.exp)


def _stable_softplus(x: Any) -> Any:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _heaviside(x: Any, _at_zero: float = 0.0) -> Any:
    """The step with value 0 at 0, as torch has it for the derivative of relu."""
    return np.heaviside(x, 0.0)


@lru_cache(maxsize=256)
def _numpy_callable(expression: Any, order: int) -> Callable[[Any], list[Any]]:
    from scipy.special import erf, expit

    functions = {
        "sigmoid": expit,
        "softplus": _stable_softplus,
        "erf": erf,
        "Heaviside": _heaviside,
    }
    derivatives = [sympy.diff(expression, X, k) for k in range(order + 1)]
    return sympy.lambdify(X, derivatives, modules=[functions, "numpy"], cse=True)
