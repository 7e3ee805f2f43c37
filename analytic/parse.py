"""Text to activation and text to network, by a whitelist over Python's syntax tree.

The text of an activation is an expression in ``x``, that of a network exactly its
``repr``. Either may come from a file somebody else wrote: nothing is ever evaluated, and
what is not on the list is refused with a sentence before it costs time or memory.
"""

from __future__ import annotations

import ast
from typing import Any

from analytic.activation import Activation
from analytic.network import FullyConnected, Network, Residual
from analytic.syntax import short, syntax_tree

__all__ = ["parse_activation", "parse_network"]

LONGEST = 10_000
"""Most characters of the text of a network."""
NODES = 2_000
"""Most nodes of its syntax tree."""
WORDS = 1_000
"""Most characters of all its different activations together."""

_WHAT = "a network such as Network(FullyConnected('tanh'))"
_LAYERS: dict[str, Any] = {"FullyConnected": FullyConnected, "Residual": Residual}
_CONSTRUCTORS: dict[str, Any] = {**_LAYERS, "Network": Network}
_OPTIONS = ("weight_std", "bias_std", "width_ratio")


def parse_activation(text: str) -> Activation:
    """The activation that a text describes.

    Args:
        text: a name, or an expression made of numbers, ``x``, ``pi``, ``E``, + - * / ** and
            the functions in ``analytic.vocabulary.FUNCTIONS``.

    Raises:
        ValueError: the text is something else, or no activation, with the place.
        TypeError: it is not a text.

    Example:
        >>> parse_activation("tanh(x) + sin(3*x)/10")
        Activation("sin(3*x)/10 + tanh(x)")
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"expected text, got {type(text).__name__}; pass a string")
    return Activation(text)


def parse_network(text: str) -> Network:
    """The network that a text describes.

    Args:
        text: what ``repr(network)`` prints.

    Raises:
        ValueError: the text is something else, with the place; or it describes a network
            that makes no sense, with the reason.
        TypeError: it is not a text.

    Example:
        >>> parse_network('Network(FullyConnected("tanh", weight_std=2))')
        Network(FullyConnected("tanh", weight_std=2.0))
    """
    tree = syntax_tree(text, what=_WHAT, longest=LONGEST, nodes=NODES)
    words: set[str] = set()
    _check(tree, "Network", words)
    if sum(map(len, words)) > WORDS:
        raise ValueError(
            f"expected activations of at most {WORDS} characters in all, got"
            f" {sum(map(len, words))}; shorten them"
        )
    return _built(tree)


def _check(node: ast.expr, wanted: str, words: set[str]) -> None:
    """Refuse what is not a call of a constructor, before anything is built."""
    allowed = _LAYERS if wanted != "Network" else ("Network",)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise _refusal(node, "FullyConnected, Network, Residual, names and numbers only")
    if node.func.id not in allowed:
        raise _refusal(node, wanted)
    if node.func.id == "FullyConnected":
        _check_weights(node, words)
        return
    if node.keywords:
        raise _refusal(node, "layers one by one")
    for argument in node.args:
        _check(argument, "FullyConnected or Residual", words)


def _check_weights(node: ast.Call, words: set[str]) -> None:
    if len(node.args) != 1 or not isinstance(node.args[0], ast.Constant):
        raise _refusal(node, "FullyConnected with the text of one activation")
    if not isinstance(node.args[0].value, str):
        raise _refusal(node, "FullyConnected with the text of one activation")
    words.add(node.args[0].value)
    names = [keyword.arg for keyword in node.keywords]
    if len(set(names)) < len(names) or not set(names) <= set(_OPTIONS):
        raise _refusal(node, f"the options {', '.join(_OPTIONS)} once each")
    for keyword in node.keywords:
        _number(keyword.value)


def _number(node: ast.expr) -> float:
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    value: Any = inner.value if isinstance(inner, ast.Constant) else None
    if type(value) not in (int, float):
        raise _refusal(node, "a number")
    if value != 0 and not 1e-300 < abs(value) < 1e300:
        raise _refusal(node, "0 or a number of size between 1e-300 and 1e300")
    return -float(value) if negative else float(value)


def _built(node: Any) -> Any:
    """The object of a checked tree."""
    if node.func.id == "FullyConnected":
        options = {keyword.arg: _number(keyword.value) for keyword in node.keywords}
        return FullyConnected(node.args[0].value, **options)
    return _CONSTRUCTORS[node.func.id](*map(_built, node.args))


def _refusal(node: ast.expr, expected: str) -> ValueError:
    return ValueError(
        f"expected {expected}, got {short(ast.unparse(node))} at character {node.col_offset + 1};"
        " write what repr(network) prints"
    )
