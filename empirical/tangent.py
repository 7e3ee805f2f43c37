r"""The empirical tangent kernel K_0(x, x') = <grad f(x), grad f(x')>, without a Jacobian.

For a weight layer with inputs A (n, m_in) and backward signals B = df/dh (n, m_out), the
gradient of sample a is the outer product B_a A_a^T, so that the layer's share of K_0 is

    scale^2 (A A^T) o (B B^T)  +  bias_std^2 B B^T,

two matrix products and an entrywise one: no object of the size n x parameters is formed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from empirical.finite import FiniteNetwork, Stack

__all__ = ["tangent_kernel"]


def tangent_kernel(
    module: nn.Module, x: Tensor, y: Tensor | None = None, *, output: int = 0
) -> Tensor:
    """The empirical tangent kernel of a module at its current parameters.

    Args:
        module: a ``FiniteNetwork``.
        x: inputs, shape (n, d), of the module's dtype and on its device.
        y: other inputs, shape (k, d); x itself if None.
        output: index of the output; a ``FiniteNetwork`` has only 0.

    Returns:
        K_0, shape (n, k), of the module's dtype and on its device.

    Raises:
        TypeError: the module is of another kind, or a dtype differs.
        ValueError: shapes or devices do not fit, or numbers are not finite.

    References:
        Bowman and Montufar (2022), section 2.2; Novak, Sohl-Dickstein and Schoenholz
        (2022), section 3, for contractions of structured gradients.

    Example:
        >>> from analytic import FullyConnected, Network
        >>> f = FiniteNetwork(Network(FullyConnected("identity")), (1,), 1, antisymmetric=False)
        >>> x = torch.ones(1, 1, dtype=torch.float64)
        >>> w, v = (float(p.detach()) for p in f.parameters())
        >>> bool(abs(float(tangent_kernel(f, x)) - (w**2 + v**2)) < 1e-14)
        True
    """
    if not isinstance(module, FiniteNetwork):
        raise TypeError(f"expected a FiniteNetwork, got {type(module).__name__}; build one")
    if output != 0:
        raise ValueError(f"expected output 0 of a network with one output, got {output}; drop it")
    _check_inputs(module, "x", x)
    if y is not None:
        _check_inputs(module, "y", y)
    stacks = list(module.copies())
    if len(stacks) == 2 and _equal(*stacks):
        stacks = stacks[:1]  # (K + K)/2 = K, to the last bit
    with torch.no_grad():
        kernels = [_stack_kernel(stack, x, y) for stack in stacks]
        return kernels[0] if len(kernels) == 1 else (kernels[0] + kernels[1]) / 2


def _equal(a: Stack, b: Stack) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def _stack_kernel(stack: Stack, x: Tensor, y: Tensor | None) -> Tensor:
    """Sum of the shares of all parameters of one copy."""
    n = len(x)
    forward, features = _forward(stack, x if y is None else torch.cat([x, y]))
    signals = _backward(stack, forward)
    rows, columns = slice(0, n), slice(0, n) if y is None else slice(n, None)
    kernel = features[rows] @ features[columns].T * stack.readout.scale**2
    for layer, (alpha, _), signal in zip(stack.weight_layers(), forward, signals, strict=True):
        inputs = alpha[rows] @ alpha[columns].T * layer.scale**2
        if layer.bias is not None:
            inputs += layer.bias_std**2
        kernel += inputs.mul_(signal[rows] @ signal[columns].T)
    return kernel


def _forward(stack: Stack, x: Tensor) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """(alpha, h) of every layer, and the features of the readout."""
    alpha = x
    trace: list[tuple[Tensor, Tensor]] = []
    branches: list[Tensor] = []
    for layer in stack.weight_layers():
        branches += [alpha] * layer.step.opens
        h = layer.preactivation(alpha)
        trace.append((alpha, h))
        alpha = layer.activation(h)
        if layer.step.closes:
            alpha = branches.pop() + alpha
    return trace, alpha


def _backward(stack: Stack, trace: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """df/dh of every layer, shape (n, m_out) each; a skip adds the signal at its end."""
    alpha, _ = trace[-1]
    signal = (stack.readout.weight * stack.readout.scale).expand(len(alpha), -1)
    signals: list[Tensor] = []
    skips: list[Tensor] = []
    for layer, (_, h) in zip(reversed(list(stack.weight_layers())), reversed(trace), strict=True):
        if layer.step.closes:
            skips.append(signal)
        at_h = signal * layer.slope(h)
        signals.append(at_h)
        signal = (at_h @ layer.weight) * layer.scale
        for _ in range(layer.step.opens):
            signal = signal + skips.pop()
    return signals[::-1]


def _check_inputs(module: FiniteNetwork, name: str, x: Tensor) -> None:
    parameter = next(module.parameters())
    if not isinstance(x, Tensor):
        raise TypeError(f"expected a tensor {name}, got {type(x).__name__}; use torch.as_tensor")
    if x.ndim != 2 or x.shape[1:] != module.input_shape or len(x) == 0:
        raise ValueError(
            f"expected {name} of shape (n, {module.input_shape[0]}), got {tuple(x.shape)};"
            " reshape it"
        )
    if x.dtype != parameter.dtype:
        raise TypeError(
            f"expected {name} of the network's {parameter.dtype}, got {x.dtype};"
            f" pass {name}.to({parameter.dtype})"
        )
    if x.device != parameter.device:
        raise ValueError(
            f"expected {name} on the network's device {parameter.device}, got {x.device};"
            f" pass {name}.to({str(parameter.device)!r})"
        )
    bad = ~torch.isfinite(x).all(dim=1)
    if bad.any():
        raise ValueError(
            f"expected finite numbers in {name}, got NaN or infinity first in row"
            f" {int(bad.int().argmax())}; remove or repair it"
        )
