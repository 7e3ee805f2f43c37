"""The answer and its promise: row blocks, the pairs left out, the diagonal, the bounds."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.machine import LANES, Array
from analytic.pairs import Angles, NearlyParallel, Series
from analytic.recursion import Problem, RowBlock, kernels_at, require_finite
from analytic.results import AccuracyError, Estimate, Kernels
from analytic.solve.checkpoint import Checkpoint
from analytic.solve.pairs_left_out import SAMPLES, LeftOut
from analytic.solve.refusal import (
    SOME,
    Objection,
    costs_of,
    early_refusal,
    full_refusal,
    least_known,
)
from analytic.solve.row_blocks import fill
from analytic.solve.writing import answer_arrays, scatter, write_diagonal

__all__ = ["HOPELESS", "KINDS", "solve"]

KINDS = {"ntk": ("ntk",), "nngp": ("nngp",), "both": ("nngp", "ntk")}
"""The kernels that each kind asks for."""


def solve(
    problem: Problem,
    kind: str,
    tolerance: float,
    out: Any = None,
    progress: bool | None = None,
    *,
    certificate: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Estimate:
    """Compute the kernels of a kind.

    Args:
        problem: what ``prepare`` made.
        kind: one of ``KINDS``.
        tolerance: the promise.
        out: None, or the array to fill; for "both" a pair of them.
        progress: as in ``analytic.kernel``.
        certificate: whether the bound of every entry is wanted.
        checkpoint: file for the rows that are finished, or None.

    Raises:
        ValueError: ``out`` has another shape, or the kernel is not finite.
        AccuracyError: the bound of an entry exceeds the tolerance.
    """
    kinds = KINDS[kind]
    require_finite(problem.diagonal.ntk)
    answers = answer_arrays(problem.shape, kinds, out)
    n, k = problem.shape
    bound = np.zeros((n, k if certificate else -(-k // LANES)))
    saved = None if checkpoint is None else Checkpoint(checkpoint, problem, kinds, answers)
    own = problem.method.diagonal if problem.own else 0.0
    if own > tolerance and own > HOPELESS and problem.x.ndim == 2:
        raise _early(problem, kind, tolerance, out, (own, least_known(problem), SOME))
    enough = tolerance if problem.x.ndim == 3 else math.inf  # tiles of vectors are quick
    if own > enough:
        raise _early(problem, kind, tolerance, out, _of_some(problem, own))
    terms, left = fill(problem, kinds, answers, bound, progress, saved, enough)
    if terms < 0:
        row, column = np.unravel_index(np.argmax(bound), bound.shape)
        pair = int(row), int(column) * (1 if certificate else LANES)
        raise _early(problem, kind, tolerance, out, (float(bound.max()), pair, SOME))
    near = _nearly_parallel(problem, kind, tolerance, out, left)
    _finish(problem, kinds, answers, left, near)
    worst = float(np.max([bound.max(), near.error.max(initial=0.0), own]))  # NaN if one is
    errors, relative = [np.empty(0)] * len(kinds), np.empty((0, 0))
    if certificate or not worst <= tolerance:
        relative = _relative(problem, bound, left, near)
        errors = [_absolute(relative, scale) for scale in _scales(problem, kinds)]
    proved = not (len(left) and not problem.is_bent) and not _has_tables(problem)
    certified = problem.diagonal.certified and proved
    estimate = Estimate(_named(answers), _named(errors), terms, certified)
    if not worst <= tolerance:
        raise _full(problem, tolerance, estimate, worst, relative, left)
    return estimate


HOPELESS = 0.25
"""A relative bound from which on K(x, x), to which all are relative, is not known itself: no
tolerance will do."""


def _has_tables(problem: Problem) -> bool:
    """Whether pairs beyond the series of a layer have a form whose error is an estimate."""
    method = problem.method
    if not isinstance(method, Series):
        return False
    return (bool(method.near) and not problem.is_bent) or bool(method.plan.close[:, 0].any())


def _of_some(problem: Problem, own: float) -> tuple[float, tuple[int, int], float]:
    """The bound of some images, and of some of their pairs, which may be far larger."""
    rows, columns = (min(few, size) for few, size in zip(SOME_IMAGES, problem.shape, strict=True))
    bound, pairs = np.zeros((rows, columns)), np.empty((rows, columns))
    problem.method.fill(problem.data(), RowBlock(0, rows, 0, False, pairs[:0], pairs), bound)
    i, j = np.unravel_index(np.argmax(bound), bound.shape)
    pair = (int(i), int(j)) if bound[i, j] > own else (0, 0)
    return max(float(bound[i, j]), own), pair, SOME


SOME_IMAGES = 2, 8
"""Rows and columns that are looked at where one image with itself breaks the promise."""


def _early(
    problem: Problem, kind: str, tolerance: float, out: Any,
    found: tuple[float, tuple[int, int], float], *, near: bool = False,
) -> AccuracyError:  # fmt: skip
    """A refusal before all pairs have been computed; they are if somebody asks for them.

    ``found`` has the bound, the pair that has it, and how far above it others may be; the tiles
    left a pair out that is ``near``.
    """

    def later() -> Estimate:
        return solve(problem, kind, math.inf, out, False, certificate=True)

    bound, pair, margin = found
    costs = costs_of(problem, bound, pair, near=near)
    enough = math.inf if near else float(problem.method.error)
    seen = Objection(bound, pair, problem.diagonal, costs, enough, margin)
    return early_refusal(seen, tolerance, later, problem.x)


def _full(
    problem: Problem, tolerance: float, estimate: Estimate, worst: float,
    relative: Array, left: NDArray[np.intp],
) -> AccuracyError:  # fmt: skip
    """A refusal of what has been computed."""
    i, j = np.unravel_index(np.argmax(np.nan_to_num(relative, nan=np.inf)), relative.shape)
    pair = int(i), int(j)
    near = bool((left == np.array(pair)).all(axis=1).any()) or isinstance(problem.method, Angles)
    text = full_refusal(problem, tolerance, worst, pair, near=near)
    return AccuracyError(text, estimate, worst, pair)


def _named(parts: list[Any]) -> Any:
    return Kernels(*parts) if len(parts) == 2 else parts[0]


def _nearly_parallel(
    problem: Problem, kind: str, tolerance: float, out: Any, left: NDArray[np.intp]
) -> NearlyParallel:
    """The pairs that were left out; raises where some of them cannot be known well enough."""
    if not len(left):
        return NearlyParallel(*np.empty((3, 0)))
    pairs = LeftOut(problem, left, tolerance)
    if (found := pairs.refused(tolerance)) is not None:
        margin = math.inf if found.slow else SOME * SAMPLES[-1] / found.seen
        seen = found.bound, found.pair, margin
        raise _early(problem, kind, tolerance, out, seen, near=True)
    return pairs.all()


def _finish(
    problem: Problem,
    kinds: Sequence[str],
    answers: list[Any],
    left: NDArray[np.intp],
    near: NearlyParallel,
) -> None:
    """Write the pairs that were left out, and the diagonal."""
    state = problem.diagonal
    pairs = kernels_at(state.output, near.sigma, near.theta)
    for kind, answer in zip(kinds, answers, strict=True):
        scatter(answer, left, getattr(pairs, kind), problem.own)
        if problem.own:
            write_diagonal(answer, getattr(state, kind))


def _scales(problem: Problem, kinds: Sequence[str]) -> list[Array]:
    """sqrt(K(x, x) K(x', x')) for every kind, (n, k) each."""
    n = problem.shape[0]
    state = problem.diagonal
    roots = {"nngp": np.sqrt(state.nngp), "ntk": np.sqrt(state.ntk)}
    columns = slice(0, n) if problem.own else slice(n, None)
    return [np.outer(roots[kind][:n], roots[kind][columns]) for kind in kinds]


def _absolute(relative: Array, scale: Array) -> Array:
    """The bounds of entries; infinite where all digits of K(x, x) may have cancelled."""
    known = relative < HOPELESS
    return np.where(known, np.where(known, relative, 0.0) * scale, np.inf)


def _relative(
    problem: Problem, bound: Array, left: NDArray[np.intp], near: NearlyParallel
) -> Array:
    """The relative error bound of every entry, (n, k), from that of each or of LANES columns."""
    n, k = problem.shape
    error = bound if bound.shape[1] == k else np.repeat(bound, LANES, axis=1)[:, :k]
    error[left[:, 0], left[:, 1]] = near.error
    if problem.own:
        error = np.triu(error, 1)
        error += error.T
        method = problem.method
        own = method.diagonals if isinstance(method, Series) else method.diagonal
        error[np.arange(n), np.arange(n)] = own
    return error
