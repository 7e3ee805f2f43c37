r"""The layer recursion of a network as a system of equations.

Legend, for inputs x and x': Lambda_l the covariance of the pre-activations of layer l and
Gamma_l their tangent kernel, E_l and D_l the expectations of its activation and of its
slope, eta_l its mean; Sigma_l, Theta_l, mu_l the state after the layer. The derivation
stands in docs/theory/recursion.md; ``analytic.recursion`` runs the same lines on numbers.
Of images they are functions of positions p and q as well (docs/theory/convolution.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sympy

from analytic.expressions import X
from analytic.network.averages import Averaging
from analytic.network.equation_system import (
    FIRST,
    OUTPUT,
    SECOND,
    GaussianMean,
    InnerProduct,
    System,
    U,
    Units,
    V,
    at,
)
from analytic.network.exact_numbers import exact, exact_coefficients
from analytic.network.folding import fold, itself
from analytic.network.layers import Convolution
from analytic.network.normalization import Gains
from analytic.network.position_sums import averaged, filtered, own_mean
from analytic.network.shapes import Shape, shape_after

__all__ = ["System", "system"]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""After the first sum that ends with a layer the states of the others are 2b, 2c, ..."""
AVERAGED = "P"
"""What averages make of state 2 is 2P, then 2PP, ..."""
_STATE = ("Sigma", "Theta", "mu")


def system(
    steps: Sequence[Any], readout: Sequence[Averaging], output: Any, shape: Shape = (0,)
) -> System:
    """The equations of the layers of a network and of its readout, in order.

    Args:
        steps: those of the network.
        readout: the averages before the readout.
        output: the readout.
        shape: of an input, (channels, ...); of vectors the first number does not matter.
    """
    rows: list[tuple[Any, Any, Shape]] = []

    def add(units: Units, pairs: Iterable[tuple[str, Any]]) -> None:
        rows.extend((units.function(name), value, units.spatial) for name, value in pairs)

    def before(averages: Sequence[Averaging], units: Units) -> Units:
        for layer in averages:
            end = Units(units.name + AVERAGED, shape_after(layer, units.spatial))
            known = _STATE[:2] if units.name.rstrip(AVERAGED) == "0" else _STATE
            add(end, zip(known, averaged(layer, units, end), strict=False))
            units = end
        return units

    numbers = iter(range(1, len(steps) + 1))

    def after(step: Any, state: Units) -> Units:
        layer = Units(str(next(numbers)), shape_after(step.layer, state.spatial))
        add(layer, _layer(layer, step, state))
        if not step.closes:  # else ``added`` says what the state is
            add(layer, zip(_STATE, _end(layer), strict=True))
        return layer

    def added(step: Any, number: int, total: Units, branch: Units) -> Units:
        units = branch
        if number:
            units = branch._replace(name=branch.name.rstrip(LETTERS) + LETTERS[number])
        add(units, zip(_STATE, _sum(units, total, branch, step.shares[number]), strict=True))
        return units

    first = Units("0", shape[1:])
    add(first, [("Sigma", _product(first, shape)), ("Theta", sympy.S.Zero)])
    last = fold(
        steps, first, after, added, step=itself, averaged=lambda step, s: before(step.averages, s)
    )
    end = before(readout, last)
    add(Units(OUTPUT, ()), _readout(end, output))
    equations = [sympy.Eq(left, right, evaluate=False) for left, right, _ in rows]
    activations = tuple(step.layer.activation.expression for step in steps)
    places, process = tuple(where for *_, where in rows), _process(equations, end)
    return System(tuple(equations), activations, places, process)


def _process(equations: Sequence[Any], last: Units) -> Any:
    """The function that is the NNGP kernel: Lambda of the readout, or Sigma of the last state."""
    output = Units(OUTPUT, ()).function("Lambda")
    return output if any(e.lhs == output for e in equations) else last.function("Sigma")


def _product(first: Units, shape: Shape) -> Any:
    """<x, x'>/d, or <x_p, x'_q> over the channels."""
    if not first.spatial:
        return sympy.Symbol(r"\langle x, x' \rangle") / sympy.Symbol("d")
    product: Any = InnerProduct(FIRST, SECOND, *first.p, *first.q)
    return product / shape[0]


