"""Where the boxes of a majorant end."""

from __future__ import annotations

import math

import numpy as np

from analytic import Activation
from analytic.expectations.majorants import majorant


def test_a_majorant_has_no_bound_where_mass_lies_beyond_its_boxes() -> None:
    """They end at 2^64: E (s z)^6 at s = 2^70 is 15 2^420, and they held a small part of it."""
    found = majorant(Activation("x**3").expression, 0)
    assert found is not None
    octaves = np.array([50.0, 57.0, 58.0, 70.0])
    bound = found.log_mean(2.0**octaves, 2)
    assert np.all(bound >= math.log(15) + 6 * math.log(2) * octaves)
    assert np.isfinite(bound).tolist() == [True, True, False, False]
