"""How often float64 cannot keep the promise: a grid of activations, weight_std and depth.

    python benchmarks/analytic_grid.py

The inputs have |x|^2 = d, with a duplicate, a near-duplicate at 1e-6, an opposite, a zero
input and one of twice the norm. Refused means ``AccuracyError``, never a wrong number.
"""

from __future__ import annotations

import numpy as np

from analytic import AccuracyError, FullyConnected, Network, kernel

NAMES = "tanh softplus sigmoid erf gelu silu sin cos gaussian relu".split()
WEIGHT_STDS = (0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0)
DEPTHS = (1, 2, 3, 5, 7, 10)


def inputs(d: int = 20) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, d))
    x *= np.sqrt(d) / np.linalg.norm(x, axis=1)[:, None]
    x[1], x[3], x[4] = x[0], -x[0], 0
    x[2] = x[0] + 1e-6 * rng.standard_normal(d)
    x[5] *= 2
    return x


def refused(name: str, weight_std: float, depth: int, tolerance: float) -> bool:
    network = Network(*[FullyConnected(name, weight_std=weight_std)] * depth)
    try:
        kernel(network, inputs(), tolerance=tolerance)
    except AccuracyError:
        return True
    return False


def main() -> None:
    for tolerance in (1e-10, 1e-13):
        cases = [(name, w, depth) for name in NAMES for w in WEIGHT_STDS for depth in DEPTHS]
        lost = [case for case in cases if refused(*case, tolerance)]
        print(f"tolerance {tolerance:g}: {len(lost)} of {len(cases)} refused")
        for name in NAMES:
            own = [f"({w:g}, {depth})" for other, w, depth in lost if other == name]
            if own:
                print(f"  {name} at (weight_std, depth) = {', '.join(own)}")


if __name__ == "__main__":
    main()
