"""Blocks of eight by eight numbers by vector instructions: moved, and multiplied by other rows.

A store first reads the line of memory that it writes to. Of an answer that is larger than the
caches, each line of which is written once, that is half of the traffic: stores past the caches
spare it. Only whole lines: eight numbers that begin on one. Loops over parts of arrays ask first
whether these overlap, each time; a block is read before it is written. LLVM has all of this, numba
has not.
"""

# numba has no public interface for this, and no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from analytic.machine import EXACT_SUMS

__all__ = ["BLOCK", "add_products", "address", "copied", "settled", "turned"]

BLOCK = 8
"""Rows and columns of a block: a line of the caches has as many numbers."""
_VECTOR = ir.VectorType(ir.DoubleType(), BLOCK)
_NUMBER, _MARK = ir.IntType(64), ir.IntType(32)
_FLAGS = tuple(sorted(EXACT_SUMS))
_ANY: Any = ir.Undefined


def _places(context: Any, builder: Any, typ: Any, given: Any) -> list[Any]:
    """Where the rows of a block begin, of an array, a row and a column."""
    value, i, j = given
    array = context.make_array(typ)(context, builder, value)
    rows = [builder.add(i, _NUMBER(r)) for r in range(BLOCK)]
    return [cgutils.get_item_pointer(context, builder, typ, array, [row, j]) for row in rows]


def _vectors(builder: Any, places: list[Any]) -> list[Any]:
    """These places as those of vectors."""
    return [builder.bitcast(place, _VECTOR.as_pointer()) for place in places]


def _exchanged(builder: Any, rows: list[Any]) -> list[Any]:
    """The columns of a block: pairs of rows exchange single numbers, then twos, then fours."""
    for step in (1, 2, 4):
        kept = [k if not k & step else BLOCK + k - step for k in range(BLOCK)]
        others = [k + step if not k & step else BLOCK + k for k in range(BLOCK)]
        masks = [ir.Constant(ir.VectorType(_MARK, BLOCK), mask) for mask in (kept, others)]
        for i in (i for i in range(BLOCK) if not i & step):
            both = rows[i], rows[i + step]
            rows[i], rows[i + step] = (builder.shuffle_vector(*both, mask) for mask in masks)
    return rows


def _move(context: Any, builder: Any, signature: Any, arguments: Any, turn: bool) -> Any:
    target, source, past = arguments[:3], arguments[3:6], arguments[6]
    kinds = signature.args[0], signature.args[3]
    places = _vectors(builder, _places(context, builder, kinds[1], source))
    rows = [builder.load(place, align=8) for place in places]
    rows = _exchanged(builder, rows) if turn else rows
    places = _vectors(builder, _places(context, builder, kinds[0], target))
    mark = builder.module.add_metadata([_MARK(1)])
    with builder.if_else(past) as (streamed, kept):
        with streamed:
            for row, place in zip(rows, places, strict=True):
                builder.store(row, place, align=8 * BLOCK).set_metadata("nontemporal", mark)
        with kept:
            for row, place in zip(rows, places, strict=True):
                builder.store(row, place, align=8)
    return context.get_dummy_value()


def _moved(out: Any, x: Any) -> Any:
    place = types.intp, types.intp
    return types.void(out, *place, x, *place, types.boolean)


def _copied(typing: Any, out: Any, i: Any, j: Any, x: Any, m: Any, c: Any, past: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _move(context, builder, signature, arguments, False)

    return _moved(out, x), generate


def _turned(typing: Any, out: Any, i: Any, j: Any, x: Any, m: Any, c: Any, past: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _move(context, builder, signature, arguments, True)

    return _moved(out, x), generate


copied: Any = intrinsic(_copied)
"""out[i + a, j + b] = x[m + a, c + b], in compiled code; ``past`` the caches out[i, j] and its rows
must begin on lines."""
turned: Any = intrinsic(_turned)
"""out[i + a, j + b] = x[m + b, c + a], the same."""


def _spread(builder: Any, numbers: Any) -> list[Any]:
    """Vectors of one number each, from a tuple."""
    none, first = ir.Constant(_VECTOR, _ANY), ir.Constant(ir.VectorType(_MARK, BLOCK), None)
    singles = cgutils.unpack_tuple(builder, numbers, BLOCK)
    vectors = [builder.insert_element(none, single, _MARK(0)) for single in singles]
    return [builder.shuffle_vector(vector, none, first) for vector in vectors]


def _product(builder: Any, numbers: list[Any], rows: list[Any]) -> Any:
    """The sum of rows times numbers, one after the other."""
    total = builder.fmul(numbers[0], rows[0], flags=_FLAGS)
    for number, row in zip(numbers[1:], rows[1:], strict=True):
        total = builder.fadd(total, builder.fmul(number, row, flags=_FLAGS), flags=_FLAGS)
    return total


def _add(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    target, source, factors, fresh = arguments[:3], arguments[3:6], arguments[6:8], arguments[8]
    places = _vectors(builder, _places(context, builder, signature.args[3], source))
    rows = [builder.load(place, align=8) for place in places]
    places = _vectors(builder, _places(context, builder, signature.args[0], target))
    sums = [_product(builder, _spread(builder, numbers), rows) for numbers in factors]
    for found, place in zip(sums, places[: len(sums)], strict=True):
        both = builder.fadd(builder.load(place, align=8), found, flags=_FLAGS)
        builder.store(builder.select(fresh, found, both), place, align=8)
    return context.get_dummy_value()


def _add_products(
    typing: Any, out: Any, i: Any, j: Any, x: Any, m: Any, c: Any, p: Any, q: Any, fresh: Any
) -> Any:
    place = types.intp, types.intp
    return types.void(out, *place, x, *place, p, q, types.boolean), _add


add_products: Any = intrinsic(_add_products)
"""out[i, j + b] += sum_a p[a] x[m + a, c + b], and out[i + 1, j + b] with q, in compiled code; they
become that sum where they are ``fresh``."""


def _address(typing: Any, out: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(array.data, _NUMBER)

    return types.int64(out), generate


address: Any = intrinsic(_address)
"""Where an array begins, in compiled code."""


def _settled(typing: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


settled: Any = intrinsic(_settled)
"""Wait for what has been written past the caches, in compiled code: other threads will see it."""
