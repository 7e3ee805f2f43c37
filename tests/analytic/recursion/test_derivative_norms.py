"""Mean squares of derivatives by coefficients, against the sums of a rule over the derivatives."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from analytic import Activation, FullyConnected, Network
from analytic.expectations import LOWEST, fifth_mean_squares, length
from analytic.expectations.fifth_derivatives import has_fifth
from analytic.expectations.quadrature import graded_rule
from analytic.recursion.coefficient_bounds import coefficient_sums, ratio
from analytic.recursion.derivative_norms import DerivativeNorms, norms_beyond
from analytic.recursion.layer_equations import Stage, diagonal

TEXTS = ["tanh(x)", "softplus(2*x - 3)", "x**10", "1/(1 + 9*(x - 1)**2)"]
RULE = graded_rule(20_000, 60.0, 38.0)


def _stage(text: str, s: np.ndarray) -> Stage:
    layer = FullyConnected(Activation(text), weight_std=1.0, bias_std=0.0)
    return diagonal(Network(layer), s**2).stages[0]


def _norms(stage: Stage, terms: int) -> tuple[DerivativeNorms, np.ndarray, np.ndarray]:
    """The bounds, and the sums over the coefficients."""
    shares = ratio(stage.variance, stage.moments.second), ratio(1.0, stage.moments.slope)
    sums = coefficient_sums(stage, terms, *shares)
    return norms_beyond(stage, sums, terms, None), sums.once, sums.twice


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("share", [1, 4])
def test_what_the_coefficients_lack_is_bounded(text: str, share: int) -> None:
    """With all of the coefficients and with a quarter, which leave much."""
    s = np.array([0.4, 0.7, 1.9, 8.0, 30.0])
    stage, activation = _stage(text, s), Activation(text)
    terms = max(8, length(activation, s, 1e-14) // share)
    norms, once, twice = _norms(stage, terms)
    w2, w3 = activation.derivatives(s[:, None] * RULE.nodes, 3)[2:]
    for found, sums, w, power in ((norms.once, once, w2, 2), (norms.twice, twice, w3, 4)):
        exact = s**power * (w**2 @ RULE.weights)
        assert np.all(sums + found >= exact * (1 - 1e-12))
        if share == 1:  # the rest is a small part; of the last text 1,024 terms leave more
            assert np.all((found <= 0.01 * exact)[:2])


@pytest.mark.parametrize("text", [*TEXTS, "tanh(60*x)"])
def test_the_fifth_derivative_is_bounded(text: str) -> None:
    """s^8 E w^(5)(s z)^2, by the sum of a rule."""
    s, activation = np.array([0.4, 1.9, 8.0, 30.0]), Activation(text)
    w5 = activation.derivatives(s[:, None] * RULE.nodes, 5)[5]
    found = fifth_mean_squares(activation, s)
    assert found is not None
    assert np.all(found >= s**8 * (w5**2 @ RULE.weights))
    assert has_fifth(activation, (-2, 0, 3, 4))


def test_a_fifth_derivative_without_a_bound_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing bounds it on an octave; below 2^LOWEST it is not asked for."""
    monkeypatch.setattr("analytic.expectations.fifth_derivatives.majorant", lambda *_: None)
    activation = Activation("tanh(1.0625*x)")  # not seen before
    assert fifth_mean_squares(activation, np.ones(1)) is None
    assert not has_fifth(activation, (LOWEST - 1, 0))
    assert has_fifth(activation, (LOWEST - 1,))


@pytest.mark.parametrize("text", [*TEXTS, "x**3 + x**4", "exp(-(x - 5)**2)"])
def test_responses_are_bounded_and_not_by_far(text: str) -> None:
    """d log E w^2/d log s^2 and that of w', by quotients of differences of a rule's sums."""
    s, step = np.array([0.3, 1.3]), 1e-4
    norms, *_ = _norms(_stage(text, s), 32)
    activation = Activation(text)
    near = (s * np.exp(np.array([[-step], [step]])))[..., None] * RULE.nodes
    values = np.stack(activation.derivatives(near, 1)) ** 2 @ RULE.weights  # (2, 2, s)
    exact = np.abs(np.diff(np.log(values), axis=1)).max(axis=(1, 2)) / (4 * step)
    found = np.array([norms.own_e, norms.own_d])
    assert np.all(found >= exact * (1 - 1e-6))
    assert np.all(found <= 1.5 * exact)


def test_what_float64_cannot_hold_is_infinite_and_not_warned_of() -> None:
    """E w^2 = exp(2 v) is held at v = 350, and v^2 times it is not."""
    stage = _stage("exp(x)", np.array([np.sqrt(350.0)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        norms, *_ = _norms(stage, 32)
    assert norms.twice == np.inf
