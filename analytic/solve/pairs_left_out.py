"""The pairs that the tiles leave out: some of them first, which may be enough for a refusal."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.machine import cores
from analytic.pairs import (
    Close,
    NearlyParallel,
    angle_of_inputs,
    cheap_entry,
    left_out_pairs,
)
from analytic.recursion import Problem
from analytic.solve.foresight import LEAST_TAKEN

__all__ = ["LeftOut", "Refused"]

MOST_TAKEN = 2**17
"""Most pairs left out that a thread takes at a time."""
SAMPLES = 96, 256
"""Pairs that are looked at before the others, the first of them alone where they are slow; more
than ``distances`` takes by rules of two dimensions without asking whether these serve."""
SLOW, SOON = 0.25, 1.0
"""Seconds: of a sample that is large enough; of all pairs that may be taken before a refusal."""
DEAR = 0.03
"""Seconds of a pair that is taken by rules of two dimensions, if not by a table of its own."""
LOOKED_AT = 2**12
"""Pairs among which the hardest are looked for."""
AS_MANY = 2**6
"""Pairs of a sample that say as much as the hardest ones."""


class Refused(NamedTuple):
    """A pair of a sample that breaks the promise: its bound, place, and the size of the sample."""

    bound: float
    pair: tuple[int, int]
    seen: int


class LeftOut:
    """Pairs (pairs, 2) of a problem that its tiles have left out, sorted by rows.

    ``found`` has those that are known, whose places are ``known``.
    """

    def __init__(self, problem: Problem, left: NDArray[np.intp]) -> None:
        self.problem, self.left = problem, left
        self.close = Close.of(problem.network, problem.diagonal)
        self.entry = cheap_entry(problem, self.close, len(left), *left.T)
        self.found = NearlyParallel(*np.empty((3, len(left))))
        self.known = np.zeros(len(left), dtype=np.bool_)

    def _of(self, places: NDArray[np.intp]) -> NearlyParallel:
        return left_out_pairs(self.problem, self.close, self.entry, *self.left[places].T)

    def _keep(self, places: NDArray[np.intp], part: NearlyParallel) -> None:
        for whole, values in zip(self.found, part, strict=True):
            whole[places] = values
        self.known[places] = True

    def refused(self, tolerance: float) -> Refused | None:
        """What some of them say against a tolerance, unless all are known as soon."""
        if not math.isfinite(tolerance):
            return None
        if (found := self._hardest_refused(tolerance)) is not None:
            return found
        for few in SAMPLES:
            if few >= len(self.left):
                return None
            places = np.linspace(0, len(self.left) - 1, few).astype(np.intp)
            start = time.perf_counter()
            part = self._of(places)
            took, error = time.perf_counter() - start, np.nan_to_num(part.error, nan=np.inf)
            if few == SAMPLES[0]:
                self._keep(places, part)  # whatever the time says: so no bits depend on it
            worst, soon = int(error.argmax()), took * len(self.left) <= SOON * few * cores()
            if soon:
                return None
            if took > SLOW or few == SAMPLES[-1]:
                i, j = self.left[places[worst]]
                seen = Refused(float(error[worst]), (int(i), int(j)), few)
                return None if error[worst] <= tolerance else seen
        return None

    def _hardest_refused(self, tolerance: float) -> Refused | None:
        """What the hardest pairs say, if all of them would take long."""
        if self.problem.x.ndim != 2:
            return None
        places = self._hardest()
        part = self._of(places)
        self._keep(places, part)
        error = np.nan_to_num(part.error, nan=np.inf)
        worst = int(error.argmax())
        if error[worst] <= tolerance:
            return None
        start = time.perf_counter()
        self._of(places[[worst]])  # now that tables have been made
        took = time.perf_counter() - start
        if took <= DEAR or took * len(self.left) <= SOON * cores():
            return None
        i, j = self.left[places[worst]]
        return Refused(float(error[worst]), (int(i), int(j)), AS_MANY)

    def _hardest(self) -> NDArray[np.intp]:
        """Those that are widest apart, those that are nearest, and the largest, of many."""
        few = min(len(self.left), LOOKED_AT)
        some = np.linspace(0, len(self.left) - 1, few).astype(np.intp)
        i, j = self.left[some].T
        x, y = self.problem.x[i], self.problem.y[j]
        small = angle_of_inputs(x, y).small
        s, s_ = (np.sqrt(np.einsum("nd,nd->n", part, part)) for part in (x, y))
        hardest = np.argmax(s * s_ * small), np.argmin(small), np.argmax(np.maximum(s, s_))
        return np.unique(some[list(hardest)])

    def all(self) -> NearlyParallel:
        """All pairs, in blocks that bound the memory."""
        rest = np.flatnonzero(~self.known)
        step = min(max(LEAST_TAKEN, -(-len(rest) // cores())), MOST_TAKEN)

        def take(at: int) -> None:
            places = rest[at : at + step]
            self._keep(places, self._of(places))

        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(take, range(0, len(rest), step)))
        return self.found
