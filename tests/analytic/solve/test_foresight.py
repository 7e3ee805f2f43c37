"""Memory and time before the computation."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Convolution, FullyConnected, Network, kernel, kernel_plan
from analytic.solve import foresight

NETWORK = Network(*[FullyConnected("tanh")] * 3)


def test_the_plan_counts_pairs_and_bytes(rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((300, 7)), rng.standard_normal((200, 7))
    own, cross = kernel_plan(NETWORK, x), kernel_plan(NETWORK, x, y, kind="both")
    assert (own.pairs, cross.pairs) == (300 * 301 // 2, 300 * 200)
    assert 8 * 300**2 < own.bytes < 8 * 300**2 + 2e6
    assert 2 * 8 * 300 * 200 < cross.bytes < 2 * 8 * 300 * 200 + 2e6
    assert own.method == cross.method == "series"
    assert 0 < own.bound <= 1e-10
    assert own.seconds > 0


def test_equal_norms_are_recognised(rng: np.random.Generator) -> None:
    x = rng.standard_normal((1300, 7))
    x /= np.linalg.norm(x, axis=1)[:, None]
    assert kernel_plan(NETWORK, x).method == "zonal"


def test_an_answer_that_does_not_fit_is_refused_before(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = rng.standard_normal((100, 7))
    monkeypatch.setattr(foresight, "available_memory", lambda: 8 * 100 * 100 - 1)
    with pytest.raises(MemoryError, match=r"expected 0\.0 GB of free memory .* pass a file"):
        kernel(NETWORK, x)
    kernel(NETWORK, x[:99])
    kernel(NETWORK, x, out=np.empty((100, 100)))  # the user's own memory


def test_the_machine_tells_its_memory() -> None:
    free = foresight.available_memory()
    assert free is None or 2**20 < free < 2**60


def test_foresight_of_very_many_inputs_prepares_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2000, 5)), rng.standard_normal((700, 5))
    whole = [kernel_plan(NETWORK, x, z, kind="both") for z in (None, y)]
    monkeypatch.setattr(foresight, "MOST_SAMPLED", 400)
    for z, exact in zip((None, y), whole, strict=True):
        few = kernel_plan(NETWORK, x, z, kind="both")
        assert (few.method, few.pairs) == (exact.method, exact.pairs)
        assert few.bound == pytest.approx(exact.bound, rel=0.01)  # it depends on the extremes
        assert few.bytes == pytest.approx(exact.bytes, rel=0.1)  # 400 rows are padded to 512


def test_foresight_works_at_any_size() -> None:
    one = np.random.default_rng(0).standard_normal((1, 5))
    plan = kernel_plan(
        NETWORK, np.broadcast_to(one, (10**6, 5)) * np.linspace(1, 2, 10**6)[:, None]
    )
    assert plan.pairs == 10**6 * (10**6 + 1) // 2
    assert 8e12 < plan.bytes < 8.1e12


class OnDisk:
    """Says how many of its inputs were asked for."""

    dtype = np.dtype(float)

    def __init__(self, *shape: int) -> None:
        self.shape, self.asked = shape, 0

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self) -> np.ndarray:
        raise AssertionError("all inputs were asked for")

    def __getitem__(self, index: object) -> np.ndarray:
        rows = range(self.shape[0])
        count = len(rows[index] if isinstance(index, slice) else np.asarray(index))
        self.asked += count
        return np.random.default_rng(0).standard_normal((count, *self.shape[1:]))


@pytest.mark.parametrize(("network", "shape", "most"), [
    (NETWORK, (5,), 2048), (Network(Convolution("tanh", 3)), (1, 4, 4), 1000),
])  # fmt: skip
def test_foresight_looks_at_a_fixed_number_of_inputs(
    network: Network, shape: tuple[int, ...], most: int
) -> None:
    x = OnDisk(10**9, *shape)
    plan = kernel_plan(network, x)  # type: ignore[arg-type]
    assert plan.pairs == 10**9 * (10**9 + 1) // 2
    assert x.asked <= most
