"""Every module of the zoo has the kernel of plain autograd or a refusal, and comes out unharmed."""

from __future__ import annotations

import os
import random
import re
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from networks.zoo import ZOO
from networks.zoo_parts import Animal
from oracles.jacobians import batch_jacobian, kernel_of
from torch import Tensor, nn

from empirical import tangent_kernel
from empirical.module_kernels import measure

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "zoo.md"
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # torch's own
TOLERANCE = 1e-12
"""Sums of 1e3 products of float64 numbers, relative to the largest entry."""


def build(animal: Animal, n: int = 5) -> tuple[nn.Module, Any]:
    torch.manual_seed(4)
    module = animal.make()
    if not any(p.is_complex() or p.is_meta for p in module.parameters()):
        module = module.double()
    return module.eval(), animal.inputs(n)


def everything(module: nn.Module) -> list[Any]:
    """Every object that a module holds, in dictionaries, lists and sets, by identity."""
    held: list[Any] = []

    def visit(value: Any) -> None:
        held.append(value)
        if isinstance(value, types.SimpleNamespace):
            visit(value.__dict__)
        elif isinstance(value, dict):
            held.extend(value)
            for entry in value.values():
                visit(entry)
        elif isinstance(value, list):
            for entry in value:
                visit(entry)

    for part in module.modules():
        visit(part.__dict__)
    return held


def snapshot(module: nn.Module) -> tuple[list[Any], list[tuple[Tensor, Any, bool]], list[Any]]:
    objects = everything(module)
    tensors = [
        (t, t.detach().clone(), t.requires_grad)
        for t in objects
        if isinstance(t, Tensor) and not t.is_meta and not isinstance(t, nn.UninitializedParameter)
    ]
    states = [random.getstate(), np.random.get_state(), torch.get_rng_state()]
    return objects, tensors, states


def unharmed(module: nn.Module, before: tuple[list[Any], list[Any], list[Any]]) -> None:
    objects, tensors, states = before
    after = everything(module)
    assert len(after) == len(objects)
    assert all(
        a is b or (type(a) in (int, bool, str) and a == b)
        for a, b in zip(after, objects, strict=True)
    )
    for tensor, bits, trained in tensors:
        assert tensor.requires_grad == trained
        assert not tensor.is_leaf or tensor.grad is None
        dense = tensor.to_dense() if tensor.layout != torch.strided else tensor
        assert torch.equal(dense, bits.to_dense() if bits.layout != torch.strided else bits)
    assert random.getstate() == states[0]
    assert all(np.array_equal(p, q) for p, q in zip(np.random.get_state(), states[1], strict=True))
    assert torch.equal(torch.get_rng_state(), states[2])


def chosen(animal: Animal, k: int) -> dict[str, Any]:
    """The argument ``output``: a function where the module returns more than a tensor."""
    if animal.values is None:
        return {"output": "all"}
    values = animal.values
    return {"output": lambda out: values(out).flatten(1)[:, k]}


@pytest.mark.parametrize("name", [name for name, animal in ZOO.items() if not animal.refused])
@pytest.mark.parametrize("method", ["auto", "jacobian"])
def test_the_kernel_is_that_of_plain_autograd(name: str, method: Any) -> None:
    animal = ZOO[name]
    module, x = build(animal)
    before = snapshot(module)
    copies = {k: v.clone() for k, v in x.items()} if isinstance(x, dict) else x
    kernel = tangent_kernel(module, x, method=method, **chosen(animal, 1))
    unharmed(module, before)
    rows = batch_jacobian(build(animal)[0], copies, animal.values)
    exact = kernel_of(rows)
    exact = exact[:, 1, :, 1] if animal.values is not None else exact
    kernel = kernel.reshape(exact.shape)
    assert float((kernel - exact).abs().max()) <= TOLERANCE * float(exact.abs().max())


@pytest.mark.parametrize("name", [name for name, animal in ZOO.items() if animal.refused])
def test_what_has_no_kernel_is_refused_with_one_sentence(name: str) -> None:
    animal = ZOO[name]
    module, x = build(animal)
    before = snapshot(module) if "lazy" not in name else None
    with pytest.raises((TypeError, ValueError), match=f"^{re.escape(animal.refused)}") as caught:
        tangent_kernel(module, x)
    assert ", got " in str(caught.value)
    assert "\n" not in str(caught.value)
    if before is not None:
        unharmed(module, before)


def _table() -> str:
    lines = []
    for name, animal in ZOO.items():
        if animal.refused:
            lines.append(f"| {name} | refused: {animal.refused} ... |\n")
            continue
        module, x = build(animal)
        parameters = {k: p for k, p in module.named_parameters() if p.requires_grad}
        with torch.enable_grad():
            joint = measure(module, parameters, x, None, _one(animal)).joint
        lines.append(f"| {name} | {'kernel of the batch' if joint else 'kernel'} |\n")
    refused = sum(bool(animal.refused) for animal in ZOO.values())
    return HEAD.format(len(ZOO), len(ZOO) - refused, refused) + "".join(lines)


def _one(animal: Animal) -> Any:
    return chosen(animal, 1)["output"] if animal.values is not None else "trace"


HEAD = """# The zoo

Made by the test-suite from {} modules. {} have a kernel, equal to J J^T of plain `autograd.grad`
to 1e-12 (of the whole batch where its samples meet); {} are refused with one sentence. Each comes
out unharmed: every object that it held is there, with its bits, and the random generators have not
moved.

| module | answer |
|---|---|
"""


def test_the_table_of_the_zoo_is_what_the_tests_find() -> None:
    table = _table()
    if os.environ.get("WRITE_TABLES"):  # WRITE_TABLES=1 pytest FILE
        PAGE.write_text(table)
    assert PAGE.read_text() == table
    assert len(ZOO) >= 60
