"""What takes the place of series that are too short, laid out for the inputs of a problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import PARTS, ClosedForm, CloseForm, banded
from analytic.machine import Array
from analytic.recursion.layer_equations import Stage

__all__ = ["Laid", "LaidForm", "laid_arrays", "lay_out"]


class LaidForm(NamedTuple):
    """A form of a layer, and what it asks of the inputs.

    Attributes:
        form: what it is.
        numbers: what the compiled sums read.
        bands: of a table, where those of each pair of bands of inputs begin (``Banded``).
        rows: what is asked of the rows, (asked, n).
        columns: the same of the columns.
        rank: the most psi of a band, or the places of closed forms.
    """

    form: CloseForm
    numbers: Array
    bands: NDArray[np.int64]
    rows: Array
    columns: Array
    rank: int


def lay_out(form: CloseForm | None, stage: Stage, n: int, own: bool, width: int) -> LaidForm | None:
    """A form of a layer for its inputs: n rows, and the columns unless these are the same.

    Of tables the inputs are taken in bands of ``width``.
    """
    if form is None:
        return None
    s, r = np.sqrt(stage.variance), np.sqrt(stage.moments.second)
    asked = form.of_inputs(s, r, stage.moments.slope)
    rows = asked[:, :n]
    columns = rows if own else asked[:, n:]
    if isinstance(form, ClosedForm):
        none = np.zeros((0, 0, 1 + PARTS), dtype=np.int64)
        return LaidForm(form, form.numbers, none, rows, columns, form.rank)
    found = banded(form.sums, rows, columns, width)
    return LaidForm(form, *found)


Laid = Sequence[LaidForm | None]


def laid_arrays(forms: Laid) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """The forms of the layers as rows of numbers (``Program.close``), their bands and numbers."""
    found = np.zeros((len(forms), 7), dtype=np.int64)
    bands, cores = [np.zeros((0, 1 + PARTS), dtype=np.int64)], [np.zeros(1)]
    first = 0
    for row, laid in enumerate(forms):
        if laid is None:
            continue
        form, asked = laid.form, len(laid.rows)
        core = sum(part.size for part in cores)
        place = sum(map(len, bands)) if laid.bands.size else core
        found[row] = form.kind, first, laid.rank, form.terms, place, asked, laid.bands.shape[1]
        bands.append(laid.bands.reshape(-1, 1 + PARTS) + np.array([0, *[core] * PARTS]))
        cores.append(laid.numbers)
        first += asked
    return found, np.concatenate(bands), np.concatenate(cores)
