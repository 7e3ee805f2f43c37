"""The umbrella module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kinfinity

ROOT = Path(__file__).parent.parent


def test_every_public_name_resolves() -> None:
    for name in kinfinity.__all__:
        assert getattr(kinfinity, name) is not None
    assert dir(kinfinity) == sorted(kinfinity.__all__)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kinfinity.nothing


def test_import_does_not_load_torch() -> None:
    code = "import sys, kinfinity; kinfinity.kernel; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_folder_that_shadows_a_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "compare").mkdir()
    (tmp_path / "compare" / "__init__.py").write_text("")
    path = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]"
    code = f"{path}; import kinfinity; kinfinity.Inputs"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "rename that folder" in run.stderr
    assert str(tmp_path / "compare") in run.stderr


def test_every_public_name_has_a_home() -> None:
    import analytic

    assert sorted(analytic._HOME) == sorted(analytic.__all__)
    for name in analytic.__all__:
        assert getattr(analytic, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        analytic.nothing  # noqa: B018
