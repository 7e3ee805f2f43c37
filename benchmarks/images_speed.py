"""Speed and memory of K_inf of images: against the peer and against the machine's limits.

    python benchmarks/images_speed.py [PEER_PYTHON]

Three 3 x 3 convolutions; all figures are from one run, so trust the ratios.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import best, multiply_adds_per_second

from analytic import Convolution, GlobalAveragePooling, Network, kernel
from analytic.machine import cores

ROOT = Path(__file__).resolve().parents[1]
PEER = Path(__file__).with_name("peer_neural_tangents.py")
PAIRS = {"flatten": 64, "pool": 64**2}
"""Pairs of positions of an 8 x 8 image."""
MEMORY = """
import resource, sys
import numpy as np
from analytic import Convolution, GlobalAveragePooling, Network, kernel
n, side, pool = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "pool"
layers = [Convolution("tanh", 3, weight_std=1 / 3)] * 3
network = Network(*layers, *[GlobalAveragePooling()] * pool)
x = np.random.default_rng(0).standard_normal((n, 1, side, side))
kernel(network, x[:4])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
answer = kernel(network, x)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(answer.nbytes / 1e6, max(grown * 1024 - answer.nbytes, 0) / 1e6)
"""


def network(name: str, readout: str) -> Network:
    pool = [GlobalAveragePooling()] if readout == "pool" else []
    return Network(*[Convolution(name, 3, weight_std=1 / 3)] * 3, *pool)


def images(n: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, 3, side, side))


def peer(
    python: str, name: str, readout: str, x: np.ndarray, jit: bool
) -> tuple[float, np.ndarray]:
    """Seconds of the peer and its kernel."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "x.npy", Path(folder) / "k.npy"
        np.save(path, x)
        degree = 25 if name == "tanh" else None
        request = [
            {"activation": name, "weight_std": 1.0, "bias_std": 0.0, "depth": 3}
            | {"degree": degree, "x": str(path), "out": str(out), "readout": readout}
            | {"repeat": 1 if degree else 5, "jit": jit}
        ]
        done = subprocess.run(
            [python, "-W", "ignore", str(PEER)],
            input=json.dumps(request), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return min(json.loads(done.stdout)[0]["seconds"]), np.load(out)


def against_the_peer(python: str) -> None:
    print("against neural-tangents 0.6.5, as it is and jitted, 8 x 8 images of 3 channels")
    for name, readout, n, goal in (
        ("tanh", "flatten", 64, 300), ("tanh", "pool", 8, 300),
        ("erf", "flatten", 128, 1), ("erf", "pool", 128, 1),
    ):  # fmt: skip
        x, net = images(n), network(name, readout)
        ours = best(lambda net=net, x=x: kernel(net, x))
        theirs, values = peer(python, name, readout, x, True)
        plain, _ = peer(python, name, readout, x, False)
        apart = np.abs(kernel(net, x) / values - 1).max()
        print(
            f"  {name}, {readout}, n = {n}: {ours * 1e3:.1f} ms; peer {plain * 1e3:.0f} ms,"
            f" jitted {theirs * 1e3:.0f} ms; ratios {plain / ours:.1f} and {theirs / ours:.1f}"
            f" (goal {goal}); values apart by {apart:.0e}"
        )


def against_the_machine() -> None:
    rate = multiply_adds_per_second()
    print(f"against the machine: {rate / 1e9:.0f} G multiply-adds/s on {cores()} cores")
    for readout, n in (("flatten", 512), ("pool", 96)):
        x, net = images(n), network("tanh", readout)
        seconds = best(lambda net=net, x=x: kernel(net, x), 3)
        layers = 3 * PAIRS[readout] * n * (n + 1) / 2
        print(f"  {readout}, n = {n}: {cores() * seconds / layers * 1e9:.1f} ns per core, pair,"
              " pair of positions and layer")  # fmt: skip
    x, net = images(100, 16), network("tanh", "pool")
    began = time.perf_counter()
    kernel(net, x)
    print(f"  16 x 16, pool, n = 100: {time.perf_counter() - began:.1f} s (goal 120)")


def memory() -> None:
    for n, side, readout in ((1000, 28, "flatten"), (8000, 8, "flatten"), (128, 8, "pool"),
                             (32, 16, "pool"), (8, 32, "pool")):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(n), str(side), readout],
            check=True, cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        size, beyond = map(float, done.stdout.split())
        print(
            f"  n = {n}, {side} x {side}, {readout}: answer {size:.1f} MB, beyond it {beyond:.0f}"
            f" MB (goal {0.1 * size + 300:.0f})"
        )


def main() -> None:
    if sys.argv[1:]:
        against_the_peer(sys.argv[1])
    against_the_machine()
    memory()


if __name__ == "__main__":
    main()
