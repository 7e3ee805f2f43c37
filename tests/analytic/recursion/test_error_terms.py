"""Each term of the bound of a network is met by a case that the bound without it misses.

An error of one kind is made on purpose, DELTA in size, so that its term outweighs rounding;
closed forms say what it does to the kernel. The bound has to cover this, and the same bound
without the term must not. What is left out here are counts of roundings (multiples of the
unit roundoff), which are listed where they stand.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracles import dense

from analytic import Activation, FullyConnected, Network, Residual
from analytic.activation import X
from analytic.expectations import Noise
from analytic.machine import UNIT
from analytic.recursion.amplification_factors import RADII
from analytic.recursion.averages import Average
from analytic.recursion.error_amplification import (
    Amplification,
    Factors,
)
from analytic.recursion.error_propagation import (
    ErrorPropagation,
    Fixed,
    added,
)
from analytic.recursion.layer_equations import (
    diagonal,
)
from analytic.recursion.layer_errors import LayerFactors, layer_error
from analytic.recursion.normalization import amplifications

F = FullyConnected
DELTA = 2.0**-24
"""Size of the errors: its square is 2^-48, and rounding is 2^-53."""
SECOND_ORDER = 64 * DELTA**2


def _layers(network: Network, square: float) -> list[Amplification]:
    return amplifications(diagonal(network, np.array([square])), 1e-16)


def _chain(
    layers: list[Amplification], start: float = 0.0, spread: float = 0.0
) -> ErrorPropagation:
    return ErrorPropagation(layers, Average(), start, spread)


def _without(chain: ErrorPropagation, **terms: Any) -> ErrorPropagation:
    """The same bound with some of its terms replaced."""
    chain.fixed = [fixed._replace(**terms) for fixed in chain.fixed]
    return chain


def _at(rho: float) -> int:
    """The smallest ceiling that admits rho."""
    return int(np.flatnonzero(RADII >= rho)[-1])


def _exp(_: Any, v: float, c: float, v_: float) -> tuple[float, float, float, float]:
    e = math.exp((v + v_) / 2 + c)
    return e, e, math.exp(v / 2), math.exp(v_ / 2)


def _line(activation: Any, v: float, c: float, v_: float) -> tuple[float, float, float, float]:
    """a + x."""
    a = float(activation.expression.subs(X, 0))
    return c + a * a, 1.0, a, a


def _sine(activation: Any, v: float, c: float, v_: float) -> tuple[float, float, float, float]:
    e, d, *_ = dense.sine_dual(activation, v, c, v_)
    if activation.name == "sin":
        return e, d, 0.0, 0.0
    return d, e, math.exp(-v / 2), math.exp(-v_ / 2)


def _square(_: Any, v: float, c: float, v_: float) -> tuple[float, float, float, float]:
    return v * v_ + 2 * c * c, 4 * c, v, v_


def _change(
    network: Network, dual: dense.Dual, square: float, rho: float, variance: float, product: float
) -> tuple[float, float]:
    """Changes of Sigma and Theta relative to the diagonal.

    Relative errors ``variance`` of |x|^2 and ``product`` of <x, x'>, both relative to |x|^2.
    """

    def run(v: float, c: float) -> dense.State:
        return dense.recursion(network.layers, dense.State(v, c, v, 0, 0, 0, 0, 0), dual)

    c = rho * square
    exact, found = run(square, c), run(square * (1 + variance), c + product * square)
    return abs(found.s12 - exact.s12) / exact.s11, abs(found.t12 - exact.t12) / exact.t11


@pytest.mark.parametrize(("name", "which"), [("cos", 0), ("sin", 1)])
def test_errors_of_the_variances(name: str, which: int) -> None:
    """E of cos and D of sin, which their variances move more than the covariance does."""
    network, v, rho = Network(F(name)), 0.25, 0.3
    (layer,), activation = _layers(network, v), Activation(name)
    wrong, exact, own = (
        _sine(activation, u, c, u)[which]
        for u, c in ((v * (1 + DELTA), rho * v), (v, rho * v), (v, v))
    )
    at = Factors(*(float(f[0]) for f in layer.at(np.array([rho]))))
    bounds = added(at, Fixed(DELTA, 0.0, 0.0, 0.0, 0.0, 0.0), 0.0)
    assert 0.1 * DELTA < abs(wrong - exact) / own <= bounds[which] + SECOND_ORDER
    chain = _chain([layer], spread=DELTA)
    true = max(_change(network, _sine, v, rho, DELTA, 0.0))
    assert true <= chain.error(_at(rho), 0.0) + SECOND_ORDER
    assert true > 1.2 * _without(chain, variance=0.0).error(_at(rho), 0.0)


@pytest.mark.parametrize(("name", "moved"), [("relu", 1 / math.pi), ("abs", 2 / math.pi)])
def test_errors_of_the_variance_of_relu(name: str, moved: float) -> None:
    """E of orthogonal inputs moves by DELTA/pi, and that of |x| by twice as much; D by rho."""
    network = Network(F(name))
    layers = _layers(network, 1.0)
    for rho, least in ((0.0, moved), (0.45, 0.0)):
        true = _change(network, _bent, 1.0, rho, DELTA, 0.0)
        if least:
            assert max(true) == pytest.approx(DELTA * least, rel=1e-6)
        chain = _chain(layers, spread=DELTA)
        assert max(true) <= chain.error(_at(rho), 0.0) + SECOND_ORDER
        assert max(true) > 100 * _without(chain, variance=0.0).error(_at(rho), 0.0)


def _bent(activation: Any, v: float, c: float, v_: float) -> tuple[float, float, float, float]:
    """Of relu by the arc-cosine, of |x| = 2 relu(x) - x by that of relu."""
    e, d, mean, mean_ = dense.arccosine_dual(Activation("relu"), v, c, v_)
    if activation.name == "relu":
        return e, d, mean, mean_
    return 4 * e - c, 4 * d - 1, 2 * mean, 2 * mean_


@pytest.mark.parametrize(
    ("text", "dual", "v"),
    [("relu", dense.arccosine_dual, 1.0), ("exp(x)", _exp, 3.0), ("cos", _sine, 0.7),
     ("sin", _sine, 0.7), ("x**2", _square, 0.3), ("x + 2", _line, 0.5)],
)  # fmt: skip
def test_responses_at_one_input(text: str, dual: dense.Dual, v: float) -> None:
    """E w^2, E w'^2 and E w of a variance that is wrong, which must not move less than bounded."""
    network = Network(F(text))
    layer, activation = _layers(network, v)[0], Activation(text)
    (e, d, mean, _), (e1, d1, mean1, _) = (dual(activation, u, u, u) for u in (v, v * (1 + DELTA)))
    for bound, change in (
        (layer.own_e, (e1 - e) / e), (layer.own_d, (d1 - d) / d),
        (layer.own_mean, (mean1 - mean) / math.sqrt(e)),
    ):  # fmt: skip
        assert abs(change) <= DELTA * bound + SECOND_ORDER
        assert DELTA * bound <= 2 * abs(change) + SECOND_ORDER  # 0 where it has to be, and near


