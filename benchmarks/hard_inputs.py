"""What inputs that nobody scaled cost against random directions of the same norms, as ratios.

    python benchmarks/hard_inputs.py [ACTIVATION ...]

Lines with and without bias, circles, grids, years and months, sliding windows, counts; three
layers; seven activations without a name. Time is that of the process, the least of three calls:
tables of the activation stand.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from analytic import AccuracyError, FullyConnected, Network, kernel

NAMES = ("tanh", "softplus", "erf", "sigmoid", "relu", "gelu", "sin")
DEPTH, ROWS, CALLS = 3, 1500, 3


def inputs() -> dict[str, tuple[np.ndarray, float]]:
    """Each with the deviation of the biases."""
    rng, k = np.random.default_rng(0), np.arange(ROWS)
    angle, side = 2 * np.pi * k / ROWS, np.linspace(-5, 5, int(ROWS**0.5))
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    windows = np.lib.stride_tricks.sliding_window_view(
        20 + 5 * np.sin(np.arange(ROWS + 9) / 20), 10
    )

    def line(low: float, high: float) -> np.ndarray:
        return np.linspace(low, high, ROWS)[:, None]

    return {
        **{f"line to {top}, bias": (line(-top, top), 0.5) for top in (6, 12, 30, 300)},
        "line to 300": (line(-300, 300), 0.0),
        "line 1000 to 1010": (line(1000, 1010), 0.0),
        "line 1000 to 1010, bias": (line(1000, 1010), 0.5),
        "circle": (circle, 0.0),
        "circle, radius 10": (10 * circle, 0.0),
        "grid to 5": (grid, 0.0),
        "grid to 5, bias": (grid, 1.0),
        "grid to 50": (10 * grid, 0.0),
        "years and months": (np.stack([1900 + k // 12, k % 12], axis=1).astype(float), 0.0),
        "windows": (np.ascontiguousarray(windows), 0.0),
        "counts": (2.0 * rng.poisson(3, (ROWS, 8)), 0.0),
    }


def seconds(network: Network, x: np.ndarray) -> float:
    """The least processor time of some calls; infinite where it is refused."""
    spent = []
    for _ in range(CALLS):
        start = time.process_time()
        try:
            kernel(network, x, progress=False)
        except AccuracyError:
            return np.inf
        spent.append(time.process_time() - start)
    return min(spent)


def main() -> None:
    names, rng = tuple(sys.argv[1:]) or NAMES, np.random.default_rng(1)
    print(f"{'inputs':<26}" + "".join(f"{name:>18}" for name in names))
    for label, (x, bias) in inputs().items():
        random = rng.standard_normal((len(x), 10))
        size = np.linalg.norm(x, axis=1) / np.linalg.norm(random, axis=1)
        random *= size[:, None] * np.sqrt(10 / x.shape[1])
        row = f"{label:<26}"
        for name in names:
            network = Network(*[FullyConnected(name, bias_std=bias)] * DEPTH)
            own, other = seconds(network, x), seconds(network, random)
            row += f"{own:>9.2f} s {own / other:>5.1f}x"
        print(row, flush=True)


if __name__ == "__main__":
    main()
