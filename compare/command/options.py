"""What the options of the command mean: inputs, targets, lists of numbers."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.inputs import check_inputs
from analytic.network import Network
from compare.rho import Inputs, Target, sphere_dimension

__all__ = ["check_fit", "read_factory", "read_inputs", "read_integers", "read_target"]


def read_inputs(source: str, images: bool = False) -> Inputs:
    """Inputs from ``digits`` (as vectors or as images), ``sphere:D`` or a file .npy."""
    kind, _, argument = source.partition(":")
    if source == "digits":
        return Inputs.digits(flat=not images)
    if kind == "sphere" and argument.isascii() and argument.isdigit():
        return Inputs.sphere(int(argument))
    if not source.endswith(".npy"):
        raise ValueError(
            f"expected inputs digits, sphere:D or a file .npy, got {source!r}; choose one of these"
        )
    path = Path(source)
    if not path.is_file():
        raise ValueError(f"expected a file, got {source!r}, which does not exist; check the path")
    return Inputs.array(_load(path), path.stem)


def read_target(text: str, inputs: Inputs) -> Target:
    """A target from ``harmonic:1,3,5``, ``step``, ``smooth:SEED``, ``parity``, ``digit:K`` or .npy.

    Harmonics have random axes and norms that make ||f*|| = 1.
    """
    kind, _, argument = text.partition(":")
    if kind == "harmonic":
        degrees = read_integers("degrees", argument)
        dimension = sphere_dimension(inputs) or 0
        return Target.harmonic(degrees, dimension, 1 / np.sqrt(len(degrees)), seed=0)
    if text == "step":
        return Target.step()
    if kind == "smooth":
        seed = read_integers("smooth", argument or "0")[0]
        return Target.smooth(int(np.prod(inputs.shape)), seed)
    if text == "parity":
        return Target.parity()
    if kind == "digit":
        return Target.digit(read_integers("digit", argument)[0])
    if text.endswith(".npy") and Path(text).is_file():
        return Target.of(_load(Path(text)), inputs)
    raise ValueError(
        f"expected a target harmonic:1,3,5, step, smooth:SEED, parity, digit:K or a file .npy, got"
        f" {text!r}; choose one of these"
    )


def _load(path: Path) -> NDArray[Any]:
    try:
        return np.load(path, allow_pickle=False)
    except (EOFError, OSError, ValueError) as error:
        raise ValueError(
            f"expected an array of numbers in {path}, got a file that numpy cannot read"
            f" ({str(error) or type(error).__name__}); write it with numpy.save"
        ) from None


def read_factory(text: str) -> Callable[[int, int], Any]:
    """The function that ``package.file:factory`` names; files of the working folder count.

    Raises:
        ValueError: there is no such file, or no such function in it.
    """
    path, _, name = text.partition(":")
    if not path or not name:
        raise ValueError(f"expected a module package.file:factory, got {text!r}; name both")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(path), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"expected a module package.file:factory, got {text!r} ({error}); check the names"
        ) from None
    if not callable(found):
        raise ValueError(
            f"expected a function (width, seed) in {text!r}, got {type(found).__name__}; name one"
        )
    return found


def check_fit(network: Network, inputs: Inputs, points: int) -> None:
    """Raise ``ValueError`` unless the network takes these inputs."""
    count = min(points, inputs.population or points)
    check_inputs("x", inputs.sample(max(1, count)), network)
    network.shapes(inputs.shape[1:])


def read_integers(name: str, text: str) -> list[int]:
    """Integers separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"expected integers separated by commas for {name}, got {text!r}; write 64,128,256"
        ) from None
