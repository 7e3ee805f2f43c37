r"""Branches that begin at the same units, and are added or stand side by side where they end.

    residual      alpha -> alpha + layers(alpha)
    sum           alpha -> branch_1(alpha) + branch_2(alpha) + ...
    concatenate   alpha -> (branch_1(alpha), branch_2(alpha), ...)

The branches have weights of their own. Given alpha, the units of two of them are then
independent, but for their means, as soon as one of the two has weights between alpha and its
end: the limit needs no more than second moments and means of each. So at most one branch of a
sum may be without weights, the skip among them (docs/theory/recursion.md). Units that stand side by
side are read by different weights: nothing need be independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from analytic.network.averages import Averaging
from analytic.network.layers import Convolution, Weighted
from analytic.network.normalization import Gains
from analytic.network.options import Sizes
from analytic.network.output import Readout
from analytic.network.pointwise import Pointwise
from analytic.network.scaling import Scale
from analytic.network.training_rates import Rated

__all__ = ["Branched", "Concatenate", "Layer", "Layers", "Residual", "Sum", "check_layers", "moves"]


@dataclass(frozen=True, repr=False)
class Residual(Rated):
    """A skip around one or several layers, alpha -> alpha + layers(alpha).

    The layers keep the shape, and there are weights among them: the limit relies on their being
    independent of alpha. A block that begins with its activation ends in a linear layer.

    Raises:
        ValueError: there are no layers, none of them has weights, or the branch pools or
            strides.
        TypeError: something in the branch is not a layer.

    Example:
        >>> from analytic import Convolution, FullyConnected, Nonlinearity
        >>> Residual(FullyConnected("softplus"), FullyConnected("tanh"))
        Residual(FullyConnected("softplus"), FullyConnected("tanh"))
        >>> Residual(Nonlinearity("relu"), Convolution("identity", 3))
        Residual(Nonlinearity("relu"), Convolution("identity", 3))
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer) -> None:
        check_layers("Residual", layers)
        if not _is_fresh(layers):
            raise ValueError(
                "expected a residual branch that has weights between alpha and its end, got"
                f" {', '.join(map(repr, layers))}, which is a function of the units that are"
                ' skipped; put weights behind it, FullyConnected("identity") or'
                ' Convolution("identity", 3)'
            )
        for layer in layers:
            if reason := _changes_shape(layer):
                raise ValueError(
                    f"expected a residual branch that keeps the shape, got {layer}, {reason};"
                    " put it before or after the Residual, or write a Sum with a shortcut for the"
                    ' skip, such as Convolution("identity", 1, stride=2)'
                )
        object.__setattr__(self, "layers", layers)

    @property
    def branches(self) -> tuple[Layers, ...]:
        """The skip, which has no layers, and the other one."""
        return (), self.layers

    def changed(self, change: Callable[[Layers], Layers]) -> Residual:
        """The block with other layers."""
        return Residual(*change(self.layers))

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.layers))})"


@dataclass(frozen=True, repr=False)
class Sum(Rated):
    r"""The sum of two or more branches, alpha -> branch_1(alpha) + branch_2(alpha) + ...

    A branch is a layer or a list of layers; an empty list is the skip, ``Scale(c)`` c times it. A
    projection shortcut is a branch of one linear layer. All branches end in the same shape, and
    have weights of their own. With (Sigma_i, Theta_i, mu_i) the states at their ends,

        Sigma = sum_i Sigma_i + sum_{i != j} mu_i mu_j',   Theta = sum_i Theta_i,   mu = sum_i mu_i.

    Raises:
        ValueError: there are less than two branches, two of them have no weights, or they do not
            end in the same shape (which may depend on that of the images: then it is said there).
        TypeError: something in a branch is not a layer.

    Example:
        A block with a projection shortcut (He et al. 2016), and one that averages before it
        projects (He et al. 2019).

        >>> from analytic import Convolution
        >>> Sum(
        ...     Convolution("identity", 1, stride=2),
        ...     [Convolution("tanh", 3, stride=2), Convolution("identity", 3)],
        ... )  # doctest: +ELLIPSIS
        Sum(Convolution("identity", 1, stride=2), [Convolution("tanh", 3, stride=2), ...])
        >>> from analytic import AveragePooling
        >>> Sum(
        ...     [AveragePooling(2), Convolution("identity", 1)],
        ...     [Convolution("tanh", 3), Convolution("identity", 3, stride=2)],
        ... )  # doctest: +ELLIPSIS
        Sum([AveragePooling(2), Convolution("identity", 1)], [Convolution("tanh", 3), ...])
    """

    branches: tuple[Layers, ...]

    def __init__(self, *branches: Layer | Sequence[Layer]) -> None:
        found = _several("Sum", branches)
        _check_independent(found)
        object.__setattr__(self, "branches", found)

    def changed(self, change: Callable[[Layers], Layers]) -> Sum:
        """The sum with other layers in its branches."""
        return Sum(*(change(branch) for branch in self.branches))

    def __repr__(self) -> str:
        return _text(self)


