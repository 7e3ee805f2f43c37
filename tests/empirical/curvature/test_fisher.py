"""Eigenvalues of the Fisher information and their limit in the number of samples."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from networks.cases import CASES
from oracles.jacobians import batch_jacobian
from torch import nn

from empirical import fisher_eigenvalues, fisher_limit

EPS = 2.0**-52
VARIANCES = torch.tensor([16.0, 4.0, 1.0, 0.25, 0.0625], dtype=torch.float64)


def gaussian(n: int, seed: int) -> torch.Tensor:
    """Draws with the covariance diag(VARIANCES)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 5, generator=generator, dtype=torch.float64) * VARIANCES.sqrt()


def linear() -> nn.Module:
    """F = E[x x^T], whatever the weights are."""
    return nn.Linear(5, 1, bias=False).double()


@pytest.mark.parametrize("case", ["Linear", "LeNet-5", "transformer", "Elman"])
@pytest.mark.parametrize("output", [0, "all"])
def test_eigenvalues_are_those_of_the_dense_information(case: str, output: Any) -> None:
    torch.manual_seed(3)
    name = next(n for n in CASES if n.lower().startswith(case.lower()))
    module, x = CASES[name].make().double().eval(), CASES[name].inputs(5)
    jacobian = batch_jacobian(module, x)
    rows = jacobian[:, 0] if output == 0 else jacobian.flatten(0, 1)
    _, squares, _ = torch.linalg.svd(rows / 5**0.5, full_matrices=False)
    found = fisher_eigenvalues(module, x, output=output)
    assert found.shape == (len(rows),)
    assert bool((found >= 0).all())
    error = (found[: len(squares)] - squares.square()).abs().max()
    assert error <= 50 * len(rows) * EPS * found[0]  # Weyl: rounding of the Gram matrix


def test_the_nonzero_spectrum_is_that_of_f_itself_with_more_samples_than_parameters() -> None:
    x = gaussian(40, 1)
    found = fisher_eigenvalues(linear(), x)
    exact = torch.linalg.eigvalsh(x.T @ x / 40).flip(0)
    assert (found[:5] - exact).abs().max() <= 200 * EPS * found[0]
    assert found[5:].max() <= 200 * EPS * found[0]


def test_the_limit_is_that_of_rho_where_the_sample_is_biased() -> None:
    """The covariance of Gaussian inputs is known, and the bias of its eigenvalues (Lawley 1956)."""
    runs = [fisher_limit(linear(), gaussian(512, seed)) for seed in range(24)]
    values = torch.stack([run.value[:5] for run in runs])
    small = torch.stack([run.eigenvalues[0, :5] for run in runs])  # 64 samples each
    stderr = values.std(0) / len(runs) ** 0.5
    assert bool(((values.mean(0) - VARIANCES).abs() < 4 * stderr).all())
    gaps = VARIANCES[:, None] - VARIANCES + torch.diag(torch.full((5,), torch.inf))
    bias = VARIANCES * (VARIANCES / gaps).sum(1) / 64
    stderr = small.std(0) / len(runs) ** 0.5
    assert bool(((small.mean(0) - VARIANCES - bias).abs() < 4 * stderr).all())
    assert float(VARIANCES[4] - small.mean(0)[4]) > 3 * stderr[4]  # what is extrapolated away
    assert runs[0].sizes == (64, 128, 256, 512)


def test_the_standard_error_is_that_of_the_value() -> None:
    runs = [fisher_limit(linear(), gaussian(512, seed)) for seed in range(40)]
    spread = torch.stack([run.value[:3] for run in runs]).std(0)
    said = torch.stack([run.stderr[:3] for run in runs]).square().mean(0).sqrt()
    # a standard deviation of 40 is known to 11 %, the mean of 40 of 7 degrees of freedom to 4 %
    assert bool(((spread / said - 1).abs() < 4 * 0.12).all())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fisher_eigenvalues(linear(), gaussian(3, 0), output="trace"), "got 'trace'"),
        (lambda: fisher_limit(linear(), gaussian(31, 0)), "at least 32 samples, got 31"),
        (lambda: fisher_eigenvalues(linear(), gaussian(3, 0), output=1), "from 0 to 0, got 1"),
    ],
)
def test_bad_input_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()
