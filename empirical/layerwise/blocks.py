r"""Forward and backward for a block of samples, and the kernel of two blocks.

    K_0(a, b) = sum over parameters of <G_a, G_b>

with the per-sample gradients G as sums of outer products, see ``gradients``. One forward
pass and one backward pass for each output serve all samples of a block: no sample meets
another one, so that the derivative of sum_a f(x_a) is that of every f(x_a) in its own rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from empirical.layerwise.capture import Recorder, Use
from empirical.layerwise.gradients import Gradient, beside, inner, stacked
from empirical.layerwise.samples import Samples

__all__ = ["Block", "MisfitError", "Place", "contract", "gradient_of", "outputs", "record"]

Place = tuple[int, Samples | None]
"""The id of the parameter of a use, and where its samples are; None without a rule."""


class MisfitError(Exception):
    """The module did something else with these samples than with the first ones."""


def outputs(value: object, count: int) -> Tensor:
    """The outputs as (n, k); raises ``ValueError`` if they are neither (n,) nor (n, k)."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"expected a tensor as output, got {type(value).__name__}; wrap the module in one"
            " that returns a tensor"
        )
    if not value.is_floating_point():
        raise TypeError(
            f"expected outputs of a real floating dtype, got {value.dtype}; return real numbers"
        )
    if count == 1 and value.ndim < 2:
        value = value.reshape(1, -1)  # a module that squeezes its output
    if value.ndim not in (1, 2) or len(value) != count or value.numel() == 0:
        raise ValueError(
            f"expected outputs of shape (n,) or (n, k), got {tuple(value.shape)} for a"
            f" batch of {count};"
            " wrap the module in one that returns this shape"
        )
    return value[:, None] if value.ndim == 1 else value


def record(
    module: nn.Module, x: Tensor, parameters: Sequence[nn.Parameter]
) -> tuple[Tensor, list[Use], dict[int, str]]:
    """Run the module.

    Returns:
        outputs (n, k), the uses of parameters that they depend on, and the parameters (by id)
        with uses that have no rule, with the reason.
    """
    recorder = Recorder(parameters)
    with recorder:
        value = module(x)
    values = outputs(value, len(x))
    unruled = recorder.follow(values)
    return values, recorder.uses, unruled


class Block:
    """Some samples: the uses of the parameters, and df/dh at each of them.

    Args:
        module: the module.
        x: the samples.
        parameters: those to follow.
        places: for each use in order, as found on a few samples.

    Raises:
        MisfitError: the uses are not those of ``places``.
    """

    def __init__(
        self,
        module: nn.Module,
        x: Tensor,
        parameters: Sequence[nn.Parameter],
        places: Sequence[Place],
    ) -> None:
        self.values, uses, unruled = record(module, x, parameters)
        self.uses: list[tuple[Use, Samples]] = []
        self._latest: tuple[int, list[Tensor | None]] = (-1, [])
        if all(place is None for _, place in places):
            return
        met = [id(use.alias.parameter) for use in uses]
        if met != [key for key, _ in places]:
            raise MisfitError("the module used its parameters in another order")
        if any(key in unruled for key, place in places if place is not None):
            raise MisfitError("the module used its parameters in other ways")
        for use, (_, place) in zip(uses, places, strict=True):
            if place is not None:
                if use.shape[place.axis] % len(x) != 0:
                    raise MisfitError(f"{tuple(use.shape)} is not made of {len(x)} samples")
                self.uses.append((use, Samples(place.axis, len(x), place.first)))

    def signals(self, output: int) -> list[Tensor | None]:
        """df/dh for each use."""
        if self._latest[0] != output and self.uses:
            edges = [use.edge for use, _ in self.uses]
            with torch.enable_grad():
                total = self.values[:, output].sum()
            found = torch.autograd.grad(total, edges, retain_graph=True, allow_unused=True)
            self._latest = (output, list(found))
        return self._latest[1]

    def gradients(self, group: Sequence[int], signals: Sequence[Tensor | None]) -> list[Gradient]:
        """Those with respect to parameters that are used together, as few as may be."""
        found = [self._gradient(key, signals) for key in group]
        return beside([gradient for gradient in found if gradient is not None])

    def _gradient(self, key: int, signals: Sequence[Tensor | None]) -> Gradient | None:
        """The gradients with respect to one parameter: the sum over its uses."""
        shares = [
            gradient_of(use, signal, samples)
            for (use, samples), signal in zip(self.uses, signals, strict=True)
            if id(use.alias.parameter) == key and signal is not None
        ]
        return reduce(add, shares) if shares else None


def gradient_of(use: Use, signal: Tensor, samples: Samples) -> Gradient:
    """The gradients of one use with respect to the parameter itself."""
    share = use.share(signal, samples)
    if share is None:
        raise MisfitError("a rule did not cover a use")
    alias = use.alias
    if alias.transposed or alias.factor != 1:
        return share.transposed(alias.factor, alias.transposed)
    return share


def contract(
    a: Block,
    b: Block,
    groups: Sequence[Sequence[int]],
    outs: Sequence[int],
    full: bool,
    row: int | None = None,
) -> tuple[Tensor, float]:
    """The share of some parameters in the kernel of two blocks.

    Args:
        a: n samples.
        b: k samples, or the same block.
        groups: ids of the parameters, together where they are used together.
        outs: the outputs.
        full: whether all pairs of outputs are wanted, or the sum over equal ones.
        row: a sample of a.

    Returns:
        shape (n, k), or (n, len(outs), k, len(outs)); and |df/dtheta|^2 for the sample ``row``,
        summed over the outputs.
    """
    n, m, norm = len(a.values), len(b.values), 0.0
    passes = [list(outs)] if full else [[output] for output in outs]
    count = len(passes[0])  # several outputs of n samples are treated as one of more samples
    kernel = a.values.new_zeros(n * count, m * count)
    for chosen in passes:
        of_a = [a.signals(output) for output in chosen]
        of_b = of_a if a is b else [b.signals(output) for output in chosen]
        for group in groups:
            left = _stack(a, group, of_a)
            right = left if a is b else _stack(b, group, of_b)
            for g, h in zip(left, right, strict=True):
                kernel += inner(g, h)
                for i in range(0 if row is None else row, 0 if row is None else n * count, n):
                    one = g.sample(i)
                    norm += float(inner(one, one))
    kernel = kernel.reshape(count, n, count, m).permute(1, 0, 3, 2) if full else kernel
    return kernel, norm


def _stack(
    block: Block, group: Sequence[int], signals: Sequence[Sequence[Tensor | None]]
) -> list[Gradient]:
    """Gradients of several outputs as gradients of more samples."""
    found = [block.gradients(group, of_output) for of_output in signals]
    known = max(found, key=len)
    filled = [gradients or [g.zeros() for g in known] for gradients in found]
    return [stacked(list(same)) for same in zip(*filled, strict=True)]
