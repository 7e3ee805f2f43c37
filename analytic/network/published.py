r"""Networks that people publish with, by name; without normalisation layers.

Convolutions have ``normalize="fan_in"``. Widths are ratios, as published. Networks that normalise
their batches are the same stacks without it: its limit would depend on the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from analytic.network.averages import AveragePooling, Flatten, GlobalAveragePooling
from analytic.network.branches import Layer, Residual, Sum
from analytic.network.description import Network
from analytic.network.layers import Convolution, FullyConnected
from analytic.network.nonlinearity import Nonlinearity

__all__ = ["lenet", "mlp", "myrtle", "resnet", "wide_resnet"]

MYRTLE = {5: (2, 1, 1), 7: (2, 2, 2), 10: (3, 3, 3)}
"""Convolutions before each pooling, by depth."""


def mlp(
    depth: int, activation: Any = "relu", *, weight_std: float = 1.0, bias_std: float = 0.0
) -> Network:
    """A stack of fully connected layers of equal widths.

    Args:
        depth: hidden layers.
        activation: of all layers.
        weight_std: of all layers.
        bias_std: of all layers.

    Raises:
        ValueError: the depth is below 1.

    Example:
        >>> mlp(2, "tanh")
        Network(FullyConnected("tanh"), FullyConnected("tanh"))
    """
    if depth < 1:
        raise ValueError(f"expected a depth of at least 1, got {depth}; raise it")
    return Network(*[FullyConnected(activation, weight_std=weight_std, bias_std=bias_std)] * depth)


def lenet(activation: Any = "tanh", *, weight_std: float = 1.0, bias_std: float = 0.0) -> Network:
    """LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, section II.B), with averages for pooling.

    6 and 16 channels, then 120 and 84 units, for images of at least 12 x 12; the first convolution
    keeps the positions, as padded digits do.

    Args:
        activation: of all layers.
        weight_std: of all layers.
        bias_std: of all layers.

    Example:
        >>> lenet().shapes((28, 28))
        ((28, 28), (28, 28), (14, 14), (10, 10), (5, 5), (), (), ())
    """
    stds = {"weight_std": weight_std, "bias_std": bias_std}
    conv = partial(Convolution, activation, 5, normalize="fan_in", **stds)
    return Network(
        conv(),
        AveragePooling(2),
        conv(padding="valid", width_ratio=16 / 6),
        AveragePooling(2),
        Flatten(),
        FullyConnected(activation, width_ratio=120 / 6, **stds),
        FullyConnected(activation, width_ratio=84 / 6, **stds),
    )


def myrtle(
    depth: int, activation: Any = "relu", *, weight_std: float = 1.0, bias_std: float = 0.0
) -> Network:
    """The Myrtle networks of *Neural kernels without tangents* (Shankar et al. 2020).

    Convolutions of 3 x 3, and averages over 2 x 2, 2 x 2 and all positions.

    Args:
        depth: 5, 7 or 10, the readout included.
        activation: of all layers.
        weight_std: of all layers.
        bias_std: of all layers.

    Raises:
        ValueError: another depth.

    Example:
        >>> myrtle(5, "erf").shapes((32, 32))[-3:]
        ((8, 8), (8, 8), ())
    """
    if depth not in MYRTLE:
        raise ValueError(f"expected a depth of 5, 7 or 10, got {depth}; choose one")
    conv = Convolution(activation, 3, normalize="fan_in", weight_std=weight_std, bias_std=bias_std)
    first, second, third = MYRTLE[depth]
    pool = AveragePooling(2)
    return Network(
        *[conv] * first, pool, *[conv] * second, pool, *[conv] * third, GlobalAveragePooling()
    )


def wide_resnet(
    depth: int,
    activation: Any = "relu",
    *,
    widening: float = 1.0,
    weight_std: float = 1.0,
    bias_std: float = 0.0,
) -> Network:
    """A wide residual network, WRN-depth-widening (Zagoruyko and Komodakis 2016, table 1).

    A convolution; three groups of blocks alpha + Conv(w(Conv(w(alpha)))), the second and the third
    of half the resolution and of twice the channels of the one before, each beginning with a
    projection of w(alpha) (He, Zhang, Ren and Sun 2016, Identity mappings); w; the mean over all
    positions. The width is that of the first group.

    Args:
        depth: 6 n + 4 for n blocks in each group: the convolutions, projections among them.
        activation: w.
        widening: how many times wider the first group is than the first convolution.
        weight_std: of all convolutions.
        bias_std: of all convolutions.

    Raises:
        ValueError: the depth is another one.

    Example:
        >>> wide_resnet(10, "erf").shapes((32, 32))[-4:]
        ((16, 16), (8, 8), (8, 8), ())
    """
    blocks = _blocks(depth, 4)
    conv = partial(Convolution, normalize="fan_in", weight_std=weight_std, bias_std=bias_std)
    layers: list[Layer] = [conv("identity", 3, width_ratio=1 / widening)]
    for ratio, stride in ((1, 1), (2, 2), (4, 2)):
        layers += _projected(conv, activation, ratio, stride)
        layers += [_block(conv, activation, ratio)] * (blocks - 1)
    return Network(*layers, Nonlinearity(activation), GlobalAveragePooling())


def resnet(
    depth: int, activation: Any = "relu", *, weight_std: float = 1.0, bias_std: float = 0.0
) -> Network:
    """The residual network for small images, its blocks beginning with their activation.

    He, Zhang, Ren and Sun 2016, *Identity mappings in deep residual networks*.
    As ``wide_resnet``, but the first group has the width of the first convolution and no
    projection. The first form of these networks, w(alpha + Conv(w(Conv(alpha)))), acts on units
    that are not Gaussian in the limit; second moments do not give its kernel.

    Args:
        depth: 6 n + 2 for n blocks in each of the three groups: the convolutions of the blocks,
            the first one and the readout.
        activation: w.
        weight_std: of all convolutions.
        bias_std: of all convolutions.

    Raises:
        ValueError: the depth is another one.

    Example:
        >>> sum(step.rate > 0 for step in resnet(20, "erf").steps)  # two of them projections
        21
    """
    blocks = _blocks(depth, 2)
    conv = partial(Convolution, normalize="fan_in", weight_std=weight_std, bias_std=bias_std)
    layers: list[Layer] = [conv("identity", 3), *[_block(conv, activation, 1)] * blocks]
    for ratio in (2, 4):
        layers += _projected(conv, activation, ratio, 2)
        layers += [_block(conv, activation, ratio)] * (blocks - 1)
    return Network(*layers, Nonlinearity(activation), GlobalAveragePooling())


Convolve = Callable[..., Convolution]


def _blocks(depth: int, rest: int) -> int:
    """n, of a depth 6 n + rest."""
    blocks, left = divmod(depth - rest, 6)
    if blocks < 1 or left:
        raise ValueError(
            f"expected a depth of 6 n + {rest} with n blocks in each of three groups, got {depth};"
            f" take {6 * max(blocks, 1) + rest}"
        )
    return blocks


def _block(conv: Convolve, activation: Any, ratio: float) -> Residual:
    """alpha + Conv(w(Conv(w(alpha))))."""
    inner = conv(activation, 3, width_ratio=ratio), conv("identity", 3, width_ratio=ratio)
    return Residual(Nonlinearity(activation), *inner)


def _projected(conv: Convolve, activation: Any, ratio: float, stride: int) -> list[Layer]:
    """A block with a projection shortcut, which reads w(alpha) too."""
    first = conv(activation, 3, stride=stride, width_ratio=ratio)
    shortcut = conv("identity", 1, stride=stride, width_ratio=ratio)
    return [
        Nonlinearity(activation),
        Sum(shortcut, [first, conv("identity", 3, width_ratio=ratio)]),
    ]
