"""Kernels of images whose positions are taken one by one.

What is known of the positions comes first: for all images at once where averages make one vector
of all positions; where they mix them each image goes its way with all pairs of its own positions,
which tell what the averages make of norms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytic.images.angle_propagation import Fields
from analytic.images.position_grids import PositionPairs
from analytic.images.position_norms import Lost, Own
from analytic.images.position_readings import Window, reads_all
from analytic.images.position_walk import CancelledError, Ledger, Losses, Pass, Plan
from analytic.images.shifts import Index
from analytic.machine import UNIT, Array
from analytic.network import Network, Shape
from analytic.recursion import Cost, Stage

__all__ = ["Unknown", "Walk", "errors_of", "relative"]


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """Why the positions of an image do not serve.

    Attributes:
        image: which one.
        error: of its kernel with itself.
        stages: what the layers see of it; none where units at some position cancel.
        alone: its kernels and their errors, (4, 1).
        costs: what the operations make of errors.
    """

    image: int
    error: float
    stages: tuple[Stage, ...]
    alone: Array
    costs: list[Cost]


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Images and their network, ready for pairs of them.

    Attributes:
        plan: of the images.
        ledger: what is known of their positions.
        end: the state before the last average.
        alone: what ``kernels`` are of images with themselves, (4, n); None where positions do not
            mix, and ``end`` has them.
    """

    plan: Plan
    ledger: Ledger
    end: Own
    alone: Array | None

    @classmethod
    def of(
        cls, network: Network, spatial: Shape, x: Array, allowed: float = np.inf
    ) -> Walk | Unknown:
        """That of images (n, P, channels), up to the first one with a larger error."""
        plan = Plan.of(network, spatial, x)
        if not reads_all(network):
            way = Pass(plan, None, None, None)
            end = way.run(x).own
            return cls(plan, way.found, end, None)
        one = np.zeros(1, np.int64)
        pairs, losses, alone = PositionPairs(one, one, True), list[Losses](), list[Array]()
        for image in range(len(x)):
            way = Pass(plan.one(image), pairs, None, None)
            try:
                end = way.run(x[image : image + 1])
            except CancelledError:
                return Unknown(image, np.inf, (), np.zeros((4, 1)), way.costs)
            assert end.fields is not None
            losses.append(way.found.lost)
            alone.append(_at_readout(pairs, end.own, plan.readout[-1:], end.fields))
            error = max(end.own.wrong, float(errors_of(alone[-1]).max()))
            if not error <= allowed:
                return Unknown(image, error, _stages(way.found), alone[-1], way.costs)
        way = Pass(plan, None, None, _joined(losses))
        return cls(plan, way.found, way.run(x).own, np.concatenate(alone, axis=1))

    @property
    def mixes(self) -> bool:
        """Whether all pairs of positions go along."""
        return self.alone is not None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What the layers see."""
        return _stages(self.ledger)

    def costs(self, x: Array, i: int, j: int) -> list[Cost]:
        """What the operations make of the errors of a pair of all images x."""
        pairs = PositionPairs(np.array([i]), np.array([j]), self.mixes)
        way = Pass(self.plan, pairs, self.ledger, None)
        way.run(x)
        return way.costs

    def kernels(self, x: Array, i: Index, j: Index) -> Array:
        """Sigma and Theta at the readout and the errors of both, (4, pairs).

        Args:
            x: all images, (n, P, channels).
            i: the first ones of the pairs.
            j: the second ones.
        """
        pairs = PositionPairs(i, j, self.mixes)
        fields = Pass(self.plan, pairs, self.ledger, None).run(x).fields
        assert fields is not None
        return _at_readout(pairs, self.end, self.plan.readout[-1:], fields)


def _stages(ledger: Ledger) -> tuple[Stage, ...]:
    return tuple(layer.stage for layer in ledger.layers)


def _at_readout(pairs: PositionPairs, end: Own, last: tuple[Window, ...], fields: Fields) -> Array:
    """Means over all pairs of positions, or over equal ones, (4, pairs)."""
    norms = pairs.outer(np.sqrt(end.sigma))
    sizes = pairs.outer(np.sqrt(end.theta))
    parts = [
        norms * fields.angle.cosine,
        fields.theta,
        norms * (fields.error + end.wrong + 8 * UNIT),
        fields.wrong + 8 * UNIT * sizes,
    ]
    if pairs.mixes and not (last and last[0].mixes):
        parts = [np.einsum("npp->np", part) for part in parts]
    axes = tuple(range(1, parts[0].ndim))
    found = [part.mean(axis=axes, dtype=np.longdouble) for part in parts]
    return np.stack(found).astype(np.float64)


def _joined(images: list[Losses]) -> Losses:
    """What the averages lose of all images, from what they lose of each."""

    def one(parts: tuple[Lost | None, ...]) -> Lost | None:
        known = [part for part in parts if part is not None]
        return Lost(*map(np.concatenate, zip(*known, strict=True))) if known else None

    return [
        [one(parts) for parts in zip(*groups, strict=True)] for groups in zip(*images, strict=True)
    ]


def errors_of(kernels: Array) -> Array:
    """The relative errors of what ``Walk.kernels`` gives for images with themselves."""
    sigma, theta, *wrong = kernels
    return np.maximum(*map(relative, wrong, (sigma, theta)))


def relative(wrong: Array, size: Array) -> Array:
    """Errors by the sizes that they are relative to; infinite where all of these cancelled."""
    lost = np.where(wrong > 0, np.inf, 0.0)
    return np.divide(wrong, size, out=lost, where=size > 0)
