"""Where in a module something is called, and the sentence with which it is refused."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["LiftingError", "Location", "place_of_call", "refusal"]

_TORCH = os.path.dirname(torch.__file__)
_OURS = os.path.dirname(os.path.dirname(__file__))


class LiftingError(ValueError):
    """A module is not of the kind whose infinite-width limit is known here."""


@dataclass(frozen=True, slots=True)
class Location:
    """A call in a module.

    Attributes:
        function: what is called.
        module: the innermost module that calls it, with its name.
        line: the line of ``forward`` in which that happens, "" where all code is torch's.
    """

    function: str
    module: str
    line: str

    def __str__(self) -> str:
        line = f", {self.line}" if self.line else ""
        return f"{self.function} in {self.module}{line}"


def place_of_call(function: str, names: Mapping[int, str], depth: int = 2) -> Location:
    """The place of the call that is being made.

    Args:
        function: what is called.
        names: of the modules, by id.
        depth: frames between this function and the call.
    """
    frame = sys._getframe(depth)
    module = line = ""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_OURS):
            break  # the caller of the module
        owner = frame.f_locals.get("self")
        if not module and isinstance(owner, nn.Module) and id(owner) in names:
            name = names[id(owner)]
            module = f"{type(owner).__name__} {name!r}" if name else type(owner).__name__
        if not line and not file.startswith(_TORCH):
            text = linecache.getline(file, frame.f_lineno).strip()
            quoted = f" `{text}`" if text else ""
            line = f"line {frame.f_lineno} of {os.path.basename(file)}{quoted}"
        frame = frame.f_back
    return Location(function, module or "the module", line)


def refusal(expected: str, place: Location, why: str, instead: str) -> LiftingError:
    """The error for something that has no place in a description."""
    return LiftingError(f"expected {expected}, got {place}: {why}; {instead}")
