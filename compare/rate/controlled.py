r"""Values with a control variate: a model that is cheap to draw takes most of their spread away.

    E D = E D' + E (D - D')

The first mean is over many draws of the model alone, the second over the few draws for which both
are known: where D and D' nearly agree it hardly varies. Both are unbiased, whatever the model is
worth (Glasserman 2004, section 4.1, with the coefficient 1; Giles 2015, equation 1.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Controlled", "Distances"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Controlled:
    """A group of values with those of a model.

    Attributes:
        values: D, shape (n,), n >= 2.
        controls: D' of the same draws, shape (n,).
        others: D' of draws of their own, shape (N,), N >= 2.

    Example:
        >>> group = Controlled(np.array([2.0, 4.0]), np.array([1.0, 3.0]), np.array([5.0, 7.0]))
        >>> group.mean(), group.size
        (7.0, 2)
    """

    values: Array
    controls: Array
    others: Array

    @property
    def size(self) -> int:
        """How many draws the mean is worth at best."""
        return self.others.size

    def mean(self) -> float:
        """The estimate of E D."""
        return float(self.others.mean() + (self.values - self.controls).mean())

    def variances(self) -> tuple[float, float]:
        """Of the two means: that of the model, and that of the difference."""
        apart = self.values - self.controls
        return tuple(float(d.var(ddof=1)) / d.size for d in (self.others, apart))  # type: ignore[return-value]


Distances = Array | Controlled
"""Values of one width, with or without a control variate."""
