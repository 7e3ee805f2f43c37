r"""Functions f(u)/u^n whose numerator has a zero of order n at 0, and their derivatives.

With f = sum_j f_j u^j, |f| <= M on |u| < rho and f_0 = ... = f_(n - 1) = 0, the quotient

    q(u) = f(u)/u^n = sum_j f_(n + j) u^j

is as analytic as f is. For |u| < rho/2 its k-th derivative is summed by this series, whose
coefficients are below M/rho^j (Cauchy 1831), farther away it is the plain quotient. Where a whole
neighbourhood has to be enclosed,

    q^(k)(u) = int_0^1 (1 - t)^(n - 1) t^k/(n - 1)! f^(n + k)(t u) dt

is k!/(n + k)! times a mean of the values that f^(n + k) takes between 0 and u.

Every f, n and k has a sympy class of its own, so that they are functions of one argument
to everything else.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from analytic.machine import EXTENDED, Array

__all__ = ["Series", "divided_function", "divided_functions", "plain"]

LEFT_OUT = 80
"""Octaves below the bound of a series that its terms go down to."""
_T = sympy.Symbol("x", real=True)
"""The argument of f: the symbol of all expressions."""


@dataclass(frozen=True, slots=True)
class Series:
    """The Taylor series of f(u)/u^n at 0.

    Attributes:
        high, low: its coefficients, each the sum of two float64.
        radius: half the rho of above: up to here the series is summed.
        bound: M/rho^n, so that coefficient j is at most bound/rho^j.
    """

    high: tuple[float, ...]
    low: tuple[float, ...]
    radius: float
    bound: float

    def derivative(self, order: int) -> Any:
        """The coefficients of the derivative in extended precision, to two roundings."""
        whole = np.array(self.high, np.longdouble) + np.array(self.low, np.longdouble)
        falling = [math.perm(j, order) for j in range(order, whole.size)]
        return whole[order:] * np.array(falling, np.longdouble)

    def terms(self, reach: float, order: int) -> int:
        """How many terms matter where |u| is at most ``reach``, the radius at most."""
        octaves = -math.log2(max(reach / (2 * self.radius), 2.0**-LEFT_OUT))
        return min(len(self.high), order + 2 + math.ceil(LEFT_OUT / octaves))

    def rest(self, reach: float, order: int, terms: int) -> float:
        """What N terms leave out of the derivative: sum_{j >= N} j^k q^j bound/|u|^k.

        With q = |u|/rho <= 1/2 the ratio of successive terms is at most q (1 + 1/N)^k <= 3/4.
        """
        rho = 2 * self.radius
        q = max(reach, rho * 2.0**-LEFT_OUT) / rho
        return (
            4
            * math.exp(order * math.log(terms) + (terms - order) * math.log(q))
            * (self.bound / rho**order)
        )


class DividedFunction(sympy.Function):
    """q^(k) of one f and n; see ``divided_function``, which makes the classes.

    Attributes:
        numerator: f, an expression in x.
        power: n.
        order: k.
        series: that of q.
        symmetry: 1 or -1 if q^(k) is even or odd, else 0.
    """

    numerator: Any
    power: int
    order: int
    series: Series
    symmetry: int
    precedence = 50
    """That of a product to sympy's printers."""

    @classmethod
    def eval(cls, argument: Any) -> Any:
        if argument.is_zero:
            lowest = sympy.diff(cls.numerator, _T, cls.power + cls.order).subs(_T, 0)
            return lowest / sympy.ff(cls.power + cls.order, cls.power)
        if cls.symmetry and argument.could_extract_minus_sign():
            return cls.symmetry * cls(-argument)
        if cls.symmetry == 1 and isinstance(argument, sympy.Abs):
            return cls(argument.args[0])
        return None

    def fdiff(self, argindex: int = 1) -> Any:
        return self.slope()(self.args[0])

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real or None

    def _eval_evalf(self, prec: int) -> Any:
        return plain(self)._eval_evalf(prec)

    def _sympystr(self, printer: Any) -> str:
        return printer.doprint(plain(self))

    def _latex(self, printer: Any, **_: Any) -> str:
        return printer.doprint(plain(self))

    def _numpycode(self, printer: Any) -> str:
        return f"{self.func.__name__}({printer.doprint(self.args[0])})"

    _pythoncode = _numpycode

    def __reduce_ex__(self, protocol: Any) -> Any:  # the class has no name of its own
        return _again, (self.numerator, self.power, self.order, self.series, self.args[0])

    @classmethod
    def slope(cls) -> Any:
        """The function that is its derivative."""
        return _made(cls.numerator, cls.power, cls.order + 1, cls.series)

    @classmethod
    def far(cls) -> Any:
        """The derivative of the plain quotient in x, which has no value at 0."""
        return _far(cls.numerator, cls.power, cls.order)

    @classmethod
    def near(cls, u: Any) -> Any:
        """The sum of the series in the precision of u."""
        value, reach = np.zeros_like(u), float(np.max(np.abs(u), initial=0.0))
        count = cls.series.terms(reach, cls.order) - cls.order
        for coefficient in cls.series.derivative(cls.order)[:count][::-1].astype(u.dtype):
            value = value * u + coefficient
        return value

    @classmethod
    def near_error(cls, u: Any) -> Array:
        """A bound of its errors in extended precision: 2j + 3 roundings of term j, and the rest."""
        size, value = np.abs(np.asarray(u, dtype=np.float64)), 0.0
        reach = float(size.max(initial=0.0))
        terms = cls.series.terms(reach, cls.order)
        coefficients = np.abs(cls.series.derivative(cls.order).astype(np.float64))
        for j in range(terms - cls.order - 1, -1, -1):
            value = value * size + (2 * j + 3) * coefficients[j]
        rest = cls.series.rest(reach, cls.order, terms)
        return np.asarray(EXTENDED * value * (1 + 1e-10) + rest)


_CLASSES: dict[tuple[Any, int, int], Any] = {}


def divided_function(numerator: Any, power: int, series: Series) -> Any:
    """The function f(u)/u^n, of which 0 is no pole.

    Args:
        numerator: f, an expression in x with a zero of order n at 0, without switches.
        power: n.
        series: that of the quotient.
    """
    return _made(numerator, power, 0, series)


def _made(numerator: Any, power: int, order: int, series: Series) -> Any:
    key = numerator, power, order
    if key not in _CLASSES:
        name = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        mirrored, symmetry = numerator.subs(_T, -_T), 0
        for sign in (1, -1):
            if sympy.expand(mirrored - sign * numerator) == 0:
                symmetry = sign * (-1) ** (power + order)
        _CLASSES[key] = type(f"divided_{name}", (DividedFunction,), {
            "numerator": numerator, "power": power, "order": order, "series": series,
            "symmetry": symmetry, "__module__": __name__,
        })  # fmt: skip
    return _CLASSES[key]


def _again(numerator: Any, power: int, order: int, series: Series, argument: Any) -> Any:
    return _made(numerator, power, order, series)(argument)


@lru_cache(maxsize=256)
def _far(numerator: Any, power: int, order: int) -> Any:
    return sympy.diff(numerator / _T**power, _T, order)


def plain(node: Any) -> Any:
    """A divided function as the quotient that it is; other expressions as they are."""
    return node.func.far().subs(_T, node.args[0]) if isinstance(node, DividedFunction) else node


def divided_functions(expression: Any) -> set[Any]:
    """The divided functions in an expression, those in their numerators not included."""
    return {node.func for node in expression.atoms(DividedFunction)}
