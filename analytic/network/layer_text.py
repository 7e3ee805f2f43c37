"""The text of a layer: the code that makes it."""

from __future__ import annotations

from dataclasses import fields

from analytic.activation import Activation
from analytic.network.training_rates import Rated

__all__ = ["Described"]


class Described(Rated):
    """Prints a layer as the code that makes it: required fields, then what is changed."""

    required = 1

    def __repr__(self) -> str:
        parts: list[str] = []
        for index, field in enumerate(fields(self)):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            text = f'"{value.name}"' if isinstance(value, Activation) else _text(value)
            if index < self.required:
                parts.append(text)
            elif value != field.default:
                parts.append(f"{field.name}={text}")
        return f"{type(self).__name__}({', '.join(parts)})"


def _text(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
