r"""Which powers of the correlation a kernel has: where its eigenvalues are 0 exactly.

On inputs of one norm, K = f(rho) = sum_j f_j rho^j with f_j >= 0 (docs/theory/zonal.md), and
the eigenvalue of degree k on a sphere is a positive combination of the f_j with j >= k and
j - k even. So it is 0 if and only if f has no power of the parity of k from rho^k on: all that
matters is the highest power of either parity. Nothing can cancel, for f_j >= 0.

``Powers`` maps a parity, 0 or 1, to that highest power (inf if they do not end); a parity
that is missing does not occur.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import sympy

from analytic.expressions import X
from analytic.network import Network, Step, fold, itself
from analytic.proofs import parity

__all__ = ["Powers", "activation_powers", "kernel_powers"]

Powers = dict[int, float]


class _State(NamedTuple):
    """Powers of Sigma and Theta."""

    sigma: Powers
    theta: Powers


def kernel_powers(network: Network) -> Powers:
    """Highest even and odd power of rho in the tangent kernel, by the layer recursion.

    The mean terms of a sum add a constant, which units with a mean have in Sigma anyway. Shares of
    units that stand side by side are positive.

    Example:
        >>> from analytic import FullyConnected
        >>> kernel_powers(Network(FullyConnected("tanh"), FullyConnected("tanh")))
        {1: inf}
        >>> kernel_powers(Network(FullyConnected("softplus")))
        {0: inf, 1: 1}
    """
    state = fold(network.steps, _State({1: 1}, {}), _after, _added, step=itself)
    _, _, rate, bias_rate = network.output.coefficients
    constant: Powers = {0: 0} if bias_rate > 0 else {}
    return _plus(state.sigma if rate > 0 else {}, constant, state.theta)


def _after(step: Step, state: _State) -> _State:
    constant: Powers = {0: 0} if step.bias > 0 else {}
    covariance = _plus(state.sigma, constant)
    unit = activation_powers(step.layer.activation.expression)
    slope = {1 - p: top - 1 for p, top in unit.items() if top > 0}
    sigma = _compose(unit, covariance)
    trained: Powers = {0: 0} if step.bias_rate > 0 else {}
    gamma = _plus(state.sigma if step.rate > 0 else {}, trained, state.theta)
    return _State(sigma, _times(_compose(slope, covariance), gamma))


def _added(_: Step, __: int, total: _State, branch: _State) -> _State:
    return _State(_plus(total.sigma, branch.sigma), _plus(total.theta, branch.theta))


def activation_powers(expression: Any) -> Powers:
    """Degrees of the even and the odd part of w; inf unless it is certainly a polynomial.

    Example:
        >>> activation_powers(sympy.Max(X, 0))
        {0: inf, 1: 1}
        >>> activation_powers(sympy.tanh(X) + X**2)
        {0: 2, 1: inf}
    """
    terms = sympy.Add.make_args(sympy.expand(expression))
    known = sympy.Add(*[term for term in terms if term.is_polynomial(X)])
    found = _polynomial(known)
    rest = expression - known
    if sympy.expand(rest) == 0:
        return found
    rest = rest.replace(sympy.Max, _largest).replace(sympy.Min, _smallest)
    slope = (rest.subs(X, 1) - rest.subs(X, -1)) / 2
    start = rest.subs(X, 0)
    if parity(rest - slope * X) == "even":
        return _plus(found, {0: math.inf}, {1: 1} if slope != 0 else {})
    if parity(rest - start) == "odd":
        return _plus(found, {1: math.inf}, {0: 0} if start != 0 else {})
    return {0: math.inf, 1: math.inf}


def _largest(*terms: Any) -> Any:
    """Max by absolute values, whose parity shows."""
    return sympy.Max(*terms).rewrite(sympy.Abs)


def _smallest(*terms: Any) -> Any:
    return sympy.Min(*terms).rewrite(sympy.Abs)


def _polynomial(expression: Any) -> Powers:
    found: Powers = {}
    if expression != 0:
        for (power,) in sympy.Poly(expression, X).monoms():
            found[power % 2] = max(found.get(power % 2, 0), power)
    return found


def _plus(*terms: Powers) -> Powers:
    found: Powers = {}
    for term in terms:
        for p, top in term.items():
            found[p] = max(found.get(p, 0), top)
    return dict(sorted(found.items()))


def _times(a: Powers, b: Powers) -> Powers:
    return _plus(*({(p + q) % 2: top + end} for p, top in a.items() for q, end in b.items()))


def _compose(outer: Powers, inner: Powers) -> Powers:
    """Of sum_k c_k Lambda^k, where ``outer`` holds the k and ``inner`` belongs to Lambda."""
    return _plus(*(_power(inner, p, top) for p, top in outer.items()))


def _power(inner: Powers, p: int, top: float) -> Powers:
    """Of Lambda^p, Lambda^{p+2}, ..., Lambda^top."""
    found: Powers = {}
    factor: Powers = {0: 0}
    last = p + 2 if math.isinf(top) else int(top)  # enough to see which parities come
    for k in range(last + 1):
        if k % 2 == p:
            found = _plus(found, factor)
        factor = _times(factor, inner)
    return {q: math.inf if math.isinf(top) and end > 0 else end for q, end in found.items()}