def test_errors_of_the_variances_reach_the_next_layers() -> None:
    """exp answers 2 v-fold in E: three layers, at x = x' and for a pair."""
    network = Network(F("exp(x)"), F("exp(x)", weight_std=0.5), F("cos", weight_std=0.5))
    square, rho = 0.8, 0.2

    def dual(activation: Any, *v: float) -> tuple[float, float, float, float]:
        return (_sine if activation.name == "cos" else _exp)(activation, *v)

    layers = _layers(network, square)
    chain = _chain(layers, spread=DELTA)
    for at, bound in ((1.0, chain.diagonal), (rho, chain.error(_at(1.0), 0.0))):
        product = DELTA if at == 1.0 else 0.0
        assert max(_change(network, dual, square, at, DELTA, product)) <= bound + SECOND_ORDER
    quiet = _chain([replace(layer, own_e=0.0) for layer in layers], spread=DELTA)
    true = max(_change(network, dual, square, 1.0, DELTA, DELTA))
    assert true > quiet.diagonal


def test_the_response_of_the_slope_at_one_input() -> None:
    """K = Sigma + Theta of exp: Theta moves by 2 v from D and by 1 from Gamma."""
    network = Network(F("exp(x)"))
    layers = _layers(network, 3.0)
    true = _change(network, _exp, 3.0, 1.0, DELTA, DELTA)[1]
    assert true <= _chain(layers, spread=DELTA).diagonal + SECOND_ORDER
    quiet = _chain([replace(layers[0], own_d=0.0)], spread=DELTA)
    assert true > 1.1 * quiet.diagonal


