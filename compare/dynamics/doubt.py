"""What keeps a measurement of the dynamics from saying anything."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

__all__ = ["Doubt", "DynamicsError"]


class Doubt(Enum):
    """Why a measurement of the gap does not answer.

    Attributes:
        UNREACHED: no time after 0 was reached by every seed.
        IDENTITY: an identity that every gradient flow satisfies is not satisfied.
    """

    UNREACHED = auto()
    IDENTITY = auto()


class DynamicsError(RuntimeError):
    """The integrator did not reach the horizon.

    Attributes:
        partial: the ``DynamicsGap`` (or ``DynamicsScaling``) up to the last time that every
            seed reached.
    """

    def __init__(self, message: str, partial: Any) -> None:
        super().__init__(message)
        self.partial = partial

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.partial)
