"""Speed of K_inf: against the peer, against itself, and against the limits of the machine.

    python benchmarks/analytic_speed.py [PEER_PYTHON]

All figures are from one run; trust the ratios. ``make bench-peers`` gives the interpreter
with the peer; without it only the rows without a peer are printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from machine import (
    best,
    best_in_turns,
    bytes_written_per_second,
    multiply_adds_per_second,
    processor,
)

from analytic import FullyConnected, Network, kernel
from analytic.machine import cores
from analytic.pairs import prepare
from analytic.pairs.input_products import scalar_products
from analytic.pairs.pair_recursion import begin, propagate
from analytic.pairs.row_blocks import Series
from analytic.recursion.certificate import GROUP
from analytic.recursion.tables import ROWS, new_tile
from analytic.solve.answer import solve

PEER = Path(__file__).with_name("peer_neural_tangents.py")


def stack(name: str, depth: int) -> Network:
    return Network(*[FullyConnected(name)] * depth)


def gaussian(n: int, d: int, norm: bool = False) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((n, d))
    return np.sqrt(d) * x / np.linalg.norm(x, axis=1)[:, None] if norm else x


def peer_seconds(python: str, name: str, degree: int | None, x: np.ndarray, repeat: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        np.save(path, x)
        request = [
            {"activation": name, "weight_std": 1.0, "bias_std": 0.0, "depth": 3}
            | {"degree": degree, "x": str(path), "repeat": repeat, "out": None}
        ]
        command = [python, "-W", "ignore", str(PEER)]
        done = subprocess.run(
            command, input=json.dumps(request), capture_output=True, text=True, check=True
        )
    return min(json.loads(done.stdout)[0]["seconds"])


def against_the_peer(python: str) -> None:
    print("against neural-tangents 0.6.5 (jitted), three layers, d = 64")
    for n, theirs, degree, goal in ((512, "tanh", 25, 500), (4096, "erf", None, 4)):
        x = gaussian(n, 64)
        before = peer_seconds(python, theirs, degree, x, 1 if degree else 5)
        ours = best(lambda x=x: kernel(stack("tanh", 3), x), 15)
        after = peer_seconds(python, theirs, degree, x, 1 if degree else 5)
        peer, how = min(before, after), f"{degree} nodes" if degree else "closed form"
        print(
            f"  n = {n}: tanh {ours * 1e3:.1f} ms; peer, {theirs}, {how}: {peer * 1e3:.0f} ms;"
            f" ratio {peer / ours:.1f} (goal {goal})"
        )


def equal_norms() -> None:
    print("inputs of equal norm against inputs of any norm, tanh, n = 4096")
    for depth, d in ((3, 64), (3, 16), (10, 64), (10, 16)):
        network, equal, other = (
            stack("tanh", depth),
            gaussian(4096, d, norm=True),
            gaussian(4096, d),
        )
        fast = best(partial(kernel, network, equal), 7)
        slow = best(partial(kernel, network, other), 7)
        print(
            f"  depth {depth}, d = {d}: {fast * 1e3:.0f} and {slow * 1e3:.0f} ms,"
            f" ratio {slow / fast:.2f}"
        )


def correlated(n: int, rho: float, d: int = 512) -> np.ndarray:
    """Inputs of slightly different norms whose pairs have nearly the same correlation."""
    rng = np.random.default_rng(0)
    x = np.sqrt(rho) + np.sqrt(1 - rho) * rng.choice([-1.0, 1.0], (n, d))
    return x * rng.uniform(0.99, 1.01, (n, 1))


def odd_terms(depth: int, x: np.ndarray) -> float:
    """Terms of the last of so many layers, on average over some tiles, by looking at one."""
    problem = prepare(stack("tanh", depth), x, None, 1e-10)
    series, data, tile = problem.method, problem.data(), new_tile(0)
    assert isinstance(series, Series)
    found: list[float] = []
    for row, lane in ((0, 512), (512, 1024), (1024, 2048), (2048, 3072)):
        end = row + ROWS
        coefficients = series.rows.table[:, row:end].T.copy()
        scalar_products(tile, data, row, end, lane)
        begin(tile, series.plan.bounds, row, end, lane, True)
        propagate(series.plan, tile, series.rows, coefficients, series.columns, row, end, lane, 0)
        found.append(GROUP / 2 * (tile.group.mean() + 1))
    return float(np.mean(found))


RECURSION = 14
"""Operations of a pair and layer outside the series (a multiply-add counts once)."""


def against_the_machine() -> None:
    rate, written = multiply_adds_per_second(), bytes_written_per_second()
    n = 4096
    out = np.empty((n, n))
    pairs = n * (n - 1) / 2
    layers: dict[str, tuple[float, float]] = {}
    for label, x in (("Gaussian, d = 64", gaussian(n, 64)), ("rho = 0.9", correlated(n, 0.9))):
        works: dict[int, Callable[[], object]] = {
            depth: partial(solve, prepare(stack("tanh", depth), x, None, 1e-10), "ntk", 1e-10, out)
            for depth in (2, 12)
        }
        seconds = best_in_turns(works, 9)
        terms = float(np.mean([odd_terms(depth, x) for depth in range(3, 13)]))
        layers[label] = (seconds[12] - seconds[2]) / 10, terms
        rate = max(rate, multiply_adds_per_second())
    print(processor())
    print(f"machine: {rate / 1e9:.0f} G multiply-adds/s, {written / 1e9:.1f} GB/s written")
    for label, (layer, terms) in layers.items():
        print(
            f"  {label}: {layer * cores() / pairs * 1e9:.2f} ns per pair and layer on one core,"
            f" {terms:.1f} terms: {pairs * (2 * terms + RECURSION) / layer / rate:.0%} of the"
            " multiply-adds"
        )
    for name, x in (
        ("tanh x 3", gaussian(n, 64)),
        ("tanh x 3, equal norms", gaussian(n, 64, True)),
    ):
        whole = best(partial(kernel, stack("tanh", 3), x, out=out), 9)
        print(f"  {name}, answer written at {out.nbytes / whole / written:.0%} of the bandwidth")


def main(arguments: list[str]) -> None:
    if arguments:
        against_the_peer(arguments[0])
    equal_norms()
    against_the_machine()


if __name__ == "__main__":
    main(sys.argv[1:])
