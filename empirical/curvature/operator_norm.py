r"""The operator norm of the Hessian of the output, at the parameters and over a ball around them.

    sup {||H(x; theta)|| : |theta - theta_0| <= R}

In the ball the leading eigenvalue is followed uphill: with its eigenvector u held, its gradient
is that of <u, H(theta) u>. Steps that do not rise are shortened, so that from every start the
values increase; the largest that was seen is a lower bound of the supremum, no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn

from analytic.results import AccuracyError, Estimate
from empirical.batches import Batch, constant, count, mapped
from empirical.checks import check_differentiable, check_inputs, check_module
from empirical.curvature.hessian import Curvature, OutputHessian, check_hessian
from empirical.curvature.lanczos import RitzPair, largest_modulus
from empirical.curvature.stacked_hessian import StackedHessian, is_stacked
from empirical.flow import kinks_of
from empirical.memory import require
from empirical.network import FiniteNetwork
from empirical.outputs import Output, check_output
from empirical.parameter_rates import Rates, Rescaled, rates_of
from empirical.precision import full_precision

__all__ = ["HessianNorm", "hessian_norm"]

_COARSE = 1e-2  # accuracy of the eigenvalues on the way uphill
_CLIMBS = 40  # steps from one start at most
_PRODUCTS = 2000  # of one eigenvalue at most
_VECTORS = 120  # that are held, for the memory that is asked for


@dataclass(frozen=True, slots=True, eq=False)
class HessianNorm:
    """The norm of a Hessian.

    Attributes:
        value: ||H||, or the largest that was found in the ball.
        error: ``|H u - mu u|`` for the eigenpair found: an eigenvalue lies within it of ``value``
            or -``value``, and ||H|| is at least ``value`` but for rounding.
        displacement: ``|theta - theta_0|`` where it was found (at rates that of
            theta/sqrt(rate)).
        parameters: theta there, for ``module.load_state_dict(..., strict=False)``.
        products: Hessian-vector products that were taken.
        meaning: what the number is, in words.
    """

    value: float
    error: float
    displacement: float
    parameters: dict[str, Tensor]
    products: int
    meaning: str


def hessian_norm(
    module: nn.Module,
    x: Batch,
    radius: float = 0.0,
    *,
    output: Output = 0,
    rtol: float = 1e-6,
    starts: int = 3,
    seed: int = 0,
    rates: Rates | None = None,
) -> HessianNorm:
    r"""The operator norm of the Hessian of the output with respect to all parameters.

    .. math:: \sup_{|\theta - \theta_0| \le R}
              \left\|\nabla^2_\theta f(x; \theta)\right\|_{op}

    By Lanczos' method on Hessian-vector products at theta_0; for a positive radius by ascent
    from theta_0 and from random points of the sphere of that radius, a lower bound. Of a fully
    connected ``FiniteNetwork`` the directions are known in which the Hessian is not zero: their
    products cost as much as a few forward passes, to widths of thousands.

    Args:
        module: any module that is a function of its inputs.
        x: one input, a batch (1, ...) of it; its own shape (...) will do for vectors and for a
            ``FiniteNetwork``.
        radius: R, not negative.
        output: index of the output, or a function that takes one number out of it.
        rtol: of the residual of the eigenpair relative to the norm; the eigenvalue is off by
            its square over the gap. float32 takes 1.2e-5 and more.
        starts: points from which to ascend, the first theta_0.
        seed: of Lanczos' first vector and of the starts.
        rates: as of ``tangent_kernel``: H, the ball and the displacement are then those of the
            parameters theta/sqrt(rate), which gradient flow trains at rate 1; a rate of 0 takes
            its directions away. All others are searched, also of a ``FiniteNetwork``.

    Returns:
        The record ``HessianNorm``. Where the module has kinks (relu) the second derivative does
        not exist everywhere, and ``meaning`` says what the number is.

    Raises:
        TypeError: as for ``tangent_kernel``.
        ValueError: the radius is negative or not finite, there is more than one input, an
            operation has no second derivative in autograd, or as for ``tangent_kernel``.
        AccuracyError: the eigenvalue did not settle; the best value is with the error.
        MemoryError: Lanczos' vectors would not fit.

    References:
        Liu, Zhu and Belkin (2020); Bowman and Montufar (2022), eq. (5); Lanczos (1950).

    Example:
        >>> f = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)).double()
        >>> x = torch.tensor([2.0]).double()  # f = v w x: H = [[0, x], [x, 0]]
        >>> round(hessian_norm(f, x).value, 12), round(hessian_norm(f, x, radius=3.0).value, 12)
        (2.0, 2.0)
    """
    x = _one_input(module, x)
    _check(module, x, radius, output, rtol, starts)
    found = rates_of(module, rates)
    if found is not None:
        module = Rescaled(module, found)
    first = next(p for p in module.parameters() if p.requires_grad)
    with torch.inference_mode(False), torch.enable_grad(), full_precision(first.device):
        x = mapped(constant, x)
        hessian = _hessian(module, x, output)
        held = _VECTORS * hessian.size * first.element_size()
        require(held, first.device, f"{_VECTORS} vectors of {hessian.size} numbers")
        origin = hessian.place.origin
        rtol = max(rtol, 100 * torch.finfo(first.dtype).eps)
        kinks = _kinks(module, x)
        if not kinks:
            generator = torch.Generator().manual_seed(seed)
            v = torch.randn(origin.shape, generator=generator).to(origin)
            check_hessian(hessian, x, output, v)
        theta, pair = _highest(hessian, radius, rtol, starts, seed)
        away = float(torch.linalg.vector_norm(theta - origin))
        norm = HessianNorm(
            abs(pair.value), pair.residual, away, hessian.place.parameters(theta), hessian.products,
            _meaning(kinks, radius),
        )  # fmt: skip
    if pair.residual > 2 * rtol * abs(pair.value):
        raise AccuracyError(
            f"expected an eigenvalue to {rtol:g}, got {norm.value:g} with a residual of"
            f" {norm.error:g} after {_PRODUCTS} products; raise rtol",
            Estimate(norm.value, norm.error, _PRODUCTS, certified=False),
        )
    return norm


def _hessian(module: nn.Module, x: Batch, output: Output) -> Curvature:
    """The Hessian, without its known zeros where they are known."""
    if is_stacked(module, x, output):
        assert isinstance(module, FiniteNetwork)
        assert isinstance(x, Tensor)
        return StackedHessian(module, x)
    return OutputHessian(module, x, output)


def _highest(
    hessian: Curvature, radius: float, rtol: float, starts: int, seed: int
) -> tuple[Tensor, RitzPair]:
    """Where the norm is largest among all that was seen, and the eigenpair there."""
    generator = torch.Generator().manual_seed(seed)
    origin = hessian.place.origin

    def normal(size: int = hessian.size) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64).to(origin)

    tops: list[tuple[Tensor, RitzPair]] = []
    for k in range(starts if radius > 0 else 1):
        away = normal(len(origin)) if k else torch.zeros_like(origin)
        theta = origin + away * (radius / max(float(torch.linalg.vector_norm(away)), 1e-300))
        hessian.move(theta)
        pair = largest_modulus(hessian, normal(), _COARSE if radius else rtol, _PRODUCTS)
        tops.append(_climb(hessian, theta, pair, radius, normal) if radius else (theta, pair))
    theta, coarse = max(tops, key=lambda top: abs(top[1].value))
    if not radius:
        return theta, coarse
    hessian.move(theta)
    return theta, largest_modulus(hessian, coarse.vector + _share(normal()), rtol, _PRODUCTS)


def _climb(
    hessian: Curvature,
    theta: Tensor,
    pair: RitzPair,
    radius: float,
    normal: Callable[[], Tensor],
) -> tuple[Tensor, RitzPair]:
    """Uphill from a place where the Hessian is, inside the ball."""
    step, slope = radius, _uphill(hessian, pair)
    for _ in range(_CLIMBS):
        if not bool(slope.any()) or step < 1e-3 * radius:
            break
        away = theta + step * slope - hessian.place.origin
        shrink = min(1.0, radius / max(float(torch.linalg.vector_norm(away)), 1e-300))
        trial = hessian.place.origin + shrink * away
        hessian.move(trial)
        start = pair.vector + _share(normal())
        higher = largest_modulus(hessian, start, _COARSE, _PRODUCTS)
        if abs(higher.value) > (1 + 1e-4) * abs(pair.value):
            theta, pair, slope = trial, higher, _uphill(hessian, higher)
        else:
            step /= 3
    return theta, pair


def _uphill(hessian: Curvature, pair: RitzPair) -> Tensor:
    """The direction in which |mu| grows most, of unit norm, or zero."""
    slope = hessian.slope(pair.vector) * (1.0 if pair.value >= 0 else -1.0)
    size = float(torch.linalg.vector_norm(slope))
    return slope / size if size > 0 else slope


def _share(noise: Tensor) -> Tensor:
    """A tenth of a unit vector: what an eigenvector is mixed with, so that others are found."""
    return noise * (0.1 / torch.linalg.vector_norm(noise))


def _one_input(module: nn.Module, x: Batch) -> Batch:
    """A batch of one."""
    if isinstance(x, Tensor) and x.numel():
        vector = x.ndim == 1
        shaped = isinstance(module, FiniteNetwork) and tuple(x.shape) == module.input_shape
        if vector or shaped:
            return x[None]
    return x


def _check(
    module: nn.Module, x: Batch, radius: float, output: Output, rtol: float, starts: int
) -> None:
    parameters = check_module(module)
    check_inputs("x", x, next(iter(parameters.values())))
    check_differentiable(parameters)
    check_output(output)
    if isinstance(output, str):
        raise ValueError(f"expected one output for a Hessian, got {output!r}; pass its index")
    if count(x) != 1:
        raise ValueError(f"expected one input, a batch of 1, got {count(x)}; pass x[:1]")
    if not 0 <= radius < inf:
        raise ValueError(f"expected a radius of at least 0, got {radius}; pass |theta - theta_0|")
    if not 0 < rtol < 1:
        raise ValueError(f"expected an rtol between 0 and 1, got {rtol}; pass 1e-6")
    if starts < 1:
        raise ValueError(f"expected at least 1 start, got {starts}; raise the number")


def _kinks(module: nn.Module, x: Batch) -> list[str]:
    """Functions in the module that have kinks, by name."""
    if not isinstance(x, Tensor):
        return []
    switches, others = kinks_of(module, x)
    return (["relu or abs"] if switches else []) + others


def _meaning(kinks: list[str], radius: float) -> str:
    """What the number is: where, and with kinks which part of the second derivative."""
    where = "the operator norm of the Hessian at theta_0"
    if radius:
        where = f"a lower bound of the supremum over |theta - theta_0| <= {radius:g}"
    if not kinks:
        return where
    return (
        f"{where}; the module has kinks ({', '.join(kinks)}), at which it has no second"
        " derivative: the number is about the Hessian between them, which misses how the gradient"
        " jumps, and bounds no deviation of the kernel across one"
    )
