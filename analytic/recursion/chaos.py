"""How small differences of inputs grow from layer to layer, from what the layers see of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analytic.network import Step, geometric_mean
from analytic.recursion.layer_equations import Stage

__all__ = ["growth", "mean_slope", "stage_growth"]


def mean_slope(stage: Stage) -> float:
    """The mean of E[w'^2] over the inputs of a layer and their positions; infinite if w jumps."""
    if stage.step.layer.activation.jump is not None:
        return math.inf
    return float(stage.moments.slope.mean())


def stage_growth(stages: Sequence[Stage]) -> float:
    """The geometric mean of weight_std^2 K E[w'^2] over the layers outside residual branches."""
    return growth(
        [stage.step for stage in stages],
        [stage.reads for stage in stages],
        [*map(mean_slope, stages)],
    )


def growth(steps: Sequence[Step], reads: Sequence[int], slopes: Sequence[float]) -> float:
    """The same of layers with so many reads and mean E[w'^2]."""
    factors: list[float] = []
    depth = 0
    for step, count, slope in zip(steps, reads, slopes, strict=True):
        depth += step.opens
        if depth == 0:
            factors.append(step.weight * count * slope)
        depth -= step.closes
    return geometric_mean(factors)
