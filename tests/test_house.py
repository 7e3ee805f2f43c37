"""The rooms: entered through their doors, described on them; floors are kept by import-linter."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("analytic", "empirical", "compare")
FILES = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]
ROOMS = [path.parent for path in FILES if path.name == "__init__.py"]


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    """The room of a module: its folder below the floor, or itself beside the rooms."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("path", FILES, ids=lambda path: _module(path))
def test_a_room_is_entered_through_its_door(path: Path) -> None:
    """``from analytic.proofs import parity``, not ``from analytic.proofs.smoothness``."""
    here = _module(path)
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        assert node.level == 0, f"{here}: relative import"
        if node.module.split(".")[0] in FLOORS and _room(node.module) != _room(here):
            assert node.module.count(".") < 2, f"{here} goes round the door of {node.module}"
            assert not [a.name for a in node.names if a.name.startswith("_")], node.module


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_room_says_what_enters_and_what_leaves(room: Path) -> None:
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    if room.parent == ROOT or room.name == "rules":
        assert text
    else:
        assert re.search(r"\bEnters: ", text) or "Below: everything else" in text
        assert "Below" in text or "below" in text


def test_no_file_bears_the_name_of_a_function_it_defines() -> None:
    """``import analytic.recursion.diagonal as d`` would give the function."""
    for path in FILES:
        names = {n.name for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef)}
        assert path.stem not in names, path


def test_the_contract_notices_an_import_upwards(tmp_path: Path) -> None:
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text())
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]

    def broken() -> str:
        run = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
        return run.stdout if run.returncode else ""

    assert not broken()
    guilty = tmp_path / "analytic" / "expressions" / "order.py"
    guilty.write_text(guilty.read_text() + "\nfrom analytic.solve import solve\n")
    assert "The rooms of analytic BROKEN" in broken()


@pytest.mark.parametrize("path", FILES, ids=lambda path: _module(path))
def test_no_circle_hides_behind_type_checking(path: Path) -> None:
    """Only types of other libraries are imported for the checker alone; a door may be lazy."""
    if path.name == "__init__.py":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in (n for n in node.body if isinstance(n, ast.ImportFrom)):
                assert (line.module or "").split(".")[0] not in FLOORS, line.module


def test_a_name_stands_once_in_the_tree() -> None:
    """Classes and constants that ``empirical`` and ``compare`` define have one meaning each."""
    places: dict[str, set[str]] = {}
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            names = [node.name] if isinstance(node, ast.ClassDef) else []
            for target in node.targets if isinstance(node, ast.Assign) else []:
                names += [
                    n.id for n in ast.walk(target) if isinstance(n, ast.Name) and n.id.isupper()
                ]
            for name in names:
                places.setdefault(name, set()).add(_module(path))
    twice = {
        name: sorted(modules)
        for name, modules in places.items()
        if len(modules) > 1 and not name.startswith("_")
        and any(not module.startswith("analytic") for module in modules)
    }  # fmt: skip
    # RULES: those of each kind of operation, and all together
    assert set(twice) <= {"Plan", "RULES"}, twice


def _body(node: ast.FunctionDef) -> int:
    """Lines of a function without its signature and docstring."""
    first = node.body[0]
    last = node.end_lineno or first.lineno
    words = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return last - (first.end_lineno or first.lineno if words else first.lineno - 1)


@pytest.mark.parametrize("floor", [*FLOORS, "tests"])
def test_files_and_functions_are_short(floor: str) -> None:
    """At most 300 lines a file and 40 lines a function, besides what says how to call it."""
    for path in sorted((ROOT / floor).rglob("*.py")):
        text = path.read_text()
        assert text.count("\n") <= 300, f"{path} has {text.count(chr(10))} lines; split it"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert _body(node) <= 40, f"{node.name} of {path} has {_body(node)} lines; split it"
