r"""The finite-width network that a description stands for.

    f(x) = v^T alpha^L(x) / sqrt(m_L),    alpha^l = w(weight_std W alpha / sqrt(m) + bias_std b)

with all of W, b, v standard normal and trained. By default two copies of it make the
antisymmetric network f(x) = (g(x; theta) - g(x; theta'))/sqrt(2), which vanishes at
initialisation without changing the tangent kernel there (Bowman and Montufar 2022, section
2.3; Zhang et al. 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

import torch
from torch import Tensor, nn
from torch.nn import functional

from analytic.network import (
    AveragePooling,
    Averaging,
    Flatten,
    GlobalAveragePooling,
    Network,
    fold,
    require_continuous,
)
from empirical.input_shapes import check_images, check_input_shape
from empirical.memory import require
from empirical.network.layer_modules import PointwiseLayer, ReadoutLayer, WeightLayer, module_of
from empirical.network.noise import pointwise_layer
from empirical.network.normalization import GainLayer
from empirical.network.weights import normal
from empirical.network.wires import Feed, wiring

__all__ = ["FiniteNetwork", "Stack", "check_description"]

SMALL_NETWORK = 2**28
"""Bytes below which the memory of the machine is not asked for."""


class Stack(nn.Module):
    """One copy of the network: its layers with their branches, and the readout."""

    def __init__(
        self,
        network: Network,
        input_shape: tuple[int, ...],
        width: int,
        seed: int,
        dtype: torch.dtype,
        device: str,
    ) -> None:
        super().__init__()
        layers: list[PointwiseLayer] = []

        def draw(shape: tuple[int, ...], part: int) -> Tensor:
            layer = 2 * len(layers) + part  # weights at even indices, biases at odd ones
            return normal(shape, seed=seed, layer=layer, dtype=dtype, device=device)

        wires, feed = wiring(network, input_shape, width)
        for index, wire in enumerate(wires):
            weighs = wire.columns > 0
            layer = module_of(wire, draw) if weighs else pointwise_layer(wire, index, [seed])
            layers.append(layer.to(device=device, dtype=dtype))
        self.layers = nn.ModuleList(layers)
        self.readout = ReadoutLayer(feed, draw)

    def chain(self) -> Iterator[PointwiseLayer]:
        """The layers in order, those without weights among them."""
        for layer in self.layers:
            assert isinstance(layer, PointwiseLayer)
            yield layer

    def weight_layers(self) -> Iterator[WeightLayer]:
        """Those with weights."""
        for layer in self.layers:
            if isinstance(layer, WeightLayer):
                yield layer

    @property
    def is_plain(self) -> bool:
        """Whether all parameters are those of weight layers and of a readout without a bias."""
        return self.readout.bias is None and not any(
            isinstance(layer, GainLayer) for layer in self.layers
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.units(x, PointwiseLayer.__call__))

    def units(self, x: Tensor, behind: Callable[[PointwiseLayer, Tensor], Tensor]) -> Tensor:
        """What the readout reads, each layer's units being ``behind(layer, what it reads)``."""

        def added(layer: PointwiseLayer, number: int, total: Tensor, branch: Tensor) -> Tensor:
            if layer.wire.beside[number]:
                return torch.cat([total, branch], dim=1)
            return total + branch

        def averaged(layer: PointwiseLayer, alpha: Tensor) -> Tensor:
            return _averaged(layer.wire.feed, alpha)

        step = attrgetter("wire.step")
        alpha = fold(self.chain(), x, behind, added, step=step, averaged=averaged)
        return _averaged(self.readout.feed, alpha)


def _averaged(feed: Feed, alpha: Tensor) -> Tensor:
    """What a layer reads, from the units (n, channels, *spatial) before."""
    for average, _ in feed.averages:
        alpha = _average(average, alpha)
    return alpha


def _average(layer: Averaging, alpha: Tensor) -> Tensor:
    if isinstance(layer, Flatten):
        return alpha.flatten(1)
    if isinstance(layer, GlobalAveragePooling):
        return alpha.flatten(2).mean(2)
    pools = functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d
    assert isinstance(layer, AveragePooling)  # sums have become means
    return pools[alpha.ndim - 3](alpha, layer.size, layer.step)


