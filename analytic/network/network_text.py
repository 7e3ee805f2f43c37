"""Text to activation and text to network, by a whitelist over Python's syntax tree.

The text of an activation is an expression in ``x``, that of a network exactly its
``repr``. Either may come from a file somebody else wrote: nothing is ever evaluated, and
what is not on the list is refused with a sentence before it costs time or memory.
"""

from __future__ import annotations

import ast
from typing import Any

from analytic.activation import Activation
from analytic.expressions import short, syntax_tree
from analytic.network.description import (
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Nonlinearity,
    Readout,
    Residual,
    Scale,
    Sum,
    SumPooling,
)

__all__ = ["parse_activation", "parse_network"]

LONGEST_NETWORK = 10_000
"""Most characters of the text of a network."""
NETWORK_NODES = 2_000
"""Most nodes of its syntax tree."""
WORDS = 1_000
"""Most characters of all its different activations together."""

_WHAT = "a network such as Network(FullyConnected('tanh'))"
_LAYERS = (
    FullyConnected, Convolution, Nonlinearity, Residual, Sum, Concatenate, Scale, Dropout,
    LayerNorm, AveragePooling, SumPooling, Flatten, GlobalAveragePooling,
)  # fmt: skip
_CONSTRUCTORS: dict[str, Any] = {kind.__name__: kind for kind in (Network, Readout, *_LAYERS)}
_LAYER_NAMES = ", ".join(kind.__name__ for kind in _LAYERS)
_NUMBERS = (
    "weight_std", "bias_std", "width_ratio", "weight_rate", "bias_rate", "eps", "gain_rate",
)  # fmt: skip
_WEIGHTS = _NUMBERS[:5]
_OPTIONS = {
    "FullyConnected": _WEIGHTS,
    "Nonlinearity": (),
    "Readout": tuple(name for name in _WEIGHTS if name != "width_ratio"),
    "LayerNorm": ("eps", "gain_rate", "bias_rate", "positions"),
    "Convolution": ("stride", "padding", "padding_mode", "dilation", "normalize", *_WEIGHTS),
}
"""The parts with options, and the options of each."""
_OPTIONS_ONLY = ("Readout", "LayerNorm")
"""Those without an activation."""
_ONE_NUMBER = {"Scale": "a factor", "Dropout": "a rate"}
_POOLINGS = ("AveragePooling", "SumPooling")


def parse_activation(text: str) -> Activation:
    """The activation that a text describes.

    Args:
        text: a name, or an expression made of numbers, ``x``, ``pi``, ``E``, + - * / ** and
            the functions in ``analytic.expressions.vocabulary.FUNCTIONS``.

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
    tree = syntax_tree(text, what=_WHAT, longest=LONGEST_NETWORK, nodes=NETWORK_NODES)
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
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise _refusal(node, f"Network, {_LAYER_NAMES}, names and numbers only")
    name = node.func.id
    if name not in _CONSTRUCTORS or (name == "Network") != (wanted == "Network"):
        raise _refusal(node, wanted)
    if name in _OPTIONS:
        if name not in _OPTIONS_ONLY:
            _check_activation(node, name, words)
        elif node.args:
            raise _refusal(node, f"options of {name} only")
        _check_options(node, name)
    elif name in _POOLINGS:
        _check_pooling(node)
    elif node.keywords:
        raise _refusal(node, "layers one by one")
    elif name in _ONE_NUMBER:
        if len(node.args) != 1:
            raise _refusal(node, _ONE_NUMBER[name])
        _number(node.args[0])
    else:
        for argument in node.args:
            branch = [argument]
            if name in ("Sum", "Concatenate") and isinstance(argument, ast.List):
                branch = argument.elts
            for layer in branch:
                _check(layer, f"one of the layers {_LAYER_NAMES}", words)
                if _is_readout(layer) and (name != "Network" or layer is not node.args[-1]):
                    raise _refusal(layer, "the Readout as the last part of a Network")


def _is_readout(node: ast.expr) -> bool:
    """Whether a checked call is that of the readout."""
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Readout"


def _check_pooling(node: ast.Call) -> None:
    _check_sizes(node, node.args, 1)
    if [keyword.arg for keyword in node.keywords] not in ([], ["stride"]):
        raise _refusal(node, "a size and the option stride")
    for keyword in node.keywords:
        _size(keyword.value)


def _check_activation(node: ast.Call, name: str, words: set[str]) -> None:
    text = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    if not isinstance(text, str):
        raise _refusal(node, f"{name} with the text of one activation")
    words.add(text)
    _check_sizes(node, node.args[1:], 1 if name == "Convolution" else 0)


def _check_options(node: ast.Call, name: str) -> None:
    options = _OPTIONS[name]
    names = [keyword.arg for keyword in node.keywords]
    if len(set(names)) < len(names) or not set(names) <= set(options):
        wanted = f"the options {', '.join(options)} once each" if options else "no options"
        raise _refusal(node, f"{wanted} for {name}")
    for keyword in node.keywords:
        _value(str(keyword.arg), keyword.value)


def _check_sizes(node: ast.Call, sizes: list[ast.expr], count: int) -> None:
    if len(sizes) != count:
        raise _refusal(node, f"{count} numbers after the activation" if count else "an activation")
    for size in sizes:
        _size(size)


def _value(option: str, node: ast.expr) -> Any:
    """The value of an option."""
    if option in _NUMBERS:
        return _number(node)
    if option in ("stride", "dilation"):
        return _size(node)
    if option == "positions":
        if not (isinstance(node, ast.Constant) and isinstance(node.value, bool)):
            raise _refusal(node, "True or False for positions")
        return node.value
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        raise _refusal(node, f"a word for {option}")
    return node.value


LARGEST_SIZE = 10_000
"""Largest kernel size, stride, dilation or pooling window of a text."""


def _size(node: ast.expr) -> int | tuple[int, ...]:
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    values = [part.value if isinstance(part, ast.Constant) else None for part in parts]
    numbers = tuple(v for v in values if type(v) is int and 0 < v <= LARGEST_SIZE)
    if len(numbers) < len(values) or not 1 <= len(numbers) <= 3:
        raise _refusal(node, f"a size from 1 to {LARGEST_SIZE}, such as 3 or (3, 3)")
    return numbers if isinstance(node, ast.Tuple) else numbers[0]


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
    if isinstance(node, ast.List):
        return [_built(layer) for layer in node.elts]
    name = node.func.id
    if name in _OPTIONS:
        options = {keyword.arg: _value(keyword.arg, keyword.value) for keyword in node.keywords}
        activation = [argument.value for argument in node.args[:1]]
        return _CONSTRUCTORS[name](*activation, *map(_size, node.args[1:]), **options)
    if name in _POOLINGS:
        options = {str(keyword.arg): _size(keyword.value) for keyword in node.keywords}
        return _CONSTRUCTORS[name](_size(node.args[0]), **options)
    inner = dict.fromkeys(_ONE_NUMBER, _number).get(name, _built)
    return _CONSTRUCTORS[name](*map(inner, node.args))


def _refusal(node: ast.expr, expected: str) -> ValueError:
    return ValueError(
        f"expected {expected}, got {short(ast.unparse(node))} at character {node.col_offset + 1};"
        " write what repr(network) prints"
    )
