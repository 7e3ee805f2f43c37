"""Laws are read off the numbers that were drawn from them, and off no others."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from empirical.lifting.fresh_draws import chances
from empirical.lifting.initial_laws import InitialLaw, candidates, fits, outlier
from empirical.lifting.law_assignment import Drawn, laws_of
from empirical.lifting.places import LiftingError

INITIALISERS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "torch's default": (lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5)), 1 / 3),
    "Kaiming (fan_in, gain of relu), normal": (
        lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"), 2.0,
    ),
    "Kaiming (fan_in, gain of relu), uniform": (
        lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"), 2.0,
    ),
    "Kaiming (fan_in, gain of linear), normal": (
        lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"), 1.0,
    ),
    "standard normal": (nn.init.normal_, math.nan),
    "orthogonal": (nn.init.orthogonal_, math.nan),
}  # fmt: skip
"""Initialisers of torch, with the variance times fan_in."""


def _drawn(initialiser: Callable[[Tensor], Tensor], *shapes: tuple[int, ...]) -> list[Drawn]:
    torch.manual_seed(3)
    tensors = [initialiser(torch.empty(shape, dtype=torch.float64)) for shape in shapes]
    return [Drawn(f"{k}.weight", t.numpy()[None], tuple(t.shape)) for k, t in enumerate(tensors)]


@pytest.mark.parametrize("name", INITIALISERS)
def test_the_initialiser_of_a_module_is_found(name: str) -> None:
    initialiser, gain = INITIALISERS[name]
    found = laws_of(_drawn(initialiser, (32, 6), (32, 32), (4, 32)), {})
    assert {law.name for law in found.values()} == {name}
    if math.isfinite(gain):
        np.testing.assert_allclose(
            [law.std**2 * fan for law, fan in zip(found.values(), (6, 32, 32), strict=True)],
            gain, rtol=1e-14,
        )  # fmt: skip


def test_a_few_numbers_have_the_law_of_the_rest() -> None:
    """Sixteen numbers of a readout fit a dozen laws."""
    drawn = _drawn(INITIALISERS["Kaiming (fan_in, gain of linear), normal"][0], (16, 16), (1, 16))
    alone = [law for law in candidates((1, 16)) if fits(law, drawn[1].flat)]
    assert len({round(law.std, 6) for law in alone}) > 5
    assert laws_of(drawn, {})["1.weight"].std == 0.25


def test_a_gain_of_one_s_own_is_measured_on_all_parameters() -> None:
    drawn = _drawn(
        lambda w: nn.init.normal_(w, std=0.77 / math.sqrt(w.shape[1])), (64, 64), (64, 64), (1, 64)
    )
    found = laws_of(drawn, {})
    sizes = sum(one.flat.size for one in drawn)
    for law in found.values():
        assert abs(law.std * 8 / 0.77 - 1) < 4.5 / math.sqrt(2 * sizes)
        assert law.error == 1 / math.sqrt(2 * sizes)


def test_no_law_is_refused_that_the_numbers_were_drawn_from() -> None:
    """At RARE = 1e-6 a thousand draws all fit, and a scale that is off does not."""
    rng = np.random.default_rng(0)
    for family in ("normal", "uniform", "truncated normal"):
        law = InitialLaw("", family, 0.3)  # pyright: ignore[reportArgumentType]
        for size in (7, 30, 400):
            draws = [law.draw(rng.random(size)) for _ in range(100)]
            assert all(fits(law, w) for w in draws)
        wide = law.draw(rng.random(20_000))
        np.testing.assert_allclose(wide.std(), 0.3, rtol=4.5 / math.sqrt(40_000))
        np.testing.assert_allclose((wide**4).mean() / 0.3**4, law.kurtosis, rtol=0.1)
        off = InitialLaw("", family, 0.33)  # pyright: ignore[reportArgumentType]
        assert not fits(off, wide)


def test_trained_weights_are_told() -> None:
    rng = np.random.default_rng(1)
    w = rng.uniform(-1, 1, (64, 64)) / 8
    spike = np.outer(rng.normal(size=64), rng.normal(size=64)) / 64
    assert outlier(w, 1 / math.sqrt(192)) is None
    assert outlier(w + 2 * spike, 1 / math.sqrt(192))
    with pytest.raises(LiftingError, match="nearly torch's default, but beyond its bound"):
        laws_of([Drawn("w", (w + spike / 20)[None], (64, 64))], {})
    with pytest.raises(LiftingError, match=r"whose mean 0\.\d+ is not 0"):
        laws_of([Drawn("w", (0.5 + w)[None], (64, 64))], {})
    with pytest.raises(LiftingError, match=r"all of them 0\.5: a description has no constants"):
        laws_of([Drawn("w", np.full((1, 8, 8), 0.5), (8, 8))], {})


def test_a_fresh_draw_is_as_rarely_refused_as_is_said() -> None:
    """Of 2,000 draws the share below a level is not above it, but for four standard errors."""
    rng = np.random.default_rng(4)
    for shape in ((64, 20), (1, 64), (16, 3)):
        found = np.array([min(chances(rng.normal(size=shape), 0.0)) for _ in range(2000)])
        for level in (0.2, 0.02):
            assert (found < level).mean() < level + 4 * math.sqrt(level / 2000)
    measured = rng.normal(size=(64, 20)) * 1.2  # of numbers whose deviation is known to 10 %
    assert min(chances(measured, 0.1)) > 0.01 > min(chances(measured, 0.0))


def test_weights_that_have_moved_along_what_they_read_are_told() -> None:
    """A product of rank one that the whole matrix does not show: its directions are few."""
    rng = np.random.default_rng(5)
    m, read = 256, rng.normal(size=(32, 256)) + 0.5
    step = np.outer(rng.normal(size=m), read.mean(axis=0))
    size = float(np.linalg.norm(step, 2))
    moved = np.asarray(rng.normal(size=(m, m)) + 12 * step / size, dtype=np.float64)
    assert outlier(moved, 1.0) is None
    assert fits(InitialLaw("", "normal", 1.0), moved.ravel())
    directions = np.linalg.svd(read, full_matrices=False)[2].T
    assert min(chances(moved @ directions, 0.0)) < 1e-6
    elsewhere = np.linalg.qr(rng.normal(size=(m, 32)))[0]  # not of what was read
    assert min(chances(moved @ elsewhere, 0.0)) > 1e-6


def test_biases_that_have_left_0_are_told_by_their_size() -> None:
    """After the first step; a law that is passed, or further modules, say that they were drawn."""
    b = np.random.default_rng(6).normal(size=64) / 5000
    one = Drawn("0.bias", b[None], (64,), fan_in=6)
    with pytest.raises(LiftingError, match="have started at 0 and were trained"):
        laws_of([one], {})
    law = InitialLaw("mine", "normal", 1 / 5000)
    assert laws_of([one], {"0.bias": law}) == {"0.bias": law}
    several = np.random.default_rng(7).normal(size=(8, 64)) / 5000
    assert laws_of([Drawn("0.bias", several, (64,), fan_in=6)], {})["0.bias"].error > 0


def test_a_law_that_was_passed_has_to_fit() -> None:
    (one,) = _drawn(nn.init.normal_, (20, 20))
    assert laws_of([one], {"0.*": InitialLaw("mine", "normal", 1.0)})["0.weight"].name == "mine"
    with pytest.raises(LiftingError, match="expected numbers from mine"):
        laws_of([one], {"*": InitialLaw("mine", "normal", 0.8)})
