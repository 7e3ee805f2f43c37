r"""The limiting kernels of a network: Gaussian process and tangent kernel.

    K(x, x') = Sigma(x, x')                  at the readout, "nngp"
    K(x, x') = Sigma(x, x') + Theta(x, x')   at the readout, "ntk"

with (Sigma, Theta) from the recursion of ``analytic.recursion.layer_equations``.
"""

# pyright: reportUnnecessaryIsInstance=false

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from analytic.image_plans import image_plan
from analytic.machine import Array, cores
from analytic.network import Network
from analytic.request import (
    Kind,
    asked,
    by_positions,
    check_network,
    checked,
    own_kernels,
)
from analytic.results import AccuracyError, Estimate, Kernels
from analytic.solve import KINDS, Plan, foresee, measured, sample, solve

__all__ = ["kernel", "kernel_diagonal", "kernel_estimate", "kernel_plan"]


@overload
def kernel(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    kind: Literal["ntk", "nngp"] = "ntk",
    tolerance: float = 1e-10,
    device: str = "cpu",
    out: None = None,
    progress: bool | None = None,
    checkpoint: None = None,
) -> Array: ...
@overload
def kernel(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    kind: Literal["both"],
    tolerance: float = 1e-10,
    device: str = "cpu",
    out: Any = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Kernels: ...
@overload
def kernel(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    kind: Kind = "ntk",
    tolerance: float = 1e-10,
    device: str = "cpu",
    out: Any = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Any: ...
def kernel(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    kind: Kind = "ntk",
    tolerance: float = 1e-10,
    device: str = "cpu",
    out: Any = None,
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Any:
    r"""The limiting kernel K of a network at infinite width.

    Every entry of the limiting kernel is within the tolerance, 1e-10 unless another is asked for,
    relative to sqrt(K(x, x) K(x', x')), or refused: the error bound is proved for smooth
    activations, up to the assumptions in docs/theory/bound.md; where it is only estimated (most
    kinks, many pairs of large inputs, some nearly parallel pairs, images taken position by
    position), kernel_estimate(...).certified is False.

    Args:
        network: the description.
        x: inputs, shape ``(n, d)``, or ``(n, channels, *spatial)`` for networks of images.
        y: other inputs, shape (k, ...); x itself if None, and the answer is then symmetric
            to the last bit.
        kind: "ntk" (Sigma + Theta), "nngp" (Sigma) or "both".
        tolerance: largest relative error, see above.
        device: "cpu".
        out: array of shape (n, k) that accepts slices, to be filled and returned; for
            "both" a pair of them.
        progress: show a progress bar; None shows it on terminals and notebooks.
        checkpoint: file to which is written after every block of rows which ones are in ``out``.
            If it exists the rows of ``out`` that it names, and that are as they were written, are
            not computed again: with the arguments of a run that was cut off, ``out`` opened again
            included, the answer has the bits of one run.

    Returns:
        K, shape (n, k), float64; for "both" the record ``Kernels(nngp, ntk)``.

    Raises:
        ValueError: wrong shapes, empty arrays, NaN or infinity (the first row is named); the
            checkpoint is damaged, or of another kernel.
        TypeError: the network or the inputs are of the wrong kind.
        AccuracyError: float64 cannot give the tolerance; carries the best value.
        MemoryError: the answer does not fit; see ``out`` and ``kernel_plan``.

    References:
        Jacot, Gabriel and Hongler (2018), theorem 1; Bowman and Montufar (2022), section
        2.2; the mean terms of residual layers are derived in docs/theory/recursion.md.

    Example:
        The identity gives K(x, x') = (1 + depth) <x, x'>/d.

        >>> import numpy as np
        >>> from analytic import FullyConnected, Network
        >>> network = Network(FullyConnected("identity"), FullyConnected("identity"))
        >>> kernel(network, np.array([[1.0, 1.0], [2.0, 0.0]])).round(12)
        array([[3., 3.],
               [3., 6.]])
    """
    if checkpoint is not None and out is None:
        raise ValueError(
            "expected an out with a checkpoint, got None; pass a file"
            " (numpy.lib.format.open_memmap) that can be opened again"
        )
    problem = asked(network, x, y, kind, tolerance, device)
    try:
        return solve(problem, kind, tolerance, out, progress, checkpoint=checkpoint).value
    except AccuracyError as refused:
        if checkpoint is not None:
            raise
        other = by_positions(problem, x, kind, tolerance, refused)
    return solve(other, kind, tolerance, out, progress).value


def kernel_estimate(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    kind: Kind = "ntk",
    tolerance: float = 1e-10,
    progress: bool | None = None,
) -> Estimate:
    """The limiting kernel with its certificate: a bound of the error of every entry.

    Takes what ``kernel`` takes and raises what it raises. The series are carried on until
    their truncation costs no more than rounding, so that ``error`` is close to what float64
    allows, and not just below the tolerance.

    Returns:
        the record ``Estimate(value, error, terms)``.

    Example:
        >>> import numpy as np
        >>> from analytic import FullyConnected, Network
        >>> x = np.eye(3)
        >>> estimate = kernel_estimate(Network(FullyConnected("relu")), x, kind="nngp")
        >>> exact = 1 / 3 / 2  # E relu(u)^2 at variance 1/3
        >>> bool(abs(estimate.value[0, 0] - exact) <= estimate.error[0, 0])
        True
    """
    problem = asked(network, x, y, kind, tolerance, "cpu", tight=True)
    try:
        return solve(problem, kind, tolerance, None, progress, certificate=True)
    except AccuracyError as refused:
        other = by_positions(problem, x, kind, tolerance, refused)
    return solve(other, kind, tolerance, None, progress, certificate=True)


@overload
def kernel_diagonal(
    network: Network,
    x: ArrayLike,
    *,
    kind: Literal["ntk", "nngp"] = "ntk",
    tolerance: float = 1e-10,
) -> Array: ...
@overload
def kernel_diagonal(
    network: Network, x: ArrayLike, *, kind: Literal["both"], tolerance: float = 1e-10
) -> Kernels: ...
def kernel_diagonal(
    network: Network, x: ArrayLike, *, kind: Kind = "ntk", tolerance: float = 1e-10
) -> Any:
    """K(x, x) for every input, in O(n).

    Each is within the tolerance, relative to itself, or refused, as the entries of ``kernel``.

    Returns:
        shape (n,), float64; for "both" the record ``Kernels(nngp, ntk)``.

    Raises:
        ValueError, TypeError: as ``kernel``.
        AccuracyError: float64 cannot give the tolerance for an input; carries its best value.

    Example:
        >>> import numpy as np
        >>> from analytic import FullyConnected, Network
        >>> float(kernel_diagonal(Network(FullyConnected("relu")), np.ones((1, 4)))[0])
        1.0
    """
    described, inputs, _ = checked(network, x, None, kind, tolerance)
    found = own_kernels(described, inputs, kind, tolerance)
    if found is not None and found[1] <= tolerance:
        values = [getattr(found[0], name) for name in KINDS[kind]]
    else:  # errors are the largest of all inputs: one by one these may be known
        values = _one_by_one(network, inputs, kind, tolerance)
    return Kernels(*values) if kind == "both" else values[0]


def _one_by_one(network: Network, x: Array, kind: Kind, tolerance: float) -> list[Array]:
    """The kernels of inputs with themselves, each as ``kernel`` has it alone."""
    values = np.empty((len(KINDS[kind]), len(x)))
    for i in range(len(x)):
        try:
            alone: Any = kernel(network, x[i : i + 1], kind=kind, tolerance=tolerance)
        except AccuracyError as refused:
            text = f"input {i}, as the pair (0, 0) of a kernel of its own: {refused}"
            raise AccuracyError(
                text, bound=refused.bound, later=partial(_estimate_of, refused)
            ) from refused
        values[:, i] = np.ravel(alone)
    return list(values)


def _estimate_of(refused: AccuracyError) -> Estimate:
    """What a refusal knows; it is computed when it is asked for."""
    assert refused.estimate is not None
    return refused.estimate


def kernel_plan(
    network: Network,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    kind: Kind = "ntk",
    tolerance: float = 1e-10,
) -> Plan:
    """What ``kernel`` will cost with the same arguments; computes a few rows, or what is quick.

    Of more than 2,048 vectors, or of more than a few images, only a sample is looked at, spread
    evenly: method, bound and growth are those of the sample, memory and time are scaled to all.
    So it takes a fraction of a second, and the time to make tables, at any number of inputs, which
    may be on a disk. The time is that of the next call, which finds these tables, while the machine
    does what it does now; a short one is not foreseen but taken, by computing the kernel.

    Returns:
        the record ``Plan(method, pairs, bytes, seconds, bound, growth)``; ``chaotic`` says whether
        small differences of these inputs grow from layer to layer.

    Example:
        >>> import numpy as np
        >>> from analytic import FullyConnected, Network
        >>> plan = kernel_plan(Network(FullyConnected("tanh")), np.eye(1000))
        >>> plan.pairs, plan.bytes > 8 * 1000**2
        (500500, True)
    """

    def act() -> object:
        return kernel(network, x, y, kind=kind, tolerance=tolerance, progress=False)

    if isinstance(network, Network) and network.is_spatial:
        return measured(image_plan(network, x, y, kind, tolerance), act)
    check_network(network)
    few, n = sample(x)
    others, k = (None, n) if y is None else sample(y)
    problem = asked(network, few, others, kind, tolerance, "cpu", planned=True)
    start = time.perf_counter()
    asked(
        network, few, others, kind, tolerance, "cpu", planned=True
    )  # now that tables have been made
    prepared = time.perf_counter() - start
    plan = foresee(problem, (n, k), len(KINDS[kind]), cores(), prepared)
    return plan if (n, k) != problem.shape else measured(plan, act)
