"""An answer of a measurement as a value: one of three outcomes, and the reason in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Outcome", "Verdict"]


class Outcome(StrEnum):
    """What a measurement says of a statement.

    Example:
        >>> Outcome("fails").holds, Outcome.of(None)
        (False, <Outcome.UNDECIDED: 'undecided'>)
    """

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"

    @property
    def holds(self) -> bool | None:
        """True, False, or None if the measurement does not decide."""
        return {Outcome.HOLDS: True, Outcome.FAILS: False, Outcome.UNDECIDED: None}[self]

    @classmethod
    def of(cls, holds: bool | None) -> Outcome:
        """The outcome with this value of ``holds``."""
        return cls.UNDECIDED if holds is None else cls.HOLDS if holds else cls.FAILS


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome with its reason.

    Attributes:
        outcome: of the three.
        reason: a sentence with the numbers.
    """

    outcome: Outcome
    reason: str

    @property
    def holds(self) -> bool | None:
        """True, False, or None if the measurement does not decide."""
        return self.outcome.holds
