r"""K_0 of very wide networks without their weights, and of many narrow ones at once.

    python benchmarks/empirical_width.py [--width 32768] [--samples 64] [--device cpu]

The first part prints time, the share of it that random numbers take, memory, the fraction of
the rate of a large product, and the distance to the limit; the second the time of a loop over
seeds divided by that of the batch.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from analytic import FullyConnected, Network, kernel
from empirical import FiniteNetwork, streamed_tangent_kernel, tangent_kernel, tangent_kernels
from empirical.layerwise import streaming as streaming_module

TANH = FullyConnected("tanh")
NETWORK = Network(TANH, TANH, TANH)


def best(work: Callable[[], Any], device: str, repeat: int = 5) -> float:
    """Seconds of the fastest repetition."""
    seconds: list[float] = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def stream(width: int, n: int, dtype: torch.dtype, device: str) -> None:
    """Measure one streamed kernel."""
    x = torch.randn(n, 64, dtype=dtype, generator=torch.Generator().manual_seed(0)).to(device)
    streamed_tangent_kernel(NETWORK, x, 256)  # compiles the generator
    layers: list[streaming_module.DrawnLayer] = []
    drawn_layers = streaming_module.drawn_layers

    def remember(*arguments: Any) -> Any:
        found, readout = drawn_layers(*arguments)
        drawn = streaming_module.DrawnLayer
        layers.extend(one for one in found if isinstance(one, drawn))
        return found, readout

    streaming_module.drawn_layers = remember
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    value = streamed_tangent_kernel(NETWORK, x, width).cpu().double().numpy()
    seconds = time.perf_counter() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    streaming_module.drawn_layers = drawn_layers
    flops = 2.0 * n * (64 * width + 4 * width**2) + 2.0 * n * n * (64 + 6 * width)
    a = torch.randn(4096, 4096, dtype=dtype, device=device)
    peak = 2 * 4096**3 / best(lambda: (a @ a).sum().item(), device, 2)
    limit = kernel(NETWORK, x.cpu().double().numpy())
    distance = ((value - limit) ** 2).mean() ** 0.5 / (limit**2).mean() ** 0.5
    print(
        f"width {width}, n = {n}, {dtype}: {seconds:.1f} s, random numbers"
        f" {sum(layer.drawing for layer in layers) / seconds:.0%}, {flops / seconds / peak:.0%} of"
        f" the rate of a product, {grown / 1e6:.2f} GB in all (+{(grown - before) / 1e6:.2f}),"
        f" relative distance to the limit {distance:.1e}"
    )


def batch(width: int, n: int, device: str) -> None:
    """Compare a loop over seeds with one batch."""
    seeds = range(max(16, 2**13 // width))
    x = torch.randn(n, 16, dtype=torch.float64, device=device)

    def loop() -> None:
        for seed in seeds:
            network = FiniteNetwork(
                NETWORK, (16,), width, seed=seed, antisymmetric=False, device=device
            )
            tangent_kernel(network, x)

    one = best(loop, device) / len(seeds)
    many = best(lambda: tangent_kernels(NETWORK, x, width, seeds), device) / len(seeds)
    print(f"width {width:4d}, n = {n:3d}: loop {one * 1e3:6.3f} ms, {one / many:5.2f} times")


def main() -> None:
    """Run both parts."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--width", type=int, default=32768)
    options.add_argument("--samples", type=int, default=64)
    options.add_argument("--device", default="cpu")
    given = options.parse_args()
    for width in (32, 64, 128, 256, 512):
        for n in (8, 32, 128):
            batch(width, n, given.device)
    for dtype in (torch.float64, torch.float32):
        stream(given.width, given.samples, dtype, given.device)


if __name__ == "__main__":
    main()
