r"""A system of equations between functions of pairs of inputs, and of positions of images.

Legend: x and x' the inputs, p and q positions of them (components p_1, p_2, ...; vectors have
none); Sigma, Theta and the like are functions of (x, x', p, q), mu and eta of (x, p). Outside an
image they are 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import sympy
from sympy.core.function import AppliedUndef  # pyright: ignore[reportMissingTypeStubs]

from analytic.closed_forms import COVARIANCES, dual, dual_mean, dual_obstacle
from analytic.expressions import X
from analytic.network.shapes import Shape
from analytic.results import Kernels

__all__ = [
    "FIRST",
    "OUTPUT",
    "SECOND",
    "GaussianMean",
    "InnerProduct",
    "System",
    "U",
    "Units",
    "V",
    "at",
]

FIRST, SECOND, U, V = (sympy.Symbol(name, real=True) for name in ("x", "x'", "u", "u'"))
GUARD = 30
"""Decimal digits beyond those asked for: kinks lose half of them near equal inputs."""
OUTPUT = "out"
"""Stands for the number of a layer at the readout."""


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


class InnerProduct(sympy.Function):
    """<x_p, x'_q>, as (x, x', components of p, components of q)."""

    def _latex(self, printer: Any, **_: Any) -> str:
        inputs, places = self.args[:2], self.args[2:]
        half = len(places) // 2
        first, second = (
            f"{{{printer.doprint(x)}}}_{{{','.join(map(printer.doprint, place))}}}"
            for x, place in zip(inputs, (places[:half], places[half:]), strict=True)
        )
        return rf"\langle {first}, {second} \rangle"


class Units(NamedTuple):
    """The name of a state or layer, and the positions of its units."""

    name: str
    spatial: Shape

    @property
    def p(self) -> tuple[Any, ...]:
        """The components of the first position."""
        return self.named("p")

    @property
    def q(self) -> tuple[Any, ...]:
        return self.named("q")

    def named(self, name: str) -> tuple[Any, ...]:
        """The components of a position or of an index."""
        if len(self.spatial) == 1:
            return (sympy.Symbol(name, integer=True),)
        axes = range(1, len(self.spatial) + 1)
        return tuple(sympy.Symbol(f"{name}_{axis}", integer=True) for axis in axes)

    def function(self, name: str) -> Any:
        """The function of (x, x', p, q), or of (x, p); K is that of the whole network."""
        function = sympy.Function(name if name == "K" else f"{name}_{self.name}")
        if name in ("mu", "eta"):
            return function(FIRST, *self.p)
        return function(FIRST, SECOND, *self.p, *self.q)


def at(function: Any, *ends: tuple[Any, tuple[Any, ...]]) -> Any:
    """A function at (input, position) instead, one or two of them."""
    inputs, places = zip(*ends, strict=True)
    return function.func(*inputs, *(part for place in places for part in place))


@dataclass(frozen=True, slots=True)
class System:
    """The equations of a network, in the order in which they are computed.

    Attributes:
        equations: sympy equations between functions of the pair (x, x'), and of two positions
            p and q of images.
        activations: the expression of each layer's activation.
        spatial: the positions at which every equation holds, () for vectors.
        process: the function that is the covariance of the outputs, the NNGP kernel.

    Example:
        >>> from analytic import FullyConnected, Network
        >>> print(Network(FullyConnected("erf", bias_std=1)).recursion().equations[2])
        Eq(Lambda_1(x, x'), Sigma_0(x, x') + 1)
    """

    equations: tuple[Any, ...]
    activations: tuple[Any, ...]
    spatial: tuple[Shape, ...]
    process: Any

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
        return System(tuple(equations), self.activations, self.spatial, self.process)

    def evaluate(self, xx: Any, xy: Any, yy: Any, digits: int = 17) -> Kernels:
        """The kernels of a pair of inputs, from the closed forms alone.

        Args:
            xx: <x, x>/d; of images <x_p, x_q>/channels for all positions, row by row, (P, P).
            xy: <x, x'>/d, the same.
            yy: <x', x'>/d, the same.
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
        known, other = self._start(xx, xy, yy, work)
        closed = self.closed().equations
        for equation, spatial in [*zip(closed, self.spatial, strict=True)][1:]:
            for ends in _places(equation.lhs, spatial, other):
                value = equation.rhs.subs(_chosen(spatial, ends), simultaneous=True)
                value = sympy.N(_known(value, known), work)
                known[at(equation.lhs, *ends)] = _finite(value, equation, ends)
        pair, kernels = ((FIRST, ()), (other, ())), (self.process, self.equations[-1].lhs)
        return Kernels(*(sympy.N(known[at(f, *pair)], digits) for f in kernels))

    def _start(self, xx: Any, xy: Any, yy: Any, work: int) -> tuple[dict[Any, Any], Any]:
        """The values of the first equation, and x' or, if the inputs are equal, x."""
        first, size = self.equations[0].lhs, int(np.prod(self.spatial[0], dtype=int))
        grams = [np.array(gram, dtype=object).reshape(size, size) for gram in (xx, xy, yy)]
        same = all(np.array_equal(grams[0], gram) for gram in grams)
        other = FIRST if same else SECOND  # rounding must not tell equal inputs apart
        pairs = dict(zip(((FIRST, FIRST), (FIRST, other), (other, other)), grams, strict=False))
        places = [*np.ndindex(*self.spatial[0])]
        known: dict[Any, Any] = {}
        for (a, b), gram in pairs.items():
            for (i, p), (j, q) in product(enumerate(places), repeat=2):
                known[at(first, (a, p), (b, q))] = sympy.Float(gram[i, j], work)
        return known, other


Ends = tuple[tuple[Any, tuple[Any, ...]], ...]
"""The inputs of a function, one or two, each with a position."""


def _places(function: Any, spatial: Shape, other: Any) -> Iterator[Ends]:
    """The inputs and positions at which a function is needed."""
    places = [*np.ndindex(*spatial)]
    if SECOND not in function.args:
        yield from (((x, p),) for x in dict.fromkeys((FIRST, other)) for p in places)
        return
    for a, b in dict.fromkeys(((FIRST, FIRST), (FIRST, other), (other, other))):
        yield from (((a, p), (b, q)) for p, q in product(places, repeat=2))


def _chosen(spatial: Shape, ends: Ends) -> dict[Any, Any]:
    """The symbols of an equation with what they stand for."""
    units, found = Units("", spatial), dict[Any, Any]()
    for x, place, (value, where) in zip((FIRST, SECOND), (units.p, units.q), ends, strict=False):
        found[x] = value
        found.update(zip(place, where, strict=True))
    return found


def _known(expression: Any, known: Mapping[Any, Any]) -> Any:
    """An expression in which sums are written out and functions have their values, 0 outside."""
    expression = expression.xreplace({sympy.KroneckerDelta(FIRST, SECOND): sympy.S.Zero})
    sums = {total: total.doit() for total in expression.atoms(sympy.Sum)}
    expression = expression.xreplace(sums)
    unknown = expression.atoms(AppliedUndef)
    return expression.xreplace({one: known.get(one, sympy.S.Zero) for one in unknown})


def _finite(value: Any, equation: Any, ends: Ends) -> Any:
    if value.is_finite:
        return value
    raise ValueError(
        f"expected inputs where the closed forms are defined, got {equation.lhs} = {value} at"
        f" {ends}; use kernel for zero inputs"
    )


def _closed_form(f: Any, g: Any, *covariances: Any) -> Any:
    """The closed form of a GaussianMean."""
    value = dual_mean(f.subs(U, X)) if g == 1 else dual(f.subs(U, X))
    if value is None:
        raise ValueError(f"expected a closed form, got E[{f} {g}], which has none; use kernel")
    return value.subs(dict(zip(COVARIANCES, covariances, strict=True)), simultaneous=True)
