"""One run of a module, watched: which units every tensor stands for.

The module runs as torch runs it, on a few inputs, and every function of torch that it calls is
seen with its line. Sizes are numbers, so that shapes may decide what ``forward`` does; a decision
that reads a tensor is seen as well, and refused. Neither ``torch.fx``, whose proxies have no
shapes, nor ``torch.export``, which takes seconds and gives one operation of the tensor library
for several of ``forward``, was as near to what the user has written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_leaves

from empirical.batches import tensors
from empirical.lifting.calls import FunctionCall, Value
from empirical.lifting.places import LiftingError, Location, place_of_call, refusal
from empirical.lifting.units import Beside, InputData, Matrix

__all__ = ["SAME", "Capture", "Rule"]

_RANDOM = {"units", "data", "refused", "opaque"}
_LIKE = frozenset({"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"})
"""What makes constants of the shape of a tensor."""
_READ = frozenset({
    "bool", "item", "float", "int", "index", "tolist", "numpy", "array", "allclose", "equal",
    "is_nonzero", "complex",
})  # fmt: skip
"""What makes a number for Python of the numbers in a tensor."""


Rule = Callable[["Capture", FunctionCall], "Value | Matrix | None"]
"""What the result of a call stands for; None if the rule does not know."""


@dataclass(eq=False)
class Seen:
    """What is known of the tensors of a run, by id; they are kept, so that no id is used again."""

    values: dict[int, Value] = field(default_factory=dict)
    matrices: dict[int, Matrix] = field(default_factory=dict)
    opaque: dict[int, Location] = field(default_factory=dict)
    refused: dict[int, tuple[LiftingError, Location | None]] = field(default_factory=dict)
    data: set[int] = field(default_factory=set)
    kept: list[Tensor] = field(default_factory=list)


class Capture(TorchFunctionMode):
    """Watches a run.

    Args:
        module: that is run.
        x: its inputs.
        rules: for the functions, by name.
        refused: why others have no place, and what is nearest, by name.
    """

    def __init__(
        self,
        module: nn.Module,
        x: Any,
        rules: Mapping[str, Rule],
        refused: Mapping[str, tuple[str, str]],
    ) -> None:
        super().__init__()
        self.names = {id(part): name for name, part in module.named_modules()}
        self.seen = Seen()
        self.read: list[tuple[InputData, Tensor]] = []
        self.beside: list[Beside] = []
        self._rules, self._refused = rules, refused
        for name, p in module.named_parameters():
            self.seen.matrices[id(p)] = Matrix(name, p)
        for _, t in tensors("x", x):
            self.seen.data.add(id(t))

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """The function itself, after which its result is noted."""
        kwargs = kwargs or {}
        path = resolve_name(func) or getattr(func, "__name__", "a function")
        parts = [part for part in path.split(".") if part != "__get__"]
        before = self._kinds((args, kwargs))
        result = func(*args, **kwargs)
        place = place_of_call(parts[-1].strip("_"), self.names)
        self._note(FunctionCall(place.function, tuple(args), kwargs, result, place), before)
        return result

    def value(self, tensor: Any) -> Value | None:
        """What a tensor stands for, None if it is none, or not units."""
        return self.seen.values.get(id(tensor)) if isinstance(tensor, Tensor) else None

    def matrix(self, tensor: Any) -> Matrix | None:
        """The parameter that a tensor is, but for a factor."""
        return self.seen.matrices.get(id(tensor)) if isinstance(tensor, Tensor) else None

    def is_data(self, tensor: Any) -> bool:
        """Whether a tensor is a function of the inputs alone."""
        return id(tensor) in self.seen.data

    def number(self, value: Any) -> float | None:
        """A constant, None if it is none."""
        if isinstance(value, bool | int | float):
            return float(value)
        if not isinstance(value, Tensor) or value.requires_grad or self._kinds(value) & _RANDOM:
            return None
        with torch._C.DisableTorchFunction():
            first = value.detach().flatten()[:1]
            same = value.numel() > 0 and bool((value == first).all())
            return float(first) if same else None

    def reading(self, tensor: Tensor, axes: tuple[int, ...], place: Location) -> Value:
        """Data as the units that weights read; the same numbers are the same data."""
        whole = tensor.detach().permute([axes.index(k) for k in range(len(axes))])
        for data, known in self.read:
            if known.shape == whole.shape and torch.equal(known, whole):
                return Value(data, axes)
        data = InputData(tuple(whole.shape[1:]), place)
        self.read.append((data, whole))
        return Value(data, axes)

    def why_not(self, tensor: Any) -> LiftingError | None:
        """Why a tensor has no place in a description, if that is known."""
        return self.seen.refused.get(id(tensor), (None, None))[0]

    def keep(self, tensor: Tensor, meaning: Value | Matrix) -> None:
        """Note what a tensor stands for."""
        self._forget(tensor)
        if isinstance(meaning, Value):
            self.seen.values[id(tensor)] = meaning
        else:
            self.seen.matrices[id(tensor)] = meaning

    def _forget(self, tensor: Tensor) -> None:
        seen = self.seen
        for table in (seen.values, seen.matrices, seen.opaque, seen.refused):
            table.pop(id(tensor), None)
        self.seen.data.discard(id(tensor))
        self.seen.kept.append(tensor)

    def _kinds(self, arguments: Any) -> set[str]:
        """What kinds of tensors are among the arguments, and inside lists of them."""
        kinds: set[str] = set()
        for t in _tensors(arguments):
            for kind, table in (
                ("units", self.seen.values), ("parameters", self.seen.matrices),
                ("opaque", self.seen.opaque), ("data", self.seen.data),
                ("refused", self.seen.refused),
            ):  # fmt: skip
                if id(t) in table:
                    kinds.add(kind)
        return kinds

    def _note(self, call: FunctionCall, kinds: set[str]) -> None:
        results = list(_tensors(call.result))
        if not kinds or call.name in _LIKE:
            return
        if not results:
            if call.name in _READ and kinds & {"units", "data", "refused"}:
                raise refusal(
                    "a forward that does the same for all inputs",
                    call.place,
                    "a number for Python is read from a tensor that depends on them, so that what"
                    " is computed may depend on the input",
                    "let shapes and constants decide, or pass the part behind the decision",
                )
            return
        if kinds == {"data"}:
            self._note_data(results)
        elif kinds & {"units", "data", "refused"}:
            self._note_units(call, kinds, results)
        else:
            self._note_parameters(call, results)

    def _note_data(self, results: Sequence[Tensor]) -> None:
        for t in results:
            self._forget(t)
            self.seen.data.add(id(t))

    def _note_parameters(self, call: FunctionCall, results: Sequence[Tensor]) -> None:
        meaning = self._rules[call.name](self, call) if call.name in _OF_MATRICES else None
        for t in results:
            if isinstance(meaning, Matrix):
                self.keep(t, meaning)
            elif id(t) not in self.seen.matrices:
                self._forget(t)
                self.seen.opaque[id(t)] = call.place

    def _note_units(self, call: FunctionCall, kinds: set[str], results: Sequence[Tensor]) -> None:
        for t in _tensors((call.args, call.kwargs)):
            if id(t) in self.seen.opaque:
                raise refusal(
                    "weights that are parameters, or a number times one",
                    self.seen.opaque[id(t)],
                    "the weights are another function of parameters, whose law is not the"
                    " initialiser's",
                    "use the parameter itself, or multiply it by a constant",
                )
            error, known = self.seen.refused.get(id(t), (None, None))
            if error is not None and (known or call.name not in self._refused):
                error = self._in_a_product(call, known) or error
                break
        else:
            rule = self._rules.get(call.name)
            meaning = None if rule is None or "refused" in kinds else rule(self, call)
            if isinstance(meaning, Value) and isinstance(call.result, Tensor):
                self.keep(call.result, meaning)
                return
            name = "unsqueeze" if call.name == "getitem" and _lengthens(call) else call.name
            names = [f"{name} in {call.place.module.split()[0]}", name]
            names[:0] = [] if kinds & {"units", "refused"} else [f"{name} of data"]
            found = next((self._refused[key] for key in names if key in self._refused), None)
            known = call.place if found else None
            why, instead = found or _unknown("units" in kinds)
            error = refusal(_EXPECTED, call.place, why, instead)
        for t in results:  # it counts only if the outputs depend on it
            self._forget(t)
            self.seen.refused[id(t)] = error, known

    def _in_a_product(self, call: FunctionCall, known: Location | None) -> LiftingError | None:
        """Why a function has no place whose result is multiplied with units, if that matters."""
        found = self._refused.get(f"{known.function} in a product") if known else None
        if found is None or known is None or call.name not in _PRODUCTS:
            return None
        return refusal(_EXPECTED, known, *found)


_EXPECTED = "a module of weights and pointwise functions"
_PRODUCTS = frozenset(
    {"matmul", "rmatmul", "bmm", "mm", "mul", "rmul", "imul", "einsum", "baddbmm"}
)
SAME = frozenset({
    "alias", "bfloat16", "clone", "contiguous", "data", "detach", "double", "float", "half",
    "identity", "positive", "requires_grad", "to", "type", "type_as",
})  # fmt: skip
"""What leaves all numbers as they are, but for their format."""
_OF_MATRICES = SAME | {"T", "t", "transpose", "mT", "mul", "div", "neg", "rmul", "truediv"}


def _lengthens(call: FunctionCall) -> bool:
    """Whether an index adds an axis."""
    index = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
    return any(entry is None for entry in index)


def _unknown(units: bool) -> tuple[str, str]:
    if units:
        return (
            "nothing is known here of what it makes of random units at infinite width",
            "write it with linear layers, convolutions, pointwise functions, sums and averages, or"
            " describe the network with analytic.Network",
        )
    return (
        "it joins parameters and data in another way than a linear layer or a convolution",
        "let a linear layer read the data",
    )


def _tensors(values: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor))
