r"""The kernel of a module, by tiles of as many samples as memory allows.

A tile (a, b) is a forward and a backward pass for the samples a and b and the contraction of
their gradients. With one tile the passes are done once; with more, those of b are repeated
for every a, which costs O(n / size) passes and bounds the memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from empirical.checks import check_gradients, check_outputs, check_values
from empirical.jacobian import per_sample_kernel
from empirical.layerwise import (
    Block,
    MisfitError,
    Output,
    Plan,
    combination,
    contract,
    make_plan,
    outputs,
    wanted,
)
from empirical.memory import available, require

__all__ = ["Output", "module_kernel"]


def module_kernel(
    module: nn.Module,
    parameters: dict[str, nn.Parameter],
    x: Tensor,
    y: Tensor | None,
    output: Output,
    rules: bool = True,
) -> Tensor:
    """K_0 of any module; see ``tangent_kernel``.

    Args:
        module: the module.
        parameters: those that the kernel is about.
        x: inputs.
        y: other inputs, or None.
        output: which outputs.
        rules: whether to use rules, or per-sample gradients for all parameters.
    """
    plan = make_plan(module, x, parameters, output)
    if not rules:
        plan = plan.without_rules(parameters, "not wanted")
    try:
        return _Tiles(module, parameters, plan, output).kernel(x, y)
    except MisfitError as misfit:  # control flow that depends on the samples
        plan = plan.without_rules(parameters, str(misfit))
        return _Tiles(module, parameters, plan, output).kernel(x, y)


class _Tiles:
    def __init__(
        self, module: nn.Module, parameters: dict[str, nn.Parameter], plan: Plan, output: Output
    ) -> None:
        self.module, self.parameters, self.plan = module, parameters, plan
        self.full = output == "all"
        self.output: Output = output
        self.outs = wanted(plan.values, output)
        self.rest = {name: parameters[name] for name in plan.rest}

    def kernel(self, x: Tensor, y: Tensor | None) -> Tensor:
        if self.rest:
            self._check_alone(x[self.plan.tried])
        other = x if y is None else y
        k = len(self.outs) if self.full else 1
        size = self._size(len(x), len(other))
        kernel = self.plan.values.new_empty(len(x), k, len(other), k)
        for i in range(0, len(x), size):
            a = self._block("x", x, i, size)
            self._check(a, i)
            for j in range(i if y is None else 0, len(other), size):
                name = "x" if y is None else "y"
                b = a if y is None and i == j else self._block(name, other, j, size)
                row = self.plan.tried[-1] - i if j == (i if y is None else 0) else -1
                tile = self._share(a, b, row if 0 <= row < len(a.values) else None)
                if self.rest:
                    z = None if a is b else other[j : j + size]
                    tile = tile + self._rest(x[i : i + size], z)
                kernel[i : i + size, :, j : j + size] = tile
                if y is None and i != j:
                    kernel[j : j + size, :, i : i + size] = tile.permute(2, 3, 0, 1)
        return kernel if self.full else kernel[:, 0, :, 0]

    def _block(self, name: str, x: Tensor, start: int, size: int) -> Block:
        batch = x[start : start + size]
        block = Block(self.module, batch, list(self.parameters.values()), self.plan.places)
        check_outputs(name, block.values.detach(), start)
        return block

    def _share(self, a: Block, b: Block, row: int | None) -> Tensor:
        """By rules, shape (n, k, n', k); k = 1 unless all outputs are wanted.

        The gradient of a sample that was tried must have the length it had then.
        """
        groups, expected = self.plan.groups, self.plan.norm
        with torch.no_grad():
            tile, norm = contract(a, b, groups, self.outs, self.full, row)
        allowed = torch.finfo(tile.dtype).eps ** 0.5 * expected
        if row is not None and not abs(norm - expected) <= allowed:
            raise MisfitError("a sample has another gradient among all samples")
        return tile if self.full else tile[:, None, :, None]

    def _rest(self, x: Tensor, y: Tensor | None) -> Tensor:
        """By per-sample gradients."""
        tile = per_sample_kernel(self.module, self.rest, x, y, self.outs, self.full)
        return tile if self.full else tile[:, None, :, None]

    def _check(self, block: Block, start: int) -> None:
        """Compare the outputs with those of the samples that were tried."""
        for row, index in enumerate(self.plan.tried):
            if start <= index < start + len(block.values):
                check_values(self.plan.values[row], block.values[index - start].detach())

    def _check_alone(self, x: Tensor) -> None:
        """Compare the gradient of the last of some samples with that of the sample alone."""
        gradients: list[Sequence[Tensor]] = []
        for batch in (x, x[-1:]):
            values = combination(outputs(self.module(batch), len(batch)), self.output)
            gradients.append(
                torch.autograd.grad(
                    values[-1],
                    list(self.parameters.values()),
                    allow_unused=True,
                    materialize_grads=True,
                )
            )
        check_gradients(*gradients)

    def _size(self, n: int, k: int) -> int:
        """Samples of a tile: two blocks may take half of the memory that the result leaves."""
        item = self.plan.values.element_size()
        count = len(self.outs)
        result = n * k * item * (count**2 if self.full else 1)
        rest = sum(p.numel() for p in self.rest.values()) * item
        held = count if self.full else 1
        each = held * self.plan.bytes_per_sample + count * 2 * rest
        device = self.plan.values.device
        require(2 * result + 2 * each, device, f"the kernel of {n} x {k} samples of this module")
        return max(1, min(max(n, k), int((available(device) - 2 * result) / (4 * each))))
