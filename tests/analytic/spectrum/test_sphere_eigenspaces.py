"""Eigenvalues that errors cannot tell apart make one eigenspace."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analytic.spectrum.sphere import SphereSpectrum


def _record(eigenvalues: list[float], error: float, d: int = 3) -> SphereSpectrum:
    values = np.array(eigenvalues)
    return SphereSpectrum(
        d, values, np.full(len(values), error), True, (math.inf, math.inf), 1.0, 1.0
    )


def test_the_error_of_a_group_has_its_spread() -> None:
    """Degrees 1 and 2 cannot be told apart; each may lie at the far end of its own error."""
    values, error = np.array([1.0, 0.5, 0.5 - 1.5e-3, 1e-4, 1e-4]), 1e-3
    group = _record(values.tolist(), error).eigenspaces(2)
    farthest = np.abs(values[1:3] - group.eigenvalues[1]).max() + error
    assert group.multiplicities[1] == 3 + 5
    assert error < farthest <= group.errors[1]


def test_eigenspaces_follow_the_eigenvalues_and_not_the_degrees() -> None:
    """Equal eigenvalues of different degrees make one eigenspace; unsure ones none."""
    found = _record([0.1, 0.5, 0.1 + 1e-9, 0.05, 0.02, 1e-4, 1e-4], 1e-8).eigenspaces()
    assert found.multiplicities.tolist() == [3, 1 + 5, 7, 9]
    assert_allclose(found.eigenvalues, [0.5, 0.1, 0.05, 0.02], rtol=1e-7)
    assert found.rest == pytest.approx(1e-4, rel=1e-3)
    assert found.columns(2) == 9


def test_degrees_that_were_not_asked_for_may_come_first() -> None:
    """Even degrees end at 0.3: degree 6 may still have as much, so 0.2 is not the next."""
    found = _record([1.0, 0.5, 0.6, 0.2, 0.3, 0.1], 1e-9).eigenspaces()
    assert_allclose(found.eigenvalues, [1, 0.6, 0.5])
    assert found.rest == pytest.approx(0.3, rel=1e-6)
    with pytest.raises(ValueError, match="ask sphere_spectrum for more degrees"):
        _record([1.0], 1e-9).eigenspaces()
