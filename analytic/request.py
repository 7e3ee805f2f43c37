"""What a user asks of a kernel, checked once and made a problem."""

# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analytic.images import Images, prepare_images, prepare_positions
from analytic.inputs import check_inputs, positions_first
from analytic.network import Network, first_jump_of, require_continuous
from analytic.pairs import prepare, prepare_angles
from analytic.recursion import Problem
from analytic.solve import KINDS, zonal

__all__ = ["Kind", "asked", "by_positions", "check_kind", "check_network", "with_tangent_kernel"]

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
) -> Problem:
    """The problem that a kernel asks, after everything the user gave has been checked, once."""
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
    if network.is_spatial:
        spatial = rows.shape[2:]
        rows, columns = positions_first(rows), None if columns is None else positions_first(columns)
        if first_jump_of(network) is not None:
            found = prepare_positions(network, rows, columns, spatial, math.inf)
            if found is not None:
                return found
            advice = (
                "take one without pooling between layers or branches, or smooth it, as tanh(50*x)"
            )
            require_continuous(network, "such networks of images", advice)
        return prepare_images(network, rows, columns, tolerance, spatial=spatial, tight=tight)
    if first_jump_of(network) is not None:
        return prepare_angles(network, rows, columns)
    problem = None if tight else zonal(network, rows, columns, tolerance)
    return problem or prepare(network, rows, columns, tolerance, tight=tight)


def by_positions(problem: Problem, x: ArrayLike) -> Problem | None:
    """The problem of images once more, position by position, where the series does not reach.

    ``x`` are the first images as they were given. None where there is no such way.
    """
    method = problem.method
    if not isinstance(method, Images) or method.defects is not None:
        return None
    spatial = np.shape(x)[2:]
    columns = None if problem.own else problem.y
    return prepare_positions(problem.network, problem.x, columns, spatial)


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
