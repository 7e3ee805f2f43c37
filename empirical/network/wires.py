"""What each layer of a finite network reads: how many units, at how many positions.

The units of an image are its channels, at every position; a vector has units only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from analytic.network import (
    Averaging,
    Convolution,
    Flatten,
    Gains,
    Network,
    Pointwise,
    Readout,
    Shape,
    Step,
    fold,
    itself,
    shape_after,
)

__all__ = ["Feed", "Wire", "held", "wiring"]


DEFAULT = Readout()


@dataclass(frozen=True, slots=True)
class Feed:
    """What a weight layer or the readout reads.

    Attributes:
        averages: the layers without weights before it, each with the positions it finds.
        units: channels of an image, or length of a vector.
        spatial: the shape of the positions, () for a vector.
        output: the description of the readout, if it is the one that reads.
    """

    averages: tuple[tuple[Averaging, Shape], ...]
    units: int
    spatial: Shape
    output: Readout = DEFAULT

    @property
    def scale(self) -> float:
        """weight_std / sqrt(m) of the readout."""
        return self.output.weight_std / math.sqrt(self.units)

    @property
    def learned(self) -> tuple[float, float]:
        """Rates of gradient flow of the readout: of v, and of the bias itself."""
        return self.output.coefficients[2:]

    @property
    def positions(self) -> int:
        """How many positions there are, 1 for a vector."""
        return math.prod(self.spatial)


@dataclass(frozen=True, slots=True)
class Wire:
    """A layer between the units that it reads and its own.

    Attributes:
        step: its description.
        feed: what it reads.
        units: its own, at every position.
        spatial: the shape of its positions, () for a vector.
        beside: for each sum that ends with it 0, or, where units are concatenated instead, how many
            the branches before have.
    """

    step: Step
    feed: Feed
    units: int
    spatial: Shape
    beside: tuple[int, ...] = ()

    @property
    def kernel(self) -> Shape:
        """The size of a filter in every dimension, () if fully connected."""
        layer = self.step.layer
        if not isinstance(layer, Convolution):
            return ()
        return _each(layer.kernel_size, self.spatial)

    @property
    def sides(self) -> tuple[tuple[int, int], ...]:
        """Positions outside that are read before and after the image, in every dimension."""
        layer = self.step.layer
        if not isinstance(layer, Convolution) or layer.padding == "valid":
            return ((0, 0),) * len(self.kernel)
        stride, dilation = (_each(sizes, self.spatial) for sizes in (layer.stride, layer.dilation))
        befores = [d * ((size - 1) // 2) for d, size in zip(dilation, self.kernel, strict=True)]
        lasts = [
            s * (outs - 1) + d * (size - 1) - before
            for s, outs, d, size, before in zip(
                stride, self.spatial, dilation, self.kernel, befores, strict=True
            )
        ]
        inside = [size - 1 for size in self.feed.spatial]
        return tuple((b, max(0, u - v)) for b, u, v in zip(befores, lasts, inside, strict=True))

    @property
    def columns(self) -> int:
        """Weights of one unit: what it reads at each position of its filter; 0 without weights."""
        if isinstance(self.step.layer, Pointwise):
            return 0
        return math.prod(self.kernel) * self.feed.units

    @property
    def positions(self) -> int:
        """How often each unit is computed for one sample."""
        return math.prod(self.spatial)

    @property
    def size(self) -> int:
        """Units at all positions."""
        return self.positions * self.units

    @property
    def patches(self) -> int:
        """Numbers in what a convolution reads for one sample, position by position."""
        return self.positions * self.columns if self.kernel else 0

    @property
    def scale(self) -> float:
        """weight_std / sqrt(m), m the units that are read."""
        assert not isinstance(self.step.layer, Pointwise)
        return self.step.layer.weight_std / math.sqrt(self.feed.units)

    @property
    def learned(self) -> tuple[float, float]:
        """Rates of gradient flow: of W or gains, and of the biases themselves."""
        layer = self.step.layer
        rate = layer.weight_rate if isinstance(layer, Gains) else self.step.rate
        return rate, self.step.bias_rate

    @property
    def is_trained(self) -> bool:
        """Whether it has parameters: weights, or gains."""
        return self.columns > 0 or isinstance(self.step.layer, Gains)

    @property
    def bias_std(self) -> float:
        """Standard deviation of the biases, 0 if there are none or if they start at 0."""
        layer = self.step.layer
        return 0.0 if isinstance(layer, Pointwise) else layer.bias_std


def wiring(
    network: Network, input_shape: tuple[int, ...], width: int
) -> tuple[tuple[Wire, ...], Feed]:
    """The weight layers of a network of some width, and what its readout reads.

    Raises:
        ValueError: an image does not fit, or branches end in different numbers of units.

    Example:
        >>> network = Network(Convolution("tanh", 3, stride=2), Flatten())
        >>> (wire,), readout = wiring(network, (1, 8, 8), 16)
        >>> wire.units, wire.spatial, wire.columns, readout.units
        (16, (4, 4), 9, 256)
    """
    wires: list[Wire] = []

    def after(step: Step, feed: Feed) -> Feed:
        units = feed.units
        if not isinstance(step.layer, Pointwise):
            units = max(1, round(width * step.layer.width_ratio))
        spatial = shape_after(step.layer, feed.spatial)
        wires.append(Wire(step, feed, units, spatial))
        return Feed((), units, spatial)

    def added(step: Step, number: int, total: Feed, branch: Feed) -> Feed:
        beside = 0 if step.shares[number] is None else total.units
        wires[-1] = replace(wires[-1], beside=(*wires[-1].beside, beside))
        if beside:
            return Feed((), beside + branch.units, branch.spatial)
        if (total.units, total.spatial) != (branch.units, branch.spatial):
            raise ValueError(
                f"expected branches that end in as many units, got {total.units} and"
                f" {branch.units} behind {step.layer}; put a FullyConnected between Flatten() and"
                " the sum"
            )
        return Feed((), branch.units, branch.spatial)

    def averaged(step: Step, feed: Feed) -> Feed:
        return _feed(step.averages, feed.units, feed.spatial)

    network = network.summed(len(input_shape) - 1)
    start = Feed((), input_shape[0], input_shape[1:])
    last = fold(network.steps, start, after, added, step=itself, averaged=averaged)
    feed = _feed(network.readout, last.units, last.spatial)
    return tuple(wires), replace(feed, output=network.output)


def held(wires: tuple[Wire, ...]) -> int:
    """Numbers of one sample: units and pre-activations, signals of two layers, two patches."""
    sizes = [wire.size for wire in wires]
    return 2 * sum(sizes) + 4 * max(sizes) + 2 * max(wire.patches for wire in wires)


def _feed(averages: tuple[Averaging, ...], units: int, spatial: Shape) -> Feed:
    found: list[tuple[Averaging, Shape]] = []
    for layer in averages:
        found.append((layer, spatial))
        if isinstance(layer, Flatten):
            units *= math.prod(spatial)
        spatial = shape_after(layer, spatial)
    return Feed(tuple(found), units, spatial)


def _each(sizes: int | Shape, spatial: Shape) -> Shape:
    """One size for each dimension."""
    return (sizes,) * len(spatial) if isinstance(sizes, int) else sizes
