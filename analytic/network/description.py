r"""The description of a network: layers without widths, data without weights.

A description gives the limiting kernel (``analytic.kernel``) and the finite network
(``empirical.FiniteNetwork``); ``analytic.network.layers`` says what each layer does. With alpha the
units after the last layer and m their number, the readout is v^T alpha / sqrt(m), and v is
trained like everything else. Images are flattened before the readout, if nothing else has
been said: m is then the number of channels times that of positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analytic.network.absorption import absorbed
from analytic.network.averages import (
    AveragePooling,
    Averaging,
    Flatten,
    GlobalAveragePooling,
    SumPooling,
)
from analytic.network.branches import (
    Concatenate,
    Layer,
    Residual,
    Sum,
    check_layers,
)
from analytic.network.dropout import Dropout
from analytic.network.equations import System, system
from analytic.network.layers import Convolution, FullyConnected
from analytic.network.nonlinearity import Nonlinearity
from analytic.network.normalization import LayerNorm
from analytic.network.output import Readout
from analytic.network.rewriting import joined, summed
from analytic.network.scaling import Scale
from analytic.network.shapes import Shape, shapes_after
from analytic.network.stacking import check_stack, dimensions, flattens, reads_vectors
from analytic.network.steps import Step, unrolled
from analytic.network.summary_table import Summary, summary
from analytic.network.trained_gains import gains_behind

__all__ = [
    "AveragePooling",
    "Concatenate",
    "Convolution",
    "Dropout",
    "Flatten",
    "FullyConnected",
    "GlobalAveragePooling",
    "Layer",
    "LayerNorm",
    "Network",
    "Nonlinearity",
    "Readout",
    "Residual",
    "Scale",
    "Step",
    "Sum",
    "SumPooling",
]


@dataclass(frozen=True, repr=False)
class Network:
    """A stack of layers with a linear readout, without widths.

    Args:
        parts: layers, and a ``Readout`` at the end if it is not the default one.

    Attributes:
        layers: those layers.
        output: the readout.

    Raises:
        ValueError: there are no layers with weights; the first of them is residual (the
            input has a finite dimension, so that the tangent kernel would stay random as m
            grows); a layer does not fit the one before it; or a nonlinearity without weights
            finds units that are not Gaussian in the limit.
        TypeError: something is not a layer.

    Example:
        >>> network = Network(FullyConnected("tanh"), Residual(FullyConnected("tanh")))
        >>> network
        Network(FullyConnected("tanh"), Residual(FullyConnected("tanh")))
        >>> len(network.steps)
        2
    """

    layers: tuple[Layer, ...]
    output: Readout

    def __init__(self, *parts: Layer | Readout) -> None:
        output = parts[-1] if parts and isinstance(parts[-1], Readout) else Readout()
        layers: Any = parts[:-1] if output in parts[-1:] else parts
        check_layers("Network", layers)
        check_stack(layers)
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "output", output)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The weight layers in order, with what comes before and the branches they end."""
        return tuple(unrolled(joined(absorbed(self.layers))))

    @property
    def readout(self) -> tuple[Averaging, ...]:
        """The averages before the readout; ``Flatten`` is among them if nothing else is."""
        last: list[Averaging] = []
        for layer in reversed(absorbed(self.layers)):
            if not isinstance(layer, Averaging):
                break
            last.insert(0, layer)
        flat = not self.is_spatial or any(map(flattens, self.layers))
        return tuple(last) if flat else (*last, Flatten())

    @property
    def is_spatial(self) -> bool:
        """Whether the inputs are images ``(n, channels, *spatial)`` rather than vectors."""
        return not reads_vectors(self.layers)

    @property
    def dimensions(self) -> int | None:
        """The number of spatial dimensions, or None where the layers leave it open."""
        return dimensions(self.layers)

    def shapes(self, spatial: Shape) -> tuple[Shape, ...]:
        """The spatial shape after each of ``layers``, and of the input first.

        Raises:
            ValueError: the images do not fit the layers.

        Example:
            >>> Network(Convolution("tanh", 3, stride=2), Flatten()).shapes((8, 8))
            ((8, 8), (4, 4), ())
        """
        return shapes_after(self.layers, spatial)

    def summed(self, dimensions: int) -> Network:
        """This network on images of so many dimensions, with plain sums over all filters.

        Pooling by sums becomes an average and a factor.

        Example:
            >>> Network(Convolution("tanh", 4, normalize="fan_in")).summed(1)
            Network(Convolution("tanh", 4, weight_std=0.5))
        """
        return Network(*summed(self.layers, dimensions), self.output)

    def joined(self) -> Network:
        """This network, each linear layer and a nonlinearity behind it written as one layer.

        Factors (``Scale``) are taken into the layers around them.

        Example:
            >>> Network(FullyConnected("identity"), Nonlinearity("tanh")).joined()
            Network(FullyConnected("tanh"))
        """
        return Network(*joined(absorbed(self.layers)), self.output)

    def commuted(self) -> Network:
        """This network with trained gains behind the activations that commute with them.

        It has the same kernels; that of the tangents is computed in this form.

        Raises:
            ValueError: trained gains stand before another nonlinearity, where their part of the
                tangent kernel is not known here.

        Example:
            >>> layers = FullyConnected("identity"), LayerNorm(gain_rate=1), Nonlinearity("relu")
            >>> Network(*layers).commuted().layers[1:]
            (LayerNorm(), Nonlinearity("relu"), Gains(weight_rate=1.0))
        """
        return Network(*gains_behind(absorbed(self.layers)), self.output)

    def summary(self, input_shape: tuple[int, ...]) -> Summary:
        """Shapes, conventions and fan-ins layer by layer.

        Args:
            input_shape: of one input, ``(d,)`` or ``(channels, *spatial)``.

        Returns:
            the record ``Summary``, which prints as a table.

        Raises:
            ValueError: the shape does not fit the network.

        Example:
            >>> print(Network(FullyConnected("tanh")).summary((64,)))  # doctest: +ELLIPSIS
            layer                   shape...
        """
        return summary(self.layers, self.readout, input_shape)

    def recursion(self, input_shape: tuple[int, ...] | None = None) -> System:
        """The layer recursion of this very network as sympy equations.

        Args:
            input_shape: of images, (channels, ...): sums over positions end at their borders,
                and all functions of positions are 0 outside. Vectors need none.

        Returns:
            the record ``System``; it prints as text, as LaTeX (``latex()``) and as formulas
            in a notebook, and evaluates itself where the duals have closed forms.

        Raises:
            ValueError: the network is one of images, and no shape is given or one that does not
                fit it.

        Example:
            >>> recursion = Network(FullyConnected("erf")).recursion()
            >>> print(recursion.equations[-1])
            Eq(K(x, x'), Sigma_1(x, x') + Theta_1(x, x'))
            >>> line = Network(Convolution("erf", 3), GlobalAveragePooling()).recursion((1, 8))
            >>> print(line.equations[2])
            Eq(Lambda_1(x, x', p, q), Sum(Sigma_0(x, x', k + p - 1, k + q - 1), (k, 0, 2)))
        """
        if not self.is_spatial:
            return system(self.commuted().steps, (), self.output)
        if input_shape is None:
            raise ValueError(
                "expected the shape of the images, got none; pass recursion((channels, height,"
                " width)), as their borders are in the equations"
            )
        self.shapes(input_shape[1:])
        network = self.commuted()
        return system(network.steps, network.readout, network.output, input_shape)

    def __repr__(self) -> str:
        last = () if self.output == Readout() else (self.output,)
        return f"Network({', '.join(map(repr, (*self.layers, *last)))})"
