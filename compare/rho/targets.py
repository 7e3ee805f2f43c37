r"""Targets f*: functions with a name, bounded, and on spheres with known projections.

x      inputs, shape (n, ...); rows are flattened and their direction e = x/|x| is used
ridge  a function of one direction, g(e.u) with |u| = 1; on the sphere S^{d-1} its
       projection on harmonics of one degree follows from a one-dimensional integral
       (Funk and Hecke), so sums of ridges have exact projections in every dimension
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analytic.spectrum import multiplicity
from compare.rho.inputs import Inputs

__all__ = ["Ridge", "Target", "zonal"]

Array = NDArray[np.float64]
PROBES = 2**10
"""Inputs on which a target must be finite, and near the best of which it must stay bounded."""


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """A function g(e.u) of one direction.

    Attributes:
        axis: u, |u| = 1, shape (d,); None for the first coordinate in any dimension.
        profile: g, a function of cosines.
        breaks: cosines inside (-1, 1) at which g jumps.
    """

    axis: Array | None
    profile: Callable[[Array], Array]
    breaks: tuple[float, ...] = ()

    def __call__(self, directions: Array) -> Array:
        cosines = directions[:, 0] if self.axis is None else directions @ self.axis
        return self.profile(np.clip(cosines, -1, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A target function f*.

    Attributes:
        name: what it is.
        ridges: it is the sum of these, if it is given as such.
        function: any function of x, otherwise.
        labels: its values on a finite population, in the order of ``Inputs.points``, otherwise.
    """

    name: str
    ridges: tuple[Ridge, ...] = ()
    function: Callable[[Array], Any] | None = field(default=None, repr=False)
    labels: Array | None = field(default=None, repr=False)

    def __call__(self, x: ArrayLike) -> Array:
        """f*(x), shape (n,), for inputs of shape (n, ...).

        Raises:
            ValueError: the values have another shape or are not finite, or the target is known
                on a finite population only.
            TypeError: the values are no real numbers.
        """
        points = np.asarray(x, dtype=np.float64)
        if self.labels is not None:
            raise ValueError(
                f"expected a function of x, got the labels {self.name}, which are known on their"
                " population only; give a callable"
            )
        if self.function is not None:
            return _check_values(self.name, self.function(points), len(points))
        flat = points.reshape(len(points), -1)
        directions = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        return np.asarray(sum(ridge(directions) for ridge in self.ridges))

    @classmethod
    def harmonic(
        cls,
        degrees: int | Sequence[int],
        dimension: int,
        amplitude: float = 1.0,
        *,
        seed: int | None = None,
    ) -> Target:
        """Zonal harmonics, each of the same norm in L2 of the sphere.

        Args:
            degrees: one degree or several.
            dimension: d of the sphere S^{d-1}; on the circle (2) a harmonic is
                sqrt(2) cos(degree angle).
            amplitude: norm of each of them.
            seed: of random axes, one for each degree; all have the first axis if None.

        Example:
            >>> f = Target.harmonic(3, 2)
            >>> f([[1.0, 0.0], [0.5, np.sqrt(0.75)]]).round(6).tolist()  # cos(0), cos(pi)
            [1.414214, -1.414214]
        """
        chosen = (degrees,) if isinstance(degrees, int) else tuple(degrees)
        if not chosen or min(chosen) < 0 or dimension < 2:
            raise ValueError(
                f"expected degrees >= 0 on a sphere of dimension >= 2, got {chosen} and"
                f" {dimension}; change them"
            )
        axes: Sequence[Array | None] = [None] * len(chosen)
        if seed is not None:
            axes = _directions(np.random.default_rng(seed), len(chosen), dimension)
        ridges = (
            Ridge(axis, _harmonic(degree, dimension, amplitude))
            for axis, degree in zip(axes, chosen, strict=True)
        )
        return cls(f"harmonic({', '.join(map(str, chosen))})", tuple(ridges))

    @classmethod
    def step(cls) -> Target:
        """The sign of the first coordinate.

        Example:
            >>> Target.step()([[2.0, 1.0], [-2.0, 1.0]]).tolist()
            [1.0, -1.0]
        """
        return cls("step", (Ridge(None, _sign, (0.0,)),))

    @classmethod
    def smooth(cls, dimension: int, seed: int = 0, waves: int = 8, scale: float = 3.0) -> Target:
        """A random smooth function: plane waves of random directions, lengths and phases.

        Args:
            dimension: number of coordinates of an input.
            seed: of the random numbers.
            waves: how many; the function stays below sqrt(waves).
            scale: the largest wave number on the unit sphere.
        """
        rng = np.random.default_rng(seed)
        axes = _directions(rng, waves, dimension)
        numbers, phases = scale * rng.uniform(size=waves), 2 * np.pi * rng.uniform(size=waves)
        ridges = (
            Ridge(axis, _wave(number, phase, waves))
            for axis, number, phase in zip(axes, numbers, phases, strict=True)
        )
        return cls(f"smooth(seed={seed})", tuple(ridges))

    @classmethod
    def parity(cls) -> Target:
        """1 for the odd digits of ``Inputs.digits()``, -1 for the even ones."""
        return cls("parity", labels=np.where(_digits() % 2 == 1, 1.0, -1.0))

    @classmethod
    def digit(cls, label: int) -> Target:
        """The indicator of one class of ``Inputs.digits()``.

        Raises:
            ValueError: no digit has that label.
        """
        if label not in range(10):
            raise ValueError(f"expected a digit from 0 to 9, got {label!r}; choose one")
        return cls(f"digit({label})", labels=(_digits() == label).astype(np.float64))

    @classmethod
    def of(cls, target: Any, inputs: Inputs) -> Target:
        """Any target a user may give: a Target, a callable, or values on the population.

        Raises:
            TypeError: it is none of these, or has values that are no real numbers.
            ValueError: values of the wrong shape, not finite, or growing without bound.
        """
        if not isinstance(target, Target):
            if callable(target):
                target = cls(getattr(target, "__name__", "callable"), function=target)
            else:
                target = cls("values", labels=np.asarray(target))
        _check_bounded(target, inputs)
        return target

    def on_population(self, inputs: Inputs) -> Array:
        """Its values on all points of a finite population."""
        assert inputs.points is not None
        if self.labels is None:
            return self(inputs.points)
        return _check_values(self.name, self.labels, len(inputs.points))


