r"""Files that are whole or not there, and are read as they were written or not at all.

A sealed file ends with the SHA-256 of all bytes before that end, in a form that its format
allows: the comment of a ZIP archive, the last entry of a JSON object. Other programs read it as
any other file of its format; here not a bit of it may differ.

    sealed = content + end(SHA-256(content))

Enters: bytes, arrays, plain data. Leaves: files, and the same bytes, arrays, data. Below: nothing.
"""

# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DamagedError",
    "check_path",
    "plain",
    "read_arrays",
    "read_data",
    "read_sealed",
    "write_arrays",
    "write_data",
    "write_sealed",
    "write_whole",
]

_WORDS = b"kinfinity SHA-256 "
_DIGITS = 64


class DamagedError(ValueError):
    """A file is not what was written."""


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a file in one step, so that a kill leaves the old one or the new one.

    Through a symbolic link the file is replaced that it leads to.

    Raises:
        ValueError: there is something else than a file: a folder, a device, a link to itself.
        FileNotFoundError: there is no such folder.
    """
    path = Path(os.path.realpath(path))
    _check_circle(path, "the name of a file")
    if path.exists() and not path.is_file():
        raise ValueError(f"expected the name of a file, got {_kind(path)} {path}; name another")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"expected a folder that exists, got {path.parent} for {path.name}; make it first"
        )
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_sealed(path: Path, archive: bytes) -> None:
    """Write a ZIP archive with its checksum as the comment.

    Args:
        path: where.
        archive: a ZIP archive without a comment.
    """
    write_whole(path, archive[:-2] + _comment(archive))


def read_sealed(path: Path, what: str) -> bytes:
    """The archive that ``write_sealed`` was given.

    Args:
        path: where.
        what: what the file should hold, in words.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedError: it is not what was written.
    """
    data = _content(path, what)
    size = 2 + len(_WORDS) + _DIGITS
    archive = data[:-size] + b"\0\0"
    if len(data) <= size or data[-size:] != _comment(archive):
        raise _damaged(path, what)
    return archive


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to a sealed file .npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **cast(Any, dict(arrays)))
    write_sealed(path, buffer.getvalue())


def read_arrays(path: Path, what: str, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The arrays that ``write_arrays`` was given; errors as of ``read_sealed``.

    Args:
        path: where.
        what: what the file should hold, in words.
        names: the arrays that belong to it.
    """
    with np.load(io.BytesIO(read_sealed(path, what)), allow_pickle=False) as archive:
        arrays = dict(archive)
    _check_names(path, what, names, arrays)
    return arrays


def write_data(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data, not empty and without an entry "sha256", to a sealed JSON file."""
    text = json.dumps(data, indent=1, default=plain).removesuffix("\n}").encode()
    write_whole(path, text + _entry(text))


def read_data(path: Path, what: str, names: Sequence[str]) -> dict[str, Any]:
    """The data that ``write_data`` was given; arguments and errors as of ``read_arrays``."""
    content = _content(path, what)
    text = content[: -len(_entry(b""))]
    if content[len(text) :] != _entry(text):
        raise _damaged(path, what)
    data: dict[str, Any] = json.loads(content)
    del data["sha256"]
    _check_names(path, what, names, data)
    return data


def plain(value: Any) -> Any:
    """A number or an array of numpy as Python's, for JSON.

    Example:
        >>> json.dumps({"points": np.int64(5)}, default=plain)
        '{"points": 5}'
    """
    if isinstance(value, np.generic | np.ndarray):
        return cast(Any, value).tolist()
    raise TypeError(f"expected plain data, got {type(value).__name__}; convert it")


def check_path(checkpoint: str | os.PathLike[str] | None) -> Path | None:
    """The path of the checkpoint, which can be written."""
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, str | os.PathLike):
        raise TypeError(
            f"expected checkpoint as a path, got {type(checkpoint).__name__}; pass a string"
        )
    path = Path(checkpoint)
    if path.is_dir() or not path.name:
        raise ValueError(f"expected a file as checkpoint, got the folder {path}; name a file in it")
    if not path.parent.is_dir():
        raise ValueError(
            f"expected a checkpoint in a folder that exists, got {path}; make {path.parent} first"
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ValueError(
            f"expected a checkpoint in a folder that can be written, got {path}; choose another"
        )
    return path


def _kind(path: Path) -> str:
    return "the folder" if path.is_dir() else "what is no regular file,"


def _check_circle(path: Path, what: str) -> None:
    """Raise for what is a link still: ``realpath`` follows all but those that run in a circle."""
    if path.is_symlink():
        raise ValueError(
            f"expected {what}, got {path}, a link that leads back to itself; remove it"
        )


def _content(path: Path, what: str) -> bytes:
    """The bytes of a regular file."""
    _check_circle(Path(os.path.realpath(path)), what)
    if path.exists() and not path.is_file():
        raise ValueError(f"expected {what}, got {_kind(path)} {path}; name a file")
    if not path.exists():
        raise FileNotFoundError(f"expected {what}, got {path}, which is not there; check it")
    return path.read_bytes()


def _check_names(path: Path, what: str, names: Sequence[str], found: Mapping[str, Any]) -> None:
    if set(found) != set(names):
        raise ValueError(
            f"expected {what} in {path}, got a file with {', '.join(found)}; name another"
        )


def _comment(archive: bytes) -> bytes:
    """The end of a sealed archive: length of the comment, and the comment."""
    length = (len(_WORDS) + _DIGITS).to_bytes(2, "little")
    return length + _WORDS + _digest(archive[:-2] + length)


def _entry(text: bytes) -> bytes:
    """The end of a sealed JSON object."""
    return b',\n "sha256": "' + _digest(text) + b'"\n}'


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _damaged(path: Path, what: str) -> DamagedError:
    return DamagedError(
        f"expected {what} in {path}, got a file that is damaged or something else: its checksum"
        " is missing or wrong; restore it or name another"
    )
