r"""The layer recursion of the limiting kernels, written once.

For inputs x, x' let Sigma be the limit of <alpha(x), alpha(x')>/m, Theta that of the tangent kernel
of one unit, mu that of the mean of the units alpha(x) (derived in docs/theory/recursion.md):

    Lambda = weight Sigma + bias              covariance of the pre-activations
    Gamma  = T + weight Theta                 their tangent kernel,
    T = rate weight Sigma + bias_rate         what the layer's own parameters have of it
    E = E[w(u) w(u')],  D = E[w'(u) w'(u')],  eta = E[w(u)],   (u, u') ~ N(0, Lambda)
    plain:     Sigma <- E                                     Theta <- D Gamma
    residual:  Sigma <- Sigma + E + mu eta' + eta mu'         Theta <- Theta + D Gamma

    normalised:    Sigma <- (Sigma - mu mu')/(s s')   Theta <- Theta/(s s')   s^2 = V + eps
    side by side:  Sigma <- p Sigma + q E    Theta <- p Theta + q D Gamma    mu <- p mu + q eta

In a sum of branches the first (Sigma, Theta, mu) are those of the branches before, and the last
branch ends in E, D Gamma and eta, or in the state after a sum of its own.
Trained at rate 1, bias_rate = bias, a layer has T = Lambda (docs/theory/rates.md). A nonlinearity
without weights has weight 1, bias 0, and nothing that is trained: rate and bias_rate 0. These lines
(``analytic.recursion.formulas``) run on numpy arrays for x = x' (here), on numba scalars for pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations import Moments, moments
from analytic.machine import Array
from analytic.network import (
    Coefficients,
    LayerNorm,
    Network,
    Pointwise,
    Step,
    fold,
    itself,
)
from analytic.recursion.averages import NO_AVERAGE, Average, AveragedNorms
from analytic.recursion.divisors import normalized_variances
from analytic.recursion.formulas import plain, preactivation, residual
from analytic.recursion.own_slopes import own_slope
from analytic.results import Kernels

__all__ = [
    "Diagonal",
    "Junction",
    "Stage",
    "diagonal",
    "kernels_at",
    "mean_squares",
    "own_preactivation",
    "require_finite",
    "wide_preactivation",
    "wide_root",
]


Extended = NDArray[np.longdouble]
State = tuple[Any, Array, Array]
"""(Sigma, Theta, mu) of inputs, of shape (n,) each; Sigma in extended precision."""


def own_preactivation(step: Step, state: State) -> State:
    """(Lambda, T, Gamma) at x = x'.

    Where units are normalised they are (V + eps, V, Theta) with V = Sigma - mu^2; over the
    positions of images, (n, P), with the mean of V instead in the first.

    Raises:
        ValueError: units that are to be normalised do not vary.
    """
    sigma, theta, mu = state
    layer = step.layer
    if not isinstance(layer, LayerNorm):
        return preactivation(sigma, theta, *step.coefficients)
    size, variance = normalized_variances(layer, sigma, mu)
    return size, variance, theta


def wide_preactivation(step: Step, state: State) -> tuple[Extended, Array, Array]:
    """The same with Lambda in extended precision, from the squares that are meant."""
    sigma, theta, _ = state
    if isinstance(step.layer, LayerNorm):
        size, variance, gamma = own_preactivation(step, state)
        return np.asarray(size, np.longdouble), np.asarray(variance, np.float64), gamma
    weight, bias, rate, bias_rate = step.coefficients
    squares = step.weight, step.bias
    if not isinstance(step.layer, Pointwise):
        squares = (np.longdouble(a) ** 2 for a in (step.layer.weight_std, step.layer.bias_std))
    first, second = squares
    whole = np.asarray(first * np.asarray(sigma, np.longdouble) + second)
    trained = whole if rate == 1.0 and bias_rate == bias else rate * (first * sigma) + bias_rate
    return whole, np.asarray(trained, np.float64), np.asarray(trained + weight * theta, np.float64)


def _in_float64(state: State) -> State:
    sigma, theta, mu = state
    return np.asarray(sigma, np.float64), theta, mu


def wide_root(variance: Any) -> Extended:
    """The root in extended precision; infinite or 0 where float64 takes the variance for that."""
    with np.errstate(over="ignore"):
        held = np.asarray(variance, np.float64)
    return np.sqrt(np.where(np.isfinite(held) & (held > 0), variance, held.astype(np.longdouble)))


class Junction(NamedTuple):
    """Two states at x = x' that are added: that of the branches before, and of the last one.

    Units side by side are multiplied by their shares; the means between them, which count in a
    sum alone, are 0, and ``mean`` is that of all units, else None.
    """

    total: State
    branch: State
    mean: Array | None = None

    @classmethod
    def of(cls, total: State, branch: State, shares: tuple[float, float] | None) -> Junction:
        """The sum of two states, or what they are side by side."""
        if shares is None:
            return cls(total, branch)
        (sigma0, theta0, mu0), (sigma, theta, mu), (p, q) = total, branch, shares
        none = np.zeros_like(mu)
        return cls((p * sigma0, p * theta0, none), (q * sigma, q * theta, none), p * mu0 + q * mu)

    @property
    def state(self) -> State:
        """Their sum."""
        (sigma0, theta0, mu0), (sigma, theta, mu), mean = self
        both = residual(sigma0, theta0, mu0, mu0, sigma, theta, mu, mu)
        return *both, mu0 + mu if mean is None else mean


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What one weight layer sees and makes of each input, all of shape (n,).

    For images every position of an input counts as one: (images x positions,).

    Attributes:
        step: the layer and the branches around it.
        sigma, theta: E|alpha|^2/m and the tangent kernel before the layer.
        variance, trained, gamma: Lambda, T and Gamma at x = x'; V + eps, V and Theta where units
            are normalised.
        moments: those of its activation at s = sqrt(variance).
        mu: the mean of alpha.
        wide: the variance in extended precision, None where it is known in float64 alone.
        summed: what its sum over positions has rounded.
        reads: positions that are summed up in a pre-activation.
        additions: roundings of their sum; None where one is added after the other.
        average: that of the averages before the layer.
        junctions: the sums of branches that end here, in order.
    """

    step: Step
    sigma: Array
    theta: Array
    variance: Array
    trained: Array
    gamma: Array
    moments: Moments
    mu: Array
    reads: int = 1
    average: Average = NO_AVERAGE
    junctions: tuple[Junction, ...] = ()
    wide: Extended | None = None
    summed: float = 0.0
    additions: int | None = None

    @property
    def deviation(self) -> Extended:
        """s, the root of the variance."""
        return wide_root(self.variance if self.wide is None else self.wide)

    @property
    def end(self) -> State:
        """Sigma, Theta and mu behind the layer, at x = x'; noise enlarges the first two."""
        if self.step.passes:
            noise = self.step.noise
            return noise * self.deviation**2, noise * self.gamma, self.mu
        if self.step.normalizes:
            size = self.trained / self.variance  # V/(V + eps)
            return size, self.gamma / self.variance, np.zeros_like(self.mu)
        slope = own_slope(self.step, self.variance, self.gamma, self.moments)
        sigma, theta = plain(self.moments.exact, slope, self.gamma)
        return sigma, theta, self.mu if self.step.keeps_mean else self.moments.mean

    @property
    def means(self) -> Array:
        """E[w]; of a normalisation the mean that it takes away."""
        return self.mu if self.step.normalizes else self.moments.mean

    def joined(self, total: State, branch: State) -> Stage:
        """The same with one more sum that ends here."""
        shares = self.step.shares[len(self.junctions)]
        both = (_in_float64(total), _in_float64(branch))
        return replace(self, junctions=(*self.junctions, Junction.of(*both, shares)))


