"""Attack the estimates of cheap first layers at random networks and tables nobody scaled.

    python benchmarks/wide_campaign.py [SEED [SECONDS]]

Every pair that cells of wide deviations, tables of 1 - |c| or (of one feature) scalar products
serve is taken by conditioning as well. A line for each network: its activations, pairs served of
all, the largest difference over the sum of both bounds, and the largest bound; above 1 the ratio is
a violation.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from analytic import AccuracyError, FullyConnected, Network
from analytic.pairs import Close, cheap_entries, left_out_pairs
from analytic.request import asked

NAMES = (
    "tanh", "sigmoid", "softplus", "gelu", "silu", "mish", "erf(x/2)", "tanh(x)+2",
    "exp(-x**2/4)", "tanh(2*x-1)", "erf(3*x)", "x*tanh(x)", "1/(1+exp(-3*x))",
    "relu", "leaky_relu", "erf", "asinh(x)", "elu", "selu", "softsign", "hardtanh", "relu6",
    "hardsigmoid", "hardswish", "softshrink", "exp(-abs(x))", "max(x, 0)*max(2 - x, 0)",
)  # fmt: skip
TOLERANCE = 1e-10
COUNTS = 10**4, 10**6
"""Numbers of pairs for which tables of one kind and of the other are made."""


def table(rng: np.random.Generator) -> np.ndarray:
    """Rows that are nearly parallel, of norms that differ by up to e^2, or points on a line.

    Half of the tables have rows of both signs.
    """
    features, rows = int(rng.integers(1, 20)), int(rng.integers(30, 70))
    if features == 1:
        return np.exp(rng.uniform(2, 6)) * rng.standard_normal((rows, 1))
    base = np.abs(rng.standard_normal(features)) * np.exp(rng.uniform(-3, 1, features))
    x = base * (1 + rng.uniform(0.001, 0.3) * rng.standard_normal((rows, features)))
    x *= np.exp(rng.uniform(-1, 1, (rows, 1)))
    if rng.random() < 0.5:
        x *= rng.choice([-1, 1], (rows, 1))
    return np.asarray(x * np.exp(rng.uniform(4, 7.5)) / np.sqrt(np.mean(x**2)))


def network(rng: np.random.Generator) -> Network:
    """One to four layers, half of them with biases."""
    return Network(
        *(
            FullyConnected(
                str(rng.choice(NAMES)),
                weight_std=float(rng.choice([1.0, 1.0, 0.5, 2.0])),
                bias_std=float(rng.choice([0.0, 0.0, 0.5, 30.0])),
            )
            for _ in range(int(rng.integers(1, 5)))
        )
    )


def compared(described: Network, x: np.ndarray, pairs: int) -> tuple[int, float, float] | None:
    """Pairs served, the largest difference over the bounds, and the largest bound."""
    problem = asked(described, x, None, "both", TOLERANCE, "cpu")
    close = Close.of(described, problem.diagonal)
    i, j = np.triu_indices(len(x), 1)
    entries = cheap_entries(problem, close, pairs, i, j)
    if not entries:
        return None
    found = left_out_pairs(problem, close, entries, i, j)
    other = left_out_pairs(problem, close, (), i, j)
    ends = problem.diagonal
    served = (found.theta != other.theta) & (found.error <= TOLERANCE)
    worst = 0.0
    for share in (0.0, 1.0):
        own = ends.sigma + share * ends.theta
        apart = (found.sigma - other.sigma) + share * (found.theta - other.theta)
        wrong = np.abs(apart) / np.sqrt(own[i] * own[j]) / (found.error + other.error)
        worst = max(worst, float(wrong[served].max(initial=0.0)))
    return int(served.sum()), worst, float(found.error[served].max(initial=0.0))


def main() -> None:
    seed, seconds = (int(value) for value in (sys.argv[1:] + ["1", "600"][len(sys.argv) - 1 :])[:2])
    rng, end = np.random.default_rng(seed), time.monotonic() + seconds
    pairs = networks = violated = 0
    largest = 0.0
    while time.monotonic() < end:
        described, x = network(rng), table(rng)
        try:
            found = compared(described, x, int(rng.choice(COUNTS)))
        except (AccuracyError, ValueError) as error:
            print(f"{described}: {error}")
            continue
        if found is None or not found[0]:
            continue
        served, worst, bound = found
        print(f"{described}: {served} of {len(x) * (len(x) - 1) // 2}, {worst:.3f}, {bound:.1e}")
        pairs, networks, violated = pairs + served, networks + 1, violated + (worst > 1)
        largest = max(largest, worst)
    print(f"{networks} networks, {pairs} pairs, {violated} violated, largest ratio {largest:.3f}")


if __name__ == "__main__":
    main()
