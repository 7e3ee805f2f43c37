"""Random hard cases against arithmetic in 60 digits: is any bound violated?

Three families. Vectors: closed forms (relu, leaky relu, absolute value, erf, sin, sign, step),
layer by layer at random, depth 1 to 12, pairs whose distance is 1e-1 to 1e-15 of either sign.
Images with blank borders: the same closed forms at all pairs of positions, flattened and pooled.
Kinks away from 0 (hardtanh, softshrink, relu6, hardswish): integrals over one unit, the other one
given it in closed form.

    python benchmarks/hard_cases.py [SEED [CASES]]

prints for every family the cases, the entries, those beyond their bound, the largest error/bound,
and how many cases the default tolerance refuses. docs/theory/bound.md keeps the table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import mpmath
import numpy as np

from analytic import (
    AccuracyError,
    Convolution,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    kernel_diagonal,
    kernel_estimate,
)

mpmath.mp.dps = 60
LINES = {"relu": 0, "leaky_relu": mpmath.mpf(1) / 100, "abs(x)": -1}
"""Slopes on the left; those on the right are 1."""
JUMPS = {"sign": (0, 1), "step": (mpmath.mpf(1) / 2, mpmath.mpf(1) / 2)}
SMOOTH = ["erf", "sin"]
KINKS: dict[str, list[tuple[float, float, list[float]]]] = {
    "hardtanh": [(-np.inf, -1, [-1]), (-1, 1, [0, 1]), (1, np.inf, [1])],
    "softshrink": [(-np.inf, -0.5, [0.5, 1]), (-0.5, 0.5, [0]), (0.5, np.inf, [-0.5, 1])],
    "relu6": [(-np.inf, 0, [0]), (0, 6, [0, 1]), (6, np.inf, [6])],
    "hardswish": [(-np.inf, -3, [0]), (-3, 3, [0, 0.5, 1 / 6]), (3, np.inf, [0, 1])],
}
"""Pieces (from, to, powers); 1/6 is taken exactly below."""


class Case(NamedTuple):
    """A network, its inputs, the kind of kernel, and the exact entries by place."""

    network: Network
    x: np.ndarray
    kind: Literal["ntk", "nngp"]
    exact: dict[tuple[int, int], Any]


def dual(name: str, v: Any, v_: Any, c: Any) -> tuple[Any, Any]:
    """(E w(u) w(v), E w'(u) w'(v)) at the variances v, v' and the covariance c."""
    if name == "sin":
        half = mpmath.exp(-(v + v_) / 2)
        return half * mpmath.sinh(c), half * mpmath.cosh(c)
    if name == "erf":
        both = (1 + 2 * v) * (1 + 2 * v_)
        e = 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt(both))
        return e, 4 / mpmath.pi / mpmath.sqrt(both - 4 * c * c)
    if v == 0 or v_ == 0:
        return mpmath.mpf(0), mpmath.mpf(0)
    rho = max(min(c / mpmath.sqrt(v * v_), mpmath.mpf(1)), mpmath.mpf(-1))
    angle = 2 / mpmath.pi * mpmath.asin(rho)
    if name in JUMPS:
        a, b = JUMPS[name]
        return a * a + b * b * angle, mpmath.mpf(0)
    a, b = (mpmath.mpf(1 + sign * LINES[name]) / 2 for sign in (1, -1))
    root = mpmath.sqrt(max(v * v_ - c * c, mpmath.mpf(0)))
    return a * a * c + b * b * (2 / mpmath.pi * root + c * angle), a * a + b * b * angle


def near_inputs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """An input and two beside it, one of them on the other side."""
    x, aside, other = rng.standard_normal((3, *shape))
    apart = 10.0 ** -rng.uniform(1, 15, 2)
    return np.array([x, x + apart[0] * aside, -(x + apart[1] * other)])


def vectors(rng: np.random.Generator) -> Case:
    """A stack of fully connected layers."""
    depth = int(rng.integers(1, 13))
    names = [str(name) for name in rng.choice([*LINES, *SMOOTH], depth)]
    kind: Literal["ntk", "nngp"] = "ntk"
    if rng.random() < 0.3:
        kind, names = "nngp", [str(name) for name in rng.choice([*JUMPS, "relu"], depth)]
    scales = np.exp(rng.uniform(np.log(0.5), np.log(3), depth))
    biases = rng.choice([0.0, 0.4], depth)
    layers = [
        FullyConnected(name, weight_std=float(w), bias_std=float(b))
        for name, w, b in zip(names, scales, biases, strict=True)
    ]
    x = near_inputs(rng, (6,))
    exact = {(i, j): _deep(layers, x[i], x[j], kind) for i in range(3) for j in range(i, 3)}
    return Case(Network(*layers), x, kind, exact)


