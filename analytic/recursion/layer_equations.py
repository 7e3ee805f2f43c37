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

from dataclasses import astuple, dataclass, field, replace
from typing import NamedTuple

import numpy as np

from analytic.expectations import Moments, moments
from analytic.machine import Array
from analytic.network import Coefficients, LayerNorm, Network, Step, fold, itself
from analytic.recursion.divisors import normalized_variances
from analytic.recursion.formulas import plain, preactivation, residual
from analytic.results import Kernels

__all__ = [
    "Average",
    "AveragedNorms",
    "Diagonal",
    "Junction",
    "Stage",
    "diagonal",
    "kernels_at",
    "mean_squares",
    "own_preactivation",
    "require_finite",
]


State = tuple[Array, Array, Array]
"""(Sigma, Theta, mu) of inputs, of shape (n,) each."""


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


@dataclass(frozen=True, slots=True)
class Average:
    """What averaging over positions does to relative errors of Sigma and Theta.

    The mean over p, q of errors below sqrt(Sigma_pp Sigma_qq) is at most the square of the mean of
    sqrt(Sigma_pp): ``sigma`` times the mean of Sigma, the same for Theta. ``rounding`` is that of
    all averages that follow each other; ``mixes`` says whether any has pairs p != q.
    """

    sigma: float = 1.0
    theta: float = 1.0
    rounding: float = 0.0
    mixes: bool = False

    def joined(self, other: Average) -> Average:
        """The larger factors of both."""
        return Average(*map(max, astuple(self), astuple(other)))

    def behind(self, other: Average) -> Average:
        """This one and another one before it."""
        factors = self.sigma * other.sigma, self.theta * other.theta
        return Average(*factors, self.rounding + other.rounding, self.mixes or other.mixes)


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
        reads: positions that are summed up in a pre-activation.
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
    average: Average = Average()
    junctions: tuple[Junction, ...] = ()

    @property
    def end(self) -> State:
        """Sigma, Theta and mu behind the layer, at x = x'; noise enlarges the first two."""
        if self.step.passes:
            noise = self.step.noise
            return noise * self.variance, noise * self.gamma, self.mu
        if self.step.normalizes:
            size = self.trained / self.variance  # V/(V + eps)
            return size, self.gamma / self.variance, np.zeros_like(self.mu)
        slope = own_slope(self.step, self.variance, self.gamma, self.moments)
        sigma, theta = plain(self.moments.second, slope, self.gamma)
        return sigma, theta, self.mu if self.step.keeps_mean else self.moments.mean

    @property
    def means(self) -> Array:
        """E[w]; of a normalisation the mean that it takes away."""
        return self.mu if self.step.normalizes else self.moments.mean

    def joined(self, total: State, branch: State) -> Stage:
        """The same with one more sum that ends here."""
        shares = self.step.shares[len(self.junctions)]
        return replace(self, junctions=(*self.junctions, Junction.of(total, branch, shares)))


class AveragedNorms(NamedTuple):
    """What an average makes of the norms r of the units of images.

    ``lines`` (n, positions) are those of ``analytic.images.unit_norms``, in their order; ``apart``
    (2,) the errors of chords of one image where positions mix (``chord_errors``), and ``share`` (n,
    positions before) that of every r in the sum over its window, else None.
    """

    lines: dict[str, Array]
    apart: Array | None = None
    share: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Diagonal:
    """The recursion at x = x': the stages, and (Sigma, Theta) at the readout, (n,) each.

    ``output`` are the coefficients of the readout, ``average`` is that of the averages before it.
    Where images carry defects, ``norms`` has what the average behind each stretch does, None where
    there is none, and ``widest`` (layers,) the largest 1 - rho at two positions.
    """

    stages: tuple[Stage, ...]
    sigma: Array
    theta: Array
    average: Average = Average()
    norms: tuple[AveragedNorms | None, ...] = ()
    widest: Array = field(default_factory=lambda: np.zeros(0))
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


def mean_squares(x: Array) -> Array:
    """|x|^2/d of every input, summed in extended precision, shape (n,)."""
    blocks = np.array_split(x, -(-len(x) // 256))
    means = [np.square(block, dtype=np.longdouble).mean(axis=1) for block in blocks]
    return np.concatenate(means).astype(np.float64)


def diagonal(network: Network, squares: Array) -> Diagonal:
    """Run the recursion at x = x'.

    Args:
        network: the description.
        squares: |x|^2/d, shape (n,).

    Raises:
        ValueError: a state is not finite.
    """
    stages: list[Stage] = []

    def after(step: Step, state: State) -> State:
        sigma, theta, mu = state
        variance, trained, gamma = own_preactivation(step, state)
        table = moments(step.layer.activation, np.sqrt(variance))
        stages.append(Stage(step, sigma, theta, variance, trained, gamma, table, mu))
        return stages[-1].end

    def added(_: Step, number: int, total: State, branch: State) -> State:
        stages[-1] = stages[-1].joined(total, branch)
        return stages[-1].junctions[number].state

    zero = np.zeros_like(squares)
    with np.errstate(over="ignore", invalid="ignore"):
        sigma, theta, _ = fold(network.steps, (squares, zero, zero), after, added, step=itself)
    found = Diagonal(tuple(stages), sigma, theta, output=network.output.coefficients)
    require_finite(found.ntk)
    return found


def kernels_at(output: Coefficients, sigma: Array, theta: Array) -> Kernels:
    """The kernels of a readout with these coefficients, from Sigma and Theta of what it reads."""
    nngp, _, ntk = preactivation(sigma, theta, *output)
    return Kernels(nngp, ntk)


def own_slope(step: Step, variance: Array, gamma: Array, table: Moments) -> Array:
    """E[w'^2] of each input; units that are 0 but trained, at a kink, have torch's slope there.

    They occur where an input is 0 and biases start at 0: bias_std = 0, bias_rate > 0.

    Raises:
        ValueError: that slope depends on how w is written: it is not that of relu or |x|, 0.
    """
    still = (variance == 0) & (gamma > 0)
    if not still.any():
        return table.slope
    activation = step.layer.activation
    slopes = activation.derivatives(np.array([-1.0, -1e-30, 0.0, 1e-30, 1.0]), 1)[1]
    _, left, here, right, _ = slopes
    if abs(right - left) <= 1e-12 * np.abs(slopes).max():
        return table.slope
    if here != 0.0 or activation.bent_line is None:
        raise ValueError(
            f"expected units that vary before {activation!r}, whose slope jumps at 0, got an input"
            " at which they are 0, with biases that start there (bias_std=0) and are trained; give"
            " them a positive bias_std, or take relu, whose slope at 0 is 0"
        )
    return np.where(still, 0.0, table.slope)


def require_finite(kernel: Array) -> None:
    """Raise ``ValueError`` where K(x, x) is not finite."""
    if not np.isfinite(kernel).all():
        raise ValueError(
            "expected a kernel that float64 can hold, got infinity at some K(x, x); lower"
            " weight_std or scale the inputs"
        )
