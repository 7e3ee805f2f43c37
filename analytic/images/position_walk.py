"""The way of images, and of pairs of them, through a network, position by position.

What is known of the positions of images is remembered (``Ledger``), so that pairs of them can go
the same way alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from analytic.images.angle_propagation import (
    Fields,
    behind_average,
    behind_layer,
    behind_sum,
    pixels,
)
from analytic.images.position_grids import PositionPairs
from analytic.images.position_labels import Labels, labels_of
from analytic.images.position_norms import (
    AverageNorms,
    LayerNorms,
    Lost,
    Own,
    SumNorms,
    average_norms,
    layer_norms,
    sum_norms,
)
from analytic.images.position_readings import (
    Reading,
    Window,
    is_plain,
    network_readings,
)
from analytic.machine import UNIT, Array
from analytic.network import Network, Shape, Step, fold
from analytic.recursion import Account, Cost

__all__ = ["CancelledError", "Ledger", "Losses", "Pass", "Plan", "State"]


class Ledger(NamedTuple):
    """What is known of all positions of some images.

    Attributes:
        averages: those before every layer, and before the readout.
        lost: what they lose of norms where they mix, and of no use elsewhere.
        layers: the layers.
        sums: those that end at every layer.
    """

    averages: list[list[AverageNorms]]
    lost: Losses
    layers: list[LayerNorms]
    sums: list[list[SumNorms]]


class Plan(NamedTuple):
    """A network, what its layers and its readout read, and the labels of all images."""

    network: Network
    readings: tuple[Reading, ...]
    readout: tuple[Window, ...]
    labels: Labels

    @classmethod
    def of(cls, network: Network, spatial: Shape, x: Array) -> Plan:
        """That of images (n, P, channels)."""
        readings, readout = network_readings(network, spatial)
        return cls(network, readings, readout, labels_of(network, readings, readout, x))

    def one(self, image: int) -> Plan:
        """The same for one image."""
        start, averages, layers, sums = self.labels
        one = slice(image, image + 1)
        many = ([[part[one] for part in parts] for parts in group] for group in (averages, sums))
        averages, sums = many
        labels = Labels(start[one], averages, [part[one] for part in layers], sums)
        return self._replace(labels=labels)


class CancelledError(ArithmeticError):
    """Units at some position cancel: nothing is known of the angles between what is left."""


Part = tuple[int, Step, Reading]
Losses = list[list[Lost | None]]
"""What the averages before each layer, and before the readout, lose where they mix."""


class State(NamedTuple):
    """What is known of some images, and their pairs of positions that go along, if any do."""

    own: Own
    fields: Fields | None


class Pass:
    """The way of some images, of pairs of them, or of both.

    Args:
        plan: of the images.
        pairs: the pairs whose positions go along.
        known: what is known of the images; None where that is to be found.
        lost: what the averages lose; None where the pairs tell.

    Attributes:
        costs: what the operations make of the errors of pairs.
    """

    def __init__(
        self, plan: Plan, pairs: PositionPairs | None, known: Ledger | None,
        lost: Losses | None,
    ) -> None:  # fmt: skip
        self.plan, self.pairs, self.known, self.lost = plan, pairs, known, lost
        self.costs: list[Cost] = []
        self.found = Ledger([], [], [], [[] for _ in plan.readings])
        self.proved = all(map(_is_proved, plan.network.steps)) and is_plain(plan.network)

    def run(self, x: Array) -> State:
        """From the pixels of images (n, P, channels) to the last average, which is left out."""
        plan = self.plan
        fields = None if self.pairs is None else pixels(self.pairs, x, plan.labels.start)
        steps = zip(plan.network.steps, plan.readings, strict=True)
        parts = [(at, *part) for at, part in enumerate(steps)]
        seen = Account(plan.network.steps, _error_of_pairs)
        self.costs = seen.costs
        last = fold(
            parts, State(_own(x), fields), seen.after(self._after), seen.added(self._added),
            step=lambda part: part[1],
            averaged=seen.averaged(lambda part, a: self._averaged(part[0], part[2].averages, a)),
        )  # fmt: skip
        end = self._averaged(len(parts), plan.readout[:-1], last)
        seen.read(last, end)
        return end

    def _averaged(self, at: int, windows: Sequence[Window], state: State) -> State:
        self.found.averages.append([])
        self.found.lost.append([])
        for number, window in enumerate(windows):
            if self.known is not None:
                norms, own = self.known.averages[at][number], state.own
            else:
                loss = self._loss(at, number, window, state)
                norms, own = average_norms(window, state.own, loss)
                self.found.averages[-1].append(norms)
                self.found.lost[-1].append(loss)
                _require_known(own)
            fields, labels = state.fields, self.plan.labels.averages[at][number]
            if self.pairs is not None and fields is not None:
                fields = behind_average(self.pairs, norms, window, labels, fields)
            state = State(own, fields)
        return state

    def _loss(self, at: int, number: int, window: Window, state: State) -> Lost | None:
        if not window.mixes:
            return None
        if self.lost is not None:
            return self.lost[at][number]
        assert state.fields is not None
        return _lost(window, state.own, state.fields)

    def _after(self, part: Part, state: State) -> State:
        at, step, reading = part
        own = state.own
        if self.known is not None:
            norms = self.known.layers[at]
        else:
            norms, own = layer_norms(self.plan.network, step, reading, own, self.proved)
            self.found.layers.append(norms)
        fields = state.fields
        if self.pairs is not None and fields is not None:
            fields = behind_layer(self.pairs, norms, reading, self.plan.labels.layers[at], fields)
        return State(own, fields)

    def _added(self, part: Part, number: int, total: State, branch: State) -> State:
        at, step, _ = part
        own, shares = branch.own, step.shares[number]
        if self.known is not None:
            norms = self.known.sums[at][number]
        else:
            norms, own = sum_norms(total.own, own, shares)
            self.found.sums[at].append(norms)
            _require_known(own)
        fields = branch.fields
        if self.pairs is not None and fields is not None and total.fields is not None:
            labels = self.plan.labels.sums[at][number]
            fields = behind_sum(self.pairs, norms, labels, total.fields, fields, shares)
        return State(own, fields)


def _error_of_pairs(state: State) -> float:
    fields = state.fields
    if fields is None:
        return 0.0
    theta = float(np.abs(fields.theta).max())
    return max(float(fields.error.max()), float(fields.wrong.max()) / theta if theta > 0 else 0.0)


def _require_known(own: Own) -> None:
    if not (own.wrong < 1 and own.wrong_mean < 1):
        raise CancelledError


def _own(x: Array) -> Own:
    sigma = np.mean(np.square(x, dtype=np.longdouble), axis=2).astype(np.float64)
    none = np.zeros_like(sigma)
    return Own(sigma, none, none, 2 * UNIT, 0.0)


def _lost(window: Window, own: Own, fields: Fields) -> Lost:
    """What an average loses of the norms of one image."""
    r = np.sqrt(own.sigma[0])
    where = window.source[:, None], window.source[None]
    inner = np.outer(r, r)
    parts = (inner * fields.minus[0], inner * fields.error[0], fields.theta[0])
    means = (part[where].mean(axis=(0, 1), dtype=np.longdouble) for part in parts)
    return Lost(*(mean.astype(np.float64)[None] for mean in means))


def _is_proved(step: Step) -> bool:
    """Whether the rules for two units are more than estimates."""
    activation = step.layer.activation
    return activation.bent_line is not None or activation.jump is not None
