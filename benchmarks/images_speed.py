"""Speed and memory of K_inf of images: against the peer and against the machine's limits.

    python benchmarks/images_speed.py [PEER_PYTHON]

Three 3 x 3 convolutions, if nothing else is said; all figures are from one run, so trust the
ratios. Images of 32 x 32 are crops of scikit-learn's two photographs, or white noise.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import best, multiply_adds_per_second
from sklearn.datasets import load_sample_images

from analytic import (
    AveragePooling,
    Convolution,
    GlobalAveragePooling,
    Network,
    kernel,
    kernel_diagonal,
    kernel_plan,
)
from analytic.machine import cores
from analytic.network import Layer

ROOT = Path(__file__).resolve().parents[1]
PEER = Path(__file__).with_name("peer_neural_tangents.py")
MEMORY = """
import resource, sys, time
import numpy as np
from analytic import Convolution, GlobalAveragePooling, Network, kernel
n, side, pool = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "pool"
layers = [Convolution("tanh", 3, weight_std=1 / 3)] * 3
network = Network(*layers, *[GlobalAveragePooling()] * pool)
x = np.random.default_rng(0).standard_normal((n, 1, side, side))
kernel(network, x[:4])
began = time.perf_counter()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
answer = kernel(network, x)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
seconds = time.perf_counter() - began
print(seconds, answer.nbytes / 1e6, max(grown * 1024 - answer.nbytes, 0) / 1e6)
"""


@dataclass(frozen=True)
class Row:
    """A network and its images: readout "flatten", "pool" or "pools" (2 x 2 between layers)."""

    name: str
    readout: str
    n: int
    images: str = "noise"
    side: int = 32
    weight_std: float = 1 / 3
    depth: int = 3
    tolerance: float = 1e-10
    goal: float = 1.0
    plain: bool = False  # whether the peer is run without jit too

    @property
    def network(self) -> Network:
        layer = Convolution(self.name, 3, weight_std=self.weight_std)
        layers: list[Layer] = [layer]
        for _ in range(self.depth - 1):
            layers += [*[AveragePooling(2)] * (self.readout == "pools"), layer]
        return Network(*layers, *[GlobalAveragePooling()] * (self.readout != "flatten"))

    @property
    def x(self) -> np.ndarray:
        if self.images == "photographs":
            return photographs(self.n, self.side)
        return np.random.default_rng(0).standard_normal((self.n, 3, self.side, self.side))

    def __str__(self) -> str:
        return (
            f"{self.depth} {self.name}, {self.readout}, n = {self.n}, {self.side} x {self.side}"
            f" {self.images}, weight_std {self.weight_std:.2g}, tolerance {self.tolerance:.0e}"
        )


ERF_ROWS = [
    Row("erf", "flatten", 128, side=8, plain=True),
    Row("erf", "pool", 128, side=8, tolerance=1e-8, plain=True),
    *(
        Row("erf", "flatten", n, images, weight_std=std, goal=3)
        for n, std in ((50, 1 / 3), (200, 1 / 3), (50, 1.0))
        for images in ("photographs", "noise")
    ),
    Row("erf", "flatten", 100, depth=1, goal=3),
    *(
        Row("erf", readout, n, images, tolerance=1e-8, goal=5)
        for readout, n in (("pool", 4), ("pools", 8))
        for images in ("photographs", "noise")
    ),
]
"""Rows whose peer has a closed form."""
TANH_ROWS = [
    Row("tanh", "flatten", 64, side=8, goal=300, plain=True),
    Row("tanh", "pool", 8, side=8, tolerance=1e-8, goal=300, plain=True),
]
"""Rows whose peer has 25 nodes."""


def photographs(n: int, side: int) -> np.ndarray:
    """Crops of two photographs, (n, 3, side, side), between 0 and 1."""
    rng = np.random.default_rng(0)
    pictures = [picture / 255.0 for picture in load_sample_images().images]
    crops: list[np.ndarray] = []
    for number in range(n):
        picture = pictures[number % 2]
        y, x = (rng.integers(size - side) for size in picture.shape[:2])
        crops.append(np.moveaxis(picture[y : y + side, x : x + side], -1, 0))
    return np.array(crops)


def peer(python: str, row: Row, jit: bool) -> tuple[float, np.ndarray]:
    """Seconds of the peer and its kernel."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "x.npy", Path(folder) / "k.npy"
        np.save(path, row.x)
        degree = 25 if row.name == "tanh" else None
        request = [
            {"activation": row.name, "weight_std": 3 * row.weight_std, "bias_std": 0.0}
            | {"depth": row.depth, "degree": degree, "x": str(path), "out": str(out)}
            | {"readout": row.readout, "repeat": 1 if degree else 3, "jit": jit}
        ]
        done = subprocess.run(
            [python, "-W", "ignore", str(PEER)],
            input=json.dumps(request), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return min(json.loads(done.stdout)[0]["seconds"]), np.load(out)


def against_the_peer(python: str) -> None:
    print("against neural-tangents 0.6.5, jitted")
    for row in (*TANH_ROWS, *ERF_ROWS):
        x, net = row.x, row.network
        ours = best(lambda row=row, x=x, net=net: kernel(net, x, tolerance=row.tolerance), 3)
        theirs, values = peer(python, row, True)
        apart = np.abs(kernel(net, x, tolerance=row.tolerance) / values - 1).max()
        more = ""
        if row.plain:
            plain, _ = peer(python, row, False)
            more = f"; without jit {plain * 1e3:.0f} ms, ratio {plain / ours:.1f}"
        print(
            f"  {row}: {ours * 1e3:.0f} ms, peer {theirs * 1e3:.0f} ms, ratio {theirs / ours:.1f}"
            f" (goal {row.goal:g}){more}; values apart by {apart:.0e}",
            flush=True,
        )


def against_erf() -> None:
    print("tanh against erf (goal: 1.5 times as long)")
    for images in ("photographs", "noise"):
        for std in (1 / 3, 1.0):
            seconds: list[float] = []
            for name in ("erf", "tanh"):
                row = Row(name, "flatten", 50, images, weight_std=std)
                x, net = row.x, row.network
                seconds.append(best(lambda net=net, x=x: kernel(net, x), 3))
            print(f"  {row}: {seconds[1] * 1e3:.0f} ms, {seconds[1] / seconds[0]:.1f} times erf")


def large_work() -> None:
    print("large work")
    for images in ("photographs", "noise"):
        row = Row("tanh", "flatten", 100, images, weight_std=1.0, depth=1)
        seconds = best(lambda row=row: kernel(row.network, row.x), 1)
        print(f"  {row}: {seconds * 1e3:.0f} ms")
    rows = [(n, images, 3) for n in (200, 400) for images in ("photographs", "noise")]
    for n, images, depth in (*rows, (400, "noise", 1)):
        row = Row("tanh", "flatten", n, images, depth=depth)
        plan = kernel_plan(row.network, row.x)
        seconds = best(lambda row=row: kernel(row.network, row.x), 1)
        print(f"  {row}: plan {plan.seconds:.1f} s, took {seconds:.1f} s (goal within 30 %)")
    for name, readout in (("erf", "flatten"), ("tanh", "flatten"), ("erf", "pools")):
        row = Row(name, readout, 10_000, "photographs", tolerance=1e-8)
        x = row.x
        began = time.perf_counter()
        plan = kernel_plan(row.network, x, tolerance=row.tolerance)
        print(
            f"  {row}: plan {plan.seconds / 3600:.2f} h on {cores()} cores, made in"
            f" {time.perf_counter() - began:.1f} s"
        )
    row = Row("tanh", "flatten", 100)
    seconds = best(lambda: kernel_diagonal(row.network, row.x))
    print(f"  diagonal, {row}: {seconds * 1e3:.0f} ms")


def against_the_machine() -> None:
    rate = multiply_adds_per_second()
    print(f"against the machine: {rate / 1e9:.0f} G multiply-adds/s on {cores()} cores")
    for side, readout, n in ((8, "flatten", 512), (16, "flatten", 256), (32, "flatten", 128),
                             (64, "flatten", 64), (8, "pool", 64), (16, "pool", 16),
                             (32, "pool", 4)):  # fmt: skip
        for name in ("erf", "tanh"):
            row = Row(name, readout, n, side=side, tolerance=1e-8)
            x, net = row.x, row.network
            seconds = best(lambda net=net, x=x: kernel(net, x, tolerance=1e-8), 3)
            positions = side**2 if readout == "flatten" else side**4
            layers = 3 * positions * n * (n + 1) / 2
            print(
                f"  {row}: {cores() * seconds / layers * 1e9:.1f} ns per core, pair, pair of"
                f" positions and layer, {rate * seconds / layers:.0f} multiply-adds"
            )


def memory() -> None:
    for n, side, readout in ((1000, 28, "flatten"), (1000, 32, "flatten"), (8000, 8, "flatten"),
                             (128, 8, "pool"), (32, 16, "pool"), (8, 32, "pool")):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(n), str(side), readout],
            check=True, cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        seconds, size, beyond = map(float, done.stdout.split())
        print(
            f"  n = {n}, {side} x {side}, {readout}: {seconds:.1f} s, answer {size:.1f} MB, beyond"
            f" it {beyond:.0f} MB (goal {0.1 * size + 300:.0f})"
        )


def main() -> None:
    if sys.argv[1:]:
        against_the_peer(sys.argv[1])
    against_erf()
    against_the_machine()
    large_work()
    memory()


if __name__ == "__main__":
    main()
