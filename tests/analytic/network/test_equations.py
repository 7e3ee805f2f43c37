"""The recursion as equations: what it prints, and what it evaluates to."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy
from oracles import dense
from oracles.finite_checks import check_evaluation

from analytic import FullyConnected, LayerNorm, Network, Nonlinearity, Readout, Residual

F, R = FullyConnected, Residual
CLOSED = [
    Network(F("erf")),
    Network(F("erf"), F("erf", weight_std=1.5, bias_std=0.3)),
    Network(F("sin"), R(F("sin")), R(F("sin"), F("sin", weight_std=0.7))),
    Network(F("x**2/2 + x"), R(F("x**3/10")), F("x**2/4", bias_std=0.1)),
    Network(F("gelu"), R(F("gelu", weight_std=1.3)), R(F("gelu"))),
    Network(F("cos"), R(R(F("gaussian")), F("erf"))),
    Network(F("relu"), R(F("relu"), F("relu"))),
    *(Network(F("erf"), readout) for readout in (
        Readout(weight_rate=2), Readout(weight_rate=0), Readout(bias_rate=1), Readout(bias_std=1),
    )),
    Network(F("cos"), F("identity"), LayerNorm(gain_rate=2), Nonlinearity("relu"), R(F("relu"))),
]  # fmt: skip


@pytest.mark.parametrize("network", CLOSED, ids=repr)
def test_the_equations_evaluate_to_the_kernel(network: Network, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 5))
    check_evaluation(network, x, x @ x.T / 5, (5,), 1e-12)


def test_the_equations_hold_to_thirty_digits() -> None:
    network = Network(F("sin"), R(F("sin", weight_std=1.5)), R(F("cos")))
    with mpmath.workdps(40):
        xx, xy, yy = (mpmath.mpf(v) for v in ("0.9", "0.35", "1.2"))
        start = dense.State(xx, xy, yy, 0, 0, 0, 0, 0)

        def exact(activation, v, c, v_):
            half, plus = (v + v_) / 2, mpmath.exp(c)
            up, down = mpmath.exp(-half) * plus / 2, mpmath.exp(-half) / plus / 2
            odd, even = up - down, up + down
            if activation.name == "sin":
                return odd, even, mpmath.mpf(0), mpmath.mpf(0)
            return even, odd, mpmath.exp(-v / 2), mpmath.exp(-v_ / 2)

        end = dense.recursion(network.layers, start, exact)
        system = network.recursion()
        found = system.evaluate(*(sympy.Float(v, 40) for v in ("0.9", "0.35", "1.2")), digits=30)
        assert abs(mpmath.mpf(str(found.ntk)) - (end.s12 + end.t12)) < 1e-28


def test_every_layer_has_its_equations() -> None:
    system = Network(F("tanh"), R(F("sigmoid", bias_std=0.5))).recursion()
    left = [str(equation.lhs) for equation in system.equations]
    pair, one = "(x, x')", "(x)"
    expected = ["Sigma_0" + pair, "Theta_0" + pair]
    for layer in (1, 2):
        expected += [f"{name}_{layer}{pair}" for name in ("Lambda", "Gamma", "E", "D")]
        expected += [f"eta_{layer}{one}", f"Sigma_{layer}{pair}", f"Theta_{layer}{pair}"]
        expected += [f"mu_{layer}{one}"]
    assert left == [*expected, "K" + pair]
    lines = str(system).splitlines()
    assert "Lambda_2(x, x') = Sigma_1(x, x') + 1/4" in lines
    assert "Theta_2(x, x') = D_2(x, x')*Gamma_2(x, x') + Theta_1(x, x')" in lines
    mean = "Sigma_2(x, x') = E_2(x, x') + Sigma_1(x, x') + eta_2(x)*mu_1(x') + eta_2(x')*mu_1(x)"
    assert mean in lines


def test_latex_is_balanced_and_renders_in_notebooks() -> None:
    system = CLOSED[2].recursion()
    text = system.latex()
    for opening, closing in (("{", "}"), (r"\left", r"\right"), (r"\begin", r"\end")):
        assert text.count(opening) == text.count(closing)
    assert text.count("&=") == len(system.equations)
    assert r"\mathbb{E}\left[\sin{\left(u \right)} \sin{\left(u' \right)}\right]" in text
    notebook = system._repr_latex_()
    assert notebook.startswith("$$")
    assert notebook.endswith("$$")
    assert r"\operatorname{asin}" in CLOSED[0].recursion().closed().latex()


def test_without_closed_forms_the_system_only_prints() -> None:
    with pytest.raises(ValueError, match=r"expected activations with a closed form, got tanh\(x\)"):
        Network(F("tanh")).recursion().closed()


def test_a_zero_input_of_relu_is_refused() -> None:
    with pytest.raises(ValueError, match="use kernel for zero inputs"):
        Network(F("relu")).recursion().evaluate(0, 0, 1)
