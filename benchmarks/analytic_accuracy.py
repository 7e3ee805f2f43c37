"""Accuracy of K_inf against the peer's quadrature; writes the table of docs/accuracy.md.

    python benchmarks/analytic_accuracy.py PEER_PYTHON [OUTPUT]

The reference is tests/oracles/balls.py: two-dimensional trapezoidal sums in ball arithmetic.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from oracles import balls  # noqa: E402 # pyright: ignore[reportMissingImports]

from analytic import FullyConnected, Network, kernel, kernel_estimate  # noqa: E402

PEER = HERE / "peer_neural_tangents.py"
DEGREES = (25, 50)


def inputs() -> np.ndarray:
    """Three inputs with |x|^2 = d = 8: a pair at a right angle or so, and a close pair."""
    x = np.random.default_rng(1).standard_normal((3, 8))
    x[2] = x[0] + 1e-3 * x[1]
    return np.sqrt(8) * x / np.linalg.norm(x, axis=1)[:, None]


def peer(python: str, name: str, weight_std: float, x: np.ndarray) -> list[np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "x.npy"
        np.save(source, x)
        outputs = [Path(folder) / f"{degree}.npy" for degree in DEGREES]
        requests = [
            {"activation": name, "weight_std": weight_std, "bias_std": 0.0, "depth": 3}
            | {"degree": degree, "x": str(source), "repeat": 0, "out": str(out)}
            for degree, out in zip(DEGREES, outputs, strict=True)
        ]
        command = [python, "-W", "ignore", str(PEER)]
        text = json.dumps(requests)
        subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        return [np.load(out) for out in outputs]


def row(python: str, name: str, weight_std: float) -> str:
    network, x = Network(*[FullyConnected(name, weight_std=weight_std)] * 3), inputs()
    pairs = ((0, 0), (0, 1), (0, 2))
    exact = [balls.exact_kernel(network, x[i], x[j], digits=300) for i, j in pairs]
    scale = float(exact[0])

    def worst(k: np.ndarray) -> float:
        errors = [balls.distance(k[i, j], e) for (i, j), e in zip(pairs, exact, strict=True)]
        return max(errors) / scale

    estimate = kernel_estimate(network, x)
    cells = [worst(kernel(network, x)), estimate.error.max() / scale, worst(estimate.value)]
    cells += [worst(k) for k in peer(python, name, weight_std, x)]
    return f"| {name} | {weight_std:g} | " + " | ".join(f"{cell:.0e}" for cell in cells) + " |"


def table(python: str) -> str:
    """The page, dated."""
    rows = [row(python, name, w) for name in ("tanh", "softplus", "sigmoid") for w in (1.0, 3.0)]
    return "\n".join(
        [
            "# Accuracy",
            "",
            "Largest error of K at three pairs of inputs (equal, about orthogonal, 0.06 degrees"
            " apart), relative to K(x, x); three layers, inputs of norm $\\sqrt d$. The reference"
            " is a two-dimensional trapezoidal sum in ball arithmetic at 30 digits. The peer is"
            " neural-tangents 0.6.5, `ElementwiseNumerical` with the given number of Gauss-Hermite"
            " nodes.",
            "",
            f"Made by `benchmarks/analytic_accuracy.py` on {datetime.date.today()}.",
            "",
            "| activation | weight_std | `kernel` | bound of `kernel_estimate` | its error |"
            " peer, 25 nodes | peer, 50 nodes |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def main(arguments: list[str]) -> None:
    text = table(arguments[0])
    if len(arguments) > 1:
        Path(arguments[1]).write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
