"""K_inf of lifted modules beside the mean of K_0 over fresh draws, and the sentences of the others.

    python benchmarks/lifted_modules.py TABLE.md [DRAWS [WIDTHS [NAMES]]]

writes the table of docs/howto/lifted.md, or its rows with some names (patterns, between commas).
Each module of ``tests/networks/liftable`` is made anew for every draw, at two widths; the mean of
K_0 is compared with the limit that its description has, entry by entry, in standard errors. What is
left falls like 1/m.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from networks import (  # pyright: ignore[reportMissingImports]
    liftable_forms,
    liftable_images,
    unliftable,
)
from networks.liftable import (  # pyright: ignore[reportMissingImports]
    MODULES,
    Entry,
)

from compare.rate.lifted_limits import module_limit
from empirical import LiftingError, network_of

INPUTS, POOLED = 5, 7
"""Inputs of a comparison, and further modules that tell the initialiser."""
assert liftable_images
assert liftable_forms


def compared(entry: Entry, width: int, draws: int) -> tuple[float, float, float, str]:
    """(mean deviation, its standard error, both in per cent; largest z; first layer)."""
    x = entry.inputs(INPUTS)
    others = [entry.module(width, 100 + k) for k in range(POOLED)]
    limit = module_limit(network_of(entry.module(width, 1), x, draws=others), x)
    seeds = (1000 * width + k for k in range(draws))
    kernels = np.stack([_kernel(entry.module(width, seed), x) for seed in seeds])
    pairs = np.triu_indices(INPUTS)
    scale = np.sqrt(np.outer(np.diag(limit.value), np.diag(limit.value)))[pairs]
    off = ((kernels - limit.value) / np.sqrt(np.outer(*[np.diag(limit.value)] * 2)))[:, *pairs]
    drawn = limit.error * np.abs(limit.value).max() / scale
    error = np.sqrt(off.var(axis=0, ddof=1) / draws + drawn**2)
    means = off.mean(axis=1)
    whole = float(np.hypot(means.std(ddof=1) / np.sqrt(draws), drawn.mean()))
    return (
        100 * float(means.mean()), 100 * whole, float(np.abs(off.mean(axis=0) / error).max()),
        limit.first,
    )  # fmt: skip


def _kernel(module: torch.nn.Module, x: Any) -> np.ndarray:
    """K_0 of the first output by its definition: of five inputs that is the quickest."""
    outputs = module(*x) if isinstance(x, tuple) else module(x)
    parameters = [p for p in module.parameters() if p.requires_grad]
    rows = [
        torch.autograd.grad(f, parameters, retain_graph=True, allow_unused=True)
        for f in outputs.reshape(len(outputs), -1)[:, 0]
    ]
    jacobian = torch.stack([
        torch.cat([g.flatten() for g in row if g is not None]).double() for row in rows
    ])  # fmt: skip
    return (jacobian @ jacobian.T).numpy()


def lifted(draws: int, widths: list[int], names: str = "*") -> Iterator[str]:
    """The rows of modules that have a limit."""
    yield "| module | " + " | ".join(f"m = {m} | z" for m in widths) + " | first layer |"
    yield "|---|" + "---|---|" * len(widths) + "---|"
    for name, entry in MODULES.items():
        if not any(fnmatchcase(name, pattern) for pattern in names.split(",")):
            continue
        start, cells = time.process_time(), list[str]()
        first = ""
        for width in widths:
            mean, error, z, first = compared(entry, width, draws)
            cells += [f"{mean:+.2f} ± {error:.2f} %", f"{z:.1f}"]
        print(f"{name}: {time.process_time() - start:.0f} s", file=sys.stderr)
        yield f"| {name} | {' | '.join(cells)} | {first} |"


def refused() -> Iterator[str]:
    """The rows of the others."""
    yield "| module | sentence |"
    yield "|---|---|"
    for name, (make, shape, _) in unliftable.REFUSED.items():
        torch.manual_seed(1)
        module = make().double().eval()
        try:
            network_of(module, torch.randn(32, *shape, dtype=torch.float64))
        except LiftingError as error:
            yield f"| {name} | {str(error).replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    draws = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    widths = [int(m) for m in sys.argv[3].split(",")] if len(sys.argv) > 3 else [16, 64]
    names = sys.argv[4] if len(sys.argv) > 4 else "*"
    with Path(sys.argv[1]).open("w") as table:
        for rows in (lifted(draws, widths, names), refused()):
            for row in rows:
                print(row, file=table, flush=True)
            print(file=table)
