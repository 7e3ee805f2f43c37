"""Activations whose mass sits in the tails of the normal law: errors, and errors over bounds.

    python benchmarks/tail_mass.py

One plain layer (weight_std 1.5, bias_std 0.1), a single input between 0.07 and 1.5, NNGP, against
40 digits: closed forms, and integrals of the error function. The last row is a pair of inputs at
a distance of 1e-6 behind a layer and a residual one. Each row: how often `kernel` answers at its
default tolerance, the largest relative error, and the largest error over the bound.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mpmath
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from analytic import (
    AccuracyError,
    FullyConnected,
    Network,
    Residual,
    kernel,
    kernel_estimate,
)

INPUTS = np.array([0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5])
WEIGHT, BIAS = 1.5, 0.1
Number = Any


def mean(f: Callable[[Number], Number], v: Number, finest: float = math.inf) -> Number:
    """E f(u) of u ~ N(0, v), f with features of a given width at 0."""
    s = mpmath.sqrt(v)
    near = [mpmath.mpf(finest) * mpmath.mpf(2) ** k for k in range(12) if finest * 2**k < s / 4]
    positive = [*near, *(s * mpmath.mpf(k) / 4 for k in range(1, 81))]
    ends = [-end for end in reversed(positive)] + [mpmath.mpf(0), *positive]
    total = mpmath.quad(lambda u: f(u) * mpmath.exp(-(u**2) / (2 * v)), ends)
    return total / mpmath.sqrt(2 * mpmath.pi * v)


def bump(k: int, c: int) -> Callable[[Number], Number]:
    """E w^2 of exp(-k (x - c)^2)."""
    return lambda v: mpmath.exp(-2 * k * c**2 / (1 + 4 * k * v)) / mpmath.sqrt(1 + 4 * k * v)


def step(c: int) -> Callable[[Number], Number]:
    """E w^2 of erf(x - c) + 1."""
    return lambda v: mean(lambda u: mpmath.erfc(c - u) ** 2, v)


def power(n: int) -> Callable[[Number], Number]:
    """E w^2 of x^n."""
    return lambda v: v**n * mpmath.fac2(2 * n - 1)


SECONDS: dict[str, Callable[[Number], Number]] = {
    **{f"exp(-(x-{c})**2)": bump(1, c) for c in (5, 6, 7)},
    "exp(-4*(x+3)**2)": bump(4, -3),
    **{f"erf(x-{c})+1": step(c) for c in (6, 8)},
    **{f"x**{n}": power(n) for n in (10, 12, 16)},
    "exp(7*x-x**2/8)": lambda v: mpmath.exp(98 * v / (1 + v / 2)) / mpmath.sqrt(1 + v / 2),
}


def layer(a: Number, c: Number, b: Number) -> tuple[Number, ...]:
    """Lambda of Sigma."""
    weight, bias = mpmath.mpf(WEIGHT) ** 2, mpmath.mpf(BIAS) ** 2
    return weight * a + bias, weight * c + bias, weight * b + bias


def pole(v: Number, c: Number, v_: Number) -> tuple[Number, ...]:
    """E w^2, E w w', E w'^2 and the means of 1/(1 + 100 u^2) at two units of distance t << 1.

    E (w(u) - w(u'))^2 = E w'(m)^2 (u - u')^2 up to t^4, m = (u + u')/2.
    """

    def w(u: Number) -> Number:
        return 1 / (1 + 100 * u**2)

    def slope(u: Number) -> Number:
        return -200 * u * w(u) ** 2

    one, two = (mean(lambda u: w(u) ** 2, a, 0.02) for a in (v, v_))
    middle, turn, gap = (v + v_ + 2 * c) / 4, (v - v_) / 2, v + v_ - 2 * c
    along = turn / middle
    apart = mean(lambda u: slope(u) ** 2 * (along**2 * u**2 + gap - along * turn), middle, 0.02)
    return one, (one + two - apart) / 2, two, mean(w, v, 0.02), mean(w, v_, 0.02)


def close_pair(x: float, y: float) -> Number:
    """Sigma behind a layer and a residual one of 1/(1 + 100 x^2)."""
    a, b = mpmath.mpf(x), mpmath.mpf(y)
    one, both, two, mu, mu_ = pole(*layer(a * a, a * b, b * b))
    _, found, _, eta, eta_ = pole(*layer(one, both, two))
    return both + found + mu * eta_ + eta * mu_


def answer(network: Network, x: Any) -> tuple[str, Any]:
    """Whether the kernel is answered, and its estimate."""
    try:
        kernel(network, x, kind="nngp")
        return "answered", kernel_estimate(network, x, kind="nngp")
    except AccuracyError as refusal:
        return "refused", refusal.estimate


def row(name: str, found: Sequence[tuple[str, Any]], exact: Sequence[Number]) -> None:
    """Print one, of the last entry of each kernel."""
    errors = [
        abs(mpmath.mpf(float(one.value[0, -1])) - e)
        for (_, one), e in zip(found, exact, strict=True)
    ]
    off = max(float(error / abs(e)) for error, e in zip(errors, exact, strict=True))
    ratio = max(float(d) / one.error[0, -1] for d, (_, one) in zip(errors, found, strict=True))
    answered = sum(outcome == "answered" for outcome, _ in found)
    certified = sum(one.certified for _, one in found)
    counts = f"{answered} of {len(found)}, {certified} certified"
    print(f"| `{name}` | {counts} | {off:.1e} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore", RuntimeWarning)
    print("| activation | answered | `kernel` off by | error over bound |\n|---|---|---|---|")
    with mpmath.workdps(40):
        for text, second in SECONDS.items():
            network = Network(FullyConnected(text, weight_std=WEIGHT, bias_std=BIAS))
            exact = [second(layer(mpmath.mpf(float(x)) ** 2, 0, 0)[0]) for x in INPUTS]
            row(text, [answer(network, np.array([[x]])) for x in INPUTS], exact)
        spiky = "1/(1+100*x**2)"
        one = FullyConnected(spiky, weight_std=WEIGHT, bias_std=BIAS)
        pairs = [np.array([[x], [x + 1e-6]]) for x in INPUTS]
        found = [answer(Network(one, Residual(one)), pair) for pair in pairs]
        row(spiky + ", pairs at 1e-6", found, [close_pair(*map(float, p[:, 0])) for p in pairs])


if __name__ == "__main__":
    main()
