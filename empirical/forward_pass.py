"""Ordinary forward passes of a module that leave no trace in it.

The module is called as its owner calls it: nothing replaces its parameters. What ``forward``
assigns (a kept activation, a running mean, a list that grows) is put back after each pass, object
for object. Buffers that it writes to are lent to it as copies; whatever else it has written to,
and the states of the random generators, are put back at the end. See ``module_state``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from empirical.batches import called, mapped, tensors
from empirical.module_state import Held, differ, random_states, set_random_states

__all__ = ["BatchError", "ForwardPass", "forward_passes"]


@contextmanager
def forward_passes(module: nn.Module) -> Iterator[ForwardPass]:
    """The module to be run, and at the end, whatever happens, as it was before."""
    states = random_states()
    run = ForwardPass(module)
    try:
        yield run
    finally:
        run.close()
        if differ(states, random_states()):
            set_random_states(states)


class BatchError(ValueError):
    """The module has raised an error for a batch."""


class ForwardPass:
    """A module that can be run; see ``forward_passes``.

    Attributes:
        draws: whether the rehearsal has drawn random numbers.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module, self.draws = module, False
        self._held = Held([part.__dict__ for part in module.modules()])
        self._lent = [entry for entry in self._held.tensors if entry[2].is_inference()]

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
            self._held.put_back()

    def rehearse(self, x: Any) -> Any:
        """A first pass, which refuses dropout and finds out which buffers are written to."""
        states = random_states()
        with _NoDropout():
            value = self(x)
        self.draws = differ(states, random_states())
        written = {id(t) for t in self._held.repair()}
        fixed = {id(p) for p in self.module.parameters()}
        self._lent += [e for e in self._held.tensors if id(e[2]) in written - fixed]
        return value

    def close(self) -> None:
        """Put the bits of all that the module holds back."""
        self._held.repair()


def _uncompiled() -> AbstractContextManager[Any]:
    """Let ``torch.compile`` step aside: a compiled backward may run once only.

    Where its machinery was never loaded there is nothing compiled.
    """
    stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
    if stance is None or "torch._dynamo" not in sys.modules:
        return nullcontext()
    return stance("force_eager")


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
