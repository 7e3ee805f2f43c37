"""Compilation by numba, and compiled code on disk that cannot be stale.

Numba keys its files by the source of the function that was compiled, not of those it calls:
after an edit of a called function it would go on with the old code, without a word. Here the
files stand in a folder named by a digest of *all* sources of this package and of the versions
of Python, numba and LLVM; a file is named by its function, its signature and the processor.
Folders of other sources are removed when a new one is made.
"""

# numba has no public interface for this, and no types
# pyright: reportMissingTypeStubs=false, reportPrivateUsage=false, reportUnknownMemberType=false
# pyright: reportIncompatibleMethodOverride=false, reportUnknownVariableType=false

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import caching, compiler, lowering, serialize, typed_passes, types
from numba.core.compiler_machinery import register_pass
from numba.extending import intrinsic

from analytic.machine import EXACT_SUMS

__all__ = ["compiled", "elementwise", "fused", "inlined"]

PACKAGE = Path(__file__).parent
PREFIX = "compiled-"
"""How the folders of compiled code begin."""


def compiled(
    function: Callable[..., Any],
    flags: frozenset[str] = EXACT_SUMS,
    *,
    counted: bool = True,
    inlined: bool = False,
) -> Any:
    """Compile a function when it is first called, without the interpreter's lock.

    A quotient by 0 is infinite or NaN: to look for it would keep loops from vector instructions.

    Args:
        function: what numba can compile.
        flags: of LLVM's floating-point arithmetic, see ``analytic.machine``.
        counted: whether references to arrays are counted, see ``elementwise``.
        inlined: whether its code becomes part of that of its callers.
    """
    njit: Any = numba.njit
    dispatcher: Any = njit(
        nogil=True,
        error_model="numpy",
        fastmath=set(flags),
        pipeline_class=_InliningCompiler if inlined else _Compiler,
        _nrt=counted,
    )(function)
    folder = _folder()
    if folder is not None:
        dispatcher._cache = _CompiledCode(function, flags, counted, folder)
    return dispatcher


elementwise = partial(compiled, counted=False)
"""Compile a function that makes no array and returns none, but reads and writes those it is given.

Numba counts references to them at each call, and to parts of them, by atomic operations: a quarter
of the time of tiles on an Intel Xeon, and of that of pairs with kinks. What such a function reads
belongs to its callers; numba refuses to compile it where it makes an array.
"""

inlined = partial(elementwise, inlined=True)
"""The same, for short functions that are taken into those that call them."""


class _WholeVectors(lowering.Lower):
    """Functions whose loops take the longest vectors of the processor.

    On Intel's with AVX-512 LLVM would take half of them, to spare clock rates of 2017.
    """

    def lower_normal_function(self, fndesc: Any) -> None:
        super().lower_normal_function(fndesc)
        attributes: set[str] = self.function.attributes
        set.add(attributes, '"prefer-vector-width"="512"')  # llvmlite's own add knows no pairs


class _Inlined(_WholeVectors):
    """The same, taken into the code of their callers, whose arrays need not be passed on."""

    def lower_normal_function(self, fndesc: Any) -> None:
        super().lower_normal_function(fndesc)
        self.function.attributes.add("alwaysinline")


def _lowering_by(lower: type[lowering.Lower]) -> Any:
    class Lowering(typed_passes.NativeLowering):
        _name = f"native_lowering{lower.__name__}"

        @property
        def lowering_class(self) -> Any:
            return lower

    return register_pass(mutates_CFG=True, analysis_only=False)(Lowering)


class _Compiler(compiler.Compiler):
    """Numba's own, but for the vectors."""

    lowering: Any = _lowering_by(_WholeVectors)

    def define_pipelines(self) -> list[Any]:
        pipeline: Any = super().define_pipelines()[0]
        own: dict[Any, Any] = {typed_passes.NativeLowering: self.lowering}
        pipeline.passes = [(own.get(step, step), name) for step, name in pipeline.passes]
        pipeline.finalize()
        return [pipeline]


class _InliningCompiler(_Compiler):
    """The same for functions that are inlined."""

    lowering = _lowering_by(_Inlined)


def _fused(typing: Any, a: Any, b: Any, c: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


fused: Any = intrinsic(_fused)
"""a b + c, rounded once, in compiled code; processors without it do it in software."""


@lru_cache(maxsize=1)
def _folder() -> Path | None:
    """Where compiled code is kept, or None where nothing can be written."""
    digest = _digest()
    for parent in _parents():
        folder = parent / (PREFIX + digest)
        try:
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                _remove_others(folder)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        return folder
    return None


def _parents() -> list[Path]:
    """Beside the sources, or where the user keeps such files, apart for each installation."""
    place = hashlib.sha256(str(PACKAGE).encode()).hexdigest()[:12]
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    own = [Path(chosen) / f"kinfinity-{place}"] if chosen else [PACKAGE / "__pycache__"]
    return [*own, Path(home) / "kinfinity" / place]


def _remove_others(folder: Path) -> None:
    """Remove the code of other sources; a process that still uses it compiles again."""
    for old in folder.parent.glob(PREFIX + "*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def _digest() -> str:
    """Of everything that compiled code may depend on but its processor and signature."""
    versions = sys.version, numba.__version__, llvmlite.__version__
    digest = hashlib.sha256("\n".join(versions).encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


class _CompiledCode(caching._Cache):
    """Numba's interface to the files of one function, one for each signature and processor.

    No file is shared by two signatures, and each appears whole or not at all: processes that
    compile the same function at once write the same file.
    """

    def __init__(
        self, function: Callable[..., Any], flags: frozenset[str], counted: bool, folder: Path
    ) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._kind = sorted(flags), counted
        self._folder = folder

    @property
    def cache_path(self) -> str:
        return str(self._folder)

    def enable(self) -> None: ...
    def disable(self) -> None: ...
    def flush(self) -> None: ...

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function, or None if there is none that can be read."""
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        try:
            data = pickle.loads(path.read_bytes())
        except (OSError, EOFError, ValueError, IndexError, pickle.UnpicklingError):
            return None  # missing, or damaged: compile again
        return compiler.CompileResult._rebuild(target_context, *data)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the compiled function; a folder that has become read-only does no harm."""
        if data.library.has_dynamic_globals or data.lifted:
            return
        path = self._path(sig, data.codegen)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            part.write_bytes(serialize.dumps(data._reduce()))
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)

    def _path(self, sig: Any, codegen: Any) -> Path:
        key = repr((sig, self._kind, codegen.magic_tuple()))
        digest = hashlib.sha256(f"{self._name} {key}".encode()).hexdigest()[:24]
        return self._folder / f"{self._name.removeprefix('analytic.')}-{digest}.bin"
