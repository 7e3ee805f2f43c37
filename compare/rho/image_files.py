"""Images from where they are kept: MNIST, CIFAR-10, a local file .npz, or drawn.

MNIST comes from OpenML (data set 554, through scikit-learn), CIFAR-10 from the binary archive of
its authors, which is kept beside scikit-learn's data sets; both need a network the first time.
A file .npz holds ``x``, the images, and if labels are asked for ``y``, the labels, shape (n,).
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import urllib.request
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.files import write_whole

__all__ = [
    "CIFAR_SHAPE",
    "MNIST_SHAPE",
    "LabelledImages",
    "cifar10",
    "mnist",
    "read_images",
    "synthetic",
]

MNIST_SHAPE, CIFAR_SHAPE = (1, 28, 28), (3, 32, 32)
OPENML_MNIST = 554
CIFAR_ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
_RECORD = 1 + 3 * 32 * 32  # bytes of one image of the archive: label, red, green, blue
_TRAINING = 60_000  # images of MNIST that are for training
_PATIENCE = 30.0  # seconds without an answer


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImages:
    """Images with labels.

    Attributes:
        x: brightness from 0 to 1, shape (n, channels, height, width).
        labels: integers, shape (n,), or None where there are none.
        checksum: SHA-256 of the pixels as bytes; of MNIST as its IDX file of images.
    """

    x: NDArray[np.float64]
    labels: NDArray[np.int64] | None
    checksum: str

    def of_classes(self, labels: Sequence[int] | None) -> LabelledImages:
        """Those with some labels; all if None.

        Raises:
            ValueError: there are no labels, or none of that value.
        """
        if labels is None:
            return self
        if self.labels is None:
            raise ValueError("expected labels y to choose by, got images alone; add y to the file")
        there = sorted(set(self.labels.tolist()))
        missing = [label for label in labels if label not in there]
        if missing or not labels:
            found = missing[0] if missing else "none"
            raise ValueError(
                f"expected labels among {', '.join(map(str, there))}, got {found}; choose others"
            )
        kept = np.isin(self.labels, list(labels))
        return LabelledImages(self.x[kept], self.labels[kept], self.checksum)


def mnist() -> LabelledImages:
    """The 60,000 training images of MNIST.

    Raises:
        OSError: they are not here, and the network does not give them.

    References:
        LeCun, Bottou, Bengio and Haffner (1998).
    """
    from sklearn.datasets import fetch_openml  # takes a second to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it tries again; the error says all
        data: Any = fetch_openml(
            data_id=OPENML_MNIST, as_frame=False, parser="liac-arff", n_retries=1, delay=0.5
        )
    x = np.asarray(data.data)[:_TRAINING].reshape(-1, *MNIST_SHAPE)
    return _images(x, np.asarray(data.target)[:_TRAINING].astype(np.int64))


def cifar10() -> LabelledImages:
    """The 50,000 training images of CIFAR-10, from the archive with the right checksum.

    Raises:
        OSError: they are not here, and the network does not give them.
        ValueError: the archive is another one.

    References:
        Krizhevsky (2009).
    """
    from sklearn.datasets import get_data_home

    path = Path(get_data_home()) / "cifar-10-binary.tar.gz"
    if not path.is_file():
        with urllib.request.urlopen(CIFAR_ADDRESS, timeout=_PATIENCE) as answer:
            write_whole(path, answer.read())
    archive = path.read_bytes()
    found = hashlib.sha256(archive).hexdigest()
    if found != CIFAR_SHA256:
        raise ValueError(
            f"expected the archive of CIFAR-10 with SHA-256 {CIFAR_SHA256} in {path}, got {found};"
            " remove the file"
        )
    return archived(archive)


def archived(archive: bytes) -> LabelledImages:
    """The training images of an archive as CIFAR-10's."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        names = sorted(n for n in members.getnames() if Path(n).name.startswith("data_batch"))
        parts = [file.read() for n in names if (file := members.extractfile(n)) is not None]
    records = np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(-1, _RECORD)
    return _images(records[:, 1:].reshape(-1, *CIFAR_SHAPE), records[:, 0].astype(np.int64))


