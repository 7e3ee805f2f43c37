"""Files: whole, sealed, and refused after any damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytic.files import (
    DamagedError,
    read_arrays,
    read_data,
    write_arrays,
    write_data,
    write_whole,
)

NAMES = ("a", "b")


@pytest.fixture
def arrays() -> dict[str, Any]:
    return {"a": np.arange(30.0), "b": np.array("words")}


def test_arrays_come_back_and_other_programs_read_them(tmp_path: Path, arrays: Any) -> None:
    file = tmp_path / "some.npz"
    write_arrays(file, arrays)
    for found in (read_arrays(file, "arrays", NAMES), np.load(file)):
        assert sorted(found) == sorted(arrays)
        assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


def test_data_come_back_and_other_programs_read_them(tmp_path: Path) -> None:
    file, data = tmp_path / "some.json", {"a": [1.5, None], "b": {"deep": "wörter"}}
    write_data(file, data)
    assert read_data(file, "data", NAMES) == data
    assert {k: v for k, v in json.loads(file.read_text()).items() if k != "sha256"} == data


def test_files_of_another_content_or_none_are_refused(tmp_path: Path, arrays: Any) -> None:
    write_arrays(tmp_path / "some.npz", arrays)
    with pytest.raises(ValueError, match=r"expected a sweep in .*some.npz, got a file with a, b"):
        read_arrays(tmp_path / "some.npz", "a sweep", ("a", "c"))
    np.savez(tmp_path / "plain.npz", **arrays)
    with pytest.raises(DamagedError, match="its checksum is missing or wrong"):
        read_arrays(tmp_path / "plain.npz", "a sweep", NAMES)
    for size in (0, 1, 2, 60, 84, 85, 200):
        (tmp_path / "short").write_bytes(b"\0" * size)
        reads: list[Callable[..., Any]] = [read_arrays, read_data]
        for read in reads:
            with pytest.raises(DamagedError, match="expected a sweep in"):
                read(tmp_path / "short", "a sweep", NAMES)
    with pytest.raises(FileNotFoundError):
        read_data(tmp_path / "none", "a sweep", NAMES)


def test_an_interrupted_write_leaves_the_file_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "page.html"
    write_whole(file, "before")

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(file, "after")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert file.read_text() == "before"
