"""A kernel that was cut off goes on, with the bits of one run and with nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.format import open_memmap
from numpy.testing import assert_array_equal
from oracles.damages import check_damages

from analytic import Convolution, FullyConnected, Network, kernel
from analytic.files import read_data
from analytic.images import Images
from analytic.pairs.row_blocks import Series
from analytic.solve.checkpoint import FIELDS, WHAT

IMAGES = Network(Convolution("tanh", 3, weight_std=0.4), Convolution("softplus", 3))
VECTORS = Network(*[FullyConnected("tanh", weight_std=2.0)] * 3)


class CutError(Exception):
    """The power fails."""


def cut(monkeypatch: pytest.MonkeyPatch, method: type[Any], after: int) -> list[int]:
    """Let a method fail after some blocks; returns the rows that it begins."""
    begun: list[int] = []
    own = method.fill

    def fill(self: Any, data: Any, block: Any, bound: Any) -> tuple[int, int]:
        begun.append(block.row)
        if len(begun) > after:
            raise CutError
        return own(self, data, block, bound)

    monkeypatch.setenv("KINFINITY_THREADS", "1")
    monkeypatch.setattr(method, "fill", fill)
    return begun


def inputs(network: Network, rng: np.random.Generator, images: int = 70) -> np.ndarray:
    if network is IMAGES:
        return rng.standard_normal((images, 1, 4, 4))
    x = rng.standard_normal((300, 5))
    x[40] = x[3] + 1e-9  # a pair that is left to the end
    return x


@pytest.mark.parametrize(("network", "method"), [(IMAGES, Images), (VECTORS, Series)])
@pytest.mark.parametrize("other", [False, True])
def test_a_run_that_was_cut_off_goes_on_with_the_same_bits(
    network: Network, method: type[Any], other: bool, rng: np.random.Generator, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    x = inputs(network, rng, images=300)  # fewer go in few blocks
    y = x[::-1].copy() if other else None
    whole = kernel(network, x, y)
    out = open_memmap(tmp_path / "k.npy", "w+", float, whole.shape)
    with monkeypatch.context() as patch:
        begun = cut(patch, method, 2)
        with pytest.raises(CutError):
            kernel(network, x, y, out=out, checkpoint=tmp_path / "rows.json")
        assert len(begun) >= 3
    del out
    with monkeypatch.context() as patch:
        again = cut(patch, method, 2**30)
        out = open_memmap(tmp_path / "k.npy", "r+")
        kernel(network, x, y, out=out, checkpoint=tmp_path / "rows.json")
        assert len(set(again)) == len(again)
        # the second may be finished, but not yet kept, when the third fails on another thread
        assert len(set(begun[:2]) & set(again)) <= 1
    assert_array_equal(np.asarray(out), whole)


def test_rows_that_have_changed_are_computed_again(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    x, path = inputs(IMAGES, rng), tmp_path / "rows.json"
    out = np.empty((70, 70))
    kernel(IMAGES, x, out=out, checkpoint=path)
    whole = out.copy()
    out[10, 60] += 1e-12
    assert_array_equal(kernel(IMAGES, x, out=out, checkpoint=path), whole)
    assert_array_equal(kernel(IMAGES, x, out=np.zeros((70, 70)), checkpoint=path), whole)


def test_a_checkpoint_belongs_to_one_kernel(rng: np.random.Generator, tmp_path: Path) -> None:
    x, path, out = inputs(IMAGES, rng), tmp_path / "rows.json", np.empty((70, 70))
    kernel(IMAGES, x, out=out, checkpoint=path)
    check_damages(path, lambda file: read_data(file, WHAT, FIELDS), 50)
    wider = Network(*IMAGES.layers, Convolution("tanh", 1))
    near = x.copy()
    near[0, 0, 0, 0] += 1e-15
    others: list[dict[str, Any]] = [
        {"network": wider}, {"x": near}, {"y": x.copy()}, {"kind": "nngp"}, {"tolerance": 1e-9}
    ]  # fmt: skip
    for other in others:
        with pytest.raises(ValueError, match="got that of another"):
            kernel(**{"network": IMAGES, "x": x, "out": out, "checkpoint": path} | other)
    with pytest.raises(ValueError, match="expected an out with a checkpoint"):
        kernel(IMAGES, x, checkpoint=path)  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(ValueError, match="folder that exists"):
        kernel(IMAGES, x, out=out, checkpoint=tmp_path / "no" / "rows.json")
    with pytest.raises(TypeError, match="checkpoint as a path"):
        kernel(IMAGES, x, out=out, checkpoint=3)  # pyright: ignore[reportCallIssue, reportArgumentType]
