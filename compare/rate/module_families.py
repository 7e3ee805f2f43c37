"""Families of modules that people make: what they are called, and whether they are families.

A function (width, seed) is measured like a description. What it computes is not known from its
name, so that a store also keeps a fingerprint of the weights of one of its modules.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from analytic import Network
from compare.rate.network_cells import Family, made
from compare.store import digest

__all__ = ["OWN_LIMITS", "SUCCESSIVE", "check_family", "check_widths", "fingerprint", "named"]

SUCCESSIVE = "successive widths"
"""What a record calls its limit where K_0 of one width is compared with that of the next."""


OWN_LIMITS = "that of the modules, from their description"
"""What a record calls the limit that was found from modules."""


def check_family(network: Any, width: int) -> None:
    """Raise unless it is a description or a family.

    Args:
        network: that.
        width: of the modules that are compared.

    Raises:
        TypeError: it is neither a description nor a function (width, seed).
        ValueError: two modules of a function are alike.
    """
    if isinstance(network, Network):
        return
    if not callable(network):
        raise TypeError(
            "expected a Network or a function (width, seed) that makes a module, got"
            f" {type(network).__name__}; wrap it in one"
        )
    function: Any = network
    if not _takes_two(function):
        raise TypeError(
            f"expected a function (width, seed), got {named(function)}, which cannot be called with"
            " two numbers; let it call torch.manual_seed(seed) and make the module of that width"
        )
    if np.array_equal(_weights(network, width, 0), _weights(network, width, 1)):
        raise ValueError(
            "expected other weights for every seed, got the same for two of them; call"
            " torch.manual_seed(seed) in the function before the module is made"
        )


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(8, 0)
    except TypeError:
        return False
    except ValueError:  # one of C
        return True
    return True


def check_widths(network: Any, limit: Any, why: object, widths: Sequence[int]) -> None:
    """Raise unless a family can be compared with something.

    Args:
        network: a description or a family.
        limit: what it is compared with, None for itself at other widths.
        why: the reason, if no limit was found.
        widths: of the sweep.

    Raises:
        ValueError: there are too few widths.
    """
    if isinstance(network, Network):
        return
    if limit is None and len(widths) < 4:
        reason = f" ({why})" if isinstance(why, str) else ""
        raise ValueError(
            f"expected at least 4 widths of a family without a limit, as successive ones are"
            f" compared, got {list(widths)}; add some or pass limit{reason}"
        )


def named(network: Family) -> str:
    """A description's text, or where a function comes from."""
    if isinstance(network, Network):
        return repr(network)
    kind = network if hasattr(network, "__qualname__") else type(network)
    return f"{kind.__module__}.{kind.__qualname__}"  # pyright: ignore[reportAttributeAccessIssue]


def fingerprint(factory: Any) -> str:
    """The digest of one small module's names and weights."""
    module = made(factory, 8, 0)
    weights = [p.detach().double().cpu().numpy().ravel() for p in module.parameters()]
    names = " ".join(name for name, _ in module.named_parameters())
    return names + " " + digest(np.concatenate([*weights, np.empty(0)]))


def _weights(factory: Any, width: int, number: int) -> Any:
    parameters = list(made(factory, width, number).parameters())
    return np.concatenate([p.detach().double().cpu().numpy().ravel() for p in parameters])
