r"""E K_0 of finite networks, with nearly all of its noise integrated out.

The shift of the mean is a thousand times smaller than the fluctuation that hides it. Three steps
remove the latter; each is exact at every width and uses nothing of the theory of the shift.

1. Given the pre-activations, the weights are normal: W has the mean h^T Z that a regression on
   what it has shown gives, and a fresh part on the rest. K_0 is <alpha_a, alpha_b>/m and the sum
   over layers of Lambda_ab tr(D_a P D_b), P being the second moment of the signals df/dalpha at
   x_a and x_b. P = p I + A^T B with a few rows in A and B goes back through layers in closed form.
2. A layer is drawn as independent units, given the one before. With functions r_i of a unit that
   have mean zero given the past the sums z = sum_i r_i are controls of the first order.
3. So are, of the second, products of two such sums: of different layers as they are, of one layer
   without the terms of equal units, z z' - sum_i r_i r'_i.

What is left of K_0 is O(m^(-3/2)), where its shift is O(1/m).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from oracles.conditional_sampling import DrawnLayer, draw_layers
from oracles.martingale_controls import moments
from torch import Tensor

from analytic import Network
from empirical.network import pointwise

__all__ = [
    "conditional_means",
    "controls",
    "given_the_pre_activations",
    "layer_moments",
    "regression",
]


@dataclass(frozen=True, slots=True, eq=False)
class SecondMoment:
    """P = p I + A^T B, the second moment of two signals at the units behind a layer.

    Attributes:
        p: shape (count,).
        left, right: A and B, shape (count, rows, units).
    """

    p: Tensor
    left: Tensor
    right: Tensor

    def trace(self, d: Tensor) -> Tensor:
        """tr(P diag(d)), shape (count,)."""
        return (d * (self.p[:, None] + (self.left * self.right).sum(1))).sum(1)

    def times(self, u: Tensor) -> Tensor:
        """U P, for rows U of shape (count, k, units)."""
        return self.p[:, None, None] * u + (u @ self.left.mT) @ self.right

    def times_transposed(self, u: Tensor) -> Tensor:
        """U P^T."""
        return self.p[:, None, None] * u + (u @ self.right.mT) @ self.left


def conditional_means(
    network: Network,
    x: Tensor,
    width: int,
    count: int,
    generator: torch.Generator,
    batch: int,
    a: list[Tensor],
) -> Tensor:
    """Independent numbers with the mean E K_0 of every upper entry, shape (count, entries)."""
    found: list[Tensor] = []
    for start in range(0, count, batch):
        layers = draw_layers(network, x, width, min(batch, count - start), generator, torch.float64)
        known = [layer_moments(layer) for layer in layers]
        columns = [
            given_the_pre_activations(layers, i, j) - controls(layers, known, i, j) @ coefficient
            for (i, j), coefficient in zip(_entries(x), a, strict=True)
        ]
        found.append(torch.stack(columns, 1))
    return torch.cat(found)


def regression(
    network: Network, x: Tensor, width: int, count: int, generator: torch.Generator, batch: int
) -> list[Tensor]:
    """Coefficients of the controls of every upper entry, from networks of their own."""
    entries = _entries(x)
    kernels: list[list[Tensor]] = [[] for _ in entries]
    designs: list[list[Tensor]] = [[] for _ in entries]
    for start in range(0, count, batch):
        layers = draw_layers(network, x, width, min(batch, count - start), generator, torch.float64)
        known = [layer_moments(layer) for layer in layers]
        for place, (i, j) in enumerate(entries):
            kernels[place].append(given_the_pre_activations(layers, i, j))
            designs[place].append(controls(layers, known, i, j))
    return [
        _least_squares(torch.cat(c), torch.cat(k)) for c, k in zip(designs, kernels, strict=True)
    ]


def _least_squares(c: Tensor, k: Tensor) -> Tensor:
    size = c.square().mean(0).sqrt().clamp_min(1e-300)
    centred = c / size - (c / size).mean(0)
    return torch.linalg.lstsq(centred, (k - k.mean())[:, None]).solution[:, 0] / size


def _entries(x: Tensor) -> list[tuple[int, int]]:
    i, j = torch.triu_indices(len(x), len(x)).tolist()
    return list(zip(i, j, strict=True))


def given_the_pre_activations(layers: list[DrawnLayer], a: int, b: int) -> Tensor:
    """E[K_0(x_a, x_b) | all h at x_a and x_b], shape (count,)."""
    units = layers[-1].units
    count, _, m = units.shape
    p = SecondMoment(units.new_full((count,), 1 / m), *[units.new_zeros(count, 0, m)] * 2)
    kernel = (units[:, a] * units[:, b]).sum(1) / m
    for index in reversed(range(len(layers))):
        layer = layers[index]
        trace = p.trace(layer.slopes[:, a] * layer.slopes[:, b])
        kernel = kernel + layer.covariance[:, a, b] * trace
        if index:
            p = _back(p, layer, a, b, trace)
    return kernel


def _back(p: SecondMoment, drawn: DrawnLayer, a: int, b: int, trace: Tensor) -> SecondMoment:
    """E[(skip + N_a)^T P (skip + N_b) | h], N = D weight_std W/sqrt(m), trace = tr(D_a P D_b).

    Given h the matrix weight_std W/sqrt(m) has the mean h^T Z and independent rows with the
    covariance weight/m (I - alpha^T Z), Z = weight/m Lambda^{-1} alpha.
    """
    points = _points(a, b)
    scale = drawn.layer.weight / drawn.m
    alpha, h = drawn.before[:, points], drawn.h[:, points]
    z = scale * torch.linalg.solve(drawn.covariance[:, points][:, :, points], alpha)
    one, other = h * drawn.slopes[:, a, None], h * drawn.slopes[:, b, None]
    fresh = scale * trace
    left, right = [z, alpha], [p.times(one) @ other.mT @ z, -fresh[:, None, None] * z]
    if drawn.layer.residual:
        left += [p.left, z, p.times_transposed(other)]
        right += [p.right, p.times(one), z]
        fresh = fresh + p.p
    return SecondMoment(fresh, torch.cat(left, 1), torch.cat(right, 1))


def _points(a: int, b: int) -> list[int]:
    return [a] if a == b else [a, b]


Moments = tuple[Tensor, Tensor, Tensor]
"""E w, E w w and E w' w' of a layer given the one before."""


def layer_moments(drawn: DrawnLayer) -> Moments:
    """What the units of a layer are expected to be."""
    w, slope = (pointwise(drawn.layer.activation, k) for k in (0, 1))
    return *moments(w, drawn.covariance), moments(slope, drawn.covariance)[1]


def controls(layers: list[DrawnLayer], known: list[Moments], a: int, b: int) -> Tensor:
    """Sums z, then products of two, each of mean zero, shape (count, controls).

    ``known`` are the moments of the layers.
    """
    units = [_units(layer, one, a, b) for layer, one in zip(layers, known, strict=True)]
    z = torch.cat([r.sum(2) for r in units], 1)
    products = z[:, :, None] * z[:, None]
    first = 0
    for r in units:
        last = first + r.shape[1]
        products[:, first:last, first:last] -= r @ r.mT
        first = last
    i, j = torch.triu_indices(first, first)
    return torch.cat([z, products[:, i, j]], 1)


def _units(drawn: DrawnLayer, known: Moments, a: int, b: int) -> Tensor:
    """r_i: products of two units w, w itself, of two slopes, of w with a skip; over m."""
    mean, both, slopes = (t[..., None] for t in known)
    w, points = drawn.values, _points(a, b)
    found = [w[:, c] * w[:, d] - both[:, c, d] for c in points for d in points if c <= d]
    found += [w[:, c] - mean[:, c] for c in points]
    found.append(drawn.slopes[:, a] * drawn.slopes[:, b] - slopes[:, a, b])
    if drawn.layer.residual:
        pairs = product(points, points)
        found += [drawn.before[:, c] * (w[:, d] - mean[:, d]) for c, d in pairs]
    return torch.stack(found, 1) / w.shape[2]
