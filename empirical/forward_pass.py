"""Ordinary forward passes of a module that leave no trace in it.

The module is called as its owner calls it: nothing replaces its parameters. What ``forward``
assigns (a kept activation, a running mean, a list that grows) is put back after each pass, object
for object. Buffers that it writes to are lent to it as copies; whatever else it has written to,
and the states of the random generators, are put back at the end.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from empirical.batches import called, mapped, tensors

__all__ = ["BatchError", "ForwardPass", "forward_passes"]


@contextmanager
def forward_passes(module: nn.Module) -> Iterator[ForwardPass]:
    """The module to be run, and at the end, whatever happens, as it was before."""
    states = _random_states()
    run = ForwardPass(module)
    try:
        yield run
    finally:
        run.close()
        if _differ(states, _random_states()):
            _set_random_states(states)


class BatchError(ValueError):
    """The module has raised an error for a batch."""


class ForwardPass:
    """A module that can be run; see ``forward_passes``.

    Attributes:
        draws: whether the rehearsal has drawn random numbers.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module, self.draws = module, False
        self._objects = _Objects([part.__dict__ for part in module.modules()])
        self._bits = [(t, t.detach().clone()) for _, _, t in self._objects.tensors if _plain(t)]
        self._lent = [entry for entry in self._objects.tensors if entry[2].is_inference()]

    def __call__(self, x: Any) -> Any:
        """What the module makes of a batch; it gets a copy, and may write to it."""
        try:
            for container, key, tensor in self._lent:
                container[key] = tensor.clone()
            with _uncompiled():
                return called(self.module, mapped(torch.clone, x))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, IndexError) as error:
            shapes = ", ".join(str(tuple(t.shape)) for _, t in tensors("x", x))
            raise BatchError(
                f"expected a batch that {type(self.module).__name__} can take, got shape {shapes}:"
                f" {str(error).splitlines()[0]}; match what its forward expects"
            ) from error
        except TypeError as error:
            if "argument" not in str(error):
                raise
            raise TypeError(
                f"expected x with as many arguments as the forward of {type(self.module).__name__}"
                f" takes, got {len(list(tensors('x', x)))} ({error}); pass a tuple or dict of"
                " tensors with the samples first, and keep what belongs to all in the module"
            ) from error
        finally:
            self._objects.put_back()

    def rehearse(self, x: Any) -> Any:
        """A first pass, which refuses dropout and finds out which buffers are written to."""
        states = _random_states()
        with _NoDropout():
            value = self(x)
        self.draws = _differ(states, _random_states())
        written = {id(t) for t in self._repair()}
        fixed = {id(p) for p in self.module.parameters()}
        self._lent += [e for e in self._objects.tensors if id(e[2]) in written - fixed]
        return value

    def close(self) -> None:
        """Put the bits of all tensors back."""
        self._repair()

    def _repair(self) -> list[Tensor]:
        changed = [(t, kept) for t, kept in self._bits if not _same(t, kept)]
        with torch.no_grad():
            for tensor, kept in changed:
                tensor.data.copy_(kept) if tensor.is_inference() else tensor.copy_(kept)
        return [tensor for tensor, _ in changed]


def _uncompiled() -> AbstractContextManager[Any]:
    """Let ``torch.compile`` step aside: a compiled backward may run once only.

    Where its machinery was never loaded there is nothing compiled.
    """
    stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
    if stance is None or "torch._dynamo" not in sys.modules:
        return nullcontext()
    return stance("force_eager")


_Entry = tuple[Any, Any, Tensor]
"""A container, a key and the tensor there."""


class _Objects:
    """What the dictionaries of a module and the containers in them hold.

    Args:
        roots: the dictionaries.
    """

    def __init__(self, roots: Sequence[dict[str, Any]]) -> None:
        self.held: list[tuple[Any, Any]] = []
        self.tensors: list[_Entry] = []
        met: set[int] = set()
        for root in roots:
            self._visit(root, met, 0)

    def _visit(self, container: Any, met: set[int], depth: int) -> None:
        if id(container) in met or depth > 4:
            return
        met.add(id(container))
        self.held.append((container, container.copy()))
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in list(entries):
            if isinstance(value, Tensor) and not isinstance(container, set | deque):
                if id(value) not in met:
                    self.tensors.append((container, key, value))
                    met.add(id(value))
            elif isinstance(value, dict | list | set | deque) and hasattr(value, "copy"):
                self._visit(value, met, depth + 1)

    def put_back(self) -> None:
        for container, before in self.held:
            if not _identical(container, before):
                _refill(container, before)


def _identical(container: Any, before: Any) -> bool:
    if len(container) != len(before):
        return False
    if isinstance(container, set):
        return container == before
    if isinstance(container, dict):
        pairs = zip(container.items(), before.items(), strict=True)
        return all(k is q and v is w for (k, v), (q, w) in pairs)
    return all(v is w for v, w in zip(container, before, strict=True))


def _refill(container: Any, before: Any) -> None:
    if isinstance(container, dict):
        for key in [key for key in container if key not in before]:
            del container[key]
        container.update({k: v for k, v in before.items() if container.get(k, before) is not v})
        if list(container) == list(before):
            return
        container.clear()  # an entry was taken out: the order counts as well
        container.update(before)
    elif isinstance(container, list):
        container[:] = before
    else:
        container.clear()
        (container.update if isinstance(container, set) else container.extend)(before)


def _plain(tensor: Tensor) -> bool:
    """Whether a tensor has bits of its own that can be compared."""
    return tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_meta


def _same(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or torch.equal(a, b):
        return a.shape == b.shape
    return bool(((a == b) | ((a != a) & (b != b))).all())  # NaN stays NaN


def _random_states() -> list[Any]:
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state(d) for d in devices)]
    return [random.getstate(), np.random.get_state(), *states]


def _set_random_states(states: Sequence[Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    for device, state in enumerate(states[3:]):
        torch.cuda.set_rng_state(state, device)


def _differ(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether some generator has moved on."""
    numpy = any(not np.array_equal(p, q) for p, q in zip(a[1], b[1], strict=True))
    return (
        a[0] != b[0]
        or numpy
        or any(not torch.equal(p, q) for p, q in zip(a[2:], b[2:], strict=False))
    )


_DROPOUT: dict[Callable[..., Any], str] = {
    getattr(functional, name): name
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
                 "feature_alpha_dropout")
}  # fmt: skip


class _NoDropout(TorchFunctionMode):
    """Refuses dropout in training mode, wherever it is called."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DROPOUT:
            defaults = functional.dropout.__defaults__ or (0.5, True)
            p, training = (
                kwargs.get(n, d) for n, d in zip(("p", "training"), defaults, strict=False)
            )
            p, training = (
                (args[1] if len(args) > 1 else p),
                (args[2] if len(args) > 2 else training),
            )
            if p > 0 and training:
                raise ValueError(
                    f"expected a function of its inputs, got {_DROPOUT[func]} in training mode,"
                    " whose kernel would be random; call module.eval()"
                )
        return func(*args, **kwargs)
