"""The predicted constant beside measured distances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from analytic import (
    AccuracyError,
    Convolution,
    DistanceLaw,
    Flatten,
    FullyConnected,
    Network,
    kernel,
)
from analytic.corrections import sampled_fluctuation
from compare import Convergence, Inputs, convergence
from compare.rate import measurement
from compare.rate.predicted_constant import predicted_mean


@pytest.mark.parametrize("inputs", [Inputs.sphere(4), Inputs.array(np.eye(6)[:, :3] + 0.3)])
def test_measured_distances_have_the_predicted_mean(inputs: Inputs) -> None:
    """One layer: m E D = C exactly at every width, in standard errors over the networks."""
    network = Network(FullyConnected("softplus", bias_std=0.5))
    result = convergence(network, inputs, [32, 64, 128], 150, points=6)
    assert result.predicted is not None
    for m, d in zip(result.widths, result.distances, strict=True):
        error = m * d.std(ddof=1) / np.sqrt(d.size)
        assert abs(m * d.mean() - result.predicted) < 4.5 * error
        assert error < result.predicted / 5  # a constant off by a factor of two would be noticed
    labels = [str(line.get_label()) for line in result.plot().get_lines()]
    assert "$C/m$ predicted, not fitted" in labels


def test_images_have_one_where_they_are_few_and_small() -> None:
    """The standard error is that of the mean over pairs, of which each stands twice."""
    network = Network(Convolution("tanh", 3, weight_std=0.6), Flatten())
    line = np.random.default_rng(0).standard_normal((9, 1, 4))
    value, error = predicted_mean(network, line[:3], None)
    c, errors = sampled_fluctuation(network, line[:3])
    assert value is not None
    assert error is not None
    upper = np.triu_indices(3, 1)
    assert value == pytest.approx(c[upper].mean())
    assert error == pytest.approx(np.sqrt((errors[upper] ** 2).sum()) / 3)
    _, of_population = predicted_mean(network, line[:3], 3)
    both = np.sqrt((np.diag(errors) ** 2).sum() / 81 + (2 / 9) ** 2 * (errors[upper] ** 2).sum())
    assert of_population == pytest.approx(both)
    assert predicted_mean(network, line, None) == (None, None)
    assert predicted_mean(network, np.ones((3, 1, 25)), None) == (None, None)
    result = convergence(
        network, Inputs.array(line), [8, 16, 32], 400, points=4, weights="integrated"
    )
    assert result.predicted is not None
    for m, d in zip(result.widths, result.distances, strict=True):  # one layer: C at any width
        assert abs(m * d.mean() - result.predicted) < 4.5 * m * d.std(ddof=1) / 20


def test_there_is_none_where_it_is_not_derived() -> None:
    relu = Network(FullyConnected("relu"))
    assert convergence(relu, Inputs.sphere(3), [8, 16, 32], 3, points=4).predicted is None
    smooth = Network(FullyConnected("tanh"))
    other = convergence(
        smooth, Inputs.sphere(3), [8, 16, 32], 3, points=4, limit=lambda n, x: kernel(n, x)
    )
    assert other.predicted is None


def test_the_band_of_the_picture_is_that_of_the_predicted_law() -> None:
    """m D = 2 chi-square(4), whose quantiles scipy has."""
    config = {"confidence": 0.99, "network": "made up"}
    d = tuple(np.array([1.0, 3.0]) / m for m in (8, 16, 32))
    record = Convergence(config, (8, 16, 32), d, (0.0,) * 3, (0.0,) * 3)
    law = DistanceLaw(np.full(4, 2.0))
    plain, banded = record.plot(), record.plot(law=law)
    assert len(banded.collections) == len(plain.collections) + 1
    label = "5 % to 95 % predicted, not fitted"
    band = next(c for c in banded.collections if c.get_label() == label)
    edge = np.asarray(band.get_paths()[0].vertices)
    values = edge[:, 0] * edge[:, 1]
    expected = 2 * stats.chi2.ppf([0.05, 0.95], 4)
    assert [values.min(), values.max()] == pytest.approx(expected, rel=1e-5)


def test_fewer_digits_of_the_limit_are_asked_for_only_where_ten_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []

    def refusing(network: Network, x: np.ndarray, **arguments: Any) -> np.ndarray:
        asked.append(arguments)
        if not arguments:
            raise AccuracyError("expected 1e-10")
        return kernel(network, x, **arguments)

    monkeypatch.setattr(measurement, "kernel", refusing)
    network = Network(FullyConnected("tanh"))
    assert convergence(network, Inputs.sphere(3), [8, 16, 32], 2, points=4).widths == (8, 16, 32)
    assert asked == [{}, {"tolerance": 1e-8}]
