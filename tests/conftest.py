"""Fixtures shared by all tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20221)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tests multiply small matrices; threads would only wait for each other."""
    torch.set_num_threads(1)
