r"""The kernel of any module: by tiles, or J J^T of the whole batch where its samples meet.

What the trial of a few samples promises is checked while the kernel is computed. Where it does
not hold, the next road is taken, the slowest last: rules, per-sample gradients, whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from empirical.batch_jacobian import joint_diagonal, joint_kernel
from empirical.batches import count, rows
from empirical.checks import MixingError
from empirical.forward_pass import BatchError, forward_passes
from empirical.layerwise import MisfitError, plan_for
from empirical.module_function import ModuleFunction
from empirical.module_tiles import Tiles
from empirical.outputs import Output

__all__ = ["ModuleKernel", "measure", "module_diagonal"]


class ModuleKernel(NamedTuple):
    """The kernel of a module.

    Attributes:
        value: shape (n, n'), or (n, *outputs, n', *outputs).
        joint: whether the samples of a batch meet, so that it is J J^T of the whole batch.
    """

    value: Tensor
    joint: bool


def measure(
    module: nn.Module,
    parameters: Mapping[str, Tensor],
    x: Any,
    y: Any,
    output: Output,
    rules: bool = True,
) -> ModuleKernel:
    """K_0 of any module; see ``tangent_kernel``.

    Args:
        module: the module.
        parameters: those that the kernel is about.
        x: inputs.
        y: other inputs, or None.
        output: which outputs.
        rules: whether to use rules, or per-sample gradients for all parameters.
    """
    with forward_passes(module) as run:
        function = ModuleFunction(run, output)
        kernel, joint = _kernel(function, parameters, x, y, rules)
    if output == "all":
        n, m = count(x), count(x if y is None else y)
        return ModuleKernel(kernel.reshape(n, *function.shape, m, *function.shape), joint)
    return ModuleKernel(kernel[:, 0, :, 0], joint)


def module_diagonal(
    module: nn.Module, parameters: Mapping[str, Tensor], x: Any, output: Output
) -> Tensor:
    """K_0(x, x) of any module; see ``tangent_kernel_diagonal``."""
    with forward_passes(module) as run:
        function = ModuleFunction(run, output)
        try:
            function.rehearse(rows(x, slice(0, 2)))
            plan = plan_for(function, x, parameters, function.output)
            try:
                squares = Tiles(function, parameters, plan).diagonal(x)
            except MisfitError as misfit:
                plan = plan.without_rules(parameters, str(misfit))
                squares = _last_resort(Tiles(function, parameters, plan).diagonal, x)
        except (MixingError, BatchError):
            function.rehearse(x)
            squares = joint_diagonal(function, parameters, x)
    if output == "all":
        return squares.reshape(count(x), *function.shape)
    return squares.sum(1)


def _kernel(
    function: ModuleFunction, parameters: Mapping[str, Tensor], x: Any, y: Any, rules: bool
) -> tuple[Tensor, bool]:
    """Shape (n, k, n', k), and whether the samples meet."""
    try:
        if y is not None:
            function.rehearse(rows(y, [0, count(y) - 1]))
        function.rehearse(rows(x, slice(0, 2)))
        plan = plan_for(function, x, parameters, function.output)
        if not rules:
            plan = plan.without_rules(parameters, "not wanted")
        try:
            return Tiles(function, parameters, plan).kernel(x, y), False
        except MisfitError as misfit:  # control flow that depends on the samples
            plan = plan.without_rules(parameters, str(misfit))
            return _last_resort(Tiles(function, parameters, plan).kernel, x, y), False
    except (MixingError, BatchError):  # the module takes the whole batch only, or joins it
        for batch in (x,) if y is None else (y, x):
            function.rehearse(batch)
        return joint_kernel(function, parameters, x, y), True


def _last_resort(compute: Callable[..., Tensor], *batches: Any) -> Tensor:
    """By per-sample gradients alone; raises if these are not those that plain autograd gave."""
    try:
        return compute(*batches)
    except MisfitError as misfit:
        raise ValueError(
            f"expected the same gradients of a sample in every run, got others: {misfit}; remove"
            " what depends on earlier runs or on the number of samples from the module"
        ) from misfit
