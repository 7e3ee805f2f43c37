"""Assumptions 3.1 to 3.4, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import compare.hypotheses as module
from analytic import Convolution, FullyConnected, GlobalAveragePooling, Network, Residual
from compare import Inputs, assumptions

TANH = Network(FullyConnected("tanh"), Residual(FullyConnected("softplus")))


def test_everything_holds_on_a_finite_population(rng: np.random.Generator) -> None:
    x = rng.standard_normal((40, 3))
    answers = assumptions(TANH, Inputs.array(x), lambda z: 3 * np.sin(z[:, 0]))
    assert answers.holds is True
    assert "softplus: |w'| <= 1" in answers.activation.reason
    assert "40 points" in answers.domain.reason
    assert f"{np.max(np.abs(3 * np.sin(x[:, 0]))):.6g}" in answers.target.reason
    assert "last bit" in answers.initialisation.reason
    assert answers.statistical.holds is None
    assert "convergence" in answers.statistical.reason
    lines = str(answers).splitlines()
    assert [line.split()[1] for line in lines] == ["3.1", "3.2", "3.3", "3.4", "3.6"]


def test_a_kink_fails_the_first_one() -> None:
    network = Network(FullyConnected("tanh"), FullyConnected("relu"))
    answers = assumptions(network, Inputs.sphere(3), lambda x: x[:, 0])
    assert answers.holds is False
    assert answers.activation.reason == "relu: w' jumps from 0 to 1 at x = 0"
    assert answers.domain.holds


def test_a_sample_does_not_prove_that_a_target_is_bounded() -> None:
    answers = assumptions(TANH, Inputs.sphere(3), lambda x: x[:, 0])
    assert answers.target.holds is None
    assert "4096 points of infinitely many" in answers.target.reason
    assert answers.holds is None
    assert assumptions(TANH, Inputs.sphere(3)).target.reason == "no target was given"


def test_values_of_a_target_are_taken() -> None:
    inputs = Inputs.array(np.eye(3))
    assert assumptions(TANH, inputs, [1, -5, 2]).target.reason == "|f*| <= 5 on all 3 points"
    answers = assumptions(TANH, inputs, [1, np.inf, 2])
    assert answers.target.verdict == "fails"
    assert "f* is inf at input 1" in answers.target.reason
    assert answers.holds is False


def test_other_domains_are_not_known() -> None:
    odd = Inputs("gaussian(3)", (3,), None, lambda n, g: g.standard_normal((n, 3)))
    assert assumptions(TANH, odd).domain.holds is None


def test_networks_of_images_vanish_at_the_start_too() -> None:
    network = Network(Convolution("tanh", 3), GlobalAveragePooling())
    found = assumptions(network, Inputs.digits(flat=False)).initialisation
    assert found.verdict == "holds"
    assert "last bit on 16 inputs" in found.reason
    with pytest.raises(ValueError, match=r"got \(16, 1, 8, 8\)|got \(1, 8, 8\)"):
        assumptions(TANH, Inputs.digits(flat=False))


def test_another_initialisation_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(torch.nn.Module):
        def __init__(self, *_: object) -> None:
            super().__init__()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 0]

    monkeypatch.setattr(module, "FiniteNetwork", Plain)
    assert assumptions(TANH, Inputs.sphere(3)).initialisation.verdict == "fails"


def test_bad_input_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a Network, got str"):
        assumptions("tanh", Inputs.sphere(3))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="expected Inputs, got ndarray"):
        assumptions(TANH, np.eye(3))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"a target with 3 values, .* got shape \(2,\)"):
        assumptions(TANH, Inputs.array(np.eye(3)), [1.0, 2.0])


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (lambda z: 1j * z[:, 0], "complex128 from ndarray"),
        (["a", "b", "c"], "<U1 from list"),
        ("x", "<U1 from str"),
        ([[1.0], [1.0, 2.0], [3.0]], "object from list"),
        ([None, 1.0, 2.0], "object from list"),
    ],
)
def test_a_target_that_is_not_real_is_refused(target: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"real numbers as values, got {kind}; return"):
        assumptions(TANH, Inputs.array(np.eye(3)), target)
