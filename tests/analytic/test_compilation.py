"""Compiled code on disk: never stale, and harmless where it cannot be written or read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import analytic

SOURCES = Path(str(analytic.__file__)).parent
CALLED = "def slope(x):\n    return 2.0 * x\n"
CALLER = """
from analytic.called import slope
from analytic.compilation import compiled

_slope = compiled(slope)

@compiled
def value(x):
    return _slope(x) + 1.0

print(value(3.0), sum(value.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of the same name with one compiled function that calls another."""
    folder = tmp_path / "analytic"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for name in ("compilation.py", "machine.py"):
        shutil.copy(SOURCES / name, folder / name)
    (folder / "called.py").write_text(CALLED)
    (folder / "caller.py").write_text(CALLER)
    return folder


def _start(package: Path, **environment: str) -> subprocess.Popen[str]:
    home = str(package.parent / "home")
    kept = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", "import analytic.caller"],
        cwd=package.parent,
        env={**kept, "XDG_CACHE_HOME": home, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def _run(package: Path, **environment: str) -> tuple[float, int]:
    """(value(3.0), number of functions that were found on disk)."""
    process = _start(package, **environment)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    value, hits = output.split()
    return float(value), int(hits)


def _folders(parent: Path) -> list[Path]:
    return sorted(parent.glob("compiled-*"))


def test_an_edited_callee_is_seen(package: Path) -> None:
    """The caller's own source does not change; numba's cache would keep the old number."""
    assert _run(package) == (7.0, 0)
    assert _run(package) == (7.0, 1)  # the caller alone: the callee is inside
    before = _folders(package / "__pycache__")
    (package / "called.py").write_text(CALLED.replace("2.0", "5.0"))
    assert _run(package) == (16.0, 0)
    after = _folders(package / "__pycache__")
    assert len(before) == len(after) == 1  # the old code is removed
    assert before != after


def test_processors_do_not_share_code(package: Path) -> None:
    assert _run(package) == (7.0, 0)
    assert _run(package, NUMBA_CPU_NAME="generic") == (7.0, 0)
    assert _run(package) == (7.0, 1)


def test_code_goes_where_the_user_wants_it(package: Path) -> None:
    wanted = package.parent / "wanted"
    assert _run(package, NUMBA_CACHE_DIR=str(wanted)) == (7.0, 0)
    assert _run(package, NUMBA_CACHE_DIR=str(wanted)) == (7.0, 1)
    assert not _folders(package / "__pycache__")


def test_a_folder_that_cannot_be_made_does_no_harm(package: Path) -> None:
    """A file stands where the folder should be (root may write to any folder)."""
    blocked = package.parent / "blocked"
    blocked.touch()
    assert _run(package, NUMBA_CACHE_DIR=str(blocked)) == (7.0, 0)
    assert _run(package, NUMBA_CACHE_DIR=str(blocked)) == (7.0, 1)  # the user's own folder
    for _ in range(2):
        assert _run(package, NUMBA_CACHE_DIR=str(blocked), XDG_CACHE_HOME=str(blocked)) == (7.0, 0)


@pytest.mark.parametrize("content", [b"", b"not a pickle", None], ids=["empty", "noise", "cut"])
def test_damaged_code_is_compiled_again(package: Path, content: bytes | None) -> None:
    assert _run(package) == (7.0, 0)
    for path in _folders(package / "__pycache__")[0].iterdir():
        path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    assert _run(package) == (7.0, 0)
    assert _run(package) == (7.0, 1)


def test_processes_may_compile_at_once(package: Path) -> None:
    running = [_start(package) for _ in range(4)]
    outputs = [process.communicate(timeout=120)[0].split()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert outputs == ["7.0"] * 4
    assert _run(package) == (7.0, 1)
    assert not list(_folders(package / "__pycache__")[0].glob("*.part"))


LOOP = """
from analytic.compilation import compiled

@compiled
def add_products(a, b, c):
    for i in range(a.size):
        c[i] += a[i] * b[i]

vector = "float64[::1]"
add_products.compile(f"({vector}, {vector}, {vector})")
print("zmm" in next(iter(add_products.inspect_asm().values())))
"""


@pytest.mark.parametrize("name", ["skylake-avx512", "sapphirerapids", "znver4"])
def test_loops_take_whole_vectors_of_every_processor(tmp_path: Path, name: str) -> None:
    """LLVM takes half of those of Intel's by itself. Nothing is run: any processor will do."""
    features = "+avx,+avx2,+fma,+avx512f,+avx512cd,+avx512bw,+avx512dq,+avx512vl"
    target = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    environment = {**os.environ, **target, "NUMBA_CACHE_DIR": str(tmp_path)}
    (tmp_path / "loop.py").write_text(LOOP)  # inspect_asm finds no code that is kept on disk
    command = [sys.executable, "-W", "error", str(tmp_path / "loop.py")]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"
