"""What finite networks and equations say of a kernel: checks that tests of every part share."""

from __future__ import annotations

import numpy as np
import torch
from oracles import dense
from oracles.jacobians import batch_jacobian

from analytic import Network, kernel
from empirical import FiniteNetwork, streamed_tangent_kernel, tangent_kernel, tangent_kernels

__all__ = ["check_average", "check_equations", "check_evaluation", "check_layer_identity"]


def check_average(
    network: Network, x: np.ndarray, widths: tuple[int, int], count: int, tolerance: float = 1e-10
) -> tuple[np.ndarray, np.ndarray]:
    """E K_0 without its part in 1/m is K_inf: within four standard errors of every entry.

    Args:
        network: the description.
        x: inputs.
        widths: the second one twice the first.
        count: networks of each width.
        tolerance: of K_inf.

    Returns:
        K_inf and the standard errors.
    """
    k = kernel(network, x, tolerance=tolerance)
    narrow, wide = (
        tangent_kernels(network, torch.from_numpy(x), width, range(count)).numpy() - k
        for width in widths
    )
    mean = 2 * wide.mean(axis=0) - narrow.mean(axis=0)
    error = np.sqrt((4 * wide.var(axis=0) + narrow.var(axis=0)) / count)
    assert np.all(np.abs(mean) <= 4 * error)
    return k, error


def check_layer_identity(network: Network, x: np.ndarray, rounding: float) -> None:
    """K_0 by the layer identity, and from streamed weights, is that of the Jacobian."""
    inputs = torch.from_numpy(x)
    f = FiniteNetwork(network, x.shape[1:], 5, seed=3)
    jacobian = batch_jacobian(f, inputs)[:, 0]
    exact = jacobian @ jacobian.T
    streamed = streamed_tangent_kernel(network, inputs, 5, 3, block=64)
    for found in (tangent_kernel(f, inputs), streamed):
        torch.testing.assert_close(found, exact, rtol=rounding, atol=rounding)


def check_equations(network: Network, x: np.ndarray) -> None:
    """``network.recursion()`` gives the kernels of two inputs, by trapezoidal sums to 1e-12."""
    a, b = x
    xx, xy, yy = (float(p @ q) / a.size for p, q in ((a, a), (a, b), (b, b)))
    found = network.recursion().evaluate(xx, xy, yy)
    exact = dense.pair_kernel(network, a, b, dense.trapezoid)
    assert abs(found.nngp - exact[0]) < 1e-12
    assert abs(found.ntk - exact[1]) < 1e-12


def check_evaluation(
    network: Network, x: np.ndarray, gram: np.ndarray, shape: tuple[int, ...], tolerance: float
) -> None:
    """Two inputs, and one with itself: ``network.recursion(shape)`` gives what ``kernel`` gives.

    Args:
        network: the description.
        x: two inputs.
        gram: products of inputs a and b, or of all their positions, ``gram[a, b]``.
        shape: of an input.
        tolerance: of ``kernel``.
    """
    found = kernel(network, x, kind="both", tolerance=tolerance)
    system = network.recursion(shape)
    for i, j in ((0, 1), (0, 0)):
        value = system.evaluate(gram[i, i], gram[i, j], gram[j, j])
        scale = np.sqrt(found.ntk[i, i] * found.ntk[j, j])
        assert abs(float(value.ntk) - found.ntk[i, j]) < tolerance * scale
        assert abs(float(value.nngp) - found.nngp[i, j]) < tolerance * scale
