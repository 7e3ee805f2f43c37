"""How errors of norms and means move the angles of positions, and which positions are one unit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from oracles import image_balls

from analytic import (
    AveragePooling,
    Convolution,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Nonlinearity,
    Residual,
    kernel_estimate,
)
from analytic.expectations import Angle
from analytic.images import angle_propagation, try_positions
from analytic.images.position_grids import PositionPairs
from analytic.images.position_labels import NOTHING, labels_of
from analytic.images.position_norms import Lost, Own, SumNorms, average_norms
from analytic.images.position_readings import Window, network_readings
from analytic.inputs import positions_first
from analytic.pairs import angle_of_sum, arccosines, normalized_angle
from analytic.recursion import Junction, Problem

STEP = 1e-7
"""Of finite differences, whose own error is that of its square."""
PAIRS = 400


def _angle(cosine: np.ndarray) -> Angle:
    return Angle.of(1 - cosine, 1 + cosine, np.zeros(cosine.shape))


def _places() -> tuple[np.ndarray, np.ndarray]:
    return np.arange(PAIRS), np.arange(PAIRS, 2 * PAIRS)


def _tight(moved: list[np.ndarray], bound: np.ndarray) -> None:
    """Every sign of every error is within the bound, and the worst of them near it."""
    worst = np.max(np.abs(moved), axis=0)
    assert (worst <= bound * (1 + 1e-4) + 1e-14).all()
    assert np.median(worst / bound) > 0.5
    assert (worst / bound).max() > 0.9


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_errors_of_norms_and_means_before_units_are_centred(side: float) -> None:
    rng, (i, j) = np.random.default_rng(0), _places()
    r, share = rng.uniform(0.5, 2, 2 * PAIRS), rng.uniform(-0.95, 0.95, 2 * PAIRS)
    wanted = side * rng.uniform(0.9, 1, PAIRS)
    sines = np.sqrt(1 - share**2)
    cosine = share[i] * share[j] + wanted * sines[i] * sines[j]

    def found(v: np.ndarray, w: np.ndarray) -> np.ndarray:
        mu, second = r * (share + w), r**2 * (1 + v)
        stage: Any = SimpleNamespace(mu=mu, trained=second - mu**2)
        return normalized_angle(stage, 0.0, i, j, _angle(cosine)).minus

    none, signs = np.zeros(2 * PAIRS), rng.choice([-1.0, 1.0], (64, 2, 2 * PAIRS))
    moved = [found(STEP * a, STEP * b) - found(none, none) for a, b in signs]
    stage = SimpleNamespace(mu=r * share, trained=(r * sines) ** 2)
    known: Any = SimpleNamespace(stage=stage, before=(STEP, STEP))
    bound = angle_propagation._without_mean(known, i, j, _angle(cosine)).error
    _tight(moved, bound)


def test_errors_of_the_parts_of_a_sum() -> None:
    rng, (i, j) = np.random.default_rng(1), _places()
    a, b = rng.uniform(0.2, 2, (2, 2 * PAIRS))
    mu, eta = (np.sqrt(part) * rng.uniform(0, 0.9, 2 * PAIRS) for part in (a, b))
    cosines = [
        rng.uniform(-1, 1, PAIRS) * np.sqrt((1 - m[i] ** 2 / s[i]) * (1 - m[j] ** 2 / s[j]))
        + m[i] * m[j] / np.sqrt(s[i] * s[j])
        for s, m in ((a, mu), (b, eta))
    ]
    angles, none = [_angle(part) for part in cosines], np.zeros(2 * PAIRS)

    def found(*errors: np.ndarray) -> np.ndarray:
        v, w, u, t = errors
        state = (a * (1 + v), none, mu + w * np.sqrt(a)), (b * (1 + u), none, eta + t * np.sqrt(b))
        return angle_of_sum(Junction.of(*state, None), 0.0, i, j, *angles).minus

    signs = STEP * rng.choice([-1.0, 1.0], (512, 4, 2 * PAIRS))
    moved = [found(*errors) - found(none, none, none, none) for errors in signs]
    junction = Junction.of((a, none, mu), (b, none, eta), None)
    known = SumNorms(junction, ((STEP, STEP), (STEP, STEP)), 1.5)
    _tight(moved, angle_propagation._of_parts(known, i, j, angle_of_sum(
        junction, 0.0, i, j, *angles), *angles))  # fmt: skip


def test_errors_of_norms_before_an_average() -> None:
    rng, window = np.random.default_rng(2), Window(np.arange(3)[:, None], True)
    pairs = PositionPairs(np.arange(PAIRS), np.arange(PAIRS, 2 * PAIRS), True)
    units = rng.standard_normal((2 * PAIRS, 3, 4))  # (images, positions, coordinates)
    r = np.linalg.norm(units, axis=2)

    def mean_cosine(norms: np.ndarray) -> np.ndarray:
        means = (units * (norms / r)[:, :, None]).mean(axis=1)
        means /= np.linalg.norm(means, axis=1)[:, None]
        return np.sum(means[pairs.i] * means[pairs.j], axis=1)

    signs = STEP / 2 * rng.choice([-1.0, 1.0], (256, 2 * PAIRS, 3))
    moved = [mean_cosine(r * (1 + error)) - mean_cosine(r) for error in signs]
    directions = units / r[:, :, None]
    inner = np.einsum("npc,nqc->npq", directions[pairs.i], directions[pairs.j])
    alone = np.einsum("npc,nqc->npq", directions, directions)
    phi = (r[:, :, None] * r[:, None] * (1 - alone)).mean(axis=(1, 2))[:, None]
    none, own = np.zeros_like(phi), np.zeros_like(r)
    known, _ = average_norms(window, Own(r**2, own, own, STEP, 0.0), Lost(phi, none, none))
    zeros = np.zeros_like(inner)
    fields = angle_propagation.Fields(1 - inner, 1 + inner, zeros, zeros, zeros)
    found = angle_propagation._mixed(pairs, known, window, fields)
    worst = np.max(np.abs(moved), axis=0)
    assert (worst <= found.error).all()
    assert (worst / found.error).max() > 0.7


def test_errors_of_an_angle() -> None:
    small, e = (part.ravel() for part in np.meshgrid(*[10.0 ** np.arange(-16, 0.01, 0.25)] * 2))
    small, e = small[e <= 0.5], e[e <= 0.5]
    bound = arccosines._turned(small, e)
    moved = [abs(np.arccos(1 - x) - np.arccos(1 - small)) for x in (np.abs(small - e), small + e)]
    rounded = 1e-15 / np.sqrt(small)  # of 1 - small
    assert (np.maximum(*moved) <= bound + rounded).all()
    assert (np.max(moved, axis=0) >= 0.25 * bound - rounded).all()


def _padded(n: int) -> np.ndarray:
    """Images of a few grey blocks, not aligned with windows, with blank borders of 4 pixels."""
    blocks = np.random.default_rng(2).choice([0, 0.25, 1.0], (n, 1, 2, 2))
    return np.pad(np.kron(blocks, np.ones((3, 3))), ((0, 0), (0, 0), (4, 4), (4, 4)))


def _conv(activation: str, bias_std: float = 0.1) -> Convolution:
    return Convolution(activation, 3, weight_std=1 / 3, bias_std=bias_std)


@pytest.mark.parametrize(("activation", "bias", "kept"), [
    ("relu", 0.0, True), ("relu", 0.1, False), ("sigmoid", 0.0, False),
])  # fmt: skip
def test_blank_positions_are_units_like_those_outside(
    activation: str, bias: float, kept: bool
) -> None:
    x = positions_first(_padded(1))
    network = Network(_conv(activation, bias), _conv(activation, bias))
    labels = labels_of(network, *network_readings(network, (14, 14)), x)
    start, first, second = (part.reshape(14, 14) for part in (labels.start, *labels.layers))
    assert (start[0] == NOTHING).all()
    assert (first[:3] == first[0, 0]).all()
    assert (first[0, 0] == NOTHING) == kept  # else it is a unit, of the bias or of w(0)
    assert (second[0, 7] == second[1, 7]) == kept  # an edge of units or none
    assert second[1, 7] == second[1, 1]


def test_pooled_blank_borders_are_answered() -> None:
    norm, relu = LayerNorm(eps=1e-5), Nonlinearity("relu")
    block = Residual(norm, relu, _conv("identity"), norm, relu, _conv("identity"))
    pool = AveragePooling(2, stride=2)
    network = Network(
        _conv("identity"), block, pool, block, pool, norm, relu, GlobalAveragePooling()
    )
    x = _padded(2)
    found = try_positions(network.commuted(), positions_first(x), None, (14, 14), 1e-10)
    assert isinstance(found, Problem)
    assert found.method.diagonal < 1e-11
    small, block = x[:, :, 2:-4, 2:-4], Residual(norm, relu, _conv("identity"))
    network = Network(_conv("identity"), block, pool, norm, relu, GlobalAveragePooling())
    image_balls.margins(network, small, kernel_estimate(network, small), digits=400)