class FiniteNetwork(nn.Module):
    """A network of finite width with standard normal weights.

    Args:
        network: the description.
        input_shape: (d,), or ``(channels, *spatial)`` for a network of images.
        width: units per layer of each copy, channels of a convolution (times the width ratio of
            the layer), at least 1.
        seed: non-negative integer; the same seed gives the same weights.
        antisymmetric: whether f is the difference of two copies with the same weights.
        dtype: float64 or float32.
        device: where the parameters live.

    Raises:
        ValueError: the width is below 1, the seed negative, or the shape does not fit the
            network (flat data for a convolution, images for a fully connected network, channels
            last, a filter larger than the image, a pooling that does not divide it).
        TypeError: a number is not an integer, the network not a ``Network``, or the dtype
            not a floating one.
        MemoryError: the weights do not fit; the message says how much they need.

    Example:
        >>> from analytic import FullyConnected, Network
        >>> f = FiniteNetwork(Network(FullyConnected("tanh")), (3,), 16)
        >>> f(torch.ones(2, 3, dtype=torch.float64)).tolist()
        [0.0, 0.0]

        A convolution has weights of torch's shape:

        >>> from analytic import Convolution
        >>> f = FiniteNetwork(Network(Convolution("tanh", 3)), (1, 8, 8), 16)
        >>> f.stacks[0].layers[0].weight.shape
        torch.Size([16, 1, 3, 3])
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
        self._require_memory(copies, dtype, torch.device(device))
        self.stacks = nn.ModuleList(
            Stack(network, self.input_shape, width, seed, dtype, device) for _ in range(copies)
        )

    def _require_memory(self, copies: int, dtype: torch.dtype, device: torch.device) -> None:
        """Raise before anything is drawn that would not fit; a large network asks the machine."""
        wires, feed = wiring(self.network, self.input_shape, self.width)
        numbers = sum(wire.units * (wire.columns + 1) for wire in wires) + feed.units
        needed = copies * numbers * dtype.itemsize
        if needed > SMALL_NETWORK and device.type != "meta":
            advice = "narrow it, or use streamed_tangent_kernel, which holds no weights"
            require(needed, device, f"the weights at width {self.width}", advice)

    @property
    def rates(self) -> dict[str, float]:
        """The rate of gradient flow of each parameter, those of the description.

        A bias that is drawn is bias_std times its parameter, whose rate is bias_rate/bias_std^2.
        """
        found: dict[str, float] = {}
        for name, part in self.named_modules():
            if isinstance(part, WeightLayer | GainLayer | ReadoutLayer):
                wire = part.feed if isinstance(part, ReadoutLayer) else part.wire
                found[f"{name}.weight"], bias_rate = wire.learned
                if part.bias is not None:
                    found[f"{name}.bias"] = bias_rate / part.bias_std**2
        return found

    def copies(self) -> Iterator[Stack]:
        """The stacks g whose difference is f, or the only one."""
        for stack in self.stacks:
            assert isinstance(stack, Stack)
            yield stack

    def forward(self, x: Tensor) -> Tensor:
        """f(x), shape (n,), for x of shape (n, d) or ``(n, channels, *spatial)``."""
        self.check_shape(x)
        return self.combined(lambda stack: stack(x))

    def combined(self, value: Callable[[Stack], Tensor]) -> Tensor:
        """What f makes of the values of its copies."""
        values = [value(stack) for stack in self.copies()]
        return (values[0] - values[1]) / math.sqrt(2) if self.antisymmetric else values[0]

    def check_shape(self, x: Tensor) -> None:
        """Raise ``ValueError`` unless x is a batch of the input's shape."""
        check_images(x, self.input_shape)

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
    if not isinstance(input_shape, Iterable):
        raise TypeError(
            f"expected input_shape as a tuple, got {input_shape!r}; pass ({input_shape!r},)"
        )
    require_continuous(
        network, "a network that is trained by its gradient", "draw its weights with numpy"
    )
    check_input_shape(network, tuple(input_shape))
    if not dtype.is_floating_point:
        raise TypeError(f"expected a floating dtype, got {dtype}; pass torch.float64")
