"""The public names of ``analytic``, ``empirical`` and ``compare``, imported when first used."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytic import *
    from compare import *
    from empirical import *

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """A name of the first floor that has it; floors above are not imported for it."""
    floors = map(_ours, ("analytic", "empirical", "compare"))
    if name == "__all__":
        return ["__version__", *sorted(public for floor in floors for public in floor.__all__)]
    if not name.startswith("_"):
        for floor in floors:
            if name in floor.__all__:
                return getattr(floor, name)
    raise AttributeError(f"module 'kinfinity' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __getattr__("__all__")


def _ours(package: str) -> Any:
    floor = importlib.import_module(package)
    if Path(str(floor.__file__)).resolve().parents[1] != Path(__file__).resolve().parent:
        expected = f"expected {package} from kinfinity {__version__}, got {floor.__file__}"
        raise ImportError(f"{expected}; rename that folder or start Python elsewhere")
    return floor


if __name__ == "__main__":
    importlib.import_module("compare.command.cli").main()
