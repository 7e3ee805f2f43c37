"""Input distributions rho: what x and x' are drawn from in the L2(rho x rho) norms.

A distribution is sampled afresh for every seed; a finite population is its own
distribution, sampled without replacement. The scale of the inputs changes every number, so
it is part of the name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic.arrays import numbers
from compare.rho.image_files import (
    CIFAR_SHAPE,
    MNIST_SHAPE,
    LabelledImages,
    cifar10,
    mnist,
    read_images,
    synthetic,
)
from compare.whole_numbers import whole

__all__ = ["Inputs"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """A distribution of inputs; equal to another of the same name, shape and points.

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
    _draw: Callable[[int, np.random.Generator], Array] = field(repr=False)
    points: Array | None = field(default=None, repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Inputs):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        points = None if self.points is None else self.points.tobytes()
        return self.name, self.shape, self.population, points

    def sample(self, n: int, seed: int = 0) -> Array:
        """Draw n inputs, shape ``(n, *shape)``, without replacement from a finite population.

        Raises:
            ValueError: n is below 1 or above the size of the population.

        Example:
            >>> x = Inputs.sphere(3).sample(4)
            >>> [round(float(v), 12) for v in (x**2).sum(axis=1)]
            [3.0, 3.0, 3.0, 3.0]
        """
        n = whole("n", n)
        most = self.population or n
        if not 1 <= n <= most:
            limit = f"and at most {most}" if self.population else ""
            raise ValueError(f"expected at least 1 input {limit}, got {n}; change the number")
        return self._draw(n, np.random.default_rng(seed))

    @classmethod
    def sphere(cls, d: int) -> Inputs:
        """The uniform distribution on the sphere of radius sqrt(d) in d dimensions."""
        d = whole("d", d)
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
        x = _scaled(x, scale)
        population = cls.array(x if flat else x.reshape(-1, 1, 8, 8))
        name = f"digits(scale={scale})"
        return cls(name, population.shape, len(x), population._draw, population.points)

    @classmethod
    def mnist(
        cls,
        file: str | os.PathLike[str] | None = None,
        *,
        flat: bool = False,
        scale: Literal["sphere", "pixels"] = "pixels",
        labels: Sequence[int] | None = None,
    ) -> Inputs:
        """The 60,000 training images of MNIST, shape (1, 28, 28).

        They come from OpenML's data set 554 through scikit-learn, or from a file .npz with the
        keys ``x`` (images) and ``y`` (labels, where some are chosen). The name holds the
        beginning of their SHA-256, that of the file train-images-idx3-ubyte: ba891046e650 for
        the images of Figure 1.

        Args:
            file: a file .npz; the network if None.
            flat: vectors of 784 pixels.
            scale: "sphere" puts every image on the sphere x.x/d = 1; "pixels" leaves the
                brightness, between 0 and 1.
            labels: the classes that are kept; all if None.

        Raises:
            ValueError: keys, shapes or labels are others; it says what was found.
            OSError: no file is given, and the network does not give the images.

        References:
            LeCun, Bottou, Bengio and Haffner (1998); Bowman and Montufar (2022), Figure 1.
        """
        images = mnist() if file is None else read_images(Path(file), MNIST_SHAPE)
        return cls._of_images("mnist", images.of_classes(labels), flat, scale, labels)

    @classmethod
    def cifar10(
        cls,
        file: str | os.PathLike[str] | None = None,
        *,
        flat: bool = False,
        scale: Literal["sphere", "pixels"] = "pixels",
        labels: Sequence[int] | None = None,
    ) -> Inputs:
        """The 50,000 training images of CIFAR-10, shape (3, 32, 32).

        They come from the binary archive of the authors, which has to have its SHA-256
        (c4a38c50a1bc...), or from a file .npz; arguments and errors as of ``mnist``.

        References:
            Krizhevsky (2009); Bowman and Montufar (2022), Figure 1.
        """
        images = cifar10() if file is None else read_images(Path(file), CIFAR_SHAPE)
        return cls._of_images("cifar10", images.of_classes(labels), flat, scale, labels)

    @classmethod
    def synthetic_images(cls, shape: tuple[int, int, int], count: int, seed: int = 0) -> Inputs:
        """Random images of a shape (channels, height, width) with the spectrum of photographs.

        They stand in where only the shape matters, as for time and memory.
        """
        images = synthetic(shape, count, seed)
        label = f"synthetic {'x'.join(map(str, shape))}"
        return cls._of_images(label, images, False, "pixels", None)

    @classmethod
    def _of_images(
        cls,
        label: str,
        images: LabelledImages,
        flat: bool,
        scale: str,
        labels: Sequence[int] | None,
    ) -> Inputs:
        x = images.x.reshape(len(images.x), -1)
        population = cls.array(_scaled(x, scale).reshape(x.shape if flat else images.x.shape))
        chosen = "" if labels is None else f", labels={'+'.join(map(str, labels))}"
        name = f"{label}(scale={scale}{chosen}, sha256={images.checksum[:12]})"
        return cls(name, population.shape, len(x), population._draw, population.points)


def _scaled(x: Array, scale: str) -> Array:
    """Vectors of pixels as they are, or on the sphere x.x/d = 1."""
    if scale == "pixels":
        return x
    if scale != "sphere":
        raise ValueError(f"expected scale 'sphere' or 'pixels', got {scale!r}; choose one")
    squares = np.mean(x**2, axis=1, keepdims=True)
    if not squares.all():
        raise ValueError(
            f"expected images that are not zero for scale 'sphere', got one in row"
            f" {int(np.argmin(squares))}; remove it or use scale='pixels'"
        )
    return x / np.sqrt(squares)


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
