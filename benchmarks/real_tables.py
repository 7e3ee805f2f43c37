"""What real tables cost against random directions of the same norms, as ratios.

    python benchmarks/real_tables.py [NAME ...]

NAME is iris, wine, breast_cancer, diabetes or digits; all of them without one. Each table as it
is, scaled to [0, 1] and standardised; four activations; one and three layers. Time is that of
the process, the second call of each, so that tables of the activation stand.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import sklearn.datasets

from analytic import AccuracyError, FullyConnected, Network, kernel

TABLES = ("iris", "wine", "breast_cancer", "diabetes", "digits")
NAMES = ("tanh", "softplus", "sigmoid", "erf")
DEPTHS = (1, 3)
MOST = 600
"""Most rows that are taken."""


def scaled(x: np.ndarray) -> dict[str, np.ndarray]:
    """The table as it is, in [0, 1], and standardised."""
    low, width = x.min(axis=0), np.ptp(x, axis=0)
    spread = x.std(axis=0)
    return {
        "raw": x,
        "minmax": (x - low) / np.where(width > 0, width, 1),
        "standardised": (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1),
    }


def seconds(network: Network, x: np.ndarray) -> float:
    """Processor time of the second call; infinite where it is refused."""
    spent = np.inf
    for _ in range(2):
        start = time.process_time()
        try:
            kernel(network, x, progress=False)
        except AccuracyError:
            return np.inf
        spent = time.process_time() - start
    return spent


def main() -> None:
    rng = np.random.default_rng(0)
    print(f"{'table':<15}{'scale':<14}{'network':<14}{'us a pair':>10}{'ratio':>8}")
    for table in sys.argv[1:] or TABLES:
        data = getattr(sklearn.datasets, f"load_{table}")().data[:MOST]
        for scale, x in scaled(np.asarray(data, dtype=float)).items():
            random = rng.standard_normal(x.shape)
            norms = np.linalg.norm(x, axis=1) / np.linalg.norm(random, axis=1)
            random *= norms[:, None]
            for name in NAMES:
                for depth in DEPTHS:
                    network = Network(*[FullyConnected(name)] * depth)
                    own, other = seconds(network, x), seconds(network, random)
                    pairs = len(x) * (len(x) - 1) / 2
                    print(
                        f"{table:<15}{scale:<14}{name + ' ' + str(depth):<14}"
                        f"{own / pairs * 1e6:>10.2f}{own / other:>8.1f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
