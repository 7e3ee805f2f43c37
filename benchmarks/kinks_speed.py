"""What activations with kinks cost against tanh on the same inputs, as ratios.

    python benchmarks/kinks_speed.py [ROWS [BIAS_STD]] [NAME ...]

ROWS are inputs, 1,000 without a number; BIAS_STD is 0 without one. NAME is an
activation; all of those below without one.
Random directions of varied norms; three layers. Time is that of the process, the least of some
calls after the first: tables stand.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from analytic import AccuracyError, FullyConnected, Network, kernel

NAMES = (
    "hardtanh", "relu6", "hardsigmoid", "max(x - 0.01, 0) + min(x + 0.01, 0)", "hardswish",
    "exp(-abs(x))", "softsign", "elu", "celu", "selu", "max(x, 0)**2", "max(x, 0)**3",
)  # fmt: skip
DEPTH, ROWS, FEATURES, CALLS = 3, 1000, 10, 3


def inputs(rows: int) -> np.ndarray:
    """Random directions; norms from a fifth to five times the root of the features."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, FEATURES))
    return x * np.exp(rng.uniform(-1.6, 1.6, (rows, 1)))


def seconds(name: str, x: np.ndarray, bias: float) -> tuple[float, float]:
    """Of the first call, and the least of some later ones; infinite where it is refused."""
    network, spent = Network(*[FullyConnected(name, bias_std=bias)] * DEPTH), []
    for call in range(1 + CALLS):
        inputs = x * (1 - 1e-3 * call)  # nothing of one call is of use for another but tables
        start = time.process_time()
        try:
            kernel(network, inputs, progress=False)
        except AccuracyError:
            return np.inf, np.inf
        spent.append(time.process_time() - start)
    return spent[0], min(spent[1:])


def main() -> None:
    numbers = [float(word) for word in sys.argv[1:3] if word.replace(".", "").isdecimal()]
    rows, bias = int([*numbers, ROWS][0]), [*numbers[1:], 0.0][0]
    names = sys.argv[1 + len(numbers) :]
    x, pairs = inputs(rows), rows * (rows - 1) / 2
    seconds("tanh", x, bias)  # compiles
    _, smooth = seconds("tanh", x, bias)
    print(f"{'activation':<36}{'first s':>8}{'us a pair':>10}{'to tanh':>8}")
    for name in ("tanh", *(names or NAMES)):
        first, later = seconds(name, x, bias)
        print(
            f"{name:<36}{first:>8.2f}{later / pairs * 1e6:>10.2f}{later / smooth:>8.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
