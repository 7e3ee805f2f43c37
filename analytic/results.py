"""A number and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["PROMISE", "AccuracyError", "Estimate", "Kernels"]

PROMISE = (
    "Every entry of the limiting kernel is within the tolerance, 1e-10 unless another is asked for,"
    " relative to sqrt(K(x, x) K(x', x')), or refused: the error bound is proved for smooth"
    " activations, up to the assumptions in docs/theory/bound.md; where it is only estimated (most"
    " kinks, many pairs of large inputs, some nearly parallel pairs, images taken position by"
    " position),"
    " kernel_estimate(...).certified is False."
)
"""What is promised of every number, in the words of all pages."""


class Kernels(NamedTuple):
    """Both kernels, shape (n, k) each."""

    nngp: Any
    ntk: Any


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A kernel with its certificate.

    Attributes:
        value: the kernel, shape (n, k), or ``Kernels`` where both were asked for.
        error: bound of ``|value - K|`` for every entry, of the same shape.
        terms: the largest number of terms of the series that was used.
        certified: whether ``error`` is proved. It is not where an activation has kinks or is
            not known to be analytic beside the real line, nor for nearly parallel pairs that
            are integrated in two dimensions: there two rules have been found to agree.
    """

    value: Any
    error: Any
    terms: int
    certified: bool = True


class AccuracyError(ArithmeticError):
    """float64 cannot give the tolerance; ``estimate`` is the best value with its bound.

    A refusal comes as soon as it is certain: where the work was not finished by then, it is when
    ``estimate`` is first asked for.

    Attributes:
        bound: of the relative error, the largest that was seen; NaN where it is not known.
        pair: the inputs that have it, None where none is known.
    """

    def __init__(
        self,
        message: str,
        estimate: Estimate | None = None,
        bound: float = float("nan"),
        pair: tuple[int, int] | None = None,
        *,
        later: Callable[[], Estimate] | None = None,
    ) -> None:
        super().__init__(message)
        self.bound, self.pair = bound, pair
        self._estimate, self._later = estimate, later

    @property
    def estimate(self) -> Estimate | None:
        """The best value with its bound."""
        if self._estimate is None and self._later is not None:
            self._estimate, self._later = self._later(), None
        return self._estimate

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.estimate, self.bound, self.pair)
