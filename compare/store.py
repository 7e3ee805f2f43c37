r"""Finished cells of a measurement on disk, whole or not there at any instant.

A store is one SQLite file with one row for each finished cell, which is committed and on the disk
before the next cell is looked at, so that the death of any process at any instant loses the cells
in flight and nothing else. SQLite is taken because its transactions are tested against kills and
power failures, a file is one sweep that can be copied, and Python has it; a folder of files would
need as much care for each of them, and HDF5 is not safe against a kill while it writes.

    configuration    what decides the bits of a cell: network, inputs, limit, dtype, versions
    cell             its name, its arrays, and the SHA-256 of both

What happens to a store that is not as it should be (tests/compare/test_store.py):

    another configuration, another program, a newer version      ValueError, nothing is changed
    bits turned, blocks swapped, cut off                         DamagedError, or the same bits
    no such folder, no permission, a full disk                   OSError; finished cells are kept
    another process has it open                                  BlockingIOError

Enters: names of cells and their arrays. Leaves: the same arrays. Below: ``analytic.files``.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.files import DamagedError

__all__ = ["Store", "digest"]

Arrays = Mapping[str, NDArray[Any]]
FORMAT = 1
"""Version of the format, SQLite's user_version."""
PROGRAM = 0x6B696E66
"""SQLite's application_id: "kinf"."""
_TABLES = """
CREATE TABLE configuration (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT, seal TEXT);
CREATE TABLE cells (name TEXT PRIMARY KEY, arrays BLOB NOT NULL, seal TEXT NOT NULL);
"""


class Store:
    """Finished cells of one configuration; at most one process has it open.

    Args:
        path: of the file; it is made if it does not exist, its folder is not.
        configuration: what decides the bits of a cell, as plain data.

    Raises:
        ValueError: the file belongs to another configuration, another program or a newer version.
        DamagedError: it is not what was written.
        OSError: it cannot be read or written (``BlockingIOError``: another process has it open).

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "cells.sqlite"
        >>> with Store(path, {"network": "one"}) as store:
        ...     store.put("width 8", {"distances": np.ones(2)})
        >>> with Store(path, {"network": "one"}) as store:
        ...     store.get("width 8")["distances"], store.get("width 9")
        (array([1., 1.]), None)
    """

    def __init__(self, path: str | os.PathLike[str], configuration: Mapping[str, Any]) -> None:
        self.path = Path(path)
        text = json.dumps(configuration, sort_keys=True)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(
                f"expected a folder for the store, got {str(self.path.parent)!r}, which is none;"
                " make it first"
            )
        with self._words():
            self._file = sqlite3.connect(self.path, isolation_level=None, timeout=0)
        try:
            with self._words():
                self._open(text)
        except BaseException:
            self._file.close()
            raise

    def get(self, name: str) -> dict[str, NDArray[Any]] | None:
        """The arrays of a cell, or None if it is not finished."""
        with self._words():
            row = self._file.execute(
                "SELECT arrays, seal FROM cells WHERE name = ?", (name,)
            ).fetchone()
        if row is None:
            return None
        content, seal = row
        if not isinstance(content, bytes) or seal != _seal(name, content):
            raise self._damaged()
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return dict(archive)

    def put(self, name: str, arrays: Arrays) -> None:
        """Write a finished cell; when this returns it is on the disk."""
        buffer = io.BytesIO()
        np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
        content = buffer.getvalue()
        with self._words():
            self._file.execute(
                "INSERT OR REPLACE INTO cells VALUES (?, ?, ?)",
                (name, content, _seal(name, content)),
            )

    def __len__(self) -> int:
        """The number of finished cells."""
        with self._words():
            return int(self._file.execute("SELECT count(*) FROM cells").fetchone()[0])

    def close(self) -> None:
        """Let other processes open it."""
        self._file.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, text: str) -> None:
        """Lock the file, and make the tables or see that they are the right ones."""
        run = self._file.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA synchronous = FULL")
        run("BEGIN EXCLUSIVE")  # a second process is refused here; a killed one's row is undone
        try:
            if run("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                self._make(text)
            else:
                self._check(text)
        except BaseException:
            if self._file.in_transaction:
                run("ROLLBACK")
            raise
        run("COMMIT")

    def _make(self, text: str) -> None:
        for statement in _TABLES.strip().splitlines():
            self._file.execute(statement)
        row = (text, _seal("configuration", text.encode()))
        self._file.execute("INSERT INTO configuration VALUES (1, ?, ?)", row)
        self._file.execute(f"PRAGMA application_id = {PROGRAM}")
        self._file.execute(f"PRAGMA user_version = {FORMAT}")

    def _check(self, text: str) -> None:
        program, version = (
            int(self._file.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("application_id", "user_version")
        )
        if program != PROGRAM:
            raise ValueError(
                f"expected a store of kinfinity in {self.path}, got a database of another program;"
                " name another file"
            )
        if version != FORMAT:
            raise ValueError(
                f"expected a store of version {FORMAT} in {self.path}, got version {version};"
                " update kinfinity or name another file"
            )
        if self._file.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise self._damaged()
        row = self._file.execute("SELECT text, seal FROM configuration").fetchone()
        if row is None or not isinstance(row[0], str):
            raise self._damaged()
        if row[1] != _seal("configuration", row[0].encode()):
            raise self._damaged()
        if row[0] != text:
            raise ValueError(
                f"expected a store of this measurement in {self.path}, got one of another:"
                f" {_difference(json.loads(row[0]), json.loads(text))}; name another file"
            )

    @contextmanager
    def _words(self) -> Iterator[None]:
        """SQLite's errors as sentences."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._sentence(error) from error

    def _sentence(self, error: Exception) -> Exception:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return BlockingIOError(
                f"expected {self.path} to be free, but another run has it open; wait for its end"
                " or name another file"
            )
        if code == sqlite3.SQLITE_FULL:
            return OSError(
                f"expected room for {self.path}, but the disk is full; finished cells are kept:"
                " free some and run again"
            )
        if code in (
            sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_IOERR,
        ):  # fmt: skip
            return PermissionError(
                f"expected to read and write {self.path} and its folder ({error}); finished cells"
                " are kept: change the permissions or name another file"
            )
        return self._damaged()

    def _damaged(self) -> DamagedError:
        return DamagedError(
            f"expected a store in {self.path}, got a file that is damaged or something else;"
            " restore it, or delete it to measure again"
        )


def digest(array: NDArray[Any]) -> str:
    """SHA-256 of the bits, the shape and the kind of an array: its name in a configuration."""
    shape = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(shape + np.ascontiguousarray(array).tobytes()).hexdigest()


def _seal(name: str, content: bytes) -> str:
    return hashlib.sha256(name.encode() + b"\0" + content).hexdigest()


def _difference(old: Any, new: Any) -> str:
    """The first entry in which two configurations differ, in words."""
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
                return _difference(old[key], new[key])
            return f"{key} {old.get(key)!r} instead of {new.get(key)!r}"
    return "its text"
