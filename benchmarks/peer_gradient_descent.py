"""The peer's side of a comparison: neural-tangents 0.6.5, ``predict.gradient_descent_mse``.

    python benchmarks/peer_gradient_descent.py problem.npz answer.npz

The problem holds k_train, k_test, y, times; the answer the predictions and the seconds of a
first and a second call. Runs in an environment of its own (``make bench-peers`` builds it).
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import sys
import time
from types import ModuleType

sys.modules["neural_tangents.experimental"] = ModuleType("experimental")  # wants tensorflow

import jax  # noqa: E402

jax.config.update("jax_enable_x64", True)

import neural_tangents as nt  # noqa: E402
import numpy as np  # noqa: E402


def main() -> None:
    """Predict at all times at once."""
    problem, seconds = np.load(sys.argv[1]), []
    value = np.empty(0)
    for _ in range(2):
        began = time.perf_counter()
        predict = nt.predict.gradient_descent_mse(problem["k_train"], problem["y"][:, None])
        zero = np.zeros((len(problem["k_test"]), 1))
        _, test = predict(
            problem["times"], np.zeros((len(problem["y"]), 1)), zero, problem["k_test"]
        )
        value = np.asarray(test)[..., 0]
        seconds.append(time.perf_counter() - began)
    np.savez(sys.argv[2], value=value, seconds=seconds)


if __name__ == "__main__":
    main()
