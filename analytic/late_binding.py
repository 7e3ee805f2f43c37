"""Compiled functions that are bound when they are first called, as a linker binds a library's.

Numba compiles what a function calls before the function itself, and takes it into the function's
own code, which LLVM then optimises once more. So every network would wait for the code of all
others, and a function at the top for that of the whole depth, several times. A ``late`` call goes
to an address instead: compiled code that has none yet asks for it here, once, and goes on.
"""

# numba has no public interface for this, and no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import ctypes
import importlib
import inspect
import pickle
import traceback
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, serialize, types
from numba.extending import intrinsic

__all__ = ["WHOLE", "late"]

WHOLE: Any = types.int64
"""Numba's type of whole numbers."""

ASK = "kinfinity_address"
"""The symbol by which compiled code calls ``_address``."""
BYTE = ir.IntType(8)
SIZE = ir.IntType(64)
POINTER = ir.PointerType(BYTE)
FAILED, INTERRUPTED = 0, 1
"""In the place of an address."""


def late(function: Any, returns: Any = types.none) -> Any:
    """The same function for compiled code, which binds it when it first comes to the call.

    Args:
        function: a compiled function, at the top of its module.
        returns: numba's type of what it returns.
    """
    original = function.py_func

    def definition(_: Any, *arguments: Any) -> Any:
        signature = returns(*[types.unliteral(argument) for argument in arguments])
        asked = serialize.dumps((original.__module__, original.__qualname__, signature.args))

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return _call(context, builder, signature, values, asked)

        return signature, generate

    names = ["typing", *inspect.signature(original).parameters]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    definition.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])  # type: ignore[attr-defined]
    return intrinsic(definition)


def _call(context: Any, builder: Any, signature: Any, values: Any, asked: bytes) -> Any:
    """Code that calls the function behind an address, and looks for the address where it is 0."""
    convention = context.call_conv
    slot = cgutils.add_global_variable(builder.module, POINTER, "late")
    slot.linkage = "internal"
    slot.initializer = ir.Constant(POINTER, None)  # pyright: ignore[reportAttributeAccessIssue]
    with builder.if_then(cgutils.is_null(builder, builder.load(slot)), likely=False):
        key = cgutils.global_constant(builder, "asked", cgutils.make_bytearray(asked))
        kind = ir.FunctionType(POINTER, [POINTER, SIZE])
        ask = cgutils.get_or_insert_function(builder.module, kind, ASK)
        found = builder.call(ask, [builder.bitcast(key, POINTER), ir.Constant(SIZE, len(asked))])
        _raise_if(
            builder, convention, found, FAILED, RuntimeError, "a part was not compiled, see above"
        )
        _raise_if(builder, convention, found, INTERRUPTED, KeyboardInterrupt, "while compiling")
        builder.store(found, slot)
    kind = convention.get_function_type(signature.return_type, signature.args)
    address = builder.bitcast(builder.load(slot), ir.PointerType(kind))
    status, result = convention.call_function(
        builder, address, signature.return_type, signature.args, values
    )
    with builder.if_then(status.is_error, likely=False):
        convention.return_status_propagate(builder, status)
    return result


def _raise_if(
    builder: Any, convention: Any, found: Any, number: int, error: type, message: str
) -> None:
    """Code that raises an error where a number stands in the place of an address."""
    same = builder.icmp_unsigned("==", builder.ptrtoint(found, SIZE), ir.Constant(SIZE, number))
    with builder.if_then(same, likely=False):
        convention.return_user_exc(builder, error, (message,))


def _address(key: int, size: int) -> int:
    """Where the compiled function stands that code asks for; it is compiled if need be.

    No error may leave it: nobody but the code that asks would take it.
    """
    try:
        module, name, arguments = pickle.loads(ctypes.string_at(key, size))
        function: Any = getattr(importlib.import_module(module), name)
        function.compile(arguments)
        code = function.overloads[arguments]
        return code.library.get_pointer_to_function(code.fndesc.llvm_func_name)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        traceback.print_exc()
        return FAILED


_ASKED = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(_address)
llvmlite.binding.add_symbol(ASK, ctypes.cast(_ASKED, ctypes.c_void_p).value)
