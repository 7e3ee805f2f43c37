r"""K_0 of finite networks of images: the layer identity against its alternatives, in one run.

    python benchmarks/empirical_images.py

Three layers of 3 x 3 tanh, float64, one thread, CPU seconds of the best of three: the way
that is counted cheapest, each way alone, the rules for arbitrary modules, and all per-sample
gradients by torch.func. Trust ratios, not seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytic import Convolution, Network
from empirical import FiniteNetwork, tangent_kernel
from empirical.layerwise import contraction, gradients
from empirical.module_kernels import measure

CASES = [  # samples, input shape, width
    (96, (1, 8, 8), 64),
    (96, (1, 8, 8), 256),
    (64, (1, 4, 4), 256),
    (64, (1, 4, 4), 512),
    (32, (1, 8, 8), 1024),
    (16, (3, 16, 16), 64),
]
FORCED = {"units": (2**60, 2**60), "patches": (-1, 2**60), "gradients": (2**60, -1)}
"""Multiply-adds of the forms by patches and by gradients that make one way the cheapest."""
LAYER = Convolution("tanh", 3, weight_std=1 / 3)


def best(work: Callable[[], Any], repeat: int = 3) -> float:
    """CPU seconds."""
    seconds: list[float] = []
    for _ in range(repeat):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return min(seconds)


@contextmanager
def forced(way: str) -> Iterator[None]:
    """Take one way to contract for all layers."""
    with ExitStack() as stack:
        for module in (contraction, gradients):
            stack.enter_context(patch.object(module, "costs", lambda *_, **__: FORCED[way]))
        yield


def jacobian(module: FiniteNetwork, x: torch.Tensor) -> torch.Tensor:
    """All per-sample gradients, then one product."""
    parameters = {k: p.detach() for k, p in module.named_parameters()}

    def value(p: Any, one: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(module, p, (one[None],))[0]

    rows = torch.func.vmap(torch.func.grad(value), (None, 0))(parameters, x)
    return sum((g.flatten(1) @ g.flatten(1).T for g in rows.values()), torch.zeros(()))


def main() -> None:
    """Print one line for every case."""
    torch.set_num_threads(1)
    for n, shape, width in CASES:
        x = torch.randn(n, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        f = FiniteNetwork(Network(LAYER, LAYER, LAYER), shape, width, antisymmetric=False)
        own = best(lambda f=f, x=x: tangent_kernel(f, x))
        line = [f"n = {n:3d}, {'x'.join(map(str, shape)):8s}, width {width:4d}: {own:7.3f} s;"]
        for way in FORCED:
            with forced(way):
                line.append(f"{way} {best(lambda f=f, x=x: tangent_kernel(f, x), 1) / own:.1f}")
        parameters = dict(f.named_parameters())
        rules = best(lambda f=f, p=parameters, x=x: measure(f, p, x, None, 0), 2)
        func = best(lambda f=f, x=x: jacobian(f, x), 1)
        line.append(f"rules {rules / own:.1f}, torch.func {func / own:.1f}")
        print(" ".join(line))


if __name__ == "__main__":
    main()
