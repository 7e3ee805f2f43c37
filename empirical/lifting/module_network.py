r"""The description of a module that somebody has written.

    module --run, watched--> units made of units --> layers --numbers of the weights--> Network

and back: the finite network of the description gets the weights of the module and has to be the
same function with the same tangent kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from analytic.network import Network, Readout
from empirical.batches import Batch, constant, count, mapped, rows
from empirical.checks import check_inputs, check_module
from empirical.forward_pass import forward_passes
from empirical.lifting.assumptions import sentences
from empirical.lifting.bare_activations import check_gains, check_gaussian
from empirical.lifting.capture import Capture
from empirical.lifting.choices import CHOICES
from empirical.lifting.constant_factors import with_factors_in
from empirical.lifting.elementwise import ELEMENTWISE
from empirical.lifting.first_layer import first_laws
from empirical.lifting.initial_laws import InitialLaw
from empirical.lifting.inner_functions import with_functions_inside
from empirical.lifting.last_layers import last_layer
from empirical.lifting.linear_maps import PRODUCTS
from empirical.lifting.normalizations import NORMALIZATIONS
from empirical.lifting.numbers_of_parts import Numbers, gains_of, numbers_of
from empirical.lifting.parameter_groups import groups_of, has_parameters, kinds_of
from empirical.lifting.places import LiftingError, refusal
from empirical.lifting.positions import POSITIONS
from empirical.lifting.proof import proved
from empirical.lifting.refused import REFUSED
from empirical.lifting.structure import built, check_wide, network_from
from empirical.lifting.units import InputData, Weights, upstream
from empirical.lifting.watched_runs import check_watched, rehearse, run_watched
from empirical.lifting.widened import Widened
from empirical.precision import double_copy

__all__ = ["ModuleNetwork", "Traced", "network_of", "traced"]

RULES = {**CHOICES, **ELEMENTWISE, **NORMALIZATIONS, **POSITIONS, **PRODUCTS}


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    r"""What a run has shown.

    Attributes:
        units: the outputs before they are read as numbers: the readout.
        data: what the first weights read, (n, channels, \*spatial).
        output: the outputs, shape (n, k).
        trained: names of the parameters that autograd reaches.
    """

    units: Weights
    data: Tensor
    output: Tensor
    trained: tuple[str, ...]


def traced(module: nn.Module, x: Batch) -> Traced:
    """Run a module under watch.

    Raises:
        LiftingError: something in it has no place in a description.
    """
    x = mapped(constant, x)
    watch = Capture(module, x, RULES, REFUSED)
    output, trained = run_watched(module, x, watch)
    value = watch.value(output)
    if (error := watch.why_not(output)) is not None:
        raise error
    if not isinstance(output, Tensor) or value is None:
        what = type(output).__name__ if not isinstance(output, Tensor) else "a function of data"
        raise LiftingError(
            f"expected a module that returns a tensor of units, got {what}; wrap it in one that"
            " returns the outputs of its last linear layer"
        )
    units = last_layer(replace(value, units=with_factors_in(with_functions_inside(value.units))))
    data = [one for one in upstream(units) if isinstance(one, InputData)]
    if len(data) > 1:
        raise refusal(
            "first layers that read the same data", data[1].place,
            "others read other data, and a description has one input",
            "concatenate the inputs in front of one first layer",
        )  # fmt: skip
    (read,) = [tensor for one, tensor in watch.read if one is data[0]]
    return Traced(units, read, output.detach().reshape(len(output), -1), tuple(trained))


@dataclass(frozen=True, slots=True, eq=False)
class ModuleNetwork:
    """The description of a module.

    Attributes:
        network: the description, with the rates that the module's parametrisation has at its
            widths; its kernel is the limit of the module's tangent kernel.
        width: that of the narrowest layer, in units of which those of all others are given.
        widths: units of every layer with weights, in order.
        groups: names of the parameters of every layer that has some, and of the readout last.
        assumptions: what was found and assumed, one sentence each.
        module: a copy in float64, as it was when it was described.
        first: the laws of weights and biases, as they enter the sums, of each layer that reads
            the data, in order; None if all their units are Gaussian.
        normal: whether all numbers that are drawn are independent normal ones, as those of the
            finite network of the description, so that its law at finite width is that of modules.
    """  # eight fields: one question each

    network: Network
    width: int
    widths: tuple[int, ...]
    groups: tuple[tuple[str, ...], ...]
    assumptions: tuple[str, ...]
    module: nn.Module
    first: tuple[tuple[InitialLaw, InitialLaw], ...] | None
    normal: bool

    @property
    def named_groups(self) -> dict[str, tuple[str, ...]]:
        """Trained parameters of the module by the names that ``kernel_shares`` gives their groups.

        Example:
            >>> _ = torch.manual_seed(0)
            >>> module = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 1, bias=False))
            >>> network_of(module, torch.eye(3)).named_groups["layers.0.bias"]
            ('0.bias',)
        """
        steps = enumerate(self.network.steps)
        layers = [(f"layers.{at}", step) for at, step in steps if has_parameters(step)]
        return {
            f"{place}.{kind}": (name,)
            for (place, step), names in zip([*layers, ("readout", None)], self.groups, strict=True)
            for kind, name in zip(kinds_of(step, len(names)), names, strict=True)
            if self.module.get_parameter(name).requires_grad
        }

    def inputs(self, x: Batch) -> Tensor:
        r"""What the first weights of the module read, as the network reads it, in float64.

        Args:
            x: inputs of the module.

        Returns:
            shape (n, d) or (n, channels, \*spatial).
        """
        with Widened():
            return traced(self.module, mapped(_double, x)).data

    def __str__(self) -> str:
        lines = "\n".join(f"  - {sentence}" for sentence in self.assumptions)
        return f"{self.network}\nwidth {self.width}, layers {self.widths}\n{lines}"


def _double(t: Tensor) -> Tensor:
    t = t.detach().cpu()
    return t.double() if t.is_floating_point() else t


def network_of(
    module: nn.Module,
    x: Batch,
    *,
    laws: Mapping[str, InitialLaw] | None = None,
    draws: Sequence[nn.Module] = (),
) -> ModuleNetwork:
    """The description of a module at its initialisation.

    A copy of the module in float64 is run once and watched; what it computes becomes layers, and
    the laws of its parameters standard deviations and rates (docs/howto/lifted.md). Then the finite
    network of the description gets the weights of the copy: its outputs and its tangent kernel have
    to be the same to 1e-12.

    Args:
        module: as it was initialised, in eval mode; with one output or several, which are
            independent in the limit and have the same kernel.
        x: at least one input; two are best.
        laws: of parameters whose initialiser is not to be guessed from their numbers, by patterns
            of names such as ``"blocks.*.weight"``.
        draws: other modules of the same kind with weights of their own, whose numbers help to
            decide between laws where one module has few.

    Returns:
        the record ``ModuleNetwork``.

    Raises:
        LiftingError: the limit of the module is of another kind or not known here; the message
            names the call, its line, why, and what is nearest. Or the module is trained.
        TypeError: the module is none, or dtypes differ.
        ValueError: the inputs do not fit, the module is random or on another device.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> module = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 1))
        >>> for layer in (module[0], module[2]):
        ...     _ = nn.init.normal_(layer.weight), nn.init.zeros_(layer.bias)
        >>> network_of(module, torch.eye(3)).widths
        (64,)
    """
    first = next(iter(check_module(module).values()))
    check_inputs("x", x, first)
    check_watched(module)
    copy = double_copy(module, torch.float64).cpu()
    whole = mapped(_double, x)
    probe = rows(whole, slice(0, 2)) if count(whole) > 1 else mapped(_doubled, whole)
    with Widened(), forward_passes(copy) as run:
        rehearse(run, probe, whole)
        seen = traced(copy, probe)
        return _described(copy, seen, whole, laws or {}, draws)


def _doubled(t: Tensor) -> Tensor:
    """Two inputs of one."""
    return torch.cat([t, t * 0.75 if t.is_floating_point() else t])


def _described(
    module: nn.Module,
    seen: Traced,
    x: Any,
    laws: Mapping[str, InitialLaw],
    draws: Sequence[nn.Module],
) -> ModuleNetwork:
    ahead = [one for one in upstream(seen.units) if isinstance(one, Weights)]
    check_wide(ahead[:-1])
    read = numbers_of(ahead, seen.trained, laws, draws)
    found = {id(one): numbers for one, numbers in zip(ahead, read, strict=True)}
    width = min(one.shape[0] for one in ahead[:-1])
    keywords = {
        key: numbers.keywords | {"width_ratio": one.shape[0] / width}
        for one in ahead
        for key, numbers in [(id(one), found[id(one)])]
    } | gains_of(seen.units, seen.trained)
    stack = built(seen.units.source, keywords)
    parts = (*stack.parts, seen.units)
    numbers = [found[id(part)] for part in parts]
    check_gaussian(seen.units)
    check_gains(seen.units, seen.trained)
    network = network_from((*stack.layers, Readout(**numbers[-1].keywords)))
    texts = list(sentences(module, stack, seen.units, numbers, seen.trained, seen.data))
    texts.append(_proof(module, x, seen, parts, numbers, width))
    return ModuleNetwork(
        network, width, tuple(part.shape[0] for part in stack.parts),
        groups_of(network, parts, stack.normalised, frozenset(seen.trained)), tuple(texts), module,
        first_laws(parts, numbers), all(map(_is_normal, numbers)),
    )  # fmt: skip


def _is_normal(one: Numbers) -> bool:
    laws = [law for law in (one.law, one.bias_law) if law is not None]
    return all(law.family in ("normal", "constant") and law.name != "measured" for law in laws)


def _proof(
    module: nn.Module,
    x: Any,
    seen: Traced,
    parts: tuple[Weights, ...],
    numbers: list[Numbers],
    width: int,
) -> str:
    """The comparison at two inputs, others than those of the run if there are some."""
    images = len(seen.data.shape) > 2
    spread = traced(module, rows(x, slice(0, 8 if images else 64))).data
    if count(x) >= 4:
        x = rows(x, slice(2, 4))
        seen = traced(module, x)
    else:
        x = rows(x, slice(0, 2)) if count(x) > 1 else mapped(_doubled, x)
    return proved(module, x, seen.data, parts, numbers, width, seen.trained, spread)
