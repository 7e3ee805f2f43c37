r"""A run of a module that remembers every use of a parameter.

Whatever torch function receives a parameter passes by here: layers, bare parameters in a
custom forward, ``functional.linear(x, self.weight.T)``. With a rule for the function the use
is remembered; without one the parameter is marked, and its gradients are taken sample by
sample. W^T and c W stand for W. What does not pass by here (an assignment to entries, a custom
autograd function, compiled code) is found in the graph of the backward pass: a parameter that
can be reached in it by another way than its remembered uses has others.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from empirical.layerwise.graph import node_of, reached
from empirical.layerwise.rules import RULES, Share

__all__ = ["Recorder", "Use"]


_Nodes = Sequence[tuple[int, Node | None]]
"""The tensors among some arguments, by id, and what made each."""


@dataclass(frozen=True, slots=True)
class Alias:
    """A tensor that is factor W or factor W^T, as long as ``node`` is what made it."""

    tensor: Tensor
    parameter: nn.Parameter
    node: Node | None
    factor: float = 1.0
    transposed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One use of a parameter, h = operation(..., W, ...).

    Attributes:
        alias: the parameter.
        edge: where df/dh arrives in the backward pass, even if h is overwritten later.
        shape: of h.
        share: df/dh and the place of the samples -> gradients.
        call: the number of the operation in the run.
    """

    alias: Alias
    edge: GradientEdge
    shape: torch.Size
    share: Share
    call: int


class Recorder(TorchFunctionMode):
    """Remembers the uses of some parameters while it is active.

    Attributes:
        uses: in the order of the calls.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        super().__init__()
        self.uses: list[Use] = []
        self._unruled: dict[int, str] = {}
        self._known: dict[Node, list[Node | None]] = {}
        self._aliases = {id(p): Alias(p, p, node_of(p)) for p in parameters}

    def follow(self, values: Tensor) -> dict[int, str]:
        """Keep the uses that the outputs depend on, and find what else was used.

        Returns:
            why a parameter (by id) has no rule, for all that have a use without one.
        """
        found = reached(node_of(values), self._known)
        self.uses = [use for use in self.uses if use.edge.node in found]
        own = [a for a in self._aliases.values() if a.tensor is a.parameter and a.node in found]
        return {id(a.parameter): self._reason(a.parameter) for a in own}

    def _reason(self, parameter: nn.Parameter) -> str:
        name = self._unruled.get(id(parameter))
        return f"{name} has no rule" if name else "a use of it was not seen"

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        _refuse_randomness(func, args, kwargs)
        tensors = list(_tensors([args, kwargs]))
        if not any(id(t) in self._aliases for t in tensors):
            return func(*args, **kwargs)
        if func not in RULES and _composite(func):
            with self:
                return _inside(func)(*args, **kwargs)
        nodes = [(id(t), node_of(t)) for t in tensors]
        result = func(*args, **kwargs)
        if any(t.requires_grad for t in _tensors([result])):
            self._remember(func, args, kwargs, nodes, result)
        return result

    def _remember(self, func: Any, args: Any, kwargs: Any, nodes: _Nodes, result: Any) -> None:
        alias = self._derived(func, args, result, nodes)
        if alias is not None:
            self._aliases[id(result)] = alias
            return
        shares = RULES[func](*args, **kwargs) if func in RULES else None
        call = self.uses[-1].call + 1 if self.uses else 0
        met = [key for key, node in nodes if self._fresh(key, node)]
        ruled = [(id(t), share) for t, share in shares or [] if id(t) in met]
        for key, share in ruled:
            own = self._aliases[key]
            self.uses.append(Use(own, get_gradient_edge(result), result.shape, share, call))
        covered = {key for key in met if met.count(key) == [k for k, _ in ruled].count(key)}
        if ruled:
            self._known[get_gradient_edge(result).node] = [n for k, n in nodes if k not in covered]
        for key in {*met} - covered:
            name = getattr(func, "__name__", str(func))
            self._unruled.setdefault(id(self._aliases[key].parameter), name)

    def _fresh(self, key: int, node: Node | None) -> bool:
        """Whether a tensor is an alias that was not written to since."""
        return key in self._aliases and self._aliases[key].node is node

    def _derived(self, func: Any, args: Any, result: Any, nodes: _Nodes) -> Alias | None:
        """The alias that ``result`` is, if it is one."""
        own = self._aliases[nodes[0][0]] if self._fresh(*nodes[0]) else None
        if own is None or not isinstance(result, Tensor):
            return None
        made = node_of(result)
        if func in _TRANSPOSE and own.tensor.ndim == 2 and {*args[1:]} in ({0, 1}, set()):
            return Alias(result, own.parameter, made, own.factor, not own.transposed)
        number = args[1] if len(args) == 2 else None
        if func in _MULTIPLY and isinstance(number, int | float):
            return Alias(result, own.parameter, made, own.factor * number, own.transposed)
        if func in _DIVIDE and isinstance(number, int | float):
            return Alias(result, own.parameter, made, own.factor / number, own.transposed)
        return None


_TRANSPOSE = {
    Tensor.t, torch.t, Tensor.transpose, torch.transpose,
    Tensor.T.__get__, Tensor.mT.__get__,  # pyright: ignore[reportAttributeAccessIssue]
}  # fmt: skip
_MULTIPLY = {torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__}
_DIVIDE = {torch.div, Tensor.div, Tensor.__truediv__}


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())


def _composite(func: Any) -> bool:
    """Whether func is written in Python out of other functions, as attention is."""
    return isinstance(func, types.FunctionType) and func.__module__ == functional.__name__


def _inside(func: types.FunctionType) -> types.FunctionType:
    """The same function, but its body is run instead of being handed to the mode again."""
    quiet = dict.fromkeys(
        ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic"),
        lambda *_: False,
    )
    body = types.FunctionType(
        func.__code__,
        {**func.__globals__, **quiet},
        func.__name__,
        func.__defaults__,
        func.__closure__,
    )
    body.__kwdefaults__ = func.__kwdefaults__
    return body


_DROPOUT = {
    functional.dropout,
    functional.dropout1d,
    functional.dropout2d,
    functional.dropout3d,
    functional.alpha_dropout,
    functional.feature_alpha_dropout,
}


def _refuse_randomness(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    if func in _DROPOUT:
        p, training = (*args, *(None,) * 3)[1:3]
        default = functional.dropout.__defaults__ or (0.5, True)
        p = kwargs.get("p", default[0] if p is None else p)
        if p > 0 and kwargs.get("training", default[1] if training is None else training):
            raise ValueError(
                f"expected a function of its inputs, got {func.__name__} in training mode, whose"
                " kernel would be random; call module.eval()"
            )
    if func is functional.batch_norm and kwargs.get(
        "training", args[5] if len(args) > 5 else False
    ):
        raise ValueError(
            "expected samples that do not meet, got batch_norm with the statistics of the batch,"
            " which mixes them; call module.eval() with running statistics"
        )
