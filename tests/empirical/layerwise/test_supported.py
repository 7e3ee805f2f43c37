"""The table of supported modules is what the tests find."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from networks.cases import CASES
from oracles.plans import plan_of

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "supported.md"
HEAD = """# Supported modules

Made by the test-suite, which compares the kernel of each with the Jacobian product to 1e-12: one
output, the trace, all outputs, and by tiles. *Rules* means that all parameters are contracted
without per-sample gradients; otherwise those named are differentiated sample by sample, which is
exact and slower. A module that is not listed works as well: what has no rule takes the slow way.

| module | parameters without rules |
|---|---|
"""


def table() -> str:
    rows: list[str] = []
    for name, case in CASES.items():
        torch.manual_seed(3)
        module = case.make().double().eval()
        rest = plan_of(module, case.inputs(5)).rest
        named = ", ".join(f"`{key}`" for key in sorted(rest)) or "*rules*"
        rows.append(f"| {name} | {named} |\n")
    return HEAD + "".join(rows)


def test_the_table_of_supported_modules_is_what_the_tests_find() -> None:
    if os.environ.get("WRITE_TABLES"):  # WRITE_TABLES=1 pytest FILE
        PAGE.write_text(table())
    assert PAGE.read_text() == table()