def test_the_ratio_at_a_skip() -> None:
    """1 + x and then the branch -1 + x: what they share cancels, the errors remain.

    exp shows Sigma's error 20-fold, and Theta's hardly.
    """
    line, branch = F("x + 1", weight_std=0.1), F("x - 1", weight_std=0.1)
    network, rho = Network(line, Residual(branch), F("exp(x)", weight_std=30.0)), 0.99

    def dual(activation: Any, *v: float) -> tuple[float, float, float, float]:
        return (_exp if "exp" in activation.name else _line)(activation, *v)

    layers = _layers(network, 1.0)
    true = _change(network, dual, 1.0, rho, 0.0, DELTA)[0]
    assert true <= _chain(layers, start=DELTA).error(0, 0.0) + SECOND_ORDER
    ((ratio, *shares),) = layers[1].in_junctions
    assert ratio > 50
    layers[1] = replace(layers[1], in_junctions=np.array([[1.0, *shares]]))
    assert true > 2 * _chain(layers, start=DELTA).error(0, 0.0)


def test_errors_of_the_means_at_a_skip() -> None:
    """2 + sin(x) at a variance of 200: below |rho| = 0.9 its mean is all that it has in common."""
    steep = F("sin(x) + 2", weight_std=200**0.5), F("sin(x) + 2", weight_std=(200 / 4.5) ** 0.5)
    layers = _layers(Network(steep[0], Residual(steep[1])), 1.0)
    chain = _chain([replace(layer, noise=Noise.of_coefficients(DELTA, 0.0)) for layer in layers])
    # E w^2 = 4.5: both means are too large by DELTA times its root
    true = 2 * 4 * 2 * DELTA * 4.5**0.5 / (2 * 4.5 + 2 * 4)
    assert true <= chain.error(_at(0.9), 0.0)
    assert true > 1.5 * _without(chain, junctions=(0.0,)).error(_at(0.9), 0.0)


@pytest.mark.parametrize("name", ["sin", "exp(x)"])
def test_errors_of_the_tables(name: str) -> None:
    """Coefficients and means that are all too large by DELTA: E and D by 2 DELTA."""
    layer = _layers(Network(F(name)), 0.5)[0]
    loud = replace(layer, noise=Noise.of_coefficients(DELTA, DELTA))
    chain = _chain([loud])
    assert chain.diagonal >= 2 * DELTA
    assert chain.error(0, 0.0) >= 2 * DELTA  # what E and D of a pair at rho = 1 are wrong by
    assert _without(chain, value=0.0, slope=0.0).error(0, 0.0) < 0.01 * DELTA
    for only in (Noise.of_coefficients(DELTA, 0.0), Noise.of_coefficients(0.0, DELTA)):
        alone = _chain([replace(layer, noise=only)])
        assert min(alone.diagonal, alone.error(0, 0.0)) >= 2 * DELTA


