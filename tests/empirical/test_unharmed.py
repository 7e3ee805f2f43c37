"""A module is what it was, whatever happens while its kernel is computed."""

from __future__ import annotations

import threading
import types
from typing import Any

import numpy as np
import pytest
import torch
from networks.zoo_parts import Free, keeps, plain, two
from torch import Tensor, nn

from empirical import tangent_kernel


def keeping() -> Any:
    torch.manual_seed(0)
    module: Any = Free(keeps, **two(mean=torch.zeros(3)))
    module.seen, module.log, module.count = torch.zeros(4).double(), [], 0
    return module.double()


def states(module: nn.Module) -> list[Any]:
    """All objects by identity, lists and dictionaries by their entries, and all bits."""
    found: list[Any] = []
    for part in module.modules():
        for key, value in part.__dict__.items():
            found += [key, id(value)]
            found += [(k, id(v)) for k, v in value.items()] if isinstance(value, dict) else []
            found += [id(v) for v in value] if isinstance(value, list) else []
    tensors = [*module.parameters(), *module.buffers(), module.seen]  # pyright: ignore
    return [*found, *(t.detach().clone() for t in tensors), torch.get_rng_state()]


def equal(a: list[Any], b: list[Any]) -> bool:
    def same(p: Any, q: Any) -> bool:
        return torch.equal(p, q) if isinstance(p, Tensor) else p == q

    return len(a) == len(b) and all(same(p, q) for p, q in zip(a, b, strict=True))


X = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, RuntimeError, MemoryError])
@pytest.mark.parametrize("at", [1, 2, 4, 6])
def test_after_an_exception_in_any_pass(error: type[BaseException], at: int) -> None:
    module = keeping()
    calls = iter(range(1, 100))

    def interrupted(m: Any, x: Tensor) -> Tensor:
        value = keeps(m, x)
        m.mean.add_(1)
        torch.rand(1)
        if next(calls) >= at:
            raise error("stopped")
        return value

    module.run = interrupted
    before = states(module)
    with pytest.raises((error, ValueError), match="stopped"):
        tangent_kernel(module, X)
    assert equal(states(module), before)
    module.run = keeps
    module(X).sum().backward()  # and it can be trained
    assert module.a.weight.grad is not None


def test_what_a_forward_pass_writes_is_put_back_between_passes() -> None:
    """Each pass starts where the first one did: the output depends on what is kept."""

    def depends(m: Any, x: Tensor) -> Tensor:
        m.mean.add_(1.0)
        m.log.append(x)
        return m.b(torch.tanh(m.a(x))) * m.mean.sum() * len(m.log)

    module = keeping()
    module.run = depends
    before = states(module)
    kernel = tangent_kernel(module, X)
    assert equal(states(module), before)
    module.run = lambda m, x: m.b(torch.tanh(m.a(x))) * 3.0
    torch.testing.assert_close(kernel, tangent_kernel(module, X), rtol=1e-12, atol=0)


def test_nothing_is_lent_that_is_not_written_to() -> None:
    module = keeping()
    seen: list[int] = []
    module.run = lambda m, x: [m.b(torch.tanh(m.a(x))), seen.append(id(m.mean))][0]
    tangent_kernel(module, X)
    assert set(seen) == {id(module.mean)}


def test_another_thread_may_use_the_module() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    parameters = list(module.parameters())
    wanted = module(X).detach()
    exact = tangent_kernel(module, X)
    stop, wrong = threading.Event(), list[str]()

    def use() -> None:
        while not stop.is_set():
            if not torch.equal(module(X).detach(), wanted):
                wrong.append("another output")
            if any(p is not q for p, q in zip(module.parameters(), parameters, strict=True)):
                wrong.append("another parameter")

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    found: list[Tensor] = []
    measuring = [
        threading.Thread(target=lambda: found.append(tangent_kernel(module, X))) for _ in range(6)
    ]
    for thread in measuring:
        thread.start()
    for thread in measuring:
        thread.join()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(found) == 6
    for kernel in found:
        torch.testing.assert_close(kernel, exact, rtol=1e-12, atol=0)


def test_entries_that_forward_takes_out_come_back_in_order() -> None:
    def takes(m: Any, x: Tensor) -> Tensor:
        m.cache.pop("a")
        m.cache["b"].clear()
        m.cache["c"].add(5)
        return plain(m, x)

    module: Any = Free(takes, **two()).double()
    module.cache = {"a": 1, "b": [2, 3], "c": {4}}
    tangent_kernel(module, X)
    assert list(module.cache.items()) == [("a", 1), ("b", [2, 3]), ("c", {4})]


def test_generators_arrays_and_objects_are_put_back() -> None:
    def run(m: Any, x: Tensor) -> Tensor:
        m.own.calls += 1
        m.array += 1
        m.tuple[0].append(x)
        return plain(m, x) + 0 * torch.rand(1, generator=m.generator).to(x) * m.rng.random()

    module: Any = Free(run, **two()).double()
    module.own, module.array = types.SimpleNamespace(calls=0), np.zeros(2)
    module.generator, module.rng = torch.Generator(), np.random.default_rng(0)
    module.tuple = ([],)
    states = module.generator.get_state(), module.rng.bit_generator.state
    tangent_kernel(module, torch.ones(3, 3).double())
    assert torch.equal(module.generator.get_state(), states[0])
    assert module.rng.bit_generator.state == states[1]
    assert module.own.calls == 0
    assert not module.array.any()
    assert module.tuple == ([],)
