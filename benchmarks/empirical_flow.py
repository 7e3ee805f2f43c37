r"""Gradient flow of wide networks: seconds, the share of matrix products, and the limits.

    python benchmarks/empirical_flow.py [--seeds 5] [--width 2048] [--peer PYTHON]

Two tanh layers, n = 256 points of a sphere, 1,000 evaluation points, T = 10/sigma_1. The share
is what the profiler counts as products of the network's own matrices (kernels, which are
n x n, are not counted); the limit is the time of their operations at the rate of a large
product. Then both methods over longer horizons, and the closed form against neural-tangents
if an interpreter that has it is named.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from analytic import FullyConnected, Network, kernel, predict
from empirical import FiniteNetwork, gradient_flow, tangent_kernel

PEER = Path(__file__).with_name("peer_gradient_descent.py")
NETWORK = Network(FullyConnected("tanh"), FullyConnected("tanh"))
METHODS: list[Any] = ["explicit", "exponential"]
SAMPLES, POINTS, D = 256, 1000, 10


def sphere(n: int, seed: int) -> torch.Tensor:
    x = torch.randn(n, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x * (math.sqrt(D) / x.norm(dim=1))[:, None]


def target(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(2 * x[:, 0])


def horizon(module: torch.nn.Module, x: torch.Tensor) -> float:
    """1/sigma_1."""
    return len(x) / float(torch.linalg.eigvalsh(tangent_kernel(module, x))[-1])


def products(events: Any) -> tuple[float, float]:
    """Seconds and operations of the products that are not kernels."""
    seconds = operations = 0.0
    for event in events.key_averages(group_by_input_shape=True):
        shapes = [s for s in event.input_shapes if len(s) == 2]
        if event.key not in ("aten::mm", "aten::addmm") or len(shapes) < 2:
            continue
        (m, k), (_, n) = shapes[-2:]
        if m != n or m != SAMPLES:
            seconds += event.self_cpu_time_total / 1e6
            operations += 2.0 * m * k * n * event.count
    return seconds, operations


def product_rate() -> float:
    """Operations per second of a large product."""
    a = torch.randn(2048, 2048, dtype=torch.float64)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(seconds)


def seeds(count: int, width: int) -> None:
    x, z = sphere(SAMPLES, 0), sphere(POINTS, 1)
    rate, total = product_rate(), 0.0
    print(f"width {width}, n = {SAMPLES}, {POINTS} points, T = 10/sigma_1, 20 output times, 1e-6")
    print(f"{torch.get_num_threads()} threads, large product {rate / 1e9:.0f} GFlop/s")
    for seed in range(count):
        module = FiniteNetwork(NETWORK, (D,), width, seed=seed)
        times = 10 * horizon(module, x) * np.geomspace(0.01, 1, 20)
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as events:
            began = time.perf_counter()
            flow = gradient_flow(module, x, target(x), times.tolist(), evaluate=z)
            wall = time.perf_counter() - began
        inside, operations = products(events)
        total += wall
        speed, limit = operations / inside / 1e9, operations / rate
        print(
            f"  seed {seed}: {wall:.1f} s, {inside / wall:.0%} in products at {speed:.0f} GFlop/s;"
            f" limit {limit:.1f} s; {flow.work}"
        )
    print(f"  all: {total:.1f} s (goal 300 s)")


def methods(width: int) -> None:
    x = sphere(64, 0)
    print(f"methods, width {width}, n = 64, rtol 1e-6")
    module = FiniteNetwork(NETWORK, (D,), width)
    unit = horizon(module, x)
    for length in (10, 100, 1000, 10000):
        for method in METHODS:
            if length == 10000 and method == "explicit":
                continue
            began = time.process_time()
            flow = gradient_flow(module, x, target(x), [length * unit], method=method)
            seconds = time.process_time() - began
            print(f"  T = {length:5d}/sigma_1, {method:11s}: {seconds:7.2f} CPU s, {flow.work}")


def closed_form(python: str | None) -> None:
    x, z = sphere(SAMPLES, 0).numpy(), sphere(POINTS, 1).numpy()
    y = target(sphere(SAMPLES, 0)).numpy()
    k_train, k_test = kernel(NETWORK, x), kernel(NETWORK, z, x)
    times = SAMPLES / np.linalg.eigvalsh(k_train)[-1] * np.geomspace(0.01, 10, 100)
    began = time.perf_counter()
    ours = predict(k_train, k_test, y, t=times)
    seconds = time.perf_counter() - began
    print(f"closed form, n = {SAMPLES}, {POINTS} points, 100 times: predict {seconds * 1e3:.0f} ms")
    if python is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        problem, answer = Path(folder) / "problem.npz", Path(folder) / "answer.npz"
        np.savez(problem, k_train=k_train, k_test=k_test, y=y, times=times)
        subprocess.run([python, "-W", "ignore", str(PEER), str(problem), str(answer)], check=True)
        theirs = np.load(answer)
        first, second = theirs["seconds"]
        apart = np.abs(theirs["value"] - ours).max()
    print(
        f"  peer {first * 1e3:.0f} ms, again {second * 1e3:.0f} ms; largest difference {apart:.1e}"
    )


def main() -> None:
    """Run all three parts."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--width", type=int, default=2048)
    options.add_argument("--peer")
    given = options.parse_args()
    closed_form(given.peer)
    methods(256)
    seeds(given.seeds, given.width)


if __name__ == "__main__":
    main()