@dataclass(frozen=True, slots=True, eq=False)
class Diagonal:
    """The recursion at x = x': the stages, and (Sigma, Theta) at the readout, (n,) each.

    ``output`` are the coefficients of the readout, ``average`` is that of the averages before it.
    Where images carry defects, ``norms`` has what the average behind each stretch does, None where
    there is none, and ``widest`` (layers,) the largest 1 - rho at two positions; where they carry
    covariances, ``nearest`` (layers,) the largest |rho| at two positions of one image.
    """

    stages: tuple[Stage, ...]
    sigma: Array
    theta: Array
    average: Average = NO_AVERAGE
    norms: tuple[AveragedNorms | None, ...] = ()
    widest: Array = field(default_factory=lambda: np.zeros(0))
    nearest: Array = field(default_factory=lambda: np.zeros(0))
    output: Coefficients = (1.0, 0.0, 1.0, 0.0)

    @property
    def nngp(self) -> Array:
        """The kernel of the Gaussian process."""
        return kernels_at(self.output, self.sigma, self.theta).nngp

    @property
    def ntk(self) -> Array:
        """The tangent kernel."""
        return kernels_at(self.output, self.sigma, self.theta).ntk

    @property
    def certified(self) -> bool:
        """Whether the errors of all tables are proved."""
        return all(stage.moments.noise.certified for stage in self.stages)


def mean_squares(x: Array) -> Extended:
    """|x|^2/d of every input in extended precision, shape (n,)."""
    blocks = np.array_split(x, -(-len(x) // 256))
    return np.concatenate([np.square(b, dtype=np.longdouble).mean(axis=1) for b in blocks])


def diagonal(
    network: Network, squares: Any, known: Callable[[Activation, Any], Moments] = moments
) -> Diagonal:
    """Run the recursion at x = x'.

    Args:
        network: the description.
        squares: |x|^2/d, shape (n,).
        known: the moments of an activation at some standard deviations.

    Raises:
        ValueError: a state is not finite.
    """
    stages: list[Stage] = []

    def after(step: Step, state: State) -> State:
        wide, trained, gamma = wide_preactivation(step, state)
        sigma, variance = (np.asarray(part, np.float64) for part in (state[0], wide))
        table = known(step.layer.activation, wide_root(wide))
        stages.append(
            Stage(step, sigma, state[1], variance, trained, gamma, table, state[2], wide=wide)
        )
        return stages[-1].end

    def added(step: Step, number: int, total: State, branch: State) -> State:
        stages[-1] = stages[-1].joined(total, branch)
        return Junction.of(total, branch, step.shares[number]).state

    zero = np.zeros(len(squares))
    with np.errstate(over="ignore", invalid="ignore"):
        sigma, theta, _ = fold(network.steps, (squares, zero, zero), after, added, step=itself)
        sigma = np.asarray(sigma, np.float64)
    found = Diagonal(tuple(stages), sigma, theta, output=network.output.coefficients)
    require_finite(found.ntk)
    return found


def kernels_at(output: Coefficients, sigma: Array, theta: Array) -> Kernels:
    """The kernels of a readout with these coefficients, from Sigma and Theta of what it reads."""
    nngp, _, ntk = preactivation(sigma, theta, *output)
    return Kernels(nngp, ntk)


def require_finite(kernel: Array) -> None:
    """Raise ``ValueError`` where K(x, x) is not finite."""
    if not np.isfinite(kernel).all():
        raise ValueError(
            "expected a kernel that float64 can hold, got infinity at some K(x, x); lower"
            " weight_std or scale the inputs"
        )
