"""Arrays of real numbers, taken for what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["numbers"]


def numbers(name: str, x: Any) -> NDArray[Any]:
    """The array that x is; raises unless it holds real numbers and nothing else.

    A mask, units, names of fields or an imaginary part would be dropped by ``numpy.asarray``, and
    a sparse matrix would become a single object.

    Args:
        name: of the argument, for the message.
        x: whatever was passed.

    Raises:
        TypeError: x is something else, with what to pass instead.

    Example:
        >>> numbers("x", [[1, 2]])
        array([[1, 2]])
    """
    obstacle = _obstacle(x)
    if obstacle is not None:
        got, advice = obstacle
        raise TypeError(f"expected an array of real numbers as {name}, got {got}; {advice}")
    array = _plain(name, x)
    if array.dtype.names is not None:
        fields = ", ".join(array.dtype.names)
        raise TypeError(
            f"expected an array of real numbers as {name}, got a structured one with the fields"
            f" {fields}; pass numpy.lib.recfunctions.structured_to_unstructured({name})"
        )
    if array.dtype.kind == "c":
        raise TypeError(f"expected real numbers in {name}, got {array.dtype}; pass {name}.real")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"expected real numbers in {name}, got dtype {array.dtype}; convert it")
    return array


def _obstacle(x: Any) -> tuple[str, str] | None:
    """What x is and what to do, if it is more than an array of numbers."""
    kind = type(x)
    if isinstance(x, np.ma.MaskedArray) or (
        isinstance(x, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in x)
    ):
        return "a masked array", "its mask would be lost: pass x.filled(value) or drop the rows"
    if getattr(x, "is_cuda", False):
        return "a CUDA tensor", "pass x.cpu(), in host memory"
    if callable(getattr(x, "toarray", None)) or callable(getattr(x, "todense", None)):
        return f"a sparse {kind.__name__}", "pass x.toarray()"
    if hasattr(x, "units") or (hasattr(x, "unit") and hasattr(x, "to_value")):
        return f"a {kind.__name__} with units", "pass its numbers in the unit you mean"
    if kind.__module__.startswith("torch"):
        return _tensor(x)
    return None


def _tensor(x: Any) -> tuple[str, str] | None:
    """The same for tensors of torch, which is not imported here."""
    layout = str(getattr(x, "layout", "torch.strided"))
    if layout != "torch.strided":
        return f"a tensor with layout {layout}", "pass x.to_dense()"
    if getattr(x, "is_meta", False):
        return "a tensor on the meta device, without numbers", "pass one with numbers"
    if getattr(x, "is_quantized", False):
        return "a quantised tensor", "pass x.dequantize()"
    return None


def _plain(name: str, x: Any) -> NDArray[Any]:
    """X as an array; tensors without their graph, and in a format that numpy has."""
    if type(x).__module__.startswith("torch") and callable(getattr(x, "detach", None)):
        x = x.detach()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x  # numpy has none; exact in float32
        x = x.resolve_conj().resolve_neg().numpy()
    try:
        return np.asarray(x)
    except (ValueError, TypeError) as error:
        raise TypeError(
            f"expected an array of real numbers as {name}, got {type(x).__name__} that makes none"
            f" ({str(error).splitlines()[0]}); give all rows one length"
        ) from error
