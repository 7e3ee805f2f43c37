"""The faults that the mutation runs try are still lines of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import mutations, statistics_mutations

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "mutation",
    [*mutations.MUTATIONS, *statistics_mutations.MUTATIONS],
    ids=lambda mutation: mutation.name,
)
def test_a_fault_has_one_place(mutation: mutations.Mutation) -> None:
    """What it replaces stands once in its file, so that a run breaks what its name says."""
    assert (ROOT / mutation.file).read_text().count(mutation.old) == 1
    assert mutation.new != mutation.old
    files = [word for word in mutation.tests.split() if word.endswith(".py")]
    assert files
    assert all((ROOT / file).exists() for file in files)


CODE = """
SHORT = 1.0

@elementwise
def seen(x):
    return x > SHORT

def asked(x):
    return x + 1
"""


@pytest.mark.parametrize(("text", "compiled"), [("SHORT = 1", 1), ("x > S", 1), ("x + 1", 0)])
def test_constants_may_be_read_by_compiled_code(text: str, compiled: int) -> None:
    """Compiled code of the tree as it was would not see the fault."""
    assert mutations._is_compiled(CODE, text) == bool(compiled)  # pyright: ignore[reportPrivateUsage]
