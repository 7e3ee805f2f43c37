r"""The description of a network: layers without widths, data without weights.

A description gives the limiting kernel (``analytic.kernel``) and the finite network
(``empirical.FiniteNetwork``). With alpha the units of the layer before and m their number,

    fully connected   alpha -> w(weight_std W alpha / sqrt(m) + bias_std b)
    residual          alpha -> alpha + layers(alpha)

with W and b standard normal and trained (Bowman and Montufar 2022, section 2.3). The
readout is v^T alpha / sqrt(m), and v is trained like everything else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import sympy

from analytic.activation import Activation
from analytic.system import System, system

__all__ = ["FullyConnected", "Layer", "Network", "Residual", "Step"]


@dataclass(frozen=True, repr=False)
class FullyConnected:
    """A fully connected layer, alpha -> w(weight_std W alpha / sqrt(m) + bias_std b).

    Args:
        activation: a name, a sympy expression or an ``Activation``.
        weight_std: standard deviation of the weights before the 1/sqrt(m), positive.
        bias_std: standard deviation of the biases; 0 means that there are none.
        width_ratio: width of this layer in a finite network, in units of its width.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> FullyConnected("tanh", weight_std=2)
        FullyConnected("tanh", weight_std=2.0)
    """

    activation: Activation
    weight_std: float = 1.0
    bias_std: float = 0.0
    width_ratio: float = 1.0

    def __init__(
        self,
        activation: str | sympy.Expr | Activation,
        *,
        weight_std: float = 1.0,
        bias_std: float = 0.0,
        width_ratio: float = 1.0,
    ) -> None:
        object.__setattr__(self, "activation", Activation(activation))
        object.__setattr__(self, "weight_std", _number("weight_std", weight_std, positive=True))
        object.__setattr__(self, "bias_std", _number("bias_std", bias_std, positive=False))
        object.__setattr__(self, "width_ratio", _number("width_ratio", width_ratio, positive=True))

    def __repr__(self) -> str:
        changed = [
            f", {f.name}={getattr(self, f.name)!r}"
            for f in fields(self)[1:]
            if getattr(self, f.name) != f.default
        ]
        return f'{type(self).__name__}("{self.activation.name}"{"".join(changed)})'


@dataclass(frozen=True, repr=False)
class Residual:
    """A skip around one or several layers, alpha -> alpha + layers(alpha).

    The last of the layers must be a fresh weight layer that is not itself residual: the
    limit relies on its weights being independent of alpha.

    Raises:
        ValueError: there are no layers, or the branch ends in a skip.
        TypeError: something in the branch is not a layer.

    Example:
        >>> Residual(FullyConnected("softplus"), FullyConnected("tanh"))
        Residual(FullyConnected("softplus"), FullyConnected("tanh"))
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer) -> None:
        _check_layers("Residual", layers)
        if isinstance(layers[-1], Residual):
            raise ValueError(
                "expected a residual branch that ends in a weight layer, got one that ends in a"
                " skip, whose limit is another one; put a FullyConnected last in the branch"
            )
        object.__setattr__(self, "layers", layers)

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.layers))})"


Layer = FullyConnected | Residual


@dataclass(frozen=True)
class Step:
    """One weight layer of the unrolled network.

    ``opens`` residual branches begin before it, and one ends after it if ``closes``.
    """

    layer: FullyConnected
    opens: int
    closes: bool


@dataclass(frozen=True, repr=False)
class Network:
    """A stack of layers with a linear readout, without widths.

    Raises:
        ValueError: there are no layers, or the first layer is residual (the input has a
            finite dimension, so that the tangent kernel would stay random as m grows).
        TypeError: something is not a layer.

    Example:
        >>> network = Network(FullyConnected("tanh"), Residual(FullyConnected("tanh")))
        >>> network
        Network(FullyConnected("tanh"), Residual(FullyConnected("tanh")))
        >>> len(network.steps)
        2
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer) -> None:
        _check_layers("Network", layers)
        if isinstance(layers[0], Residual):
            raise ValueError(
                "expected a first layer that is not residual, got Residual: the input has a"
                " finite dimension, so K_0 would stay random at infinite width; put a"
                " FullyConnected before it"
            )
        _check_widths(layers, 1.0)
        object.__setattr__(self, "layers", layers)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The weight layers in order, with the residual branches they open and close."""
        return tuple(_unroll(self.layers))

    def recursion(self) -> System:
        """The layer recursion of this very network as sympy equations.

        Returns:
            the record ``System``; it prints as text, as LaTeX (``latex()``) and as formulas
            in a notebook, and evaluates itself where the duals have closed forms.

        Example:
            >>> recursion = Network(FullyConnected("erf")).recursion()
            >>> print(recursion.equations[-1])
            Eq(K(x, x'), Sigma_1(x, x') + Theta_1(x, x'))
        """
        return system(self.steps)

    def __repr__(self) -> str:
        return f"Network({', '.join(map(repr, self.layers))})"


def _unroll(layers: tuple[Layer, ...]) -> list[Step]:
    steps: list[Step] = []
    for layer in layers:
        if isinstance(layer, FullyConnected):
            steps.append(Step(layer, 0, False))
            continue
        branch = _unroll(layer.layers)
        first, last = branch[0], branch[-1]
        branch[0] = Step(first.layer, first.opens + 1, first.closes)
        branch[-1] = Step(last.layer, branch[-1].opens, True)
        steps += branch
    return steps


def _check_widths(layers: tuple[Layer, ...], ratio: float) -> float:
    """The width ratio after the layers; a branch must end as wide as it began."""
    for layer in layers:
        if isinstance(layer, FullyConnected):
            ratio = layer.width_ratio
        elif _check_widths(layer.layers, ratio) != ratio:
            raise ValueError(
                f"expected a residual branch that keeps the width ratio {ratio}, got {layer};"
                " give its last layer that width_ratio"
            )
    return ratio


def _check_layers(owner: str, layers: tuple[object, ...]) -> None:
    if not layers:
        raise ValueError(f"expected at least one layer, got {owner}(); add a FullyConnected")
    for layer in layers:
        if not isinstance(layer, FullyConnected | Residual):
            raise TypeError(
                f"expected layers such as FullyConnected('tanh') in {owner}, got"
                f" {type(layer).__name__}; pass the layers one by one"
            )


def _number(name: str, value: float, *, positive: bool) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"expected a number for {name}, got {type(value).__name__}; pass a float"
        ) from None
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        kind = "a positive" if positive else "a non-negative"
        raise ValueError(f"expected {kind} finite {name}, got {value!r}; change it")
    return number
