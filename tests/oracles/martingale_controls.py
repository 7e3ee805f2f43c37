r"""Mean and variance of K_0 from networks of finite width, with most of the noise integrated out.

What a network consists of is drawn in steps: the pre-activations of a layer, the readout, the
fresh parts of the signals on the way back. Given all that was drawn before, the units i of a
step are independent, and sums over them of functions r_i of the drawn with conditional mean zero
are martingale differences. For z = sum over steps of sum_i r_i this gives exactly, at any width,

    E z = 0,     E z^2 = E M,  M = sum over steps of sum_i r_i^2,
    E K_0 = E (K_0 - z),     Var K_0 = E [ M + (K_0 - E K_0)^2 - z^2 ] ,

and likewise for two entries of K_0, with r_i and r'_i of one and the other,

    Cov(K_0, K_0') = E [ sum r_i r'_i + (K_0 - E K_0)(K_0' - E K_0') - z z' ] ,

whatever the coefficients in r_i are. With those of a regression of K_0 on the sums z explains all
but 1/m of the variance of K_0, and M hardly varies: the standard errors fall accordingly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from oracles.conditional_sampling import (
    DrawnLayer,
    DrawnNetworks,
    back,
    back_covariance,
    draw_networks,
    gram,
)
from torch import Tensor

from analytic import Network
from empirical.network import pointwise

__all__ = ["Controlled", "coefficients", "controlled"]

STEP, REACH, TERMS = 0.15, 12.0, 96
"""Of the trapezoidal rule, and of Mehler's series: erf of twice a normal is exact to 1e-8."""


@dataclass(frozen=True, slots=True, eq=False)
class Controlled:
    """Entries of K_0 of many networks with their controls.

    Attributes:
        k: K_0, shape (count, entries).
        z: of mean zero, shape (count, entries).
        m: their conditional covariances, sums of r_i r'_i, shape (count, entries, entries).
    """

    k: Tensor
    z: Tensor
    m: Tensor

    def mean(self) -> tuple[Tensor, Tensor]:
        """E K_0 and its standard error."""
        rest = self.k - self.z
        return rest.mean(0), rest.std(0) / len(rest) ** 0.5

    def covariance(self) -> tuple[Tensor, Tensor]:
        """Cov of two entries and its standard error; the mean's error is taken out by count - 1."""
        count = len(self.k)
        off = (self.k - self.k.mean(0)) * (count / (count - 1)) ** 0.5
        products = off[:, :, None] * off[:, None] - self.z[:, :, None] * self.z[:, None]
        terms = self.m + products
        return terms.mean(0), terms.std(0) / count**0.5

    def variance(self) -> tuple[Tensor, Tensor]:
        """Var K_0 and its standard error."""
        return tuple(t.diagonal() for t in self.covariance())  # pyright: ignore[reportReturnType]


def coefficients(
    network: Network, x: Tensor, width: int, count: int, generator: torch.Generator, batch: int
) -> Tensor:
    """Of the regression of the upper entries of K_0 on all sums, (sums, entries)."""
    i, j = torch.triu_indices(len(x), len(x))
    sums, kernels = [], []
    for start in range(0, count, batch):
        drawn = draw_networks(network, x, width, min(batch, count - start), generator)
        sums.append(torch.cat([step.sums() for step in steps(drawn)], 1))
        kernels.append(drawn.kernel[:, i, j])
    c, k = torch.cat(sums), torch.cat(kernels)
    spread = c.std(0).clamp_min(1e-12)
    solved = torch.linalg.lstsq(c / spread, k - k.mean(0), driver="gelsd", rcond=1e-6).solution
    return solved / spread[:, None]


