r"""Gradient flow across kinks: functions of two slopes, seen as switches.

    phi(h) = h (low + (1 - low) g),    g = 1 where h > 0, 0 elsewhere

(relu, leaky relu, |h|). With the switches g held, the flow is smooth. It is followed until one
of the h of the samples passes 0, located on the interpolant, and g changes there. Where the flow
on either side leads back to h = 0 it slides along it (Filippov 1988): g is then the number
between 0 and 1 for which dh/dt = 0, until it leaves that interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from empirical.flow.losses import LossName
from empirical.flow.vector_field import Field
from empirical.jacobian import GraphJacobian, Jacobian

__all__ = ["SLIDES", "SwitchedField", "first_change", "kinks_of", "switched_field"]

SLIDES = 2.0  # marks a switch that is neither on nor off
_MOST = 2**17  # switches that are looked at after every step
_LOW: dict[Any, float] = {
    **dict.fromkeys((F.relu, torch.relu, Tensor.relu), 0.0),
    **dict.fromkeys((torch.abs, Tensor.abs, torch.absolute, Tensor.absolute), -1.0),
}
_OTHER: dict[Any, str] = {
    f: f.__name__
    for f in (
        F.relu6, F.hardtanh, F.hardsigmoid, F.hardswish, F.threshold, F.softshrink, F.hardshrink,
        F.prelu, torch.prelu, F.rrelu, torch.relu_, Tensor.relu_, torch.abs_, Tensor.abs_,
        torch.max_pool1d, torch.max_pool2d, torch.max_pool3d, F.max_pool1d, F.max_pool2d,
        F.max_pool3d, torch.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d,
        torch.max, Tensor.max, torch.min, Tensor.min, torch.amax, Tensor.amax, torch.amin,
        Tensor.amin, torch.maximum, Tensor.maximum, torch.minimum, Tensor.minimum, torch.clamp,
        Tensor.clamp, Tensor.clamp_, Tensor.clamp_min, torch.clamp_min, Tensor.clamp_max,
        torch.clamp_max, torch.where, Tensor.where, torch.sort, Tensor.sort, torch.topk,
        torch.sign, Tensor.sign, torch.round, Tensor.round, F.leaky_relu_,
    )
}  # fmt: skip


class _Switches(TorchFunctionMode):
    """Replaces functions of two slopes by switches, and notes what h they get."""

    def __init__(self, held: Tensor | None) -> None:
        super().__init__()
        self.held, self.place = held, 0
        self.seen: list[Tensor] = []
        self.others: set[str] = set()

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        low = _slope_below(func, args, kwargs)
        if low is None:
            if func in _OTHER:
                self.others.add(_OTHER[func])
            return func(*args, **kwargs)
        h: Tensor = args[0] if args else kwargs["input"]
        if self.held is None:
            g = (h.detach() > 0).to(h.dtype)
        else:
            g = self.held[self.place : self.place + h.numel()].view(h.shape)
        self.place += h.numel()
        self.seen.append(h)
        return h * (low + (1 - low) * g)


def _slope_below(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> float | None:
    """The slope below 0 of a function of two slopes, None for others."""
    if func is F.leaky_relu:
        return float(args[1] if len(args) > 1 else kwargs.get("negative_slope", 0.01))
    return _LOW.get(func)


def kinks_of(module: nn.Module, x: Tensor) -> tuple[int, list[str]]:
    """How many switches the module has on x, and the names of other functions with kinks."""
    with torch.no_grad(), _Switches(None) as mode:
        module(x)
    return mode.place, sorted(mode.others)


class SwitchedField(Field):
    """F with the switches held; ``switches`` holds 0, 1, or ``SLIDES``, shape (G,).

    Attributes:
        switches: the state of every switch.
        shares: g of those that slide, as of the last call.
    """

    def __init__(self, module: nn.Module, x: Tensor, y: Tensor, loss: LossName = "square") -> None:
        super().__init__(module, x, y, loss)
        self.layered = False
        self.switches = (self.inputs(self.origin) > 0).to(self.origin.dtype)
        self.shares = self.switches.new_empty(0)

    @property
    def sliding(self) -> list[int]:
        """The switches that slide."""
        return torch.nonzero(self.switches == SLIDES).flatten().tolist()

    def inputs(self, theta: Tensor) -> Tensor:
        """The h of all switches, shape (G,)."""
        self.move(theta)
        with torch.no_grad(), _Switches(None) as mode:
            self.module(self.x)
        return torch.cat([h.detach().reshape(-1) for h in mode.seen])

    def __call__(self, theta: Tensor, out: Tensor) -> Jacobian:
        slides = self.sliding
        if not slides:
            return super().__call__(theta, out)
        # F is affine in the shares g of switches of one layer: F = F_0 + sum_j g_j (F_j - F_0)
        jacobian, normals = self._with(theta, slides, {})
        columns = [self._slope(jacobian)]
        for j in slides:
            columns.append(self._slope(self._with(theta, [], {j: 1.0})[0]) - columns[0])
        speeds = normals @ torch.stack(columns, dim=1)  # dh/dt, shape (m, 1 + m)
        self.shares = torch.linalg.lstsq(speeds[:, 1:], -speeds[:, :1]).solution[:, 0]
        torch.add(columns[0], torch.stack(columns[1:], dim=1) @ self.shares, out=out)
        return jacobian

    def jacobian(self, theta: Tensor) -> Jacobian:
        return self._with(theta, [], {})[0]

    def speed(self, theta: Tensor, i: int, g: float) -> float:
        """dh_i/dt if switch i were held at g."""
        before = self.switches
        self.switches = before.clone()
        self.switches[i] = g
        try:
            out = torch.empty_like(theta)
            self(theta, out)
            _, normals = self._with(theta, [i], {})
            return float(normals[0] @ out)
        finally:
            self.switches = before

    def _with(
        self, theta: Tensor, normals: list[int], shares: dict[int, float]
    ) -> tuple[GraphJacobian, Tensor]:
        """J with some shares (0 for other switches that slide), and dh/dtheta of some."""
        held = torch.where(self.switches == SLIDES, 0.0, self.switches)
        for i, share in shares.items():
            held[i] = share
        self.spend()
        self.move(theta)
        with _Switches(held) as mode:
            jacobian = GraphJacobian(self.module, self.leaves, self.x, self.y)
        rows = [self._normal(mode.seen, i) for i in normals]
        return jacobian, torch.stack(rows) if rows else theta.new_empty(0, len(theta))

    def _normal(self, seen: list[Tensor], i: int) -> Tensor:
        """dh_i/dtheta."""
        for h in seen:
            if i < h.numel():
                parts = torch.autograd.grad(
                    h.reshape(-1)[i],
                    self.leaves,
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                return torch.cat([p.reshape(-1) for p in parts])
            i -= h.numel()
        raise IndexError(i)

    def _slope(self, jacobian: GraphJacobian) -> Tensor:
        out = torch.empty_like(self.origin)
        jacobian.pull(self.force(jacobian) / -len(self.x), self.split(out))
        return out

    def margins(self, theta: Tensor) -> Tensor:
        """How far every switch is from changing, negative beyond, shape (G,)."""
        h = self.inputs(theta)
        margins = torch.where(self.switches > 0, h, -h)
        slides = self.sliding
        if slides:
            self(theta, torch.empty_like(theta))
            margins[slides] = torch.minimum(self.shares, 1 - self.shares)
        return margins

    def changed(self, theta: Tensor, margins: Tensor) -> Tensor:
        """The switches behind a place where some margins became negative."""
        after = self.switches.clone()
        slides = self.sliding
        for i in torch.nonzero(margins < 0).flatten().tolist():
            if i in slides:
                after[i] = float(self.shares[slides.index(i)] > 0.5)
                continue
            other = 1.0 - float(self.switches[i])
            onward = self.speed(theta, i, other) * (2 * other - 1)
            after[i] = other if onward > 0 else SLIDES
        return after


def switched_field(module: nn.Module, x: Tensor, y: Tensor, loss: LossName = "square") -> Field:
    """A field with switches, where the module has some and is the same with them."""
    plain = Field(module, x, y, loss)
    count, others = kinks_of(plain.module, x)
    if others or not 0 < count <= _MOST:
        return plain
    with torch.no_grad(), _Switches(None):
        switched = plain.module(x)
    with torch.no_grad():
        same = torch.allclose(plain.module(x), switched, rtol=1e-5, atol=0.0)
    return SwitchedField(module, x, y, loss) if same else plain


def first_change(
    margins: Callable[[float], Tensor], start: float, end: float
) -> tuple[float, Tensor]:
    """The first time in a step at which margins that are negative at its end are, and they.

    By the Illinois method on the least of them, to the rounding of t: the right end of the
    last bracket, which is beyond the change.
    """
    after = margins(end)
    bad = torch.nonzero(after < 0).flatten()
    left, right = start, end
    low, high = float(margins(left)[bad].min()), float(after[bad].min())
    if low <= 0:
        low = torch.finfo(torch.float64).tiny
    for _ in range(60):
        if right - left <= 8e-16 * abs(right) + 1e-13 * (end - start):
            break
        middle = right - high * (right - left) / (high - low)
        if not left < middle < right:
            middle = (left + right) / 2
        now = margins(middle)
        value = float(now[bad].min())
        if value < 0:
            right, high, after = middle, value, now
            low /= 2
        else:
            left, low = middle, value or torch.finfo(torch.float64).tiny
            high /= 2
    return right, after
