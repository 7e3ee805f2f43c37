"""Imports only run downwards: analytic, then empirical, then compare."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DESCRIPTIONS = {
    f"analytic.{name}" for name in ("activation", "layers", "network", "parse", "shapes")
}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names |= {module, *(f"{module}.{a.name}" for a in node.names if module == "analytic")}
    return names


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", _files("analytic"), ids=str)
def test_analytic_imports_neither_torch_nor_upper_floors(path: Path) -> None:
    tops = {name.split(".")[0] for name in _imports(path)}
    assert not tops & {"torch", "empirical", "compare", "kinfinity"}


@pytest.mark.parametrize("path", _files("empirical"), ids=str)
def test_empirical_takes_only_descriptions(path: Path) -> None:
    names = _imports(path)
    assert not {name for name in names if name.split(".")[0] in ("compare", "kinfinity")}
    assert {name for name in names if name.split(".")[0] == "analytic"} <= DESCRIPTIONS


def test_every_file_belongs_to_a_listed_package() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == {"analytic", "empirical", "compare"}
