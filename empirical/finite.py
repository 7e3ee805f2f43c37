r"""The finite-width network that a description stands for.

    f(x) = v^T alpha^L(x) / sqrt(m_L),    alpha^l = w(weight_std W alpha / sqrt(m) + bias_std b)

with all of W, b, v standard normal and trained. By default two copies of it make the
antisymmetric network f(x) = (g(x; theta) - g(x; theta'))/sqrt(2), which vanishes at
initialisation without changing the tangent kernel there (Bowman and Montufar 2022, section
2.3; Zhang et al. 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from analytic.network import Network, Step
from empirical.pointwise import pointwise
from empirical.weights import normal

__all__ = ["FiniteNetwork", "Readout", "Stack", "WeightLayer", "check_description", "units"]


def units(step: Step, width: int) -> int:
    """The width of a layer in a network of some width."""
    return max(1, round(width * step.layer.width_ratio))


class WeightLayer(nn.Module):
    """h = weight_std W alpha / sqrt(m_in) + bias_std b, then w(h)."""

    def __init__(self, step: Step, m_in: int, m_out: int, draw: Callable[..., Tensor]) -> None:
        super().__init__()
        self.step = step
        self.bias_std = step.layer.bias_std
        self.scale = step.layer.weight_std / math.sqrt(m_in)
        self.weight = nn.Parameter(draw((m_out, m_in), part=0))
        self.bias: nn.Parameter | None = None
        if self.bias_std > 0:
            self.bias = nn.Parameter(draw((m_out,), part=1))
        self.activation = pointwise(step.layer.activation)
        self.slope = pointwise(step.layer.activation, 1)

    def preactivation(self, alpha: Tensor) -> Tensor:
        """h, shape (n, m_out)."""
        h = (alpha @ self.weight.T) * self.scale
        return h if self.bias is None else h + self.bias_std * self.bias

    def pullback(self, signal: Tensor) -> Tensor:
        """df/dalpha, shape (n, m_in), from df/dh."""
        return (signal @ self.weight) * self.scale

    def forward(self, alpha: Tensor) -> Tensor:
        return self.activation(self.preactivation(alpha))


class Readout(nn.Module):
    """v^T alpha / sqrt(m)."""

    def __init__(self, m_in: int, draw: Callable[..., Tensor]) -> None:
        super().__init__()
        self.scale = 1 / math.sqrt(m_in)
        self.weight = nn.Parameter(draw((m_in,), part=0))

    def forward(self, alpha: Tensor) -> Tensor:
        return (alpha @ self.weight) * self.scale


class Stack(nn.Module):
    """One copy of the network: its weight layers with their skips, and the readout."""

    def __init__(
        self,
        network: Network,
        features: int,
        width: int,
        seed: int,
        dtype: torch.dtype,
        device: str,
    ) -> None:
        super().__init__()
        layers: list[WeightLayer] = []
        m_in = features

        def draw(shape: tuple[int, ...], part: int) -> Tensor:
            layer = 2 * len(layers) + part  # weights at even indices, biases at odd ones
            return normal(shape, seed=seed, layer=layer, dtype=dtype, device=device)

        for step in network.steps:
            m_out = units(step, width)
            layers.append(WeightLayer(step, m_in, m_out, draw))
            m_in = m_out
        self.layers = nn.ModuleList(layers)
        self.readout = Readout(m_in, draw)

    def weight_layers(self) -> Iterator[WeightLayer]:
        for layer in self.layers:
            assert isinstance(layer, WeightLayer)
            yield layer

    def forward(self, x: Tensor) -> Tensor:
        alpha = x
        branches: list[Tensor] = []
        for layer in self.weight_layers():
            branches += [alpha] * layer.step.opens
            alpha = layer(alpha)
            if layer.step.closes:
                alpha = branches.pop() + alpha
        return self.readout(alpha)


class FiniteNetwork(nn.Module):
    """A network of finite width with standard normal weights.

    Args:
        network: the description.
        input_shape: (d,).
        width: units per layer of each copy (times the width ratio of the layer), at least 1.
        seed: non-negative integer; the same seed gives the same weights.
        antisymmetric: whether f is the difference of two copies with the same weights.
        dtype: float64 or float32.
        device: where the parameters live.

    Raises:
        ValueError: the width is below 1, the seed negative, or the shape not (d,).
        TypeError: a number is not an integer, the network not a ``Network``, or the dtype
            not a floating one.

    Example:
        >>> from analytic import FullyConnected, Network
        >>> f = FiniteNetwork(Network(FullyConnected("tanh")), (3,), 16)
        >>> f(torch.ones(2, 3, dtype=torch.float64)).tolist()
        [0.0, 0.0]
    """

    def __init__(
        self,
        network: Network,
        input_shape: Sequence[int],
        width: int,
        *,
        seed: int = 0,
        antisymmetric: bool = True,
        dtype: torch.dtype = torch.float64,
        device: str = "cpu",
    ) -> None:
        super().__init__()
        check_description(network, input_shape, width, seed, dtype)
        self.network = network
        self.input_shape = tuple(input_shape)
        self.width = width
        self.antisymmetric = antisymmetric
        copies = 2 if antisymmetric else 1
        self.stacks = nn.ModuleList(
            Stack(network, self.input_shape[0], width, seed, dtype, device) for _ in range(copies)
        )

    def copies(self) -> Iterator[Stack]:
        """The stacks g whose difference is f, or the only one."""
        for stack in self.stacks:
            assert isinstance(stack, Stack)
            yield stack

    def forward(self, x: Tensor) -> Tensor:
        """f(x), shape (n,), for x of shape (n, d)."""
        self.check_shape(x)
        values = [stack(x) for stack in self.copies()]
        return (values[0] - values[1]) / math.sqrt(2) if self.antisymmetric else values[0]

    def check_shape(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless x has the shape (n, d)."""
        if x.ndim != 2 or x.shape[1:] != self.input_shape:
            raise ValueError(
                f"expected inputs of shape (n, {self.input_shape[0]}), got {tuple(x.shape)};"
                " reshape them"
            )

    def extra_repr(self) -> str:
        return f"{self.network!r}, width={self.width}"


def check_description(
    network: Network, input_shape: Sequence[int], width: int, seed: int, dtype: torch.dtype
) -> None:
    """Raise unless the arguments describe a finite network."""
    if not isinstance(network, Network):
        raise TypeError(f"expected a Network, got {type(network).__name__}; describe it first")
    for name, value, least in (("width", width, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(f"expected an integer {name}, got {value!r}; pass an int")
        if value < least:
            raise ValueError(f"expected a {name} of at least {least}, got {value}; raise it")
    if seed >= 2**64:
        raise ValueError(f"expected a seed below 2^64, got {seed}; lower it")
    shape = tuple(input_shape)
    if len(shape) != 1 or shape[0] < 1:
        raise ValueError(f"expected input_shape (d,) with d >= 1, got {shape}; pass (x.shape[1],)")
    if not dtype.is_floating_point:
        raise TypeError(f"expected a floating dtype, got {dtype}; pass torch.float64")
