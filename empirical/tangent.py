r"""The empirical tangent kernel K_0(x, x') = <grad f(x), grad f(x')>, without a Jacobian.

Every parameter is used by some operations; where an operation has a rule, the gradients of
all samples are known from its inputs and backward signals, and their inner products cost a
few matrix products (docs/theory/tangent.md). What has no rule is differentiated sample by
sample, block by block.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from empirical.batches import Batch, constant, count, mapped, rows, tensors
from empirical.checks import (
    Names,
    check_differentiable,
    check_inputs,
    check_module,
    check_parameters,
)
from empirical.forward_pass import BatchError, forward_passes
from empirical.layerwise import UnreachedError, tiled_layerwise_kernel
from empirical.module_kernels import ModuleKernel, measure
from empirical.network import FiniteNetwork, Stack
from empirical.outputs import Output, check_output
from empirical.parameter_rates import Rates, by_rate, rates_of
from empirical.precision import Roundings, double_copy, full_precision, relative_floor

__all__ = [
    "TangentEstimate",
    "customised",
    "tangent_kernel",
    "tangent_kernel_estimate",
]


def tangent_kernel(
    module: nn.Module,
    x: Batch,
    y: Batch | None = None,
    *,
    output: Output = 0,
    parameters: Names | None = None,
    method: Literal["auto", "jacobian"] = "auto",
    rates: Rates | None = None,
) -> Tensor:
    r"""The empirical tangent kernel of a module at its current parameters.

    .. math:: K_0(x, x') = \sum_\theta \langle \partial_\theta f(x), \partial_\theta f(x') \rangle

    over the parameters that require gradients, each counted once however often it is used.

    Args:
        module: any module that is a function of its inputs, with outputs of shape (n, ...).
        x: inputs, shape (n, ...), of the module's dtype (or integers) and on its device; a tuple
            of them for a module with several arguments, a dict for arguments by name.
        y: other inputs, shape (n', ...); x itself if None.
        output: index of the output, or one index for each axis behind the samples; ``"trace"``
            for the sum over all outputs, ``"all"`` for all pairs of outputs; or a function that
            takes one number for each sample out of what the module returns.
        parameters: names of parameters, patterns such as ``"head.*"``, or a function that says
            which names count; all that require gradients if None.
        method: ``"auto"``, or ``"jacobian"`` for the slow definition by per-sample gradients.
        rates: rates of gradient flow by the names of parameters (or patterns), which multiply
            their shares; 1 for others. If None, those of the description of a ``FiniteNetwork``,
            else 1. A kernel is computed for each different rate.

    Returns:
        K_0, shape (n, n'), or (n, k, n', k) for ``output="all"``, of the module's dtype and on
        its device. It carries no graph. Where the samples of a batch meet in the module it is
        J J^T of the outputs of whole batches (see ``tangent_kernel_estimate``).

    Raises:
        TypeError: the module is none, dtypes differ, or numbers are complex.
        ValueError: shapes or devices do not fit, numbers are not finite, the module is random,
            depends on trained tensors that it has not registered, or no output depends on its
            parameters.
        MemoryError: it would not fit; the message says how much is needed.

    References:
        Bowman and Montufar (2022), section 2.2; Novak, Sohl-Dickstein and Schoenholz
        (2022), section 3, for contractions of structured gradients.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> f = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        >>> x = torch.eye(3, dtype=torch.float64)
        >>> k = tangent_kernel(f, x)
        >>> bool(torch.allclose(k, tangent_kernel(f, x, method="jacobian"), rtol=1e-12))
        True
    """
    return _measure(module, x, y, output, method, parameters, rates).value


def _measure(
    module: nn.Module,
    x: Batch,
    y: Batch | None,
    output: Output,
    method: str,
    names: Names | None = None,
    rates: Rates | None = None,
) -> ModuleKernel:
    described = type(module) is FiniteNetwork and method == "auto" and not customised(module)
    parameters = check_parameters(module, check_module(module, noisy=described), names)
    first = next(iter(parameters.values()))
    for name, batch in (("x", x), ("y", y)):
        if batch is not None or name == "x":
            check_inputs(name, batch, first)  # pyright: ignore[reportArgumentType]
    if method not in ("auto", "jacobian"):
        raise ValueError(f"expected method 'auto' or 'jacobian', got {method!r}; pass one of them")
    check_output(output)
    with torch.inference_mode(False), torch.enable_grad(), full_precision(first.device):
        x, y = mapped(constant, x), None if y is None else mapped(constant, y)
        trained = len(parameters) == sum(1 for _ in module.parameters())
        if described and trained and rates is None:
            return ModuleKernel(_of_description(module, x, y, output), False)  # pyright: ignore[reportArgumentType]
        if described:
            check_module(module)  # noise is known to the layer identity alone
        check_differentiable(parameters)
        found = rates_of(module, rates)
        try:
            if found is not None:
                return _rated(module, by_rate(parameters, found), x, y, output, method == "auto")
            return measure(module, parameters, x, y, output, method == "auto")
        except BatchError as error:
            _explain(x, y, first, error)
            raise


def _rated(
    module: nn.Module, groups: Iterable[tuple[float, Any]], x: Any, y: Any, output: Output,
    rules: bool,
) -> ModuleKernel:  # fmt: skip
    """The sum over parameters of one rate each."""
    total: Tensor | None = None
    joint, unreached = False, UnreachedError()
    for rate, parameters in groups:
        try:
            share = measure(module, parameters, x, y, output, rules)
        except UnreachedError as error:  # the outputs do not depend on these
            unreached = error
            continue
        joint |= share.joint
        total = rate * share.value if total is None else total + rate * share.value
    if total is None:
        raise unreached
    return ModuleKernel(total, joint)


def _explain(x: Any, y: Any, parameter: nn.Parameter, error: BatchError) -> None:
    """Say more of inputs that a module does not take, if more is known."""
    if not isinstance(x, Tensor):
        return
    if isinstance(y, Tensor) and y.shape[1:] != x.shape[1:]:
        raise ValueError(
            f"expected y of shape (k, ...) with the sizes of x, {tuple(x.shape[1:])}, got"
            f" {tuple(y.shape)}; match x"
        ) from error
    if not x.is_floating_point():
        raise TypeError(
            f"expected x of {parameter.dtype} for this module, got {x.dtype}; convert it"
        ) from error


@dataclass(frozen=True, slots=True, eq=False)
class TangentEstimate:
    """A tangent kernel with its measured rounding error.

    Attributes:
        value: K_0, shape (n, n').
        floor: the largest rounding error of an entry relative to sqrt(K(x, x) K(x', x')), as
            measured on some of the inputs.
        joint: whether the samples of a batch meet in the module (BatchNorm in training mode, a
            graph), so that the kernel is J J^T of the outputs of the whole batch.
    """

    value: Tensor
    floor: float
    joint: bool = False


def tangent_kernel_estimate(
    module: nn.Module,
    x: Batch,
    y: Batch | None = None,
    *,
    output: Output = 0,
    points: int = 16,
) -> TangentEstimate:
    """The tangent kernel with the rounding floor that was measured for it.

    The kernel of some inputs is computed again by a copy of the module in float64, and the
    largest difference is the floor. A float64 kernel is compared with a float32 copy, and the
    difference scaled by the ratio of the two units of rounding.

    Args:
        module: as for ``tangent_kernel``.
        x: as for ``tangent_kernel``.
        y: as for ``tangent_kernel``.
        output: index of the output, or ``"trace"``.
        points: how many of the inputs to measure on, spread evenly.

    Raises:
        ValueError: the copies do not show the error: one is another function, loses hooks on
            gradients, uses tensors of the original (through a closure or a hook), or rounds to a
            narrower format than its own on the way; and as of ``tangent_kernel``.

    Example:
        >>> f = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 1))
        >>> estimate = tangent_kernel_estimate(f, torch.ones(2, 3))
        >>> 0 <= estimate.floor < 1e-5
        True
    """
    value, joint = _measure(module, x, y, output, "auto")
    step = 1 if joint else max(1, -(-count(x) // points))
    samples = [rows(z, slice(None, None, step)) for z in ((x,) if y is None else (x, y))]
    narrow = torch.float32 if value.dtype == torch.float64 else value.dtype
    kernels: list[Tensor] = []
    for kind in (narrow, torch.float64):
        with torch.inference_mode(False):
            copied = module if kind == value.dtype else double_copy(module, kind)
        batches = [mapped(_in(kind), z) for z in samples]
        try:
            original = None if copied is module else module
            if original is not None and any(p._backward_hooks for p in module.parameters()):
                raise ValueError("it loses the hooks on the gradients of parameters")
            with torch.enable_grad(), forward_passes(copied) as run, Roundings(original):
                run(batches[0])
            kernels.append(_own(copied, batches, output, joint))
        except ValueError as error:
            raise ValueError(
                f"expected a module whose copy in {kind} is the same function, got one that is not"
                f" ({error}); use tangent_kernel, which needs no copy"
            ) from error
    diagonal = kernels[1].diagonal()
    floor = relative_floor(kernels[0], kernels[1], (diagonal, diagonal))
    eps = torch.finfo(value.dtype).eps / torch.finfo(narrow).eps
    return TangentEstimate(value, floor * eps, joint)


def _own(module: nn.Module, samples: list[Any], output: Output, joint: bool) -> Tensor:
    """The kernel of samples of x and y with themselves; of x alone where samples meet."""
    if len(samples) == 1 or joint:
        return tangent_kernel(module, samples[0], output=output)
    pairs = [list(tensors("x", z)) for z in samples]
    joined = iter([torch.cat([a, b]) for (_, a), (_, b) in zip(*pairs, strict=True)])
    return tangent_kernel(module, mapped(lambda _: next(joined), samples[0]), output=output)


def _in(kind: torch.dtype) -> Any:
    return lambda t: t.to(kind) if t.is_floating_point() else t


def customised(module: nn.Module) -> bool:
    """Whether hooks or parametrisations change what the module or its gradients are."""
    hooked = any(
        part._forward_hooks
        or part._forward_pre_hooks
        or part._backward_hooks
        or part._backward_pre_hooks
        or is_parametrized(part)
        or "forward" in part.__dict__
        for part in module.modules()
    )
    return hooked or any(p._backward_hooks for p in module.parameters())


def _of_description(network: FiniteNetwork, x: Tensor, y: Tensor | None, output: Output) -> Tensor:
    """The layer identity for one copy of the network, or the mean of two."""
    if output not in (0, "trace", "all"):
        raise ValueError(f"expected output 0 of a network with one output, got {output}; drop it")
    for batch in (x, y):
        if batch is not None:
            network.check_shape(batch)
    stacks = list(network.copies())
    if len(stacks) == 2 and _equal(*stacks):
        stacks = stacks[:1]  # (K + K)/2 = K, to the last bit
    with torch.no_grad():
        kernels = [tiled_layerwise_kernel(list(s.chain()), s.readout, x, y) for s in stacks]
    kernel = kernels[0] if len(kernels) == 1 else (kernels[0] + kernels[1]) / 2
    return kernel[:, None, :, None] if output == "all" else kernel


def _equal(a: Stack, b: Stack) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
