r"""The norms of the units of images as the compiled code reads them.

A defect Phi(p, q) = r_p r'_q - Sigma(p, q) needs of either image norms only: those of a layer's
pre-activations, the unit vectors of what it reads, and what averages make of them
(``analytic.images.defects``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock

import numpy as np

from analytic.images.lane_tables import Sight, lanes
from analytic.images.shifts import Index
from analytic.machine import Array, aligned

__all__ = ["NormTables", "pixel_lines"]


def pixel_lines(x: Array, panels: Index, size: int) -> Array:
    """r and the unit vectors of images (n, positions, channels), (panels, 1 + channels, Q)."""
    wide = x.astype(np.longdouble)
    length = np.sqrt(np.sum(wide**2, axis=2))
    unit = wide / np.where(length > 0, length, np.inf)[:, :, None]
    r = length / np.sqrt(np.longdouble(x.shape[2]))
    lines = np.concatenate([r[:, :, None], unit], axis=2).astype(np.float64)
    return _panels(lines.transpose(0, 2, 1), panels, size)


def _panels(lines: Array, panels: Index, size: int) -> Array:
    """Lines (images, count, P) panel by panel, (panels, count, Q)."""
    chosen = lines[panels].transpose(0, 2, 1, 3).reshape(len(panels), lines.shape[1], -1)
    out: Array = aligned(len(panels), lines.shape[1], size)
    out[:, :, : chosen.shape[2]] = chosen
    return out


def _stacked(sight: Sight) -> Array:
    """The lines of an average, (images, count, P)."""
    lines = [*sight.lines.values()]
    return lines[0] if lines[0].ndim == 3 else np.stack(lines, axis=1)


class NormTables:
    """The lines of some images, or of panels of images side by side.

    Args:
        sights: what layers and averages see of the images.
        sources: positions that the layers read, (filters, P) each, -1 outside.
        panels: numbers of the images of every panel, (panels, copies).
    """

    def __init__(
        self, sights: Mapping[int, Sight], sources: Sequence[Index], panels: Index
    ) -> None:
        self._sights, self._sources, self._panels = sights, sources, panels
        self._made: dict[int, Array] = {}
        self._sums: dict[tuple[int, int], Array] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._panels)

    @property
    def _copies(self) -> int:
        return self._panels.shape[1]

    @property
    def bytes(self) -> int:
        """Memory of the lines that have been made."""
        made = [*self._made.values(), *self._sums.values()]
        return sum(lines.nbytes for lines in made)

    def lines(self, at: int) -> Array:
        """Those of a layer, s and the unit vectors it reads, or of an average, (panels, count, Q).

        An average leaves the R of its means, the mean of r, and 1 - R^2/mean^2; flattening
        R and the unit vector of all positions.
        """
        with self._lock:
            if at not in self._made:
                sight = self._sights[at]
                made = self._read(at, sight) if at >= 0 else _stacked(sight)
                size = lanes(made.shape[2], self._copies)
                self._made[at] = _panels(made, self._panels, size)
            return self._made[at]

    def sums(self, at: int, number: int) -> Array:
        """Those of a sum that ends at a layer (``analytic.images.defect_sums``), (panels, 5, Q)."""
        key = at, number
        with self._lock:
            if key not in self._sums:
                made = self._sights[at].lines["sums"][:, number]
                self._sums[key] = _panels(made, self._panels, lanes(made.shape[2], self._copies))
            return self._sums[key]

    def _read(self, at: int, sight: Sight) -> Array:
        """s and the unit vectors of what a layer reads at every position, (images, 1 + parts, P).

        One part is 1 wherever there is anything, and says nothing of a pair.
        """
        step, source = sight.step, self._sources[at]
        s = np.asarray(sight.lines["deviation"], np.float64)
        assert step is not None
        inverse = (1 / np.where(s > 0, s, np.inf))[:, None]
        outside = np.zeros((len(s), 1))
        norms = np.concatenate([sight.lines["norms"], outside], axis=1)  # source -1 is outside
        parts = [s[:, None], np.sqrt(step.weight) * norms[:, source] * inverse]
        if step.bias > 0:
            parts.append(np.sqrt(step.bias) * inverse)
        elif len(source) == 1:
            parts.pop()
        return np.concatenate(parts, axis=1)
