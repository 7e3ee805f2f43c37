"""Closed forms of pairs at small angles, TOGETHER of them, beside panels in two dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from oracles.pieces import dual

from analytic.activation import Activation
from analytic.expectations import FARTHEST_LINES, TOGETHER
from analytic.expectations.activation_moments import moments

__all__ = ["ClosedForm", "apart_from_panels"]


class ClosedForm(NamedTuple):
    """What makes the form of an activation, the sums that read it, and their room."""

    of: Callable[..., Any]
    sums: Any
    room: tuple[int, int]

    def relative(
        self, name: str, s: np.ndarray, small: np.ndarray, side: int, allowed: float = 0.0
    ) -> tuple[Any, Any, float]:
        """E and D of the first unit and the others over their norms, and the error."""
        table = moments(Activation(name), s)
        form = self.of(Activation(name), s, table.second, table.slope, allowed)
        assert form is not None
        asked = form.of_inputs(s, np.sqrt(table.second), table.slope)[:-1]
        own, room = np.repeat(asked[:, :1], small.size, axis=1), np.zeros(self.room)
        pairs = np.concatenate([small[None], np.zeros((2, TOGETHER)), own, asked[:, 1:]])
        line, bits = room.reshape(-1), room.view(np.int64)
        self.sums(form.numbers, side, form.rank, pairs, TOGETHER, room, line, bits)
        r, slope = np.sqrt(table.second), np.sqrt(table.slope)
        return pairs[1] / (r[0] * r[1:]), pairs[2] / (slope[0] * slope[1:]), form.error


def apart_from_panels(
    form: ClosedForm, name: str, kinks: tuple[float, ...], side: int, allowed: float
) -> tuple[np.ndarray, float]:
    """|E| and |D| less those of panels, over norms, of equal and unequal deviations, and the error.

    The panels have some 1e-14.
    """
    activation, rng = Activation(name), np.random.default_rng(3)
    s = np.exp(rng.uniform(np.log(0.3), np.log(6), TOGETHER + 1))
    s[1:9], s[9:20] = s[0], s[0] * (1 + 0.05 * rng.standard_normal(11))
    small = FARTHEST_LINES * 10 ** rng.uniform(-6, 0, TOGETHER)
    small[-1] = FARTHEST_LINES
    *found, error = form.relative(name, s, small, side, allowed)
    table, sign = moments(activation, s), 1 - 2 * side
    apart = np.empty((2, TOGETHER))
    for order, norm in enumerate((np.sqrt(table.second), np.sqrt(table.slope))):
        for k in range(TOGETHER):
            exact = dual(
                lambda x, n=order: activation.derivatives(x, n)[n],
                kinks, float(s[0]), float(s[k + 1]), float(sign * (1 - small[k])),
            )  # fmt: skip
            apart[order, k] = abs(found[order][k] - exact / (norm[0] * norm[k + 1]))
    return apart, error