def _deep(layers: list[FullyConnected], x: np.ndarray, y: np.ndarray, kind: str) -> Any:
    products = [(x, x), (y, y), (x, y)]
    v, v_, c = (mpmath.fdot(map(mpmath.mpf, a), map(mpmath.mpf, b)) / 6 for a, b in products)
    theta = mpmath.mpf(0)
    for layer in layers:
        w, b, name = (
            mpmath.mpf(layer.weight_std) ** 2,
            mpmath.mpf(layer.bias_std) ** 2,
            layer.activation.name,
        )
        v, v_, c, theta = w * v + b, w * v_ + b, w * c + b, w * theta
        name = "abs(x)" if name == "Abs(x)" else name
        e, d = dual(name, v, v_, c)
        theta, c = d * (c + theta), e
        v, v_ = (dual(name, a, a, a)[0] for a in (v, v_))
    return c + (theta if kind == "ntk" else 0)


def images(rng: np.random.Generator) -> Case:
    """Convolutions over 7 pixels of which the outer ones are 0."""
    depth, pooled = int(rng.integers(1, 6)), bool(rng.random() < 0.5)
    name = str(rng.choice([*LINES, "erf"]))
    scale = float(np.exp(rng.uniform(np.log(0.3), np.log(0.8))))
    layer = Convolution(name, 3, weight_std=scale, bias_std=float(rng.choice([0.0, 0.3])))
    x = np.zeros((2, 1, 7))
    x[:, :, 2:5] = near_inputs(rng, (1, 3))[:2]
    network = Network(*[layer] * depth, *([GlobalAveragePooling()] if pooled else []))
    exact = {}
    for i, j in ((0, 0), (0, 1), (1, 1)):
        fields = [_fields(layer, depth, x[a, 0], x[b, 0], name) for a, b in ((i, i), (j, j))]
        exact[i, j] = _read(layer, depth, name, x[i, 0], x[j, 0], fields, pooled)
    return Case(network, x, "ntk", exact)


def _fields(layer: Convolution, depth: int, x: Any, y: Any, name: str) -> list[list[Any]]:
    """The variances of an image before the activations of every layer."""
    sigma = [[mpmath.mpf(a) * mpmath.mpf(b) for b in y] for a in x]
    found = []
    for _ in range(depth):
        patch = _patch(layer, sigma)
        own = [patch[p][p] for p in range(7)]
        found.append(own)
        sigma = [[dual(name, own[p], own[q], patch[p][q])[0] for q in range(7)] for p in range(7)]
    return found


def _patch(layer: Convolution, sigma: Any, bias: bool = True) -> Any:
    w = mpmath.mpf(layer.weight_std) ** 2
    b = mpmath.mpf(layer.bias_std) ** 2 if bias else mpmath.mpf(0)

    def read(p: int, q: int) -> Any:
        inside = [k for k in (-1, 0, 1) if 0 <= p + k < 7 and 0 <= q + k < 7]
        return w * mpmath.fsum(sigma[p + k][q + k] for k in inside) + b

    return [[read(p, q) for q in range(7)] for p in range(7)]


def _read(layer: Convolution, depth: int, name: str, x: Any, y: Any, own: Any, pooled: bool) -> Any:
    sigma = [[mpmath.mpf(a) * mpmath.mpf(b) for b in y] for a in x]
    theta = [[mpmath.mpf(0)] * 7 for _ in range(7)]
    for at in range(depth):
        patch, carried = _patch(layer, sigma), _patch(layer, theta, bias=False)
        both = [
            [dual(name, own[0][at][p], own[1][at][q], patch[p][q]) for q in range(7)]
            for p in range(7)
        ]
        sigma = [[both[p][q][0] for q in range(7)] for p in range(7)]
        theta = [
            [both[p][q][1] * (patch[p][q] + carried[p][q]) for q in range(7)] for p in range(7)
        ]
    places = [(p, q) for p in range(7) for q in range(7) if pooled or p == q]
    return mpmath.fsum(sigma[p][q] + theta[p][q] for p, q in places) / len(places)


