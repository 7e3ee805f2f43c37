"""The same function in other words is the same function."""

from __future__ import annotations

import numpy as np
import pytest

from analytic import Activation

SAME = {
    "softplus": ["Max(x, 0) + log(1 + exp(-Abs(x)))", "log1p(exp(x))",
                 "(x + Abs(x))/2 + log(1 + exp(-Abs(x)))"],
    "tanh": ["sign(x)*(1 - exp(-2*Abs(x)))/(1 + exp(-2*Abs(x)))", "sign(x)*tanh(Abs(x))"],
    "sigmoid": ["exp(Min(x, 0))/(1 + exp(-Abs(x)))", "logistic(x)", "expit(x)"],
    "asinh(x)": ["sign(x)*log(Abs(x) + sqrt(x**2 + 1))", "log(x + sqrt(x**2 + 1))", "arcsinh(x)"],
    "x*tanh(x)": ["Abs(x)*tanh(Abs(x))"],
    "(x + sqrt(x**2 + 4))/2": ["2/(sqrt(x**2 + 4) - x)"],
    "silu": ["swish"],
    "x*tanh(softplus(x))": ["mish"],
    "atan(x)": ["arctan"],
    "x**2": ["square"],
    "x/(1 + Abs(x))": ["softsign"],
    "x*Min(Max(x + 3, 0), 6)/6": ["hardswish"],
    "log(2 + x**2)": ["ln(2 + x**2)"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in SAME.items() for t in texts])
def test_the_same_function_in_other_words(name: str, text: str) -> None:
    assert Activation(text) == Activation(name)


@pytest.mark.parametrize(
    "text",
    ["Abs(x)", "softplus(x) + Max(x, 0)", "x*Abs(x)", "tanh(Abs(x))", "Max(x, -x/100)",
     "Max(x, 0) + log(1 + exp(-Abs(x)/2))"],
)  # fmt: skip
def test_a_kink_stays_a_kink(text: str) -> None:
    assert Activation(text).strip == 0


@pytest.mark.parametrize("place", [1, 2])
def test_a_branch_that_jumps_elsewhere_is_not_the_function(place: int) -> None:
    """atan(1/x) is pi/2 - atan(x) on the right of 0 only, and shorter."""
    found = Activation(f"Piecewise((pi/2 - atan(x), x < {place}), (atan(1/x), True))")
    x = np.array([-3.0, -0.5, 0.5, 1.5, 4.0])
    np.testing.assert_allclose(found(x), np.pi / 2 - np.arctan(x), rtol=1e-14)


@pytest.mark.parametrize(
    ("text", "limit"), [("tanh(x*Abs(x))/x", "0"), ("(1 - sech(x*Abs(x)))/x**4", "1/2")]
)
def test_a_removable_singularity_is_not_called_a_pole(text: str, limit: str) -> None:
    with pytest.raises(ValueError, match=f"0/0 at x = 0 though it tends to {limit} there"):
        Activation(text)


@pytest.mark.parametrize("text", ["glu", "log2(x)"])
def test_another_function_is_not_taken_for_a_slip(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Activation(text)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "meant"), [("tahn", "tanh"), ("sofplus", "softplus"), ("sigmoit(x)", "sigmoid")]
)
def test_a_slip_is_recognised(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {meant}"):
        Activation(text)
