r"""The layer recursion of a network as a system of equations.

Legend, for inputs x and x': Lambda_l the covariance of the pre-activations of layer l and
Gamma_l their tangent kernel, E_l and D_l the expectations of its activation and of its
slope, eta_l its mean; Sigma_l, Theta_l, mu_l the state after the layer. The derivation
stands in docs/theory/recursion.md; ``analytic.recursion`` runs the same lines on numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from analytic.closed_forms import COVARIANCES, dual, dual_mean, dual_obstacle
from analytic.expressions import X
from analytic.network.exact_numbers import exact, exact_coefficients
from analytic.network.folding import fold, itself
from analytic.results import Kernels

__all__ = ["GaussianMean", "System", "system"]

A, B, U, V = (sympy.Symbol(name, real=True) for name in ("x", "x'", "u", "u'"))
GUARD = 30
"""Decimal digits beyond those asked for: kinks lose half of them near equal inputs."""
PRODUCT, DIMENSION = sympy.Symbol(r"\langle x, x' \rangle"), sympy.Symbol("d")


class GaussianMean(sympy.Function):
    """E[f(u) g(u')] for (u, u') ~ N(0, Lambda), as (f, g, Lambda_11, Lambda_12, Lambda_22)."""

    def _latex(self, printer: Any, **_: Any) -> str:
        f, g, *covariances = self.args
        if g == 1:
            f, variance = printer.doprint(f), printer.doprint(covariances[0])
            return rf"\mathbb{{E}}\left[{f}\right], \; u \sim N\left(0, {variance}\right)"
        inside = printer.doprint(sympy.Mul(f, g, evaluate=False))
        rows = (covariances[:2], covariances[1:])
        law = r" \\ ".join(" & ".join(map(printer.doprint, row)) for row in rows)
        matrix = rf"\left(\begin{{smallmatrix}} {law} \end{{smallmatrix}}\right)"
        return rf"\mathbb{{E}}\left[{inside}\right], \; (u, u') \sim N\left(0, {matrix}\right)"


OUTPUT = "out"
"""Stands for the number of a layer at the readout."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""After the first sum that ends with a layer the states of the others are 2b, 2c, ..."""


def _state(name: str, layer: str) -> Any:
    """The function of the pair (x, x') or of x alone."""
    function = sympy.Function(f"{name}_{layer}")
    return function(A) if name in ("mu", "eta") else function(A, B)


def _at(function: Any, *arguments: Any) -> Any:
    return function.func(*arguments)


@dataclass(frozen=True, slots=True)
class System:
    """The equations of a network, in the order in which they are computed.

    Attributes:
        equations: sympy equations between functions of the pair (x, x').
        activations: the expression of each layer's activation.

    Example:
        >>> from analytic import FullyConnected, Network
        >>> print(Network(FullyConnected("erf", bias_std=1)).recursion().equations[2])
        Eq(Lambda_1(x, x'), Sigma_0(x, x') + 1)
    """

    equations: tuple[Any, ...]
    activations: tuple[Any, ...]

    def latex(self) -> str:
        r"""The equations, aligned, for a document.

        Example:
            >>> from analytic import FullyConnected, Network
            >>> "Lambda_{1}" in Network(FullyConnected("tanh")).recursion().latex()
            True
        """
        lines = (f"{sympy.latex(e.lhs)} &= {sympy.latex(e.rhs)}" for e in self.equations)
        body = " \\\\\n".join(lines)
        return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"

    def _repr_latex_(self) -> str:
        return f"$$\n{self.latex()}\n$$"

    def __str__(self) -> str:
        return "\n".join(f"{e.lhs} = {e.rhs}" for e in self.equations)

    def closed(self) -> System:
        """The system with every expectation in closed form.

        Raises:
            ValueError: one of the activations has no closed form, with the reason.

        Example:
            >>> from analytic import FullyConnected, Network
            >>> closed = Network(FullyConnected("sin")).recursion().closed()
            >>> print(next(e.rhs for e in closed.equations if str(e.lhs).startswith("eta")))
            0
        """
        for expression in self.activations:
            reason = dual_obstacle(expression)
            if reason is not None:
                raise ValueError(
                    f"expected activations with a closed form, got {expression}: {reason};"
                    " use kernel, which needs none"
                )
        equations = [
            sympy.Eq(e.lhs, e.rhs.replace(GaussianMean, _closed_form), evaluate=False)
            for e in self.equations
        ]
        return System(tuple(equations), self.activations)

    def evaluate(self, xx: Any, xy: Any, yy: Any, digits: int = 17) -> Kernels:
        """The kernels of a pair of inputs, from the closed forms alone.

        Args:
            xx: <x, x>/d.
            xy: <x, x'>/d.
            yy: <x', x'>/d.
            digits: decimal digits of the arithmetic.

        Returns:
            the record ``Kernels(nngp, ntk)`` of sympy numbers.

        Raises:
            ValueError: an activation has no closed form, or none at a zero input.

        Example:
            >>> from analytic import FullyConnected, Network
            >>> system = Network(FullyConnected("x**2/2")).recursion()
            >>> system.evaluate(1, 0, 1).ntk  # E[u^2/2]^2 + 0
            0.25000000000000000
        """
        work = digits + GUARD
        xx, xy, yy = (sympy.Float(number, work) for number in (xx, xy, yy))
        other = A if xx == xy == yy else B  # rounding must not tell equal inputs apart
        inner = {(A, A): xx, (A, other): xy, (other, other): yy}
        known: dict[Any, Any] = {}
        for equation in self.closed().equations:
            for place in dict.fromkeys(_places(equation.lhs, other)):
                rhs = equation.rhs.subs(dict(zip((A, B), place, strict=False)), simultaneous=True)
                rhs = rhs.xreplace({sympy.KroneckerDelta(A, B): sympy.S.Zero})
                rhs = rhs.xreplace({PRODUCT: inner.get(place, 0) * DIMENSION}).xreplace(known)
                known[_at(equation.lhs, *place)] = _finite(sympy.N(rhs, work), equation, place)
        before, last = self.equations[-2:]
        process = before.lhs  # Lambda of a readout, or Sigma of the last state
        if before.lhs.func != _state("Lambda", OUTPUT).func:
            process = min(last.rhs.args, key=str)
        return Kernels(*(sympy.N(known[_at(f, A, other)], digits) for f in (process, last.lhs)))


def _finite(value: Any, equation: Any, place: tuple[Any, ...]) -> Any:
    if value.is_finite:
        return value
    raise ValueError(
        f"expected inputs where the closed forms are defined, got {equation.lhs} = {value} at"
        f" {place}; use kernel for zero inputs"
    )


def _places(function: Any, other: Any = B) -> list[tuple[Any, ...]]:
    """The pairs of inputs, or the inputs, at which a function is needed."""
    if len(function.args) == 1:
        return [(A,), (other,)]
    return [(A, A), (A, other), (other, other)]


def _closed_form(f: Any, g: Any, *covariances: Any) -> Any:
    """The closed form of a GaussianMean."""
    value = dual_mean(f.subs(U, X)) if g == 1 else dual(f.subs(U, X))
    if value is None:
        raise ValueError(f"expected a closed form, got E[{f} {g}], which has none; use kernel")
    return value.subs(dict(zip(COVARIANCES, covariances, strict=True)), simultaneous=True)


def system(steps: Sequence[Any], output: Any) -> System:
    """The equations of the weight layers of a network and of its readout, in order."""
    equations = [
        sympy.Eq(_state("Sigma", "0"), PRODUCT / DIMENSION, evaluate=False),
        sympy.Eq(_state("Theta", "0"), sympy.S.Zero, evaluate=False),
    ]

    numbers = iter(range(1, len(steps) + 1))

    def after(step: Any, before: str) -> str:
        layer = str(next(numbers))
        equations.extend(_layer(layer, step, before))
        if not step.closes:  # else ``added`` says what the state is
            equations.extend(_plain(layer))
        return layer

    def added(step: Any, number: int, total: str, branch: str) -> str:
        name = branch.rstrip(LETTERS) + LETTERS[number] if number else branch
        equations.extend(_sum(name, total, branch, step.shares[number]))
        return name

    last = fold(steps, "0", after, added, step=itself)
    equations.extend(_readout(last, output))
    return System(tuple(equations), tuple(step.layer.activation.expression for step in steps))


def _readout(last: str, output: Any) -> Iterator[Any]:
    """The kernels at the readout."""
    sigma, theta = _state("Sigma", last), _state("Theta", last)
    weight, bias, rate, bias_rate = exact_coefficients(output)
    if (weight, bias) != (1, 0):
        yield sympy.Eq(_state("Lambda", OUTPUT), weight * sigma + bias, evaluate=False)
    tangent = rate * weight * sigma + bias_rate + weight * theta
    yield sympy.Eq(sympy.Function("K")(A, B), tangent, evaluate=False)


def _layer(layer: str, step: Any, before: str) -> Iterator[Any]:
    """Lambda, Gamma, E, D and eta of one layer that reads a state."""
    if step.passes or step.normalizes:
        values = (_normalized if step.normalizes else _dropped)(step, before)
        for name, value in zip(("E", "Gamma", "D", "eta"), values, strict=True):
            yield sympy.Eq(_state(name, layer), value, evaluate=False)
        return
    weight, bias, rate, bias_rate = exact_coefficients(step.layer)
    w, slope = step.layer.activation.expression, step.layer.activation.derivative
    covariance = _state("Lambda", layer)
    law = tuple(_at(covariance, *place) for place in _places(covariance))
    trained = rate * weight * _state("Sigma", before) + bias_rate
    if (rate, bias_rate) == (1, bias):
        trained = covariance
    pairs = [
        (covariance, weight * _state("Sigma", before) + bias),
        (
            _state("Gamma", layer),
            trained + weight * _state("Theta", before),
        ),
        (_state("E", layer), GaussianMean(w.subs(X, U), w.subs(X, V), *law)),
        (_state("D", layer), GaussianMean(slope.subs(X, U), slope.subs(X, V), *law)),
        (_state("eta", layer), GaussianMean(w.subs(X, U), sympy.S.One, *law)),
    ]
    for left, right in pairs:
        yield sympy.Eq(left, right, evaluate=False)


def _dropped(step: Any, before: str) -> tuple[Any, ...]:
    """E, Gamma, D and eta behind noise: D is 1, and 1/(1 - rate) at x = x'."""
    noise = 1 / (1 - exact(step.layer.rate))
    same = 1 + (noise - 1) * sympy.KroneckerDelta(A, B)
    return same * _state("Sigma", before), _state("Theta", before), same, _state("mu", before)


def _normalized(step: Any, before: str) -> tuple[Any, ...]:
    """E, Gamma, D and eta behind a normalisation."""
    sigma, mu = _state("Sigma", before), _state("mu", before)
    own = [_at(sigma, x, x) - _at(mu, x) ** 2 + exact(step.layer.eps) for x in (A, B)]
    scale = 1 / sympy.sqrt(own[0] * own[1])
    return (sigma - mu * _at(mu, B)) * scale, _state("Theta", before), scale, sympy.S.Zero


def _plain(layer: str) -> Iterator[Any]:
    """Sigma, Theta and mu after a layer."""
    yield from _states(layer, *_end(layer))


def _end(layer: str) -> tuple[Any, Any, Any]:
    """E, D Gamma and eta of a layer."""
    return _state("E", layer), _state("D", layer) * _state("Gamma", layer), _state("eta", layer)


def _sum(name: str, total: str, branch: str, shares: tuple[float, float] | None) -> Iterator[Any]:
    """Sigma, Theta and mu after a sum, whose last branch ends with a layer or with a sum."""
    more = _end(branch) if name == branch else tuple(_state(f, branch) for f in _STATE)
    sigma, theta, mu = before = tuple(_state(f, total) for f in _STATE)
    if shares is not None:  # side by side instead
        p, q = map(exact, shares)
        yield from _states(name, *(p * a + q * b for a, b in zip(before, more, strict=True)))
        return
    both = mu * _at(more[2], B) + more[2] * _at(mu, B)
    yield from _states(name, sigma + more[0] + both, theta + more[1], mu + more[2])


_STATE = ("Sigma", "Theta", "mu")


def _states(name: str, *values: Any) -> Iterator[Any]:
    for function, value in zip(_STATE, values, strict=True):
        yield sympy.Eq(_state(function, name), value, evaluate=False)