def controlled(
    network: Network,
    x: Tensor,
    width: int,
    count: int,
    generator: torch.Generator,
    batch: int,
    a: Tensor,
) -> Controlled:
    """The upper entries of K_0 of ``count`` networks with their controls."""
    i, j = torch.triu_indices(len(x), len(x))
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, count, batch):
        drawn = draw_networks(network, x, width, min(batch, count - start), generator)
        z, m, first = 0.0, 0.0, 0
        for step in steps(drawn):
            last = first + step.size
            r = torch.stack([step.units(column) for column in a[first:last].T], 1)
            z = z + r.sum(2, dtype=torch.float64)  # r is (count, entries, units)
            m = m + gram(r)
            first = last
        assert isinstance(z, Tensor)
        assert isinstance(m, Tensor)
        found.append((drawn.kernel[:, i, j], z, m))
    return Controlled(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def steps(drawn: DrawnNetworks) -> Iterator[_Forward | _Signal]:
    """All steps in which something was drawn."""
    for layer in drawn.layers:
        yield _Forward(layer)
    for signal in drawn.signals:
        found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        index, passing, fresh, covariance = (
            signal.after, signal.passing, signal.fresh, signal.covariance
        )  # fmt: skip
        while True:
            layer = drawn.layers[index]
            found.append((layer.slopes, passing, passing + fresh, covariance))
            if not layer.layer.residual or not index:
                break
            for maps in reversed(drawn.averages.get(index, [])):
                passing, fresh = back(maps, passing), back(maps, fresh)
                covariance = back_covariance(maps, covariance)
            index -= 1
        yield _Signal(found)


class _Forward:
    """A layer: products of two units w, of two slopes, w itself, and w with what a skip adds."""

    def __init__(self, drawn: DrawnLayer) -> None:
        self.drawn, points = drawn, drawn.h.shape[1]
        self.upper = torch.triu_indices(points, points)
        w, slope = (pointwise(drawn.layer.activation, k) for k in (0, 1))
        self.mean, self.both = moments(w, drawn.covariance)
        self.slopes = moments(slope, drawn.covariance)[1]
        pairs = self.upper.shape[1]
        self.parts = [pairs, points, pairs] + [points**2] * drawn.layer.residual
        self.size = sum(self.parts)

    def sums(self) -> Tensor:
        d, (i, j) = self.drawn, self.upper
        m = d.h.shape[2]
        found = [
            (gram(d.values) / m - self.both)[:, i, j],
            d.values.mean(2, dtype=torch.float64) - self.mean,
            (gram(d.slopes) / m - self.slopes)[:, i, j],
        ]
        if d.layer.residual:
            known = d.before.mean(2, dtype=torch.float64)[:, :, None] * self.mean[:, None]
            cross = (d.before @ d.values.mT).double() / m - known
            found.append(cross.flatten(1))
        return torch.cat(found, 1)

    def units(self, a: Tensor) -> Tensor:
        d, parts = self.drawn, a.split(self.parts)
        w, dtype = d.values, d.values.dtype
        one, other = _square(parts[0], self.upper, w), _square(parts[2], self.upper, w)
        r = (w * (one @ w)).sum(1) + (d.slopes * (other @ d.slopes)).sum(1)
        r = r + parts[1].to(dtype) @ w
        known = (one.double() * self.both + other.double() * self.slopes).sum((1, 2))
        known = known + self.mean @ parts[1]
        r = r - known.to(dtype)[:, None]
        if d.layer.residual:
            skip = parts[3].view(len(one), len(one)).to(dtype)
            r = r + (d.before * (skip @ (w - self.mean.to(dtype)[:, :, None]))).sum(1)
        return r / w.shape[2]


class _Signal:
    """Products of two back-propagated signals at every layer that the drawn part reaches."""

    def __init__(self, reached: list[tuple[Tensor, Tensor, Tensor, Tensor]]) -> None:
        self.reached = reached
        self.uppers = [torch.triu_indices(s.shape[1], s.shape[1]) for s, *_ in reached]
        self.parts = [upper.shape[1] for upper in self.uppers]
        self.size = sum(self.parts)

    def sums(self) -> Tensor:
        found: list[Tensor] = []
        for (slopes, passing, whole, covariance), (i, j) in zip(
            self.reached, self.uppers, strict=True
        ):
            known = gram(slopes) * covariance
            found.append((gram(slopes * whole) - gram(slopes * passing) - known)[:, i, j])
        return torch.cat(found, 1)

    def units(self, a: Tensor) -> Tensor:
        total: Tensor | float = 0.0
        for (slopes, passing, whole, covariance), upper, part in zip(
            self.reached, self.uppers, a.split(self.parts), strict=True
        ):
            b = _square(part, upper, slopes)
            t, s = slopes * whole, slopes * passing
            known = (b.double() * covariance).to(slopes.dtype)
            total = total + (t * (b @ t) - s * (b @ s) - slopes * (known @ slopes)).sum(1)
        assert isinstance(total, Tensor)
        return total


def _square(part: Tensor, upper: Tensor, like: Tensor) -> Tensor:
    """The matrix with the numbers at the upper entries."""
    points = int(upper.max()) + 1
    matrix = torch.zeros(points, points, dtype=like.dtype)
    matrix[upper[0], upper[1]] = part.to(like.dtype)
    return matrix


def moments(w, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """E w(h_p), (count, P), and E w(h_p) w(h_q), (count, P, P), by Mehler's formula.

    The coefficients of w(s x) in normalised Hermite polynomials by a trapezoidal rule; E w^2
    directly. Terms below rounding are left out.
    """
    x, weights, polynomials = (torch.from_numpy(a) for a in _rule())
    s = covariance.diagonal(dim1=1, dim2=2).sqrt()
    at = w(s[..., None] * x)  # (count, P, nodes)
    a = at @ (weights[:, None] * polynomials)  # (count, P, terms)
    rho = covariance / (s[:, :, None] * s[:, None]).clamp_min(1e-300)
    off = (rho - torch.diag_embed(rho.diagonal(dim1=1, dim2=2))).abs().amax()
    felt = a.abs().amax((0, 1)) ** 2 * off ** torch.arange(TERMS)
    both = torch.zeros_like(rho)
    for k in reversed(range(int((felt > 1e-16 * felt.max()).nonzero().max()) + 1)):
        both = both * rho + a[..., k][:, :, None] * a[..., k][:, None]
    squares = (at**2) @ weights
    both.diagonal(dim1=1, dim2=2).copy_(squares)
    return a[..., 0], both


@lru_cache
def _rule() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, weights and normalised Hermite polynomials of the standard normal law."""
    x = np.arange(-REACH, REACH + STEP / 2, STEP)
    weights = np.exp(-(x**2) / 2)
    h = np.ones((TERMS, len(x)))
    h[1] = x
    for k in range(2, TERMS):
        h[k] = (x * h[k - 1] - np.sqrt(k - 1) * h[k - 2]) / np.sqrt(k)
    return x, weights / weights.sum(), h.T.copy()
