"""What a user asks of a kernel, checked once and made a problem."""

# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analytic.images import (
    Images,
    Unserved,
    beyond_series,
    is_plain,
    prepare_images,
    prepare_positions,
    try_positions,
)
from analytic.inputs import check_inputs, positions_first
from analytic.machine import Array
from analytic.network import Network, Shape, first_jump_of, require_continuous
from analytic.pairs import own_ends, prepare, prepare_angles
from analytic.recursion import Diagonal, Problem
from analytic.results import AccuracyError, Estimate
from analytic.solve import KINDS, Objection, early_refusal, refused_by_few, solve, zonal

__all__ = [
    "Kind",
    "asked",
    "by_positions",
    "check_kind",
    "check_network",
    "checked",
    "goes_by_positions",
    "image_problem",
    "own_kernels",
    "with_tangent_kernel",
]

Kind = Literal["ntk", "nngp", "both"]


def check_kind(kind: str) -> None:
    """Raise unless there is such a kernel."""
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"expected kind 'ntk', 'nngp' or 'both', got {kind!r}; choose one")


def asked(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None,
    kind: Kind,
    tolerance: float,
    device: str,
    *,
    tight: bool = False,
    planned: bool = False,
) -> Problem:
    """The problem that a kernel asks, after everything the user gave has been checked, once.

    Raises:
        AccuracyError: a few of the inputs, or a part of an image, say that no tolerance will do;
            not where a kernel is ``planned``.
    """
    network, rows, columns = checked(network, x, y, kind, tolerance, device)
    if network.is_spatial:
        spatial = rows.shape[2:]
        rows, columns = positions_first(rows), None if columns is None else positions_first(columns)
        return image_problem(network, rows, columns, spatial, kind, tolerance, tight=tight)
    if first_jump_of(network) is not None:
        return prepare_angles(network, rows, columns)
    problem = None if tight else zonal(network, rows, columns, tolerance)
    if problem is None and columns is None and not planned:
        refused = refused_by_few(network, rows, kind, tolerance, tight=tight)
        if refused is not None:
            raise refused
    return problem or prepare(network, rows, columns, tolerance, tight=tight)


def checked(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None,
    kind: Kind,
    tolerance: float,
    device: str = "cpu",
) -> tuple[Network, Array, Array | None]:
    """The network as the kernel takes it, and the inputs; raises where something is wrong."""
    check_network(network)
    check_kind(kind)
    if device != "cpu":
        raise ValueError(f"expected device 'cpu', got {device!r}; leave it out")
    if not isinstance(tolerance, (int, float)):
        raise TypeError(f"expected a number as tolerance, got {tolerance!r}; try 1e-10")
    if not 0 < tolerance < 1:
        raise ValueError(f"expected a tolerance between 0 and 1, got {tolerance!r}; try 1e-10")
    if kind != "nngp":
        network = with_tangent_kernel(network)
    rows = check_inputs("x", x, network)
    columns = None if y is None else check_inputs("y", y, network)
    if columns is not None and columns.shape[1:] != rows.shape[1:]:
        raise ValueError(
            f"expected x and y of the same shape for each input, got {rows.shape[1:]} and"
            f" {columns.shape[1:]}; take both from the same data"
        )
    return network, rows, columns


def image_problem(
    network: Network,
    x: Array,
    y: Array | None,
    spatial: Shape,
    kind: Kind,
    tolerance: float,
    *,
    tight: bool,
) -> Problem:
    """The problem of images, (n, positions, channels), by series or position by position.

    Raises:
        AccuracyError: neither serves, and that is seen from a part of one image.
    """
    if first_jump_of(network) is not None:
        found = prepare_positions(network, x, y, spatial, most=math.inf)
        if isinstance(found, Problem):
            return found
        advice = "take one without pooling between layers or branches, or smooth it, as tanh(50*x)"
        require_continuous(network, "such networks of images", advice)
    if beyond_series(network, x, spatial, tolerance):
        found = try_positions(network, x, y, spatial, tolerance)
        if isinstance(found, Problem):
            return found
        if found.ends is not None:
            raise _refused((network, x, y, spatial), kind, tolerance, found)
    return prepare_images(network, x, y, tolerance, spatial=spatial, tight=tight)


def own_kernels(
    network: Network, x: Array, kind: Kind, tolerance: float
) -> tuple[Diagonal, float] | None:
    """The kernels of inputs with themselves, and the largest bound of their relative errors.

    None where images are refused together, of which some may be known.

    Args:
        network: as ``checked`` returns it.
        x: inputs, the same.
        kind: which kernels.
        tolerance: the promise.
    """
    jumps = first_jump_of(network) is not None
    if not (network.is_spatial or jumps):
        return own_ends(network, x)
    try:
        problem = (
            image_problem(
                network, positions_first(x), None, x.shape[2:], kind, tolerance, tight=False
            )
            if network.is_spatial
            else prepare_angles(network, x, None)
        )
    except AccuracyError:
        return None
    return problem.diagonal, problem.method.diagonal


Given = tuple[Network, Array, Array | None, Shape]
"""A network and its images, positions first, and their shape."""


def _refused(given: Given, kind: Kind, tolerance: float, found: Unserved) -> AccuracyError:
    """What a part of one image tells; the rest is computed if somebody asks for it."""

    def later() -> Estimate:
        problem = prepare_positions(*given)
        assert isinstance(problem, Problem)  # it was not too much work
        return solve(problem, kind, math.inf, progress=False, certificate=True)

    assert found.ends is not None
    seen = Objection(found.bound, found.pair, found.ends, found.costs)
    return early_refusal(seen, tolerance, later, given[1])


def goes_by_positions(problem: Problem) -> bool:
    """Whether a problem that its series refuse is taken position by position.

    Chords have proofs, which positions have in plain networks alone.
    """
    method = problem.method
    return isinstance(method, Images) and (method.defects is None or is_plain(problem.network))


def by_positions(
    problem: Problem, x: ArrayLike, kind: Kind, tolerance: float, refused: AccuracyError
) -> Problem:
    """The problem of images once more, position by position, where the series did not reach.

    Args:
        problem: of the series.
        x: the first images as they were given.
        kind: see ``asked``.
        tolerance: the promise.
        refused: what the series say.

    Raises:
        AccuracyError: positions do not serve either; the refusal with the smaller bound.
    """
    if not goes_by_positions(problem):
        raise refused
    given = problem.network, problem.x, None if problem.own else problem.y, np.shape(x)[2:]
    found = try_positions(*given, tolerance)
    if isinstance(found, Problem):
        return found
    if found.ends is None or not found.bound < refused.bound:
        raise refused
    raise _refused(given, kind, tolerance, found)


def with_tangent_kernel(network: Network) -> Network:
    """The network as its tangent kernel is computed; raises where it has none that is known."""
    require_continuous(network, "the tangent kernel", "ask for kind='nngp', or smooth it")
    return network.commuted()


def check_network(network: Network) -> None:
    """Raise unless it is a description."""
    if not isinstance(network, Network):
        raise TypeError(
            f"expected a Network, got {type(network).__name__};"
            " write Network(FullyConnected('tanh'))"
        )
