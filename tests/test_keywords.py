"""The same thing has one keyword in the whole public surface, with one kind and one default."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kinfinity

API = (Path(__file__).parent.parent / "docs" / "api.md").read_text()
TABLE = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", API, re.MULTILINE))
ONE_KIND = {
    "device": ("str", "cpu"),
    "dtype": ("torch.dtype", "torch.float64"),
    "executor": ("Executor | None", "None"),
    "kind": ("Kind", "ntk"),
    "progress": ("bool | None", "None"),
    "tolerance": ("float", "1e-10"),
}
"""Keywords that have one annotation and one default wherever they occur."""
ELSEWHERE = {("Flow.load", "device")}
"""A record is read onto the device it was saved from unless another is named."""
SPOKEN = {("LayerNorm.__init__", "eps")}
"""What everybody calls by this name: the number that is added to a variance."""
SYNONYMS = re.compile(
    r"n_\w+|num\w*|\w*_count|nseeds|reps|repeats|repetitions|tol|atol|eps|accuracy|precision|verbose"
    r"|show_progress|bar|cuda|gpu|pool|workers|threads|float_type|against|k_inf|reference"
)


def surface() -> Iterator[tuple[str, inspect.Parameter]]:
    """(function, parameter) for all public functions, constructors and public methods."""
    for name in kinfinity.__all__:
        thing: Any = getattr(kinfinity, name)
        if not callable(thing):
            continue
        members = {name: thing}
        if inspect.isclass(thing):
            members = {
                f"{name}.{key}": getattr(thing, key)
                for key, member in vars(thing).items()
                if (key == "__init__" or not key.startswith("_"))
                and (inspect.isfunction(member) or isinstance(member, classmethod))
            }
        for path, function in members.items():
            for parameter in inspect.signature(function).parameters.values():
                if parameter.name not in ("self", "cls"):
                    yield path, parameter


PARAMETERS = list(surface())


def test_the_surface_is_seen() -> None:
    paths = {path for path, _ in PARAMETERS}
    assert {"kernel", "dynamics_gap", "FiniteNetwork.__init__", "Inputs.sample"} <= paths


@pytest.mark.parametrize("keyword", ONE_KIND)
def test_a_keyword_has_one_kind_and_one_default(keyword: str) -> None:
    annotation, default = ONE_KIND[keyword]
    found = [(path, p) for path, p in PARAMETERS if p.name == keyword]
    assert found
    for path, parameter in found:
        if (path, keyword) not in ELSEWHERE:
            assert str(parameter.annotation).strip("'\"") == annotation, path
            assert str(parameter.default) == default, path
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, path


def test_functions_that_train_networks_take_the_same_keywords() -> None:
    for path in ("convergence", "dynamics_gap", "dynamics_scaling", "dynamics_growth"):
        names = {p.name for where, p in PARAMETERS if where == path}
        assert {"seeds", "points", "executor", "device", "dtype", "progress"} <= names, path


def test_nothing_has_a_second_name() -> None:
    found = {(path, p.name) for path, p in PARAMETERS if SYNONYMS.fullmatch(p.name)}
    assert found == SPOKEN


def test_every_keyword_of_a_function_stands_in_the_table_of_the_reference() -> None:
    keywords = {
        p.name for path, p in PARAMETERS if "." not in path and p.kind is p.KEYWORD_ONLY
    } | {"seeds"}  # positional in the first functions that had it
    assert keywords == set(TABLE)
