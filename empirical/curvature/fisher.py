r"""The Fisher information F = E[grad f grad f^T] at the module's parameters, by its spectrum.

    F = (1/n) J^T J,    K_0 = J J^T:    the nonzero eigenvalues of F are those of K_0/n

so that F, p x p, is never formed. On a sample of n inputs the k-th eigenvalue is off by
a bias of order 1/n and by a fluctuation of order n^(-1/2); disjoint parts of the sample show
both, and their law in 1/n gives the limit n -> oo.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from empirical.batches import Batch, count
from empirical.outputs import Output
from empirical.parameter_rates import Rates
from empirical.tangent import tangent_kernel

__all__ = ["FisherLimit", "fisher_eigenvalues", "fisher_limit"]


def fisher_eigenvalues(
    module: nn.Module, x: Batch, *, output: Output = 0, rates: Rates | None = None
) -> Tensor:
    r"""The leading eigenvalues of the Fisher information, the others being zero.

    .. math:: F = \frac1n \sum_{a=1}^n \nabla_\theta f(x_a; \theta) \nabla_\theta f(x_a; \theta)^T

    The sample x stands for rho: F is that of the empirical measure. What rounding makes
    negative is set to 0, where the eigenvalues of F begin.

    Args:
        module: any module that ``tangent_kernel`` takes.
        x: inputs, shape (n, ...).
        output: which output; with ``"all"`` F is the sum over the outputs, k eigenvalues for
            every sample.
        rates: as of ``tangent_kernel``: F is then that of the parameters theta/sqrt(rate), which
            gradient flow trains at rate 1.

    Returns:
        The eigenvalues, descending, shape (n,) or (n k,), in the module's dtype and on its
        device. With n > p all behind the p-th are 0 but for rounding.

    Raises:
        ValueError: the output is a trace, which is no sum of squares of gradients, or
            ``tangent_kernel`` refuses module or inputs; so do its other errors.

    References:
        Bowman and Montufar (2022), eq. (6); Karakida, Akaho and Amari (2021), section 2.

    Example:
        >>> f = nn.Linear(2, 1, bias=False).double()  # F = E[x x^T]
        >>> x = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, 0.0]]).double()
        >>> [round(float(v), 12) for v in fisher_eigenvalues(f, x)]
        [1.0, 0.5, 0.0, 0.0]
    """
    return _eigenvalues(_gram(module, x, output, rates), count(x))


@dataclass(frozen=True, slots=True, eq=False)
class FisherLimit:
    r"""Eigenvalues of the Fisher information against the size of the sample, and their limit.

    The means over parts of n/2 and of n are extrapolated, 2 lambda(n) - lambda(n/2), which
    takes the bias of order 1/n away.

    Attributes:
        sizes: of the parts, increasing, the whole sample last, shape (S,).
        eigenvalues: means over the disjoint parts of each size, shape (S, k).
        value: extrapolated to infinitely many samples, shape (k,).
        stderr: standard error of ``value`` over the choice of the sample, from the parts, (k,).
        bias: how far a second extrapolation moves it, shape (k,).
    """

    sizes: tuple[int, ...]
    eigenvalues: Tensor
    value: Tensor
    stderr: Tensor
    bias: Tensor


def fisher_limit(
    module: nn.Module, x: Batch, *, output: Output = 0, rates: Rates | None = None
) -> FisherLimit:
    """The eigenvalues of F for rho itself, extrapolated from a sample of it.

    One kernel of all samples is enough: every part of the sample has a block of it.

    Args:
        module: as for ``fisher_eigenvalues``.
        x: independent draws from rho, shape (n, ...), n at least 32; n/8 eigenvalues are
            extrapolated. What does not fill eight parts of one size is left out.
        output: as for ``fisher_eigenvalues``.
        rates: as for ``fisher_eigenvalues``.

    Raises:
        ValueError: there are fewer than 32 samples; and as ``fisher_eigenvalues``.

    References:
        Koltchinskii and Gine (2000) for the rates; the extrapolation is Richardson's.

    Example:
        >>> f = nn.Linear(1, 1, bias=False).double()  # F = E[x^2] = 1
        >>> x = torch.ones(32, 1).double()
        >>> float(fisher_limit(f, x).value[0])
        1.0
    """
    if count(x) < 32:
        raise ValueError(f"expected at least 32 samples, got {count(x)}; draw more")
    least = count(x) // 8
    gram = _gram(module, x, output, rates)
    each = len(gram) // count(x)  # outputs of a sample
    sizes = [least * 2**level for level in range(4)]
    parts: list[Tensor] = []
    for size in sizes:
        blocks = [slice(each * i, each * (i + size)) for i in range(0, 8 * least, size)]
        parts.append(torch.stack([_eigenvalues(gram[b, b], size)[:least] for b in blocks]))
    means = torch.stack([p.mean(0) for p in parts])  # (S, k)
    first = 2 * means[1:] - means[:-1]  # free of 1/n
    second = (4 * first[-1] - first[-2]) / 3  # free of 1/n^2 too
    stderr = parts[0].std(0) / len(parts[0]) ** 0.5
    return FisherLimit(tuple(sizes), means, first[-1], stderr, (second - first[-1]).abs())


def _gram(module: nn.Module, x: Batch, output: Output, rates: Rates | None) -> Tensor:
    """J J^T, shape (n, n), or (n k, n k) with the outputs of a sample side by side."""
    if output == "trace":
        raise ValueError(
            "expected an output or 'all' for the Fisher information, got 'trace', which adds"
            " products of gradients of different outputs; pass output='all'"
        )
    kernel = tangent_kernel(module, x, output=output, rates=rates)
    rows = kernel.shape[0] if kernel.ndim == 2 else kernel.shape[: kernel.ndim // 2].numel()
    return kernel.reshape(rows, rows)


def _eigenvalues(gram: Tensor, samples: int) -> Tensor:
    return torch.linalg.eigvalsh(gram / samples).flip(0).clamp(min=0)
