"""Text to network, by a whitelist over Python's syntax tree: nothing is ever evaluated.

The text of a network is exactly its ``repr``. It may come from a file somebody else wrote.
"""

from __future__ import annotations

import ast
from typing import Any

from analytic.network import FullyConnected, Network, Residual

__all__ = ["parse_network"]

LONGEST = 10_000
"""Most characters of a text."""
_CONSTRUCTORS: dict[str, Any] = {
    "FullyConnected": FullyConnected,
    "Network": Network,
    "Residual": Residual,
}


def parse_network(text: str) -> Network:
    """The network that a text describes.

    Args:
        text: what ``repr(network)`` prints.

    Raises:
        ValueError: the text is something else, with the place; or it describes a network
            that makes no sense, with the reason.

    Example:
        >>> parse_network('Network(FullyConnected("tanh", weight_std=2))')
        Network(FullyConnected("tanh", weight_std=2.0))
    """
    if len(text) > LONGEST:
        raise ValueError(f"expected at most {LONGEST} characters, got {len(text)}; shorten it")
    try:
        network = _value(_tree(text))
    except (RecursionError, MemoryError):
        raise ValueError(f"expected a network, got a nest too deep: {_short(text)}") from None
    if not isinstance(network, Network):
        raise ValueError(f"expected a Network outermost, got {_short(text)}; write Network(...)")
    return network


def _tree(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise ValueError(
            f"expected a network such as Network(FullyConnected('tanh')), got {_short(text)};"
            " copy what repr(network) prints"
        ) from None


def _value(node: ast.expr) -> Any:
    """The value of an allowed expression: a constructor call, a string or a number."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        constructor = _CONSTRUCTORS.get(node.func.id)
        named = {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}
        if constructor is not None and "None" not in named:
            try:
                return constructor(*map(_value, node.args), **named)
            except TypeError as error:
                raise ValueError(f"{error}, in {_short(ast.unparse(node))}") from None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _value(node.operand)
        if isinstance(inner, int | float):
            return -inner
    if isinstance(node, ast.Constant) and type(node.value) in (str, int, float):
        return node.value
    allowed = ", ".join(_CONSTRUCTORS)
    raise ValueError(
        f"expected {allowed}, names and numbers, got {_short(ast.unparse(node))}; use only these"
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
