r"""T_K on the sphere S^{d-1} of radius sqrt(d), under the uniform measure.

There K(x, x') = f(t), t = <x, x'>/d, and the eigenfunctions are the spherical harmonics
(Funk 1916, Hecke 1918):

    sigma_k = int f(t) P_k(t) w(t) dt,    multiplicity N_k,    f = sum_k sigma_k N_k P_k

with the letters of ``analytic.spectrum``. For d = 2 these are Fourier coefficients.
docs/theory/operator.md derives the error bound, and that the sigma_k of one parity decrease.
"""

# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.network import Branched, FullyConnected, Layer, Network, Nonlinearity, Scale
from analytic.spectrum.angular_profile import funk_hecke, profile
from analytic.spectrum.operator import Array, Eigenspaces, grouped
from analytic.spectrum.powers import kernel_powers
from analytic.spectrum.spherical_harmonics import harmonics, multiplicity, product_rule

__all__ = ["Harmonics", "SphereSpectrum", "sphere_spectrum"]

FUNCTIONS = 4096
"""Most eigenfunctions that are written out."""
POINTS = (2**12, 2**18)
"""Usual and largest size of half the rule that integrates over the sphere."""
DEGREES = 2048
"""Most degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class SphereSpectrum:
    """The eigenvalues of T_K on a sphere, one for each degree of the harmonics.

    One field more than other records: ``certified`` says what kind of number ``error`` is.

    Attributes:
        dimension: d; the sphere is S^{d-1}.
        eigenvalues: sigma_k, shape (degrees,).
        error: absolute error of each, shape (degrees,).
        certified: whether ``error`` is a bound; it is an estimate where an activation has
            kinks, or where the kernel is too rough for 1,024 Chebyshev points.
        powers: highest even and highest odd power of t in f; -1 for none, inf for no end.
        trace: E K(x, x) = sum sigma_k N_k, computed at x = x'.
        square: ||K||^2 in L^2(rho x rho) = sum sigma_k^2 N_k, by another quadrature.
    """

    dimension: int
    eigenvalues: Array
    error: Array
    certified: bool
    powers: tuple[float, float]
    trace: float
    square: float

    @property
    def multiplicities(self) -> NDArray[Any]:
        """N_k, shape (degrees,); float64 where they are too large for integers."""
        counts = [multiplicity(self.dimension, k) for k in range(len(self.eigenvalues))]
        return np.array(counts, dtype=np.float64 if counts[-1] > 2**62 else np.int64)

    @property
    def zeros(self) -> NDArray[np.bool_]:
        """Which eigenvalues are 0 exactly, by the powers of t in f, shape (degrees,)."""
        degrees = np.arange(len(self.eigenvalues))
        return degrees > np.take(self.powers, degrees % 2)

    @property
    def last(self) -> int:
        """Last degree up to which every eigenvalue is 0 exactly or above its error; or -1."""
        known = self.zeros | (self.eigenvalues > self.error)
        return len(known) - 1 if known.all() else int(np.argmin(known)) - 1

    @property
    def trace_gap(self) -> float:
        """E K(x, x) - sum sigma_k N_k: the share of the degrees left out, and errors."""
        return float(self.trace - self.eigenvalues @ self.multiplicities)

    @property
    def square_gap(self) -> float:
        """||K||^2 - sum sigma_k^2 N_k: the share of the degrees left out, and errors."""
        return float(self.square - self.eigenvalues**2 @ self.multiplicities)

    @property
    def floors(self) -> tuple[float, float]:
        """What ``error`` allows the two gaps to be wrong by."""
        n, s, e = self.multiplicities, self.eigenvalues, self.error
        return float(n @ e), float(n @ (2 * np.abs(s) * e + e**2))

    def eigenspaces(self, count: int | None = None) -> Eigenspaces:
        """The leading eigenspaces in the order of the eigenvalues, as functions.

        Degrees whose eigenvalues cannot be told apart make one eigenspace. Those of value 0,
        on which exp(-T_K t) stands still, are left out.

        Args:
            count: how many; None for all that are trustworthy, with at most 4,096 functions in all.

        Raises:
            ValueError: so many are not trustworthy, or too many functions; says how many are.

        Example:
            >>> from analytic import FullyConnected, Network
            >>> found = sphere_spectrum(Network(FullyConnected("softplus")), 3, 9)
            >>> found.eigenspaces(3).multiplicities  # degrees 0, 1 and 2
            array([1, 3, 5])
        """
        order = np.flatnonzero(~self.zeros)
        order = order[np.argsort(-self.eigenvalues[order], kind="stable")]
        values, errors = self.eigenvalues[order], self.error[order]
        sizes = self.multiplicities[order]
        beyond = self._beyond()
        kept: list[slice] = []
        for group in grouped(values, errors):
            low = float((values[group] - errors[group]).min())
            if low <= beyond or sizes[: group.stop].sum() > FUNCTIONS:
                break
            kept.append(group)
        _check_count(count, len(kept))
        kept = kept[:count]
        stop = kept[-1].stop
        return Eigenspaces(
            np.array([np.average(values[g], weights=sizes[g]) for g in kept]),
            np.array([sizes[g].sum() for g in kept]),
            np.array([errors[g].max() + np.ptp(values[g]) for g in kept]),
            len(kept),
            float((values + errors)[stop:].max(initial=0.0)),
            Harmonics(self.dimension, tuple(int(k) for k in order[:stop])),
        )

    def _beyond(self) -> float:
        """Bound of the eigenvalues of all degrees left out: those of one parity decrease."""
        degrees = np.arange(len(self.eigenvalues))[-2:]
        going_on = np.take(self.powers, degrees % 2) >= len(self.eigenvalues)
        if len(degrees) == 1 and self.powers[1] >= 1:
            return float("inf")
        above = self.eigenvalues[-2:] + self.error[-2:]
        return float(above[going_on].max(initial=0.0))

    def __str__(self) -> str:
        degrees = len(self.eigenvalues)
        kind = "bounds" if self.certified else "estimates"
        lines = [f"T_K on the sphere in R^{self.dimension}, degrees 0 to {degrees - 1}"]
        lines += [f"errors ({kind}) up to {self.error.max():.1e}; E K(x, x) = {self.trace:.6g}"]
        for name, top, first in (("even", self.powers[0], 0), ("odd", self.powers[1], 1)):
            start = first if top < first else int(top) + 2 if top < np.inf else degrees
            if start < degrees:
                lines += [
                    f"0 exactly at every {name} degree from {start} on: K is not positive definite"
                ]
        if self.last < degrees - 1:
            lines += [f"the last trustworthy degree is {self.last}: later ones drown in the error"]
        return "\n".join(lines)


def sphere_spectrum(
    network: Network, dimension: int, degrees: int, *, tolerance: float = 1e-10
) -> SphereSpectrum:
    r"""The eigenvalues of T_K on S^{d-1} of radius sqrt(d) under the uniform measure.

    .. math:: \sigma_k = \int_{-1}^{1} f(t) P_k(t) w(t) \, dt, \qquad K(x, x') = f(x \cdot x'/d)

    by quadrature, with an error for each. Eigenvalues that the structure of the network makes
    0 are exactly 0 (bias-free odd networks: all of even degree). Eigenvalues below their error
    are given as found; ``last`` says up to which degree all can be trusted.

    Args:
        network: fully connected and residual layers.
        dimension: d, at least 2.
        degrees: how many: 0, 1, ..., degrees - 1.
        tolerance: largest error of an eigenvalue relative to K(x, x); the errors are usually
            far smaller.

    Returns:
        the record ``SphereSpectrum(eigenvalues, multiplicities, error, ...)``.

    Raises:
        ValueError: numbers out of range; a network with layers that are not zonal.
        TypeError: the network or the numbers are of the wrong kind.
        AccuracyError: the error exceeds the tolerance.

    References:
        Funk (1916), Hecke (1918); Bietti and Mairal (2019), section 3.2; Schoenberg (1942).

    Example:
        The linear network has K(x, x') = 2 <x, x'>/d: 2/d for the d linear functions.

        >>> from analytic import FullyConnected, Network
        >>> sphere_spectrum(Network(FullyConnected("identity")), 4, 3).eigenvalues.round(12)
        array([0. , 0.5, 0. ])
        >>> print(sphere_spectrum(Network(FullyConnected("softplus")), 2, 8))  # doctest: +ELLIPSIS
        T_K on the sphere in R^2, degrees 0 to 7
        errors (bounds) up to ...; E K(x, x) = 1.21462
        0 exactly at every odd degree from 3 on: K is not positive definite
    """
    _check(network, dimension, degrees)
    if not isinstance(tolerance, (int, float)) or not 0 < tolerance < 1:
        raise ValueError(f"expected a tolerance between 0 and 1, got {tolerance!r}; try 1e-10")
    found = funk_hecke(profile(network, tolerance), dimension, degrees, tolerance)
    top = kernel_powers(network)
    powers = top.get(0, -1), top.get(1, -1)
    nonzero = np.arange(degrees) <= np.take(powers, np.arange(degrees) % 2)
    values, error = (np.where(nonzero, part, 0.0) for part in (found.eigenvalues, found.error))
    (trace, _), (square, _) = found.trace, found.square
    return SphereSpectrum(dimension, values, error, found.certified, powers, trace, square)


@dataclass(frozen=True, slots=True)
class Harmonics:
    """Spherical harmonics of the given degrees as a ``Basis``."""

    dimension: int
    degrees: tuple[int, ...]

    def rule(self) -> tuple[Array, Array]:
        """The product rule of ``analytic.spectrum``, exact for products of two of them."""
        d = self.dimension
        count = max(max(self.degrees) + 1, int(POINTS[0] ** (1 / (d - 1)) + 1e-9))
        if count ** (d - 1) > POINTS[1]:
            raise ValueError(
                f"expected a sphere of few dimensions, got d = {d} with degree {count - 1}, whose"
                f" product rule has {2.0 * count ** (d - 1):.0e} points; pass values at a sample x"
            )
        points, weights = product_rule(d, count)
        return np.sqrt(d) * points, weights

    def values(self, x: Array) -> Array:
        """Their values at points of the sphere of radius sqrt(d), shape (N, M)."""
        if x.ndim != 2 or x.shape[1] != self.dimension:
            raise ValueError(f"expected points of shape (N, {self.dimension}), got {x.shape}")
        size = np.linalg.norm(x, axis=1)
        if not np.allclose(size, np.sqrt(self.dimension), rtol=1e-6, atol=0):
            raise ValueError(
                f"expected points of norm sqrt({self.dimension}), got norms from {size.min():.3g}"
                f" to {size.max():.3g}; scale them"
            )
        found = harmonics(self.dimension, max(self.degrees) + 1, x / size[:, None])
        return np.concatenate([found[k] for k in self.degrees], axis=1)


def _check(network: object, dimension: object, degrees: object) -> None:
    if not isinstance(network, Network):
        raise TypeError(
            f"expected a Network, got {type(network).__name__};"
            " write Network(FullyConnected('tanh'))"
        )
    _check_layers(network.layers)
    for name, value, low, high in (
        ("dimension", dimension, 2, 10**6), ("degrees", degrees, 1, DEGREES)
    ):  # fmt: skip
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"expected an integer {name}, got {value!r}; pass an int")
        if not low <= value <= high:
            raise ValueError(f"expected {name} from {low} to {high}, got {value}; change it")


def _check_layers(layers: tuple[Layer, ...]) -> None:
    for layer in layers:
        if isinstance(layer, Branched):
            for branch in layer.branches:
                _check_layers(branch)
        elif not isinstance(layer, FullyConnected | Nonlinearity | Scale):
            raise ValueError(
                "expected fully connected and residual layers, whose kernel depends on x.x'"
                f" alone on a sphere, got {type(layer).__name__}; use nystrom(network, x)"
            )


def _check_count(count: int | None, found: int) -> None:
    if found == 0:
        raise ValueError(
            "expected eigenvalues above their errors and above those of the degrees left out,"
            " got none; ask sphere_spectrum for more degrees"
        )
    if count is not None and not 1 <= count <= found:
        raise ValueError(
            f"expected 1 to {found} eigenspaces, the last trustworthy one with at most"
            f" {FUNCTIONS} functions, got {count}; take fewer, or more degrees"
        )
