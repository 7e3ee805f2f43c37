"""Layers with kinks where another form takes the place of a series that is too short.

Tables (``analytic.expectations.kink_tables``) are made where enough pairs of a sample need them:
by the series themselves, cut short, for what is asked here is no more than where rho is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from analytic.expectations import (
    FARTHEST_LINES,
    ClosedForm,
    CloseForm,
    by_pieces,
    is_bent,
    kink_lines,
    kink_powers,
    kink_table,
)
from analytic.machine import Array
from analytic.pairs.correlation_samples import rough_correlations
from analytic.pairs.wide_inputs import is_straight
from analytic.recursion import Amplification, Bounds, Diagonal, Stage

__all__ = ["with_close_forms"]

ENOUGH = 2**7
"""Pairs for which a table is made, at least: one by one they take 0.1 ms or more each."""
SHARP = 2.0**-39
"""The largest error of a table."""
WIDER = 1.25
"""How much farther than the end of the series a table goes: with it, that may move down."""
MANY = 2**15
"""Pairs of all inputs, at least."""
SPENT = 1 / 32
"""The share of what series may leave out that a closed form spends on shorter sums."""


def with_close_forms(
    state: Diagonal,
    layers: list[Amplification],
    bounds: Bounds,
    bounded: Callable[[list[Amplification]], Bounds],
    inputs: Array,
    n: int,
    own: bool,
) -> tuple[list[Amplification], Bounds]:
    """The layers with what takes the place of their series beyond the radius, where there is such.

    A table may be less exact than series are asked to be up to the ceiling; then that is lower.

    Args:
        state: the recursion at x = x'.
        layers: how each layer amplifies errors.
        bounds: their radii, and what series may leave out.
        bounded: new ones of layers.
        inputs: the rows and, unless these are the same, the columns.
        n: rows.
        own: whether columns are the same.
    """
    reach, allowed = bounds.radius[:, -1].tolist(), float(bounds.truncation[0, :, -1].max())
    short = [radius < bounds.ceiling for radius in reach]
    forms: list[CloseForm | None] = [
        _closed(stage, 1 - radius, allowed) if cut else None
        for stage, radius, cut in zip(state.stages, reach, short, strict=True)
    ]
    steps = [stage.step for stage in state.stages]
    plain = all(not (step.normalizes or step.passes or step.noise != 1) for step in steps)
    kinked = [
        cut and form is None and _is_kinked(stage)
        for stage, form, cut in zip(state.stages, forms, short, strict=True)
    ]
    pairs = n * (n - 1) / 2 if own else n * (len(inputs) - n)
    if plain and is_straight(state) and any(kinked) and pairs >= MANY:
        for row, rho in enumerate(rough_correlations(state, inputs, n, own)):
            if kinked[row] and (rho > reach[row]).mean() * pairs >= ENOUGH:
                forms[row] = _table(state.stages[row], WIDER * (1 - reach[row]))
    if not any(forms):
        return layers, bounds
    found = [replace(a, beyond=form) for a, form in zip(layers, forms, strict=True)]
    changed = bounded(found)
    spent = SPENT * float(changed.truncation[0, :, 0].max())
    forms = [
        _closed(stage, 1 - radius, allowed, spent) if isinstance(form, ClosedForm) else form
        for stage, radius, form in zip(state.stages, reach, forms, strict=True)
    ]
    found = [replace(a, beyond=form) for a, form in zip(layers, forms, strict=True)]
    changed = bounded(found)
    ends = changed.radius[:, -2].tolist()
    served = [(form, end) for form, end in zip(forms, ends, strict=True) if form is not None]
    met = all(1 - form.farthest <= end < changed.ceiling for form, end in served)
    return (found, changed) if met else (layers, bounds)


def _is_kinked(stage: Stage) -> bool:
    """Whether its activation has kinks, all at 0, and no closed form."""
    activation = stage.step.layer.activation
    return by_pieces(activation) is None and is_bent(activation)


def _table(stage: Stage, farthest: float) -> CloseForm | None:
    s = np.sqrt(stage.variance)
    s = s[s > 0]
    found = kink_table(stage.step.layer.activation, s, farthest) if s.size else None
    return found if found is not None and found.error <= SHARP else None


def _closed(stage: Stage, farthest: float, allowed: float, spent: float = 0.0) -> ClosedForm | None:
    """The closed form of an activation of cubic pieces, if it is one and exact enough.

    Of the error that is ``allowed`` some is ``spent`` on shorter sums.
    """
    if stage.step.normalizes or stage.step.layer.activation.jump is not None:
        return None
    s, table = np.sqrt(stage.variance), stage.moments
    seen = (s > 0) & (table.second > 0) & (table.slope > 0)
    if farthest > FARTHEST_LINES or not seen.any():
        return None
    activation = stage.step.layer.activation
    numbers = s[seen], table.second[seen], table.slope[seen], spent, allowed
    found = kink_lines(activation, *numbers) or kink_powers(activation, *numbers)
    return found if found is not None and found.error <= allowed + spent else None
