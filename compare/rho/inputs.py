"""Input distributions rho: what x and x' are drawn from in the L2(rho x rho) norms.

A distribution is sampled afresh for every seed; a finite population is its own
distribution, sampled without replacement. The scale of the inputs changes every number, so
it is part of the name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic.arrays import numbers

__all__ = ["Inputs"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Inputs:
    """A distribution of inputs.

    Attributes:
        name: what it is, its scale included.
        shape: of one input.
        population: the number of inputs of a finite population, or None for a distribution
            to draw from.
        points: the finite population itself, read-only, shape (population, ...); None for
            a distribution to draw from.
    """

    name: str
    shape: tuple[int, ...]
    population: int | None
    _draw: Callable[[int, np.random.Generator], Array] = field(repr=False, compare=False)
    points: Array | None = field(default=None, repr=False, compare=False)

    def sample(self, n: int, seed: int = 0) -> Array:
        """Draw n inputs, shape ``(n, *shape)``, without replacement from a finite population.

        Raises:
            ValueError: n is below 1 or above the size of the population.

        Example:
            >>> x = Inputs.sphere(3).sample(4)
            >>> [round(float(v), 12) for v in (x**2).sum(axis=1)]
            [3.0, 3.0, 3.0, 3.0]
        """
        most = self.population or n
        if not 1 <= n <= most:
            limit = f"and at most {most}" if self.population else ""
            raise ValueError(f"expected at least 1 input {limit}, got {n}; change the number")
        return self._draw(n, np.random.default_rng(seed))

    @classmethod
    def sphere(cls, d: int) -> Inputs:
        """The uniform distribution on the sphere of radius sqrt(d) in d dimensions."""
        if d < 1:
            raise ValueError(f"expected a dimension of at least 1, got {d}; raise it")

        return cls(f"sphere({d})", (d,), None, _Sphere(d))

    @classmethod
    def array(cls, x: ArrayLike, name: str = "array") -> Inputs:
        """The rows of x as a finite population, each with the same weight.

        Raises:
            ValueError: x has no rows or is not finite (the first bad row is named).
        """
        population = numbers("x", x).astype(np.float64)
        if population.ndim < 2 or population.size == 0:
            raise ValueError(
                f"expected inputs of shape (n, ...), got {population.shape}; reshape the array"
            )
        bad = ~np.isfinite(population).reshape(len(population), -1).all(axis=1)
        if bad.any():
            raise ValueError(
                "expected finite numbers, got NaN or infinity first in row"
                f" {int(np.argmax(bad))}; remove or repair it"
            )
        population = population.copy()
        population.setflags(write=False)
        shape = population.shape
        label = f"{name}({shape[0]} x {'x'.join(map(str, shape[1:]))})"

        return cls(label, shape[1:], shape[0], _Rows(population), population)

    @classmethod
    def digits(cls, flat: bool = True, scale: Literal["sphere", "pixels"] = "sphere") -> Inputs:
        """The 1797 handwritten digits of scikit-learn, 8 x 8 pixels.

        Args:
            flat: vectors of 64 pixels rather than images of shape (1, 8, 8).
            scale: "sphere" puts every digit on the sphere x.x/d = 1; "pixels" leaves the
                brightness, between 0 and 1.

        References:
            E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits,
            UCI Machine Learning Repository.
        """
        from sklearn.datasets import load_digits  # takes a second to import

        pixels, _ = load_digits(return_X_y=True)
        x = np.asarray(pixels, dtype=np.float64) / 16
        if scale == "sphere":
            x /= np.sqrt(np.mean(x**2, axis=1, keepdims=True))
        elif scale != "pixels":
            raise ValueError(f"expected scale 'sphere' or 'pixels', got {scale!r}; choose one")
        population = cls.array(x if flat else x.reshape(-1, 1, 8, 8))
        name = f"digits(scale={scale})"
        return cls(name, population.shape, len(x), population._draw, population.points)


@dataclass(frozen=True, slots=True, eq=False)
class _Sphere:
    """Draws from the sphere of radius sqrt(d); it can be pickled, as a closure cannot."""

    d: int

    def __call__(self, n: int, generator: np.random.Generator) -> Array:
        x = generator.standard_normal((n, self.d))
        return x * np.sqrt(self.d / np.sum(x**2, axis=1, keepdims=True))


class _Rows:
    """Draws rows of a population without replacement; a copy of it is read-only again."""

    def __init__(self, population: Array) -> None:
        population.setflags(write=False)
        self.population = population

    def __call__(self, n: int, generator: np.random.Generator) -> Array:
        return self.population[generator.permutation(len(self.population))[:n]]

    def __reduce__(self) -> tuple[type, tuple[Array]]:
        return _Rows, (self.population,)
