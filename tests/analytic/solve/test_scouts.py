"""Where no tolerance will do, a few inputs say so before all are looked at."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from analytic import (
    AccuracyError,
    Activation,
    FullyConnected,
    Network,
    kernel,
    kernel_plan,
    request,
)
from analytic.expectations import varies_fast
from analytic.solve import answer, refused_by_few, scouts

pytestmark = pytest.mark.slow  # what is said, not how it is rounded

STEP = Network(FullyConnected("tanh(60*(x-1))", weight_std=1.5, bias_std=0.1))
FAST = Network(FullyConnected("tanh(60*(x-1)) + tanh(60*(x+1))", weight_std=1.5, bias_std=0.1))
RAW = np.random.default_rng(7).standard_normal((24, 5)) + 1
RAW *= np.geomspace(0.1, 300, 24)[:, None]
CONE = np.geomspace(0.1, 300, 24)[:, None] * (1 + RAW / np.abs(RAW).max(1, keepdims=True) / 20)


def _begun(*_: Any, **__: Any) -> None:
    raise AssertionError("pairs were begun")


@pytest.mark.parametrize("text", ["cos(x**2)", "x*sin(10*x)", "sin(20*x) + tanh(x)"])
def test_moments_of_which_nothing_is_known_are_enough(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their second moments were said to underflow, or all pairs were looked at first."""
    monkeypatch.setattr(answer, "fill", _begun)
    with pytest.raises(AccuracyError, match=r"layer 1 costs \(its integrals.*no tolerance") as it:
        kernel(Network(FullyConnected(text)), RAW)
    assert it.value.pair is not None
    i, j = it.value.pair
    assert i == j
    assert f"at the pair ({i}, {j})" in str(it.value)
    assert it.value.bound > 0.25


def test_a_few_inputs_refuse_what_all_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """With tables of these few, where it is not seen without tables."""
    sizes, whole = list[int](), scouts.prepare
    monkeypatch.setattr(scouts, "_own", lambda *_: None)
    monkeypatch.setattr(scouts, "_without_tables", lambda *_: None)

    def seen(network: Network, x: np.ndarray, *rest: Any, **more: Any) -> Any:
        sizes.append(len(x))
        return whole(network, x, *rest, **more)

    monkeypatch.setattr(scouts, "prepare", seen)
    monkeypatch.setattr(request, "prepare", _begun)
    with pytest.raises(AccuracyError, match="no tolerance will do") as early:
        kernel(FAST, CONE)
    assert len(sizes) == 1
    assert sizes[0] <= 4
    pair = early.value.pair
    assert pair is not None
    assert f"at the pair {pair}" in str(early.value)
    monkeypatch.setattr(request, "prepare", whole)
    alone = kernel_refused(CONE[list(pair)])
    assert alone.bound == pytest.approx(early.value.bound, rel=1e-2)  # those two are the worst
    monkeypatch.setattr(request, "refused_by_few", lambda *_, **__: None)
    late = kernel_refused(CONE)
    assert late.bound >= 0.25
    best, known = early.value.estimate, late.estimate
    assert best is not None
    assert known is not None
    assert (sizes[1:], best.value.shape) == ([24], (24, 24))
    close = np.isfinite(best.error) & np.isfinite(known.error)
    gap = np.abs(best.value - known.value)
    assert (gap[close] <= (best.error + known.error)[close]).all()


def kernel_refused(x: np.ndarray) -> AccuracyError:
    with pytest.raises(AccuracyError) as caught:
        kernel(FAST, x)
    return caught.value


@pytest.mark.parametrize("text", [
    "tanh(60*(x-1)) + tanh(60*(x+1))", "sin(x)/x", "1/(1+400*(x**2-1)**2)",
])  # fmt: skip
def test_a_few_pairs_are_refused_before_there_are_tables(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pair alone, with tables, is known no better."""
    network = Network(FullyConnected(text, weight_std=1.5, bias_std=0.1))
    with monkeypatch.context() as patched:
        patched.setattr(scouts, "_own", lambda *_: None)
        for place in (scouts, request):
            patched.setattr(place, "prepare", _begun)
        with pytest.raises(AccuracyError, match=r"weight layer 1 costs.*no tolerance") as early:
            kernel(network, CONE)
    pair = early.value.pair
    assert pair is not None
    with pytest.raises(AccuracyError) as late:
        kernel(network, CONE[list(pair)])
    assert late.value.bound >= 0.9 * early.value.bound


def test_the_smallest_input_refuses_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is eight deviations away from where w turns; the tolerance that is named succeeds."""
    with monkeypatch.context() as patched:
        for place in (scouts, request):
            patched.setattr(place, "prepare", _begun)
        with pytest.raises(AccuracyError, match=r"layer 1 costs \(its integrals.*pass") as early:
            kernel(STEP, CONE)
    assert early.value.pair == (0, 0)
    with pytest.raises(AccuracyError):
        kernel(STEP, CONE[:1])
    named = float(str(early.value).split("tolerance=")[1].split()[0])
    assert np.isfinite(kernel(STEP, CONE[::4], tolerance=named)).all()


def test_pairs_that_series_reach_are_left_to_all() -> None:
    x = np.random.default_rng(3).standard_normal((12, 40)) * np.geomspace(0.1, 9, 12)[:, None]
    assert scouts._without_tables(FAST, x, 1e-10) is None
    network = Network(FullyConnected("sin(x)/x", weight_std=1.5, bias_std=0.1))
    assert scouts._without_tables(network, np.linspace(-6, 6, 12)[:, None], 1e-10) is None


def test_a_plan_is_not_refused() -> None:
    assert kernel_plan(FAST, CONE).bound > 0.25


def test_inputs_of_one_size_and_smooth_activations_are_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scouts, "prepare", _begun)
    assert refused_by_few(FAST, CONE[-1:] + CONE[:3], "ntk", 1e-10, tight=False) is None
    for text in ("tanh", "gelu", "softplus", "relu", "elu", "sin", "exp(-x**2)", "hardtanh"):
        assert not varies_fast(Activation(text))
        smooth = Network(FullyConnected(text))
        assert refused_by_few(smooth, CONE, "ntk", 1e-10, tight=False) is None
    for text in ("tanh(60*(x-1))", "sin(x)/x", "cos(x**2)", "Max(x, tanh(x))"):
        assert varies_fast(Activation(text))


def test_what_a_few_inputs_do_not_refuse_is_left_to_all() -> None:
    """The largest of them are known here."""
    network = Network(FullyConnected("cos(10*x)/cosh(x)", weight_std=1.5, bias_std=0.1))
    x = np.linspace(-6, 6, 12)[:, None]
    assert refused_by_few(network, x, "ntk", 1e-10, tight=False) is None
    assert np.isfinite(kernel(network, x)).all()


def test_a_refusal_keeps_its_pair_when_it_is_sent() -> None:
    error = AccuracyError("no", None, 0.5, (3, 4))
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.bound, copy.pair) == ("no", 0.5, (3, 4))