def zonal(degree: int, dimension: int, cosine: Array) -> Array:
    """The zonal harmonic with value 1 at the pole: Chebyshev on the circle, else Gegenbauer."""
    if dimension == 2:
        return np.cos(degree * np.arccos(np.clip(cosine, -1, 1)))
    index = dimension / 2 - 1
    pole = special.eval_gegenbauer(degree, index, 1.0)
    return np.asarray(special.eval_gegenbauer(degree, index, cosine) / pole)


def _sign(cosine: Array) -> Array:
    return np.where(cosine >= 0, 1.0, -1.0)


def _directions(rng: np.random.Generator, count: int, dimension: int) -> list[Array]:
    axes = rng.standard_normal((count, dimension))
    return list(axes / np.linalg.norm(axes, axis=1, keepdims=True))


def _harmonic(degree: int, dimension: int, amplitude: float) -> Callable[[Array], Array]:
    scale = amplitude * np.sqrt(multiplicity(dimension, degree))
    return partial(_scaled_zonal, scale, degree, dimension)


def _wave(number: float, phase: float, waves: int) -> Callable[[Array], Array]:
    return partial(_cosine_wave, number, phase, waves)


def _scaled_zonal(scale: float, degree: int, dimension: int, cosine: Array) -> Array:
    return scale * zonal(degree, dimension, cosine)


def _cosine_wave(number: float, phase: float, waves: int, cosine: Array) -> Array:
    return np.cos(number * cosine + phase) / np.sqrt(waves)


def _digits() -> NDArray[np.int64]:
    from sklearn.datasets import load_digits  # takes a second to import

    return np.asarray(load_digits(return_X_y=True)[1])


def _check_values(name: str, values: Any, count: int) -> Array:
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"expected a target with real numbers as values, got {array.dtype} from {name};"
            " return an array of floats of shape (n,)"
        )
    if array.shape != (count,):
        raise ValueError(
            f"expected a target with {count} values, one for each input, got shape {array.shape}"
            f" from {name}; return an array of shape (n,)"
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise ValueError(
            f"expected a bounded target, got {array[bad[0]]} from {name} at input {bad[0]};"
            " Assumption 3.3 asks for a finite supremum"
        )
    return array.astype(np.float64)


def _check_bounded(target: Target, inputs: Inputs) -> None:
    """Refuse what is not finite, and what grows without end around its largest value."""
    if inputs.points is not None:
        target.on_population(inputs)
        return
    if target.labels is not None:
        raise TypeError(
            f"expected a function as target on {inputs.name}, got values; values belong to a"
            " finite population, give a callable"
        )
    if target.function is None:
        target(inputs.sample(PROBES))
        return
    x = inputs.sample(PROBES)
    values = np.abs(target(x))
    best, first = x[np.argmax(values)], float(values.max())
    largest = _climb(target, best) if inputs.name.startswith("sphere") else first
    if largest > 1e6 * max(first, 1e-300):
        raise ValueError(
            f"expected a bounded target, got |f*| = {first:.3g} on {PROBES} inputs and"
            f" {largest:.3g} near one of them; Assumption 3.3 asks for a finite supremum, clip it"
        )


def _climb(target: Target, x: Array) -> float:
    """The largest |f*| found by closing in on the largest one, on the sphere of x."""
    rng, radius = np.random.default_rng(0), float(np.linalg.norm(x))
    found = 0.0
    for scale in 10.0 ** -np.arange(1, 13):
        near = x + scale * rng.standard_normal((64, len(x)))
        near *= radius / np.linalg.norm(near, axis=1, keepdims=True)
        values = np.abs(target(near))
        if values.max() > found:
            found, x = float(values.max()), near[np.argmax(values)]
    return found
