"""Shifts and fields against what they stand for: pairs of positions, one by one."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import positions

from analytic import AveragePooling, Convolution, GlobalAveragePooling, Network
from analytic.expectations import arcsine
from analytic.images.fields import Shifts, move_lines, pieces, window_sums
from analytic.images.own_norms import shares
from analytic.images.stretch_layouts import all_shifts, layouts
from analytic.images.stretches import network_stretches

C = Convolution

LAYERS = [
    C("tanh", 3),
    C("tanh", 4, padding_mode="circular"),
    C("tanh", (2, 5)),
    C("tanh", (3, 2), stride=(2, 1)),
    C("tanh", 3, stride=2, padding_mode="circular"),
    C("tanh", (2, 3), padding="valid", stride=(3, 2)),
    C("tanh", 3, dilation=(3, 2)),
    C("tanh", (3, 2), padding_mode="circular", dilation=(3, 4), stride=(1, 3)),
    C("tanh", 2, padding="valid", dilation=(2, 3)),
    AveragePooling((2, 5)),
    AveragePooling((3, 4), stride=(1, 1)),
    AveragePooling((3, 2), stride=(2, 3)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_a_layer_reads_the_pairs_of_positions_it_should(layer: C | AveragePooling) -> None:
    spatial = (4, 5)
    table, after = positions.windows(layer, spatial)
    pools = isinstance(layer, AveragePooling)
    layers = (layer,) if not pools else (C("tanh", 1), layer)
    first, *_ = network_stretches(Network(*layers, GlobalAveragePooling()), spatial)
    (leave,) = first.leaves
    window = (first.windows[-1] if leave.kind == "total" else None) or leave.window
    assert window is not None
    axes: list[set[tuple[int, int, int, int]]] = []
    for scatter, shifts, size in zip(window, first.grid[2:4], spatial, strict=True):
        found: set[tuple[int, int, int, int]] = set()
        for number, shift in enumerate(shifts):
            for run in range(scatter.first[number], scatter.first[number + 1]):
                for place in range(scatter.length[run]):
                    source = scatter.source[run] + place * scatter.step
                    target = scatter.target[run] + place
                    found.add((scatter.after[run], target, source, (source + shift) % size))
        axes.append(found)
    read = {
        ((y_ + dy) % after[0] * after[1] + (x_ + dx) % after[1], y_ * after[1] + x_,
         v * 5 + u, v_ * 5 + u_)
        for (dy, y_, v, v_), (dx, x_, u, u_) in itertools.product(*axes)
    }  # fmt: skip
    wanted = set[tuple[int, int, int, int]]()
    for p, q in itertools.product(range(len(table)), repeat=2):
        both = table[p], table[q]
        pairs = itertools.product(*both) if pools else zip(*both, strict=True)
        wanted |= {(q, p, a, b) for a, b in pairs if a is not None and b is not None}
    assert read == wanted


def test_a_shift_moves_an_image_on_the_torus(rng: np.random.Generator) -> None:
    height, width, copies = 7, 19, 2
    image = rng.standard_normal((1, 384))  # 133 positions each, three vectors of lanes
    runs, out = np.empty((40, 3), dtype=np.int64), np.zeros((1, 384))
    for down, right in itertools.product((0, 1, 6), (0, 4, 18)):
        number = pieces((height, width, copies, height), down, right, runs)
        move_lines(image, runs, number, out)
        for copy in range(copies):
            part = slice(133 * copy, 133 * (copy + 1))
            planes = (lines[0, part].reshape(height, width) for lines in (image, out))
            old, new = planes
            assert_array_equal(new, np.roll(old, (-down, -right), axis=(0, 1)))


def test_window_sums_add_without_cancelling(rng: np.random.Generator) -> None:
    network = Network(C("tanh", 3), GlobalAveragePooling())
    layout, _ = layouts(network, network_stretches(network, (6, 7)), 1)
    window, shifts = layout.windows[0], all_shifts(layout.stretch.grid)
    assert window is not None
    before = np.zeros((42, 128))
    before[:, :42] = 10.0 ** rng.uniform(-300, 100, (42, 42))
    after, line = np.empty_like(before), np.zeros(128 + 14)
    window_sums(*window, shifts, layout.shape, before, line, after)
    shift = 11
    dy, dx = int(shifts.down[shift]), int(shifts.right[shift])
    for y, x in itertools.product(range(6), range(7)):
        total = 0.0
        for b, a in itertools.product((-1, 0, 1), repeat=2):
            inside = 0 <= y + b < 6 and 0 <= x + a < 7
            other = 0 <= (y + dy) % 6 + b < 6 and 0 <= (x + dx) % 7 + a < 7
            total += before[shift, (y + b) * 7 + x + a] if inside and other else 0.0
        assert_allclose(after[shift, y * 7 + x], total, rtol=9 * 2.0**-53)


def test_the_arcsine_is_exact_to_a_few_roundings() -> None:
    z = np.concatenate([np.linspace(-1, 1, 2001), 10.0 ** np.arange(-300, 0.0, 7)])
    z = np.concatenate([z, 1 - 10.0 ** np.arange(-16, 0.0)])
    for value in z:
        exact = mpmath.asin(mpmath.mpf(float(value)))
        # roundings of f, of the product and, above 1/2, of the difference from pi/2
        assert abs(arcsine(value) - exact) <= 8 * 2.0**-53 * abs(exact)


def test_the_shares_of_each_window_add_up_to_one(rng: np.random.Generator) -> None:
    """Three rows that overlap in one, two columns that overlap in one: 2 x 3 windows."""
    layers = C("relu", 1), AveragePooling((3, 2), stride=(2, 1)), C("relu", 1)
    network = Network(*layers)
    first, after = layouts(network, network_stretches(network, (5, 4)), 1)[:2]
    found = shares(first, after, first.stretch.leaves[0], rng.uniform(1, 2, (2, 20)))
    assert_allclose(found[:, ::2].sum(axis=(1, 2)), 6, rtol=100 * 2.0**-53)


def test_only_the_shifts_at_hand_are_named() -> None:
    network = Network(C("tanh", 3), AveragePooling(2))
    grid = network_stretches(network, (8, 8))[0].grid
    shifts = all_shifts(grid)
    assert isinstance(shifts, Shifts)
    assert shifts.down.tolist() == [0, 0, 0, 1, 1, 1, 7, 7, 7]
    assert shifts.right.tolist() == [0, 1, 7] * 3
