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