@dataclass(frozen=True, repr=False)
class Concatenate(Rated):
    r"""The units of two or more branches side by side, alpha -> (branch_1(alpha), ...).

    A branch is a layer or a list of layers; an empty list is the skip. The units after it are as
    many as all branches have, of images the channels: with p_i the share of branch i in the width
    ratios, and (Sigma_i, Theta_i, mu_i) the state at its end,

        Sigma = sum_i p_i Sigma_i,   Theta = sum_i p_i Theta_i,   mu = sum_i p_i mu_i.

    All branches end at the same positions. They need no weights: ``Concatenate(Nonlinearity(
    "relu"), Nonlinearity("relu(-x)"))`` is the concatenated relu of Shang et al. (2016),
    ``Concatenate([], layers)`` a block of Huang et al. (2017), and pooling beside convolutions one
    of Szegedy et al. (2015).

    Raises:
        ValueError: there are less than two branches, two of them are skips, or they do not end at
            the same positions (which may depend on the images: then it is said there).
        TypeError: something in a branch is not a layer.

    Example:
        >>> from analytic import Convolution
        >>> Concatenate(Convolution("tanh", 3), [Convolution("tanh", 1, width_ratio=0.5)])
        Concatenate(Convolution("tanh", 3), Convolution("tanh", 1, width_ratio=0.5))
    """

    branches: tuple[Layers, ...]

    def __init__(self, *branches: Layer | Sequence[Layer]) -> None:
        found = _several("Concatenate", branches)
        skips = [branch for branch in found if all(isinstance(layer, Scale) for layer in branch)]
        if len(skips) > 1:
            raise ValueError(
                f"expected at most one branch of Concatenate without layers, got {len(skips)}:"
                " units twice are units once; leave one out"
            )
        object.__setattr__(self, "branches", found)

    def changed(self, change: Callable[[Layers], Layers]) -> Concatenate:
        """The same with other layers in its branches."""
        return Concatenate(*map(change, self.branches))

    def __repr__(self) -> str:
        return _text(self)


Branched = Residual | Sum | Concatenate
Layer = Weighted | Pointwise | Scale | Averaging | Branched
Layers = tuple[Layer, ...]


def check_layers(owner: str, layers: tuple[object, ...]) -> None:
    """Raise unless there are layers and nothing else."""
    if not layers:
        raise ValueError(f"expected at least one layer, got {owner}(); add a FullyConnected")
    for layer in layers:
        if isinstance(layer, Readout):
            raise TypeError(
                f"expected the Readout as the last part of a Network, got it among the layers of"
                f" {owner}; put it there"
            )
        if not isinstance(layer, Layer):
            raise TypeError(
                f"expected layers such as FullyConnected('tanh') in {owner}, got"
                f" {type(layer).__name__}; pass the layers one by one"
            )


def _several(owner: str, branches: Sequence[Layer | Sequence[Layer]]) -> tuple[Layers, ...]:
    """At least two branches as tuples."""
    found = tuple(tuple(one) if isinstance(one, Sequence) else (one,) for one in branches)
    for layers in filter(None, found):
        check_layers(f"a branch of {owner}", layers)
    if len(found) < 2:
        raise ValueError(
            f"expected at least two branches, got {len(found)}; pass each as a layer or a list"
            " of layers, [] for the skip"
        )
    return found


def _text(layer: Sum | Concatenate) -> str:
    """The code that makes it; a branch of one layer needs no brackets."""
    texts = (repr(one[0]) if len(one) == 1 else repr([*one]) for one in layer.branches)
    return f"{type(layer).__name__}({', '.join(texts)})"


def _is_fresh(layers: Layers) -> bool:
    """Whether there are weights, or gains of 0, on every way from the first to the last units."""
    return any(
        all(map(_is_fresh, layer.branches))
        if isinstance(layer, Branched)
        else isinstance(layer, Weighted) or (isinstance(layer, Gains) and layer.start == 0)
        for layer in layers
    )


def _check_independent(branches: tuple[Layers, ...]) -> None:
    """Raise where two branches are functions of the same units without weights between."""
    bare = [branch for branch in branches if not _is_fresh(branch)]
    if len(bare) > 1:
        first, second = ([*branch] for branch in bare[:2])
        raise ValueError(
            "expected at most one branch without weights, whose units are functions of those"
            f" before the Sum, got {first} and {second}, which are correlated; put weights into"
            ' one of them, FullyConnected("identity") or Convolution("identity", 1)'
        )


def moves(layer: Layer) -> bool:
    """Whether a layer has other positions after it, or one in its branches has."""
    return bool(_changes_shape(layer))


def _changes_shape(layer: Layer) -> str:
    """Why a layer cannot stand in a residual branch, or nothing."""
    if isinstance(layer, Averaging):
        return "which has fewer positions after it"
    if isinstance(layer, Convolution):
        if not _is_one(layer.stride):
            return "whose stride leaves out positions"
        if layer.padding == "valid" and not _is_one(layer.kernel_size):
            return "whose padding 'valid' loses the border"
    if isinstance(layer, Branched) and any(map(moves, chain.from_iterable(layer.branches))):
        return "whose branches leave out positions"
    return ""


def _is_one(value: Sizes) -> bool:
    return value == 1 if isinstance(value, int) else set(value) == {1}
