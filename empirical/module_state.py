"""What a module holds, so that it can be put back after a run, object for object and bit for bit.

Its tensors with their gradients, its containers, the objects of its own (a cache, a counter, a
module that is not registered), arrays and random generators. What the standard library and the
frameworks hold inside their own objects (locks, pools of threads) is left alone.
"""

from __future__ import annotations

import random
import sys
import types
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Held", "differ", "random_states", "set_random_states"]

DEEPEST_CONTAINER = 6
"""How many containers within one another are looked into."""


class Held:
    """What the dictionaries of a module and the objects in them hold.

    Args:
        roots: the dictionaries.

    Attributes:
        tensors: each once, as (container, key, tensor).
    """

    def __init__(self, roots: Sequence[dict[str, Any]]) -> None:
        self.tensors: list[tuple[Any, Any, Tensor]] = []
        self._containers: list[tuple[Any, Any]] = []
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self._generators: list[tuple[Callable[[Any], Any], Any]] = []
        met: set[int] = set()
        for root in roots:
            self._visit(root, met, 0)
        own = [t for _, _, t in self.tensors]
        self._bits = [(t, t.detach().clone()) for t in own if _plain(t)]
        self._leaves = [(t, t.requires_grad, t.grad) for t in own if t.is_leaf and not _kept(t)]
        slopes = [g for _, _, g in self._leaves if g is not None and _plain(g)]
        self._bits += [(g, g.detach().clone()) for g in slopes]

    def _visit(self, container: Any, met: set[int], depth: int) -> None:
        met.add(id(container))
        self._containers.append((container, container.copy()))
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in list(entries):
            if isinstance(value, Tensor):
                if id(value) not in met and not isinstance(container, set | deque):
                    self.tensors.append((container, key, value))
                    met.add(id(value))
            elif depth < DEEPEST_CONTAINER and id(value) not in met:
                self._enter(value, met, depth + 1)

    def _enter(self, value: Any, met: set[int], depth: int) -> None:
        inside = _inside(value)
        if inside is not None and id(inside) not in met:
            self._visit(inside, met, depth)
        elif isinstance(value, tuple):
            for entry in value:
                if not isinstance(entry, Tensor) and id(entry) not in met:
                    self._enter(entry, met, depth + 1)
        elif isinstance(value, np.ndarray) and value.flags.writeable:
            self._arrays.append((value, value.copy()))
        else:
            self._generators += _generator(value)

    def put_back(self) -> None:
        """Put objects back where they were, and whether tensors are trained."""
        for container, before in self._containers:
            if not _identical(container, before):
                _refill(container, before)
        for tensor, trained, slope in self._leaves:
            if tensor.requires_grad != trained:
                tensor.requires_grad_(trained)
            if tensor.grad is not slope:
                tensor.grad = slope

    def repair(self) -> list[Tensor]:
        """Put bits back; returns the tensors that had others."""
        changed = [(t, kept) for t, kept in self._bits if not _same(t, kept)]
        with torch.no_grad():
            for tensor, kept in changed:
                tensor.data.copy_(kept) if tensor.is_inference() else tensor.copy_(kept)
        for array, kept in self._arrays:
            array[...] = kept
        for put, state in self._generators:
            put(state)
        return [tensor for tensor, _ in changed]


def _inside(value: Any) -> Any:
    """The container that an object is, or has its attributes in; None if it is left alone."""
    if isinstance(value, dict | list | set | deque):
        return value if hasattr(value, "copy") else None
    home = type(value).__module__.partition(".")[0]
    foreign = home in sys.stdlib_module_names or home in ("torch", "numpy")
    known = isinstance(value, nn.Module | types.SimpleNamespace)
    if (foreign and not known) or isinstance(value, type):
        return None
    inside = getattr(value, "__dict__", None)
    return inside if type(inside) is dict else None


def _generator(value: Any) -> list[tuple[Callable[[Any], Any], Any]]:
    """What sets the state of a random generator, and its state."""
    if isinstance(value, torch.Generator):
        return [(value.set_state, value.get_state())]
    if isinstance(value, np.random.RandomState):
        return [(value.set_state, value.get_state())]
    if isinstance(value, np.random.Generator):
        bits = value.bit_generator
        return [(partial(setattr, bits, "state"), bits.state)]
    return [(value.setstate, value.getstate())] if isinstance(value, random.Random) else []


def _kept(tensor: Tensor) -> bool:
    """Whether a tensor has no gradient that could be asked for."""
    return tensor.is_inference() or not (tensor.is_floating_point() or tensor.is_complex())


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


def random_states() -> list[Any]:
    """Of all generators that are shared."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state(d) for d in devices)]
    return [random.getstate(), np.random.get_state(), *states]


def set_random_states(states: Sequence[Any]) -> None:
    """Put them back."""
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    for device, state in enumerate(states[3:]):
        torch.cuda.set_rng_state(state, device)


def differ(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether some generator has moved on."""
    numpy = any(not np.array_equal(p, q) for p, q in zip(a[1], b[1], strict=True))
    return (
        a[0] != b[0]
        or numpy
        or any(not torch.equal(p, q) for p, q in zip(a[2:], b[2:], strict=False))
    )