@pytest.mark.parametrize("rho", [0.3, 0.9])
def test_errors_of_the_covariance(rho: float) -> None:
    """k_E, k_D and r_D, each of which the change of E, D or Theta of exp needs."""
    layer = _layers(Network(F("exp(x)")), 1.0)[0]
    _, k_e, k_d, r_d, *_ = (float(f[0]) for f in layer.at(np.array([rho])))
    (e, d, *_), (e1, d1, *_) = (_exp(None, 1.0, r, 1.0) for r in (rho, rho + DELTA))
    own = _exp(None, 1.0, 1.0, 1.0)[0]
    by_e, by_theta = (e1 - e) / own, (d1 * (rho + DELTA) - d * rho) / own
    factors = LayerFactors(rho, 1.0, 1.0, 1.0, k_e, k_d, r_d, 0.0, 0.0)
    start = (DELTA, 0.0, 0.0)

    def without(**factor: float) -> tuple[float, float, float]:
        return layer_error(start, factors._replace(**factor))

    sigma, theta, _ = layer_error(start, factors)
    assert by_e <= sigma + SECOND_ORDER
    assert by_theta <= theta + SECOND_ORDER
    assert by_e > without(k_e=0.0)[0]
    assert by_theta > without(k_d=0.0)[1]
    assert by_theta > without(r_d=0.0)[1]
    assert by_theta > without(radius=0.0)[1]


def test_shares_of_a_sum() -> None:
    """Errors of D come with Theta, which is half of the Gamma of the next layer; no less."""
    network = Network(F("exp(x)"), F("x", weight_std=0.5))
    first, second = _layers(network, 1.0)
    chain = _chain([replace(first, noise=Noise.of_coefficients(0.0, DELTA)), second])
    e = math.exp(2.0)
    exact = 2 * DELTA * (0.25 * e) / (0.25 * e + 0.25 * e)  # D of exp in Gamma = Lambda + w^2 D
    for bound in (chain.diagonal, chain.error(0, 0.0)):
        assert exact <= bound <= 1.01 * exact + 200 * UNIT
    for wrong in (np.array([1.0, 0.4]), np.array([1.0, 0.0])):
        assert exact > _chain([chain.layers[0], replace(second, in_gamma=wrong)]).error(0, 0.0)


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8])
def test_the_reach_of_theta(rho: float) -> None:
    """|Theta_12| of three layers of exp is what the bound says, relative to the diagonal."""
    network = Network(F("exp(x)", weight_std=0.7), F("exp(x)", weight_std=0.4), F("exp(x)"))
    layers, state = _layers(network, 1.0), (0.0, 0.0, 0.0)
    dense_state = dense.State(1.0, rho, 1.0, 0, 0, 0, 0, 0)
    for layer, part in zip(layers, network.layers, strict=True):
        assert isinstance(part, FullyConnected)
        v, c = (part.weight_std**2 * s for s in (dense_state.s11, dense_state.s12))
        at = Factors(*(float(f[0]) for f in layer.at(np.array([c / v]))))
        of_lambda, of_theta = map(float, layer.in_gamma)
        state = layer_error(
            state, LayerFactors(c / v, 1.0, of_lambda, of_theta, *at[1:4], 0.0, 0.0)
        )
        dense_state = dense.recursion([part], dense_state, _exp)
        true = dense_state.t12 / dense_state.t11
        assert true * (1 - 1e-12) <= state[2] <= 1.01 * true + 1e-12


def test_errors_shrink_beside_a_bias() -> None:
    """Lambda = Sigma + 4: a fifth of it is wrong."""
    network = Network(F("x", bias_std=2.0))
    true = _change(network, _line, 1.0, 0.3, DELTA, DELTA)[0]
    assert true == pytest.approx(DELTA / 5, rel=1e-6)
    chain = _chain(_layers(network, 1.0), start=DELTA, spread=DELTA)
    for bound in (chain.diagonal, chain.error(0, 0.0)):
        assert true <= bound + SECOND_ORDER
    assert chain.error(0, 0.0) < 1.01 * true + 100 * UNIT  # E = Lambda_12, whatever the variances