def kinks(rng: np.random.Generator) -> Case:
    """One layer with kinks away from 0."""
    name, scale = str(rng.choice([*KINKS])), float(np.exp(rng.uniform(np.log(0.7), np.log(5))))
    x = near_inputs(rng, (4,))[[0, int(rng.integers(1, 3))]]
    w = mpmath.mpf(scale) ** 2
    v, v_, c = (
        w * mpmath.fdot(map(mpmath.mpf, a), map(mpmath.mpf, b)) / 4
        for a, b in ((x[0], x[0]), (x[1], x[1]), (x[0], x[1]))
    )
    with mpmath.workdps(45):  # the variance of v given u is 1e-30 of v
        e, d = (_conditioned(KINKS[name], order, v, v_, c) for order in (0, 1))
    layer = FullyConnected(name, weight_std=scale)
    return Case(Network(layer), x, "ntk", {(0, 1): e + d * c})


def _power(piece: list[float], order: int) -> list[Any]:
    exact = [mpmath.mpf(1) / 6 if abs(a - 1 / 6) < 1e-9 else mpmath.mpf(a) for a in piece]
    return exact if order == 0 else [k * a for k, a in enumerate(exact)][1:]


def _conditioned(pieces: Any, order: int, v: Any, v_: Any, c: Any) -> Any:
    s, slope = mpmath.sqrt(v), c / v
    tau = mpmath.sqrt(max(v_ - c * c / v, mpmath.mpf(0)))
    ends = [mpmath.mpf(low) for low, _, _ in pieces[1:]]

    def value(y: Any) -> Any:
        powers = next(p for low, high, p in pieces if y < high)
        return mpmath.polyval(_power(powers, order)[::-1] or [0], y)

    def mean(y: Any) -> Any:
        total = mpmath.mpf(0)
        for low, high, powers in pieces:
            a, b = ((mpmath.mpf(end) - y) / tau for end in (low, high))
            if b < -40 or a > 40:
                continue
            moments = [mpmath.ncdf(b) - mpmath.ncdf(a), mpmath.npdf(a) - mpmath.npdf(b)]
            edges = [0 if mpmath.isinf(t) else t * mpmath.npdf(t) for t in (a, b)]
            moments.append(moments[0] + edges[0] - edges[1])
            q = [*_power(powers, order), 0, 0, 0]
            total += moments[0] * (q[0] + q[1] * y + q[2] * y * y)
            total += moments[1] * tau * (q[1] + 2 * q[2] * y) + moments[2] * tau**2 * q[2]
        return total

    cuts = {mpmath.mpf(k) for k in (-12, -6, -3, 0, 3, 6, 12)} | {end / s for end in ends}
    reach = tau / abs(slope) / s
    cuts |= {end / slope / s + k * reach for end in ends for k in (-12, -4, -1, 0, 1, 4, 12)}
    inside = sorted(cut for cut in cuts if -12 <= cut <= 12)
    found = mpmath.quad(lambda z: mpmath.npdf(z) * value(s * z) * mean(slope * s * z), inside)
    return found


FAMILIES = {"vectors": (vectors, 5), "images": (images, 2), "kinks away from 0": (kinks, 1)}
"""How a case is made, and its part of all."""


def judged(case: Case) -> Iterator[tuple[float, float]]:
    """(error/bound, bound/scale) of every entry."""
    try:
        estimate = kernel_estimate(case.network, case.x, kind=case.kind)
    except AccuracyError as error:  # its best value has bounds too
        estimate: Any = error.estimate
    own = kernel_diagonal(case.network, case.x, kind=case.kind)
    for (i, j), exact in case.exact.items():
        wrong = abs(float(mpmath.mpf(float(estimate.value[i, j])) - exact))
        bound = float(estimate.error[i, j])
        yield (0.0 if wrong == 0 else wrong / bound), bound / max(np.sqrt(own[i] * own[j]), 1e-300)


def main(seed: int, cases: int) -> None:
    """Print a table."""
    rng = np.random.default_rng(seed)
    print("| family | cases | entries | violated | largest error/bound | refused at 1e-10 |")
    print("|---|---|---|---|---|---|")
    for name, (make, part) in FAMILIES.items():
        ratios: list[float] = []
        refused = count = 0
        for _ in range(cases * part // 8):
            case = make(rng)
            found = list(judged(case))
            ratios += [ratio for ratio, _ in found]
            refused += max(bound for _, bound in found) > 1e-10
            count += 1
        violated = sum(ratio > 1 for ratio in ratios)
        print(
            f"| {name} | {count} | {len(ratios)} | {violated} | {max(ratios):.2g} | {refused} |",
            flush=True,
        )


if __name__ == "__main__":
    main(*(int(text) for text in (*sys.argv[1:], *("27", "400")[len(sys.argv) - 1 :])))
