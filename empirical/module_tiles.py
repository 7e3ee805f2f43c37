r"""The kernel of a module, by tiles of as many samples as memory allows.

A tile (a, b) is a forward and a backward pass for the samples a and b and the contraction of
their gradients. With one tile the passes are done once; with more, those of b are repeated
for every a, which costs O(n / size) passes and bounds the memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from empirical.batches import count, rows
from empirical.checks import (
    MixingError,
    check_gradients,
    check_outputs,
    check_values,
)
from empirical.jacobian import jacobian_rows, per_sample_gradients
from empirical.layerwise import (
    Block,
    Blocks,
    MisfitError,
    Plan,
    block_size,
    combination,
    contract,
    diagonal,
    products,
    wanted,
)
from empirical.memory import available, require
from empirical.module_function import ModuleFunction

__all__ = ["Tiles"]


class Tiles:
    """The tiles of one module, differentiated as its plan says."""

    def __init__(
        self, function: ModuleFunction, parameters: Mapping[str, Tensor], plan: Plan
    ) -> None:
        self.function, self.parameters, self.plan = function, parameters, plan
        self.full = function.output == "all"
        self.outs = wanted(plan.values, function.output)
        self.rest = {name: parameters[name] for name in plan.rest}

    def kernel(self, x: Any, y: Any) -> Tensor:
        other = x if y is None else y
        n, m = count(x), count(other)
        if self.rest:
            self._check_alone(rows(x, self.plan.tried))
        if self.rest and y is not None:
            self._check_alone(rows(y, [0, m - 1]))
        k = len(self.outs) if self.full else 1
        size = self._size(n, m)
        kernel = self.plan.values.new_empty(n, k, m, k)
        outputs: dict[str, list[Tensor]] = {"x": [], "y": []}
        for i in range(0, n, size):
            a = self._tile("x", x, i, size)
            outputs["x"].append(a.values)
            self._check(a, i)
            of_a = self._gradients(x, i, a.values)
            self._check_rest(of_a, x, i)
            for j in range(i if y is None else 0, m, size):
                name = "x" if y is None else "y"
                same = y is None and i == j
                b = a if same else self._tile(name, other, j, size)
                if i == 0 and y is not None:
                    outputs["y"].append(b.values)
                row = self.plan.tried[-1] - i if j == (i if y is None else 0) else -1
                tile = self._share(a, b, row if 0 <= row < len(a.values) else None)
                if self.rest:
                    tile = tile + self._rest(
                        of_a, of_a if same else self._gradients(other, j, b.values)
                    )
                kernel[i : i + size, :, j : j + size] = tile
                if y is None and i != j:
                    kernel[j : j + size, :, i : i + size] = tile.permute(2, 3, 0, 1)
        for batch, values in zip((x, y), outputs.values(), strict=True):
            self._check_tiles(batch, values)
        if y is None:
            own = kernel.diagonal(dim1=0, dim2=2).diagonal(dim1=0, dim2=1)
            self._check_squares(own.sum(1), x)
        return kernel

    def diagonal(self, x: Any) -> Tensor:
        """|df_k(x_a)/dtheta|^2, shape (n, wanted outputs), some samples at a time."""
        if self.rest:
            self._check_alone(rows(x, self.plan.tried))
        n = count(x)
        size = self._size(n, 0)
        squares = self.plan.values.new_empty(n, len(self.outs))
        outputs: list[Tensor] = []
        for i in range(0, n, size):
            tile = self._tile("x", x, i, size)
            outputs.append(tile.values)
            self._check(tile, i)
            rest = self._gradients(x, i, tile.values)
            for k, output in enumerate(self.outs):
                squares[i : i + size, k] = diagonal(tile, output)
                if rest:
                    squares[i : i + size, k] += rest[k].square().sum(1)
        self._check_tiles(x, outputs)
        self._check_squares(squares.sum(1), x)
        return squares

    def _check_tiles(self, x: Any, outputs: list[Tensor]) -> None:
        """Compare the outputs of tiles with those in tiles of samples from everywhere."""
        if len(outputs) < 2:
            return
        values, size = torch.cat(outputs), len(outputs[0])
        for part in torch.randperm(len(values), generator=_fixed()).to(values.device).split(size):
            check_values(values[part], self.function(rows(x, part)).detach())

    def _check_rest(self, gradients: list[Tensor], x: Any, start: int) -> None:
        """Compare per-sample gradients with the squares of the samples that were tried."""
        for row, index in enumerate(self.plan.tried):
            if self.rest and 0 <= index - start < len(gradients[0]):
                found = sum(float(g[index - start].square().sum()) for g in gradients)
                exact = sum(float(self.plan.squares[name][row]) for name in self.rest)
                if not abs(found - exact) <= torch.finfo(gradients[0].dtype).eps ** 0.5 * exact:
                    raise MisfitError(f"the gradient by {self._worst(x)} differs")

    def _check_squares(self, found: Tensor, x: Any) -> None:
        """Compare with the squared gradients of the samples that were tried."""
        for index, exact in zip(self.plan.tried, sum(self.plan.squares.values()), strict=True):  # pyright: ignore[reportArgumentType]
            allowed = torch.finfo(found.dtype).eps ** 0.5 * float(exact)
            if not abs(float(found[index] - exact)) <= allowed:
                raise MisfitError(f"the gradient by {self._worst(x)} differs")

    def _worst(self, x: Any) -> str:
        """The parameter whose gradient for a sample alone differs most from that of the trial."""
        differences: dict[str, float] = {}
        alone = self.function(rows(x, self.plan.tried[-1:]))[0, self.outs]
        for name, parameter in self.parameters.items():
            square = float(jacobian_rows(alone, [parameter]).square().sum())
            exact = float(self.plan.squares[name][-1])
            differences[name] = abs(square - exact) / (exact + square + 1e-300)
        return max(differences, key=differences.__getitem__)

    def _tile(self, name: str, x: Any, start: int, size: int) -> Blocks:
        """A tile in blocks of nearly the same size: none of one sample beside larger ones."""
        samples = min(size, count(x) - start)
        parts = -(-samples // block_size(self.plan.bytes_per_sample))
        bounds = [start + samples * k // parts for k in range(parts + 1)]
        return Blocks([self._block(name, x, slice(i, j)) for i, j in pairwise(bounds)])

    def _block(self, name: str, x: Any, part: slice) -> Block:
        block = Block(self.function(rows(x, part)), self.plan.scheme)
        check_outputs(name, block.values.detach(), part.start)
        if not block.known_apart:
            number = self.function.output
            one = combination(block.values, number)
            single = isinstance(number, int)
            block.check_apart(one, block.signals(number) if single else block.signals_of(one.sum()))
        return block

    def _share(self, a: Blocks, b: Blocks, row: int | None) -> Tensor:
        """By rules, shape (n, k, n', k); k = 1 unless all outputs are wanted.

        The gradient of a sample that was tried must have the length it had then.
        """
        with torch.no_grad():
            tile, norm = contract(a, b, self.outs, self.full, row)
        allowed = torch.finfo(tile.dtype).eps ** 0.5 * self.plan.norm
        if row is not None and not abs(norm - self.plan.norm) <= allowed:
            raise MisfitError("a sample has another gradient among all samples")
        return tile if self.full else tile[:, None, :, None]

    def _gradients(self, x: Any, start: int, values: Tensor) -> list[Tensor]:
        """Of the parameters without rules, for each output of shape (n, p)."""
        if not self.rest:
            return []
        whole, together = values.detach(), self._together(len(values))
        batch = rows(x, slice(start, start + len(values)))
        return per_sample_gradients(self.function, self.rest, batch, self.outs, together, whole)

    def _together(self, n: int) -> int:
        """How many samples have one graph: the passes for each cost in proportion."""
        return max(1, min(n, GRAPH_BYTES // self.plan.bytes_per_sample, 16))

    def _rest(self, of_a: list[Tensor], of_b: list[Tensor]) -> Tensor:
        """By per-sample gradients."""
        if self.full:
            left, right = (torch.stack(g, dim=1) for g in (of_a, of_b))  # (n, outputs, p)
            return torch.einsum("aip,bjp->aibj", left, right)
        kernel = products(of_a[0], of_b[0])
        for p, q in zip(of_a[1:], of_b[1:], strict=True):
            kernel += products(p, q)
        return kernel[:, None, :, None]

    def _check(self, tile: Blocks, start: int) -> None:
        """Compare the outputs with those of the samples that were tried."""
        for row, index in enumerate(self.plan.tried):
            if start <= index < start + len(tile.values):
                check_values(self.plan.values[row], tile.values[index - start])

    def _check_alone(self, x: Any) -> None:
        """Compare the gradient of the last of some samples with that of the sample alone."""
        gradients: list[Tensor] = []
        for batch in (x, rows(x, slice(-1, None))):
            try:
                values = combination(self.function(batch), self.function.output)
            except ValueError as error:  # as BatchNorm, which needs two
                raise MixingError("one sample alone is refused by the module") from error
            gradients.append(jacobian_rows(values[-1:], list(self.parameters.values())))
        check_gradients(gradients[:1], gradients[1:])

    def _size(self, n: int, k: int) -> int:
        """Samples of a tile: two tiles may take half of the memory that the result leaves."""
        item = self.plan.values.element_size()
        many = len(self.outs)
        result = n * k * item * (many**2 if self.full else 1)
        rest = sum(p.numel() for p in self.rest.values()) * item
        held = many if self.full else 1
        each = held * self.plan.bytes_per_sample + many * 2 * rest
        device = self.plan.values.device
        require(2 * result + 2 * each, device, f"the kernel of {n} x {k} samples of this module")
        return max(1, min(max(n, k), int((available(device) - 2 * result) / (4 * each))))


def _fixed() -> torch.Generator:
    return torch.Generator().manual_seed(0)


GRAPH_BYTES = 2**22
"""Bytes of the graph of samples that are differentiated side by side."""
