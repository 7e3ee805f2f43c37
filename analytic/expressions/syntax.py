"""From text to a syntax tree: nothing is ever evaluated.

A text may come from a file somebody else wrote. It is measured first (length, alphabet,
nesting), then read by Python's own parser; what it means, ``analytic.expressions.reading`` and
``analytic.network`` decide.
"""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings

__all__ = ["short", "syntax_tree"]

DEEPEST = 40
"""Deepest nesting of brackets and of operators."""


def short(text: str, most: int = 60) -> str:
    """The text in quotes, cut to a length that fits into a sentence."""
    return repr(text if len(text) <= most else text[: most - 3] + "...")


def syntax_tree(text: str, *, what: str, longest: int, nodes: int) -> ast.expr:
    """Measure a text and parse it, without evaluating anything.

    Args:
        text: Python code of one expression.
        what: the kind of thing that is expected, with an example, for the errors.
        longest: most characters.
        nodes: most nodes of the tree.

    Raises:
        TypeError: the text is not a string.
        ValueError: it is too long or too deep, has other characters than printable ASCII,
            or is no expression.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"expected text, got {type(text).__name__}; pass a string")
    if len(text) > longest:
        raise ValueError(f"expected at most {longest} characters, got {len(text)}; shorten it")
    _check_alphabet(text, what)
    _check_nesting(text)
    try:
        with warnings.catch_warnings():  # about literals such as 1if, which are refused anyway
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise ValueError(f"expected {what}, got {short(text)}; correct it") from None
    except (RecursionError, MemoryError):
        raise ValueError(f"expected {what}, got a nest too deep: {short(text)}") from None
    _check_size(tree, text, nodes)
    _check_literals(tree, text.strip())
    return tree


def _check_alphabet(text: str, what: str) -> None:
    for place, letter in enumerate(text):
        if not (" " <= letter <= "~") or letter == "\\":
            name = unicodedata.name(letter, "a control character")
            raise ValueError(
                f"expected {what} in printable ASCII without backslashes, got {name.lower()}"
                f" (U+{ord(letter):04X}) at character {place + 1}; replace it"
            )


_SIGNS = re.compile(rf"(?:[-+~]\s*){{{DEEPEST}}}")


def _check_nesting(text: str) -> None:
    """Refuse deep brackets and long runs of signs, over which Python's parser takes long."""
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST or _SIGNS.search(text):
        raise ValueError(
            f"expected parts nested at most {DEEPEST} deep, got more in {short(text)}; simplify it"
        )


def _check_size(tree: ast.expr, text: str, nodes: int) -> None:
    count, stack = 0, [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        count += 1
        if depth > DEEPEST or count > nodes:
            raise ValueError(
                f"expected at most {nodes} parts nested at most {DEEPEST} deep, got more in"
                f" {short(text)}; simplify it"
            )
        stack += [
            (child, depth + 1)
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.expr)
        ]
        if isinstance(node, ast.Call):
            stack += [(keyword.value, depth + 1) for keyword in node.keywords]


def _check_literals(tree: ast.expr, text: str) -> None:
    """Refuse numbers so small that Python reads them as 0."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and repr(node.value) == "0.0":
            literal = text[node.col_offset : node.end_col_offset]
            if re.search("[1-9]", literal.lower().partition("e")[0]):
                raise ValueError(
                    f"expected numbers that float64 can tell from 0, got {short(literal)} at"
                    f" character {node.col_offset + 1} of {short(text)}; scale it"
                )
