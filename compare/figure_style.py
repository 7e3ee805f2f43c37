"""The house style of all pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BLUE", "GREY", "ORANGE", "new_axes"]

BLUE, ORANGE, GREY = "#0060a8", "#c25700", "#777777"


def new_axes(ax: Axes | None) -> Axes:
    """The given axes, or those of a new figure."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure  # no global state, no display

    return Figure(figsize=(6.0, 4.2), layout="constrained").add_subplot()
