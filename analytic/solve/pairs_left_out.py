"""The pairs that the tiles leave out: some of them first, which may be enough for a refusal."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.machine import cores
from analytic.pairs import Close, NearlyParallel, cheap_entries, left_out_pairs
from analytic.recursion import Problem
from analytic.solve.foresight import LEAST_TAKEN

__all__ = ["LeftOut", "Refused"]

MOST_TAKEN = 2**17
"""Most pairs left out that a thread takes at a time."""
SAMPLES = 96, 256
"""Pairs that are looked at before the others, the first of them alone where they are slow; more
than ``distances`` takes by rules of two dimensions without asking whether these serve."""
SLOW, SOON, LONG = 0.25, 1.0, 20.0
"""Seconds: of a sample that is large enough; of all pairs that may be taken before a refusal, and
that a larger tolerance may take."""


class Refused(NamedTuple):
    """A pair of a sample that breaks the promise: its bound, place, and the size of the sample.

    ``slow`` says whether all pairs would take LONG.
    """

    bound: float
    pair: tuple[int, int]
    seen: int
    slow: bool


class LeftOut:
    """Pairs (pairs, 2) of a problem that its tiles have left out, sorted by rows.

    ``found`` has those that are known, whose places are ``known``. With an infinite ``tolerance``
    the best values are wanted that are known soon.
    """

    def __init__(self, problem: Problem, left: NDArray[np.intp], tolerance: float) -> None:
        self.problem, self.left = problem, left
        wanted = tolerance if math.isfinite(tolerance) else 0.0
        self.close = Close.of(problem.network, problem.diagonal, wanted=wanted)
        self.entries = cheap_entries(problem, self.close, len(left), *left.T)
        self.found = NearlyParallel(*np.empty((3, len(left))))
        self.known = np.zeros(len(left), dtype=np.bool_)

    def _of(self, places: NDArray[np.intp]) -> NearlyParallel:
        return left_out_pairs(self.problem, self.close, self.entries, *self.left[places].T)

    def _keep(self, places: NDArray[np.intp], part: NearlyParallel) -> None:
        for whole, values in zip(self.found, part, strict=True):
            whole[places] = values
        self.known[places] = True

    def refused(self, tolerance: float) -> Refused | None:
        """What some of them say against a tolerance, unless all are known as soon."""
        for few in SAMPLES if math.isfinite(tolerance) else ():
            if few >= len(self.left):
                return None
            places = np.linspace(0, len(self.left) - 1, few).astype(np.intp)
            start = time.perf_counter()
            part = self._of(places)
            took, error = time.perf_counter() - start, np.nan_to_num(part.error, nan=np.inf)
            if few == SAMPLES[0]:
                self._keep(places, part)  # whatever the time says: so no bits depend on it
            worst, all_of_them = int(error.argmax()), took * len(self.left) / (few * cores())
            if all_of_them <= SOON:
                return None
            if took > SLOW or few == SAMPLES[-1]:
                i, j = self.left[places[worst]]
                seen = Refused(float(error[worst]), (int(i), int(j)), few, all_of_them > LONG)
                return None if error[worst] <= tolerance else seen
        return None

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
