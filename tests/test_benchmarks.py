"""The benchmarks still fit the code that they measure; what they find is not looked at."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def _module(path: Path, patch: pytest.MonkeyPatch) -> ModuleType:
    patch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, module.__name__, module)
    spec.loader.exec_module(module)
    return module


OWN = sorted(path.stem for path in BENCHMARKS.glob("*.py") if not path.stem.startswith("peer_"))


@pytest.mark.parametrize("name", OWN)
def test_every_benchmark_finds_what_it_imports(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _module(BENCHMARKS / f"{name}.py", monkeypatch)


def test_terms_are_counted_in_the_tiles_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """More terms where pairs are closer, by the same calls as in ``pairs.row_blocks``."""
    speed = _module(BENCHMARKS / "analytic_speed.py", monkeypatch)
    far, near = (speed.odd_terms(3, speed.correlated(3200, rho, 64)) for rho in (0.1, 0.8))
    assert 2 <= far < near < 64
