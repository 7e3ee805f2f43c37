"""Weights by counter."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy import stats

from empirical.network.weights import normal, normal_rows, philox, redraw

ONES = 2**32 - 1
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # the known answers published with Random123 (Salmon et al. 2011)
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(counter: tuple, key: tuple, words: tuple) -> None:
    assert philox(counter, key) == words


def test_normals_are_box_muller_of_philox() -> None:
    seed, layer, row = 2**40 + 7, 5, 3
    values = normal_rows(slice(row, row + 1), 2001, seed=seed, layer=layer)[0]
    for pair in (0, 1, 255, 256, 999, 1000):
        w = philox((pair, row, layer, 0), (seed & ONES, seed >> 32))
        u, turn = (mpmath.mpf(2 * ((a << 20) | (b >> 12)) + 1) / 2**53 for a, b in (w[:2], w[2:]))
        radius, angle = mpmath.sqrt(-2 * mpmath.log(u)), 2 * mpmath.pi * turn
        exact = [radius * mpmath.cos(angle), radius * mpmath.sin(angle)][: 2001 - 2 * pair]
        for k, z in enumerate(exact):
            assert abs(values[2 * pair + k] - float(z)) < 4e-15  # a few units of the largest, 8.5


def test_blocks_of_rows_and_longer_rows_agree_bit_for_bit() -> None:
    whole = normal_rows(slice(0, 50), 700, seed=1, layer=2)
    assert_array_equal(whole[13:40], normal_rows(slice(13, 40), 700, seed=1, layer=2))
    assert_array_equal(whole[:, :333], normal_rows(slice(0, 50), 333, seed=1, layer=2))


def test_seeds_layers_and_rows_are_independent_standard_normals() -> None:
    blocks = [
        normal_rows(slice(0, 100), 1000, seed=s, layer=k).numpy().ravel()
        for s in (0, 1)
        for k in (0, 1)
    ]
    n = blocks[0].size
    for a in blocks:
        assert stats.kstest(a, "norm").pvalue > 1e-4
        assert abs(a.mean()) < 4 / math.sqrt(n)
        assert abs(np.mean(a**4) - 3) < 4 * math.sqrt(96 / n)
    for k, a in enumerate(blocks):
        for b in blocks[:k]:
            assert abs(np.mean(a * b)) < 4 / math.sqrt(n)
    assert (
        stats.kstest(blocks[0] * 1.01, "norm").pvalue < 1e-1
        or stats.kstest(blocks[0] * 1.05, "norm").pvalue < 1e-4
    )


def test_dtype_and_shape() -> None:
    wide = normal((3, 4), seed=0, layer=0, dtype=torch.float64, device="cpu")
    narrow = normal((3, 4), seed=0, layer=0, dtype=torch.float32, device="cpu")
    assert_array_equal(wide.to(torch.float32).numpy(), narrow.numpy())
    assert normal((5,), seed=0, layer=0, dtype=torch.float64, device="cpu").shape == (5,)


@pytest.mark.parametrize("columns", [1, 2, 3, 63, 64, 511, 512, 513, 1500])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_way_to_draw_gives_the_same_bits(columns: int, dtype: torch.dtype) -> None:
    whole = normal_rows(slice(0, 37), columns, seed=2**63, layer=3, dtype=dtype)
    for row in (0, 5, 36):
        alone = normal_rows(slice(row, row + 1), columns, seed=2**63, layer=3, dtype=dtype)
        assert torch.equal(alone[0], whole[row])
    several = redraw(torch.empty(3, 20, columns, dtype=dtype), seeds=[1, 2**63, 5], layer=3, row0=9)
    assert torch.equal(several[1], whole[9:29])


def test_threads_do_not_change_a_bit() -> None:
    one = normal_rows(slice(0, 300), 1001, seed=4, layer=1)
    many = redraw(torch.empty(3, 300, 1001, dtype=torch.float64), seeds=[3, 4, 5], layer=1)
    torch.set_num_threads(3)
    try:
        assert torch.equal(normal_rows(slice(0, 300), 1001, seed=4, layer=1), one)
        again = redraw(torch.empty(3, 300, 1001, dtype=torch.float64), seeds=[3, 4, 5], layer=1)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(many, again)
    assert torch.equal(many[1], one)


SIMULATED = """
import numpy as np
from empirical.network import philox_cuda
for seed, layer, row0, *shape in CASES:
    out = np.zeros(shape)
    words = np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)
    philox_cuda.compiled()[2, 4](out, row0, layer, *words)
    np.savetxt(__import__("sys").stdout, out.ravel()[None], fmt="%.17g")
"""


@pytest.mark.slow
def test_the_gpu_kernel_draws_the_same_numbers_in_the_simulator() -> None:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONWARNINGS": "ignore"}
    cases = [(1, 0, 0, 3, 7), (2**40 + 7, 5, 2**31, 2, 12), (9, 2, 4, 5, 1)]
    run = subprocess.run(
        [sys.executable, "-c", f"CASES = {cases}{SIMULATED}"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    drawn = [np.array(line.split(), dtype=float) for line in run.stdout.splitlines()]
    for values, (seed, layer, row0, rows, columns) in zip(drawn, cases, strict=True):
        exact = normal_rows(slice(row0, row0 + rows), columns, seed=seed, layer=layer).numpy()
        # the same words; logarithm, root, sine and product each round once more or less
        np.testing.assert_allclose(values, exact.ravel(), rtol=8 * np.finfo(float).eps)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gpu_draws_the_same_numbers(dtype: torch.dtype) -> None:
    here = normal_rows(slice(3, 900), 1501, seed=2**40 + 7, layer=5, dtype=dtype)
    there = normal_rows(slice(3, 900), 1501, seed=2**40 + 7, layer=5, dtype=dtype, device="cuda")
    np.testing.assert_allclose(there.cpu(), here, rtol=8 * torch.finfo(dtype).eps)
    blocks = [
        normal_rows(slice(a, a + 299), 1501, seed=2**40 + 7, layer=5, dtype=dtype, device="cuda")
        for a in (3, 302, 601)
    ]
    assert torch.equal(torch.cat(blocks), there)