def _readout(last: Units, output: Any) -> Iterator[tuple[str, Any]]:
    """The kernels at the readout."""
    sigma, theta = last.function("Sigma"), last.function("Theta")
    weight, bias, rate, bias_rate = exact_coefficients(output)
    if (weight, bias) != (1, 0):
        yield "Lambda", weight * sigma + bias
    yield "K", rate * weight * sigma + bias_rate + weight * theta


def _layer(layer: Units, step: Any, before: Units) -> Iterator[tuple[str, Any]]:
    """Lambda, Gamma, E, D and eta of one layer that reads a state."""
    if step.passes or step.normalizes:
        values = (_normalized if step.normalizes else _dropped)(step, before)
        yield from zip(("E", "Gamma", "D", "eta"), values, strict=True)
        return
    weight, bias, rate, bias_rate = exact_coefficients(step.layer)
    w, slope = step.layer.activation.expression, step.layer.activation.derivative
    sigma, theta = before.function("Sigma"), before.function("Theta")
    if isinstance(step.layer, Convolution):
        sigma, theta = (filtered(step.layer, before, layer, f) for f in (sigma, theta))
    covariance = layer.function("Lambda")
    ends = (FIRST, layer.p), (SECOND, layer.q)
    law = tuple(at(covariance, a, b) for a, b in (ends[:1] * 2, ends, ends[1:] * 2))
    from_zero = isinstance(step.layer, Gains) and weight == 0
    trained = rate * (1 if from_zero else weight) * sigma + bias_rate
    if (rate, bias_rate) == (1, bias) and not from_zero:
        trained = covariance
    yield "Lambda", weight * sigma + bias
    yield "Gamma", trained + weight * theta
    yield "E", GaussianMean(w.subs(X, U), w.subs(X, V), *law)
    yield "D", GaussianMean(slope.subs(X, U), slope.subs(X, V), *law)
    eta = GaussianMean(w.subs(X, U), sympy.S.One, *law)
    yield "eta", before.function("mu") if step.keeps_mean else eta


def _dropped(step: Any, before: Units) -> tuple[Any, ...]:
    """E, Gamma, D and eta behind noise: D is 1, and 1/(1 - rate) at x = x' and p = q."""
    noise = 1 / (1 - exact(step.layer.rate))
    same = sympy.KroneckerDelta(FIRST, SECOND)
    for p, q in zip(before.p, before.q, strict=True):
        same *= sympy.KroneckerDelta(p, q)
    same = 1 + (noise - 1) * same
    sigma, theta, mu = (before.function(name) for name in _STATE)
    return same * sigma, theta, same, mu


def _normalized(step: Any, before: Units) -> tuple[Any, ...]:
    """E, Gamma, D and eta behind a normalisation."""
    sigma, theta, mu = (before.function(name) for name in _STATE)
    if step.over_positions:
        own = [own_mean(before, sigma, x) + exact(step.layer.eps) for x in (FIRST, SECOND)]
        scale = 1 / sympy.sqrt(own[0] * own[1])
        return sigma * scale, theta, scale, sympy.S.Zero
    ends = (FIRST, before.p), (SECOND, before.q)
    own = [at(sigma, end, end) - at(mu, end) ** 2 + exact(step.layer.eps) for end in ends]
    scale = 1 / sympy.sqrt(own[0] * own[1])
    return (sigma - mu * at(mu, ends[1])) * scale, theta, scale, sympy.S.Zero


def _end(layer: Units) -> tuple[Any, Any, Any]:
    """E, D Gamma and eta of a layer: Sigma, Theta and mu behind it."""
    e, d, gamma, eta = (layer.function(name) for name in ("E", "D", "Gamma", "eta"))
    return e, d * gamma, eta


def _sum(
    units: Units, total: Units, branch: Units, shares: tuple[float, float] | None
) -> tuple[Any, ...]:
    """Sigma, Theta and mu after a sum, whose last branch ends with a layer or with a sum."""
    ends = units == branch
    more = _end(branch) if ends else tuple(branch.function(name) for name in _STATE)
    sigma, theta, mu = before = tuple(total.function(name) for name in _STATE)
    if shares is not None:  # side by side instead
        p, q = map(exact, shares)
        return tuple(p * a + q * b for a, b in zip(before, more, strict=True))
    other = SECOND, units.q
    both = mu * at(more[2], other) + more[2] * at(mu, other)
    return sigma + more[0] + both, theta + more[1], mu + more[2]
