r"""The function sin(x)/x, which is 1 at 0, and its derivatives.

With the removable singularity divided out,

    S_k(x) = d^k/dx^k sin(x)/x = int_0^1 t^k cos(t x + k pi/2) dt,

an entire function with |S_k(x + iy)| <= cosh(y)/(k + 1). For |x| < 12 (1 for k < 2) the integral
is a Gauss-Legendre sum of 20 terms: on the Bernstein ellipse of parameter 10 the integrand is below
3e16, so that the sum is wrong by less than 1e-24 (Trefethen 2013, theorem 19.3). Farther away

    S_k = (sin(x + k pi/2) - k S_(k - 1))/x.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.machine import EXTENDED

__all__ = [
    "NEAR",
    "ORDERS",
    "SINES",
    "cardinal_sine",
    "cardinal_sine_error",
    "gauss_legendre",
    "sinc",
    "values_of",
]

NEAR = 12.0
"""Up to here the integral is summed."""
NODES = 20
"""Terms of the sum."""
HIGHEST = 8
"""Highest derivative there is."""


class sinc(sympy.Function):
    """sin(x)/x, as sympy has it (without a factor pi)."""

    order = 0

    @classmethod
    def eval(cls, argument: Any) -> Any:
        k = cls.order
        if argument.is_zero:
            return sympy.S.Zero if k % 2 else sympy.Rational((-1) ** (k // 2), k + 1)
        if argument.is_infinite:
            return sympy.S.Zero
        return (-1) ** k * cls(-argument) if argument.could_extract_minus_sign() else None

    def fdiff(self, argindex: int = 1) -> Any:
        if self.order == HIGHEST:
            raise ValueError(
                f"expected at most {HIGHEST} derivatives of sinc, got more; ask for fewer"
            )
        return ORDERS[self.order + 1](self.args[0])

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real or None

    def _eval_rewrite_as_sin(self, argument: Any, **_: Any) -> Any:
        x = sympy.Dummy("x")
        return sympy.diff(sympy.sin(x) / x, x, self.order).subs(x, argument)

    def _numpycode(self, printer: Any) -> str:
        """Sympy's printers take the name for numpy's function, which has a factor pi."""
        return f"{self.func.__name__}({printer.doprint(self.args[0])})"

    _pythoncode = _numpycode

    def _eval_evalf(self, prec: int) -> Any:
        return self.rewrite(sympy.sin, deep=False)._eval_evalf(prec)


def _derivative(k: int) -> Any:
    return type(f"sinc{k}", (sinc,), {"order": k, "__module__": __name__})


sinc1, sinc2, sinc3, sinc4, sinc5, sinc6, sinc7, sinc8 = (_derivative(k) for k in range(1, 9))
ORDERS: tuple[Any, ...] = (sinc, sinc1, sinc2, sinc3, sinc4, sinc5, sinc6, sinc7, sinc8)
"""The function and its derivatives."""

SINES: tuple[tuple[str, int], ...] = (("cos", 1), ("sin", -1), ("cos", -1), ("sin", 1))
"""cos(x + k pi/2) for k = 0, 1, 2, 3: a function of numpy or torch, and a sign."""


@lru_cache(maxsize=1)
def gauss_legendre() -> tuple[NDArray[np.longdouble], NDArray[np.longdouble]]:
    """Nodes and weights on [0, 1] in extended precision, by Newton's method from float64."""
    z: Any = np.polynomial.legendre.leggauss(NODES)[0].astype(np.longdouble)
    slope: Any = 0
    for _ in range(3):
        before, now = np.ones_like(z), z
        for k in range(2, NODES + 1):
            before, now = now, ((2 * k - 1) * z * now - (k - 1) * before) / k
        slope = NODES * (before - z * now) / (1 - z * z)
        z = z - now / slope
    return (z + 1) / 2, 1 / ((1 - z * z) * slope**2)


def cardinal_sine(x: Any, order: int = 0) -> Any:
    """S_k(x) in the precision of x, of its shape.

    Example:
        >>> round(float(cardinal_sine(np.array(0.0), 2)), 15)  # -1/3
        -0.333333333333333
    """
    x = np.asarray(x)
    near = np.abs(x) < (NEAR if order > 1 else 1.0)
    result = _far(np.where(near, x.dtype.type(NEAR), x), order)
    if near.any():
        result = np.array(result)
        result[near] = _near(x[near], order)
    return result


def _near(x: Any, order: int) -> Any:
    nodes, weights = (a.astype(x.dtype) for a in gauss_legendre())
    name, sign = SINES[order % 4]
    return sign * (getattr(np, name)(x[:, None] * nodes) @ (weights * nodes**order))


def _far(x: Any, order: int) -> Any:
    turned = {"sin": np.sin(x)}
    value = turned["sin"] / x
    for k in range(1, order + 1):
        name, sign = SINES[(k - 1) % 4]  # sin(x + k pi/2) = cos(x + (k - 1) pi/2)
        if name not in turned:
            turned[name] = getattr(np, name)(x)
        value = (sign * turned[name] - k * value) / x
    return value


def cardinal_sine_error(x: Any, order: int) -> Any:
    """A bound of the rounding errors of ``cardinal_sine`` in extended precision.

    Near 0: 4u for the library, 24 + k for node, weight, power, product and sum, of terms that are
    at most t^k and, for odd k, t^(k + 1) |x|; and 2u of the argument t x. Farther away each step
    adds 8u and divides by |x| > 12: 20u/|x| in all, for k up to 8. For k = 0 and 1, which are wrong
    by 3u and 8u/|x| from |x| = 1 on, the larger bound of the sum holds as well.
    """
    size = np.abs(np.asarray(x, dtype=np.float64))
    terms = np.minimum(1 / (order + 1), size / (order + 2)) if order % 2 else 1 / (order + 1)
    near = (28 + order) * terms + 2 * size / (order + 2)
    return EXTENDED * np.where(size < NEAR, near, 20 / np.maximum(size, NEAR))


def values_of(order: int) -> Callable[[Any], Any]:
    """``cardinal_sine`` of an order."""
    return lambda x: cardinal_sine(x, order)
