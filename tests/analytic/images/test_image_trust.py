"""What a user relies on: bits, blocks, bounds, memory, and one sentence for what is wrong."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from analytic import (
    AccuracyError,
    AveragePooling,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Kernels,
    Network,
    Residual,
    kernel,
    kernel_diagonal,
    kernel_estimate,
    kernel_plan,
)
from analytic.images.image_groups import Blocking, blocking
from analytic.images.stretch_layouts import layouts
from analytic.images.stretches import network_stretches

C, F, R, A = Convolution, FullyConnected, Residual, AveragePooling
FLAT = Network(C("tanh", 3, weight_std=0.4), R(C("softplus", 3, weight_std=0.3)))
POOLED = Network(
    *FLAT.layers, A(2), C("tanh", 3, weight_std=0.4), GlobalAveragePooling(), F("tanh")
)
BOTH = pytest.mark.parametrize("network", [FLAT, POOLED], ids=["flat", "pooled"])


@BOTH
def test_blocks_are_invisible(network: Network, rng: np.random.Generator) -> None:
    x = rng.standard_normal((150, 2, 4, 4))  # more than one block of rows and of columns
    k = kernel(network, x)
    few = np.array([0, 1, 31, 32, 100, 127, 128, 149])
    assert_allclose(kernel(network, x[few]), k[np.ix_(few, few)], rtol=1e-12)
    assert_allclose(kernel(network, x[:3], x), k[:3], rtol=1e-12)
    assert_allclose(kernel_diagonal(network, x), np.diag(k), rtol=1e-13)


@BOTH
def test_symmetric_positive_and_the_same_bits_on_any_number_of_threads(
    network: Network, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = rng.standard_normal((40, 1, 4, 4))
    x[7] = x[3]
    k = kernel(network, x)
    assert_array_equal(k, k.T)
    assert np.linalg.eigvalsh(k)[0] > -1e-12 * np.trace(k)
    for threads in ("1", "3"):
        monkeypatch.setenv("KINFINITY_THREADS", threads)
        assert_array_equal(kernel(network, x), k)
    out = np.empty((40, 40), dtype=np.float32)
    assert kernel(network, x, out=out) is out
    assert_allclose(out, k, rtol=1e-6)


def test_one_position_is_the_fully_connected_network(rng: np.random.Generator) -> None:
    x = rng.standard_normal((5, 3))
    dense = Network(F("gelu", bias_std=0.3), R(F("silu"), F("gelu", weight_std=1.5)))
    images = Network(C("gelu", 3, bias_std=0.3), R(C("silu", 1), C("gelu", 2, weight_std=1.5)))
    assert_allclose(kernel(images, x.reshape(5, 3, 1, 1)), kernel(dense, x), rtol=1e-11)
    assert_allclose(
        kernel(Network(Flatten(), *dense.layers), x.reshape(5, 1, 3)), kernel(dense, x), rtol=1e-11
    )


def test_a_circular_pooled_network_does_not_see_shifts(rng: np.random.Generator) -> None:
    def layer(name: str) -> Convolution:
        return C(name, 3, padding_mode="circular", weight_std=0.5)

    pooled = Network(layer("tanh"), R(layer("softplus")), GlobalAveragePooling())
    flat = Network(layer("tanh"), R(layer("softplus")))
    x, y = rng.standard_normal((2, 1, 2, 5, 4))
    moved = np.roll(x, (2, 1), axis=(2, 3))
    assert_allclose(kernel(pooled, moved, y), kernel(pooled, x, y), rtol=1e-12)
    assert_allclose(kernel(flat, moved, np.roll(y, (2, 1), axis=(2, 3))), kernel(flat, x, y))
    assert abs(kernel(flat, moved, y) / kernel(flat, x, y) - 1).max() > 1e-3


def test_the_identity_counts_paths(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 2, 6))
    mean = x.mean(axis=2)
    sigma = mean @ mean.T / 2
    network = Network(
        C("identity", 3, padding_mode="circular"), C("identity", 1), GlobalAveragePooling()
    )
    # every position is read 3 times; two trained layers and the readout give 3 equal parts
    both = kernel(network, x, kind="both")
    assert isinstance(both, Kernels)
    assert_allclose(both.nngp, 3 * sigma, rtol=1e-11)
    assert_allclose(both.ntk, 9 * sigma, rtol=1e-11)


def test_the_shifts_carried_are_those_needed() -> None:
    three = [C("tanh", 3)] * 3
    assert network_stretches(Network(*three), (8, 8))[0].grid.shifts == 1
    assert network_stretches(Network(*three, GlobalAveragePooling()), (8, 8))[0].grid.shifts == 64
    first, second, _ = network_stretches(Network(*three, A(2)), (8, 8))
    assert (second.grid.shifts, second.grid.positions) == (1, 16)
    assert first.grid.rows.tolist() == first.grid.columns.tolist() == [0, 1, 7]
    strided = network_stretches(Network(C("tanh", 1), C("tanh", 1, stride=2), A(2)), (8,))
    assert strided[0].grid.columns.tolist() == [0, 2, 6]
    assert strided[1].grid.columns.tolist() == [0, 1, 3]
    large = network_stretches(Network(C("tanh", 3), GlobalAveragePooling()), (512, 512))
    assert large[0].grid.shifts == 512**2  # and nothing is made for each of them


def test_lanes_are_filled_and_states_are_small() -> None:
    def blocks(network: Network, side: int, n: int) -> Blocking:
        return blocking(layouts(network, network_stretches(network, (side, side)), 1), n, n)

    pooled = Network(C("tanh", 3), A(2), C("tanh", 3), GlobalAveragePooling())
    assert blocks(FLAT, 8, 1000)[:2] == (32, 2)  # two images of 64 positions fill the lanes
    assert blocks(FLAT, 32, 1000)[:2] == (16, 1)
    for side, n in ((8, 8), (16, 100), (32, 1), (32, 1000)):
        size, copies, strip, rows, panels = blocks(pooled, side, n)
        between = network_stretches(pooled, (side, side))[1].grid
        assert 32 * size * panels * copies * between.shifts * between.positions <= 2**26
        assert strip % size == 0
        assert size <= rows <= n


def _without_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if pairs of positions were too many to be taken one by one."""
    monkeypatch.setattr("analytic.images.position_reach.MOST", 0)