def read_images(path: Path, shape: tuple[int, ...]) -> LabelledImages:
    """Images of a file .npz.

    Args:
        path: the file; ``x`` of shape (n, channels, height, width), (n, height, width,
            channels), flat, or without the axis of one channel; integers from 0 to 255 or
            numbers as they are to be used.
        shape: of one image, (channels, height, width).

    Raises:
        ValueError: the file, its keys or its shapes are others; it says what was found.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"expected a file .npz, got {path}, which {what}; check the path")
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
            arrays = {name: archive[name] for name in ("x", "y") if name in names}
    except (zipfile.BadZipFile, ValueError, AttributeError, EOFError) as error:
        raise ValueError(
            f"expected a file .npz with plain arrays of numbers, got {path}, which is none; save it"
            " with numpy.savez(path, x=images, y=labels)"
        ) from error
    if "x" not in arrays:
        raise ValueError(
            f"expected the key x (and y for labels) in {path}, got {', '.join(names) or 'none'};"
            " save it with numpy.savez(path, x=images, y=labels)"
        )
    x, labels = _ordered(arrays["x"], shape), arrays.get("y")
    if labels is not None and (labels.shape != (len(x),) or labels.dtype.kind not in "iu"):
        raise ValueError(
            f"expected integers y of shape ({len(x)},) in {path}, got {labels.dtype} of shape"
            f" {labels.shape}; save one label for each image"
        )
    return _images(x, None if labels is None else labels.astype(np.int64))


def synthetic(shape: tuple[int, ...], count: int, seed: int = 0) -> LabelledImages:
    """Random images of a shape, with the power spectrum 1/|k|^2 that photographs have.

    References:
        Field (1987).
    """
    rng = np.random.default_rng(seed)
    height, width = shape[-2:]
    k = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    amplitude = 1 / np.maximum(k, 1 / max(height, width))
    noise = rng.standard_normal((count, *shape))
    fields = np.fft.ifft2(np.fft.fft2(noise) * amplitude).real
    fields /= 4 * fields.std()
    return _images(np.rint(255 * np.clip(0.5 + fields, 0, 1)).astype(np.uint8), None)


def _ordered(x: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """With the axes (n, channels, height, width)."""
    channels, height, width = shape
    if x.dtype.kind in "iuf" and x.ndim > 1 and len(x):
        if x.shape[1:] in (shape, (channels * height * width,)) or (
            channels == 1 and x.shape[1:] == (height, width)
        ):
            return x.reshape(-1, *shape)
        if x.shape[1:] == (height, width, channels):
            return np.moveaxis(x, -1, 1)
    raise ValueError(
        f"expected x of shape (n, {channels}, {height}, {width}), (n, {height}, {width},"
        f" {channels}) or (n, {channels * height * width}), got {x.dtype} of shape {x.shape}; save"
        " the images in one of these shapes"
    )


def _images(x: NDArray[Any], labels: NDArray[np.int64] | None) -> LabelledImages:
    """Pixels from 0 to 255 become brightness; other numbers stay."""
    values = np.asarray(x, dtype=np.float64)
    bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if bad.any():
        raise ValueError(
            f"expected finite pixels, got NaN or infinity first in image {int(np.argmax(bad))};"
            " repair or remove it"
        )
    whole = bool((values == np.rint(values)).all()) and 1 < values.max() <= 255
    if not whole or values.min() < 0:
        return LabelledImages(values, labels, hashlib.sha256(values.tobytes()).hexdigest())
    pixels = np.ascontiguousarray(values.astype(np.uint8))
    head = struct.pack(">4i", 2051, len(x), 28, 28) if x.shape[1:] == MNIST_SHAPE else b""
    return LabelledImages(values / 255, labels, hashlib.sha256(head + pixels.tobytes()).hexdigest())
