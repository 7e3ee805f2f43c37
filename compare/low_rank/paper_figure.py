"""The two cases of Figure 1 of the paper: their networks, their data, what stands in for it.

    lenet5     LeNet-5, logit of class 0, MNIST
    softplus   one layer of 4,000 softplus units, CIFAR-10

Without the data the digits stand in, or synthetic images of the same shape where only time and
memory matter; the name of the inputs, which is in every title, says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import nn

from analytic import FullyConnected, Network
from compare.low_rank.gram_spectrum import spectrum
from compare.low_rank.lenet import lenet5
from compare.low_rank.spectrum_record import Spectrum
from compare.rho import Inputs

__all__ = ["FIGURE_ONE", "FigureCase", "figure_one"]


@dataclass(frozen=True, slots=True)
class FigureCase:
    """One half of the figure.

    Attributes:
        network: a description or a function of a seed.
        width: of a description.
        data: the name of the data set.
        load: the data from a file .npz, or from the network if None.
        synthetic: images of the same shape, n of them.
        stand_in: the digits in a shape that the network takes.
    """

    network: Network | Callable[[int], nn.Module]
    width: int
    data: str
    load: Callable[[str | None], Inputs]
    synthetic: Callable[[int], Inputs]
    stand_in: Callable[[], Inputs]


def _flat_synthetic(count: int) -> Inputs:
    images = Inputs.synthetic_images((3, 32, 32), count)
    return _renamed(images, images.name, flat=True)


def _large_digits() -> Inputs:
    """Every pixel of the digits as a square of 4 x 4."""
    small = Inputs.digits(flat=False, scale="pixels").points
    assert small is not None
    large = Inputs.array(np.kron(small, np.ones((1, 1, 4, 4))))
    return _renamed(large, "digits enlarged to 32 x 32, in place of MNIST")


def _flat_digits() -> Inputs:
    return _renamed(Inputs.digits(scale="pixels"), "digits, in place of CIFAR-10")


def _renamed(inputs: Inputs, name: str, flat: bool = False) -> Inputs:
    assert inputs.points is not None
    x = inputs.points.reshape(len(inputs.points), -1) if flat else inputs.points
    found = Inputs.array(x)
    return Inputs(name, found.shape, found.population, found._draw, found.points)


FIGURE_ONE = {
    "lenet5": FigureCase(
        lenet5, 1, "MNIST", Inputs.mnist,
        lambda n: Inputs.synthetic_images((1, 28, 28), n), _large_digits,
    ),
    "softplus": FigureCase(
        Network(FullyConnected("softplus")), 4000, "CIFAR-10",
        lambda file: Inputs.cifar10(file, flat=True), _flat_synthetic, _flat_digits,
    ),
}  # fmt: skip


def figure_one(
    case: Literal["lenet5", "softplus"],
    data: str | None = None,
    *,
    seeds: int = 10,
    points: int = 2000,
    eigenvalues: int = 1000,
    progress: bool | None = None,
) -> Spectrum:
    """One half of Figure 1.

    Args:
        case: which half.
        data: a file .npz of the images, "synthetic", "digits", or None for the data set from the
            network and the digits if that does not answer.
        seeds: number of initialisations, each with its batch.
        points: size of a batch; no more than the digits are, where they stand in.
        eigenvalues: how many of them.
        progress: show a progress bar; None shows it on terminals and notebooks.

    Raises:
        ValueError: there is no such case, or a number or the file is not as it should be.

    References:
        Bowman and Montufar (2022), Figure 1.
    """
    if case not in FIGURE_ONE:
        raise ValueError(
            f"expected the case {' or '.join(FIGURE_ONE)} of Figure 1, got {case!r}; choose one"
        )
    half = FIGURE_ONE[case]
    inputs = _inputs(half, data, points)
    if inputs.population is not None and data in (None, "digits"):
        points = min(points, inputs.population)
        eigenvalues = min(eigenvalues, points)
    return spectrum(
        half.network, inputs, width=half.width, seeds=seeds, points=points,
        eigenvalues=eigenvalues, progress=progress,
    )  # fmt: skip


def _inputs(half: FigureCase, data: str | None, points: int) -> Inputs:
    if data == "synthetic":
        return half.synthetic(max(2, 2 * points))
    if data == "digits":
        return half.stand_in()
    try:
        return half.load(data)
    except OSError:
        if data is not None:
            raise
        return half.stand_in()