def test_a_bound_that_cannot_be_met_is_refused_with_the_best_value(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = rng.standard_normal((2, 1, 6))
    x[..., :-1] = 0  # patches that are exactly parallel, where arccos has a root
    network = Network(C("relu", 3), A(1, stride=1), C("tanh", 3), A(2), C("relu", 1))
    answer = kernel(network, x)
    _without_positions(monkeypatch)
    with pytest.raises(AccuracyError, match="bound") as refusal:
        kernel(network, x)
    assert refusal.value.estimate is not None
    estimate = kernel_estimate(network, x, tolerance=1e-5)
    assert_allclose(estimate.value, refusal.value.estimate.value, rtol=1e-7)
    assert estimate.error.max() < 1e-6 * estimate.value.max()
    assert (abs(estimate.value - answer) <= estimate.error).all()


def test_raw_pixels_are_refused_with_what_helps(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = rng.integers(0, 256, (2, 1, 4, 4), dtype=np.uint8)
    x[1, 0, 1:] = x[0, 0, 1:]  # most patches are equal
    network = Network(C("tanh", 3), A(2), C("tanh", 3))
    assert kernel(network, x).shape == (2, 2)
    _without_positions(monkeypatch)
    with pytest.raises(AccuracyError, match="pixels by 1/255"):
        kernel(network, x)
    assert kernel(network, x / 255).shape == (2, 2)


def test_the_plan_foresees_images(rng: np.random.Generator) -> None:
    x = rng.standard_normal((20, 1, 8, 8))
    plan = kernel_plan(FLAT, x)
    assert plan.method == "images"
    assert plan.pairs == 210
    assert 0 < plan.seconds < 60
    assert plan.bound <= 1e-10


def test_the_plan_of_many_images_touches_few(rng: np.random.Generator) -> None:
    class Rows:
        """Images that may be read a few at a time."""

        shape, taken = (10_000, 1, 6, 6), 0

        def __len__(self) -> int:
            return self.shape[0]

        def __array__(self) -> np.ndarray:
            raise AssertionError("expected some rows to be read, got all of them")

        def __getitem__(self, rows: Any) -> np.ndarray:
            size = len(np.arange(10_000)[rows])
            self.taken += size
            return rng.standard_normal((size, 1, 6, 6))

    x = Rows()
    plan = kernel_plan(FLAT, x)  # type: ignore[arg-type]
    assert plan.pairs == 10_000 * 10_001 // 2
    assert plan.bytes > 8 * 10_000**2
    assert x.taken <= 2 * (64 + 128) + 1


IMAGES = np.ones((2, 1, 8, 8))


@pytest.mark.parametrize(
    ("network", "x", "message"),
    [
        (FLAT, np.ones((2, 64)), r"for n flat square images .* x.reshape\(n, 1, side, side\)"),
        (Network(F("tanh")), IMAGES, r"x.reshape\(n, -1\), for images begin .* Flatten\(\)"),
        (FLAT, np.ones((2, 8, 8, 3)), r"channels first with numpy.moveaxis\(x, -1, 1\)"),
        (FLAT, np.ones((2, 9, 1)), r"channels first with numpy.moveaxis\(x, -1, 1\)"),
        (Network(C("tanh", 9, padding="valid")), IMAGES, "at least 9 x 9 positions"),
        (Network(C("tanh", 3), A(3)), IMAGES, "divides, got 8 x 8"),
        (Network(C("tanh", (3, 3))), np.ones((2, 1, 8)), r"\(n, channels, height, width\)"),
        (FLAT, np.ones((0, 1, 8, 8)), "expected inputs in x"),
        (FLAT, np.where(np.arange(2)[:, None, None] == 1, np.nan, np.ones((2, 1, 8))), "row 1"),
    ],
)
def test_images_that_make_no_sense_get_one_sentence(network: Network, x: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernel(network, x)


def test_positions_that_cancel_are_refused_and_not_waited_for(rng: np.random.Generator) -> None:
    x = rng.standard_normal((20, 1, 4, 4))
    x -= x.mean(axis=(1, 2, 3), keepdims=True)
    network = Network(GlobalAveragePooling(), F("tanh"))
    for of in (kernel, kernel_diagonal):
        with pytest.raises(AccuracyError, match="GlobalAveragePooling") as caught:
            of(network, x)
        assert caught.value.estimate.value.max() < 1e-15  # pyright: ignore
    with pytest.raises(ValueError, match="lower weight_std or scale"), np.errstate(over="ignore"):
        kernel(Network(*[C("relu", 3, weight_std=1e90)] * 4), IMAGES, tolerance=1e-5)
    with pytest.raises(ValueError, match="whose square float64 can hold"):
        C("tanh", 3, weight_std=1e200)


def test_many_channels_are_within_the_bound() -> None:
    x = np.full((2, 4096, 1, 2), 0.1)
    estimate = kernel_estimate(Network(C("identity", 1)), x, kind="nngp")
    exact = Fraction(0.1) ** 2
    assert abs(Fraction(float(estimate.value[0, 0])) - exact) <= estimate.error[0, 0]
    assert abs(Fraction(float(estimate.value[0, 1])) - exact) <= estimate.error[0, 1]


def test_other_refusals() -> None:
    with pytest.raises(ValueError, match="same shape for each input"):
        kernel(FLAT, IMAGES, np.ones((1, 1, 8, 7)))
    with pytest.raises(ValueError, match="stride leaves out positions"):
        R(C("tanh", 3, stride=2))
    with pytest.raises(ValueError, match="expected the shape of the images, got none"):
        FLAT.recursion()
    with pytest.raises(ValueError, match="expected images with"):
        Network(C("erf", (3, 3))).recursion((1, 8))
    assert kernel(FLAT, IMAGES.astype(np.uint8)).shape == (2, 2)  # integer images are converted
