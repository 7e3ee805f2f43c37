"""A network as a list of steps, with the marks of its branches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from analytic.network.averages import Averaging
from analytic.network.branches import Branched, Concatenate, Layers
from analytic.network.dropout import Dropout
from analytic.network.layers import Weighted
from analytic.network.normalization import Gains, LayerNorm
from analytic.network.output import Coefficients
from analytic.network.pointwise import Pointwise
from analytic.network.scaling import Scale
from analytic.network.training_rates import bias_rate_of
from analytic.network.widths import branch_ratios, ratio_after

__all__ = ["Step", "unrolled"]


FAINT = 2.0**-200
"""Square of gains that start at 0. In T = rate weight Sigma the rate is divided by it, without
rounding, and what the units add to Sigma and Theta is lost in the rounding of any other number."""


@dataclass(frozen=True)
class Step:
    """One weight layer of the unrolled network, or a nonlinearity without weights.

    First come the ``averages``; then, if it ``switches``, the units change places with those that
    were last put aside; then ``opens`` copies of them are put aside. After the layer those that
    were put aside last are added, ``closes`` times (``analytic.network.folding``). ``shares`` has
    for each of these None, or, where units are concatenated instead, the proportions of those that
    were put aside and of those after the layer.
    """

    layer: Weighted | Pointwise
    opens: int
    closes: int
    averages: tuple[Averaging, ...] = ()
    switches: bool = False
    shares: tuple[tuple[float, float] | None, ...] = ()

    @property
    def weight(self) -> float:
        """weight_std^2; 1 where there are no weights, and almost 0 of gains that start there."""
        if isinstance(self.layer, Gains) and self.layer.start == 0:
            return FAINT
        return 1.0 if isinstance(self.layer, Pointwise) else self.layer.weight_std**2

    @property
    def bias(self) -> float:
        """bias_std^2."""
        return 0.0 if isinstance(self.layer, Pointwise) else self.layer.bias_std**2

    @property
    def rate(self) -> float:
        """weight_rate, at which its weights or gains are trained; 0 where there are none."""
        if isinstance(self.layer, Gains):
            return self.layer.weight_rate / self.weight
        return 0.0 if isinstance(self.layer, Pointwise) else self.layer.weight_rate

    @property
    def bias_rate(self) -> float:
        """At which its biases are trained: Gamma = rate weight Sigma + bias_rate + weight Theta."""
        if isinstance(self.layer, Gains):
            return self.layer.bias_rate
        if isinstance(self.layer, Pointwise):
            return 0.0
        return bias_rate_of(self.layer.bias_std, self.layer.bias_rate)

    @property
    def coefficients(self) -> Coefficients:
        """(weight, bias, rate, bias_rate)."""
        return self.weight, self.bias, self.rate, self.bias_rate

    @property
    def passes(self) -> bool:
        """Whether units stay what they are, but for noise."""
        return isinstance(self.layer, Dropout)

    @property
    def keeps_mean(self) -> bool:
        """Whether the mean of the units stays what it is: behind noise, and behind gains."""
        return isinstance(self.layer, Dropout) or (
            isinstance(self.layer, Gains) and self.layer.start == 1
        )

    @property
    def noise(self) -> float:
        """With which Sigma and Theta after the layer are multiplied at x = x'."""
        return self.layer.noise if isinstance(self.layer, Dropout) else 1.0

    @property
    def normalizes(self) -> bool:
        """Whether units are normalised, instead of a nonlinearity."""
        return isinstance(self.layer, LayerNorm)

    @property
    def over_positions(self) -> bool:
        """Whether they are normalised together at all positions of an image."""
        return isinstance(self.layer, LayerNorm) and self.layer.positions


NO_NOISE = Dropout(0.0)
"""A layer that changes nothing: where a branch begins or ends without one."""


def unrolled(layers: Layers, ratio: float | None = 1.0) -> list[Step]:
    """The steps of layers that read units of some width ratio."""
    steps: list[Step] = []
    averages: tuple[Averaging, ...] = ()
    for layer in layers:
        if isinstance(layer, Averaging):
            averages = (*averages, layer)
        else:
            assert not isinstance(layer, Scale)
            if isinstance(layer, Branched):
                found = _branches(layer, ratio)
            else:
                parts = layer.parts if isinstance(layer, LayerNorm) else (layer,)
                found = [Step(part, 0, 0) for part in parts]
            steps += [replace(found[0], averages=averages), *found[1:]]
            averages = ()
        ratio = ratio_after((layer,), ratio)
    return steps


def _enclosed(branch: Layers) -> Layers:
    """A branch that begins and ends with a layer of its own, not with averages."""
    first, last = (
        (NO_NOISE,) * any(isinstance(layer, Averaging) for layer in end)
        for end in (branch[:1], branch[-1:])
    )
    return (*first, *branch, *last)


def _branches(layer: Branched, ratio: float | None) -> list[Step]:
    """Branch after branch, a skip first; each but the first is added to the sum of those before."""
    mixes = isinstance(layer, Concatenate)
    ratios = map(Fraction, branch_ratios(layer, ratio))
    ends = sorted(zip(layer.branches, ratios, strict=True), key=lambda end: bool(end[0]))
    steps: list[Step] = []
    before = Fraction(0)
    for number, (branch, part) in enumerate(ends):
        body = unrolled(_enclosed(branch), ratio)
        if number:
            whole = before + part
            shares = (float(before / whole), float(part / whole)) if mixes else None
            last = body[-1]
            body[-1] = replace(last, closes=last.closes + 1, shares=(*last.shares, shares))
            body[0] = replace(body[0], switches=bool(steps))
        before += part
        if body and not steps:
            opens = body[0].opens + len(layer.branches) - 1
            body[0] = replace(body[0], opens=opens)
        steps += body
    return steps
