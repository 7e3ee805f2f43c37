"""Fixtures and marks shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

HERE = Path(__file__).parent
NUMERICAL = (
    *(f"analytic/{room}" for room in ("closed_forms", "corrections", "expectations", "images")),
    *(f"analytic/{room}" for room in ("pairs", "recursion", "solve", "spectrum")),
    "analytic/test_limit.py",
    "analytic/test_prediction.py",
    *(f"empirical/{part}" for part in ("curvature", "layerwise", "network", "test_tangent.py")),
    "empirical/flow/test_flow.py",
    *(f"compare/{room}" for room in ("rho", "theory")),
)
"""Where rounding decides: these are also run as on other processors (.ci/processors)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            place = item.path.relative_to(HERE)
            if any(place.is_relative_to(room) for room in NUMERICAL):
                item.add_marker("numerical")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20221)


@pytest.fixture(autouse=True)
def _threads() -> None:
    """Tests multiply small matrices; threads would only wait for each other."""
    torch.set_num_threads(int(os.environ.get("TEST_TORCH_THREADS", "1")))
