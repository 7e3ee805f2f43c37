"""Images from files and from the archives' formats."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compare import Inputs
from compare.rho.image_files import archived

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 28, 28)).astype(np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (4, 3, 32, 32)).astype(np.uint8)


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path / "images.npz", **arrays)
    return path / "images.npz"


@pytest.mark.parametrize(
    "x", [PIXELS, PIXELS[:, None], PIXELS.reshape(6, -1), PIXELS[..., None], PIXELS * 1.0]
)
def test_mnist_of_any_layout_is_the_same(x: np.ndarray, tmp_path: Path) -> None:
    inputs = Inputs.mnist(saved(tmp_path, x=x))
    assert inputs.shape == (1, 28, 28)
    assert inputs.population == 6
    assert inputs.points is not None
    assert_array_equal(inputs.points, PIXELS[:, None] / 255)


def test_the_name_holds_the_checksum_of_the_idx_file(tmp_path: Path) -> None:
    """The header of an IDX file: magic number, number of images, rows, columns."""
    idx = struct.pack(">iiii", 0x00000803, 6, 28, 28) + PIXELS.tobytes()
    inputs = Inputs.mnist(saved(tmp_path, x=PIXELS), flat=True, scale="sphere")
    assert hashlib.sha256(idx).hexdigest()[:12] in inputs.name
    assert "scale=sphere" in inputs.name
    assert inputs.points is not None
    assert_allclose(np.mean(inputs.points**2, axis=1), 1, rtol=1e-14)


def test_cifar_of_any_layout_is_that_of_the_archive(tmp_path: Path) -> None:
    labels = np.array([3, 1, 3, 7], dtype=np.uint8)
    records = [bytes([n]) + image.tobytes() for n, image in zip(labels, COLOURS, strict=True)]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        parts = {"data_batch_1.bin": records[:2], "data_batch_2.bin": records[2:]}
        for name, batch in (parts | {"test_batch.bin": records}).items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(b"".join(batch))
            archive.addfile(member, io.BytesIO(b"".join(batch)))
    images = archived(buffer.getvalue())
    assert_array_equal(images.x, COLOURS / 255)
    assert_array_equal(images.labels, labels)
    for x in (COLOURS, np.moveaxis(COLOURS, 1, -1), COLOURS.reshape(4, -1)):
        inputs = Inputs.cifar10(saved(tmp_path, x=x, y=labels), labels=[3])
        assert images.checksum[:12] in inputs.name
        assert inputs.points is not None
        assert_array_equal(inputs.points, COLOURS[[0, 2]] / 255)


def test_synthetic_images_have_the_spectrum_of_photographs() -> None:
    inputs = Inputs.synthetic_images((3, 32, 32), 200)
    assert inputs.points is not None
    power = (np.abs(np.fft.fft2(inputs.points - 0.5)) ** 2).mean((0, 1))
    k = np.array([2, 4, 8])
    slope = np.polyfit(np.log(k), np.log(power[0, k]), 1)[0]
    assert abs(slope + 2) < 0.2  # clipping at black and white adds a little
    assert "synthetic 3x32x32" in inputs.name


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"images": PIXELS}, {}, r"expected the key x .* got images; save it"),
        ({"x": PIXELS[:, :27]}, {}, r"got uint8 of shape \(6, 27, 28\)"),
        ({"x": PIXELS[:0]}, {}, r"got uint8 of shape \(0, 28, 28\)"),
        ({"x": PIXELS.astype(str)}, {}, "got <U3 of shape"),
        ({"x": PIXELS, "y": np.zeros(5, int)}, {}, r"y of shape \(6,\).*got int64 of shape \(5,\)"),
        ({"x": PIXELS, "y": np.zeros(6)}, {}, "expected integers y"),
        ({"x": PIXELS}, {"labels": [1]}, "expected labels y to choose by"),
        ({"x": PIXELS, "y": np.arange(6)}, {"labels": [11]}, "among 0, 1, 2, 3, 4, 5, got 11"),
        ({"x": PIXELS, "y": np.arange(6)}, {"labels": []}, "got none"),
        ({"x": np.full((2, 784), np.nan)}, {}, "NaN or infinity first in image 0"),
        ({"x": np.zeros((2, 784))}, {"scale": "sphere"}, "not zero for scale 'sphere'"),
        ({"x": PIXELS}, {"scale": "unit"}, "'sphere' or 'pixels', got 'unit'"),
    ],
)
def test_files_that_are_something_else_are_refused(
    arrays: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(ValueError, match=message):
        Inputs.mnist(path, **options)


@pytest.mark.parametrize("write", [lambda p: None, lambda p: p.write_text("no archive")])
def test_a_file_that_is_none_is_refused(write: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "file.npz"
    write(path)
    with pytest.raises(ValueError, match=r"does not exist|which is none"):
        Inputs.cifar10(path)
