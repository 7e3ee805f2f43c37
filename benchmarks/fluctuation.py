"""Var K_0 of finite networks against the predicted constant; writes what was measured.

    python benchmarks/fluctuation.py measure OUTPUT.json [NETWORKS]   (half an hour or more)
    python benchmarks/fluctuation.py table OUTPUT.json
    python benchmarks/fluctuation.py images                           (half an hour)
    python benchmarks/fluctuation.py law

For every network of ``tests/networks/fluctuating.py`` and every width some 400,000 kernels
are drawn by ``tests/oracles/conditional_sampling.py``. m Var K_0 is extrapolated to 1/m = 0 by
C + c/m + e/m^2.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from networks.fluctuating import (  # noqa: E402 # pyright: ignore[reportMissingImports]
    NETWORKS,
    points,
)
from oracles.conditional_sampling import (  # noqa: E402 # pyright: ignore[reportMissingImports]
    sample_kernels,
)

from analytic import (  # noqa: E402
    AveragePooling,
    Convolution,
    DistanceLaw,
    GlobalAveragePooling,
    Network,
    Residual,
    distance_law,
    fluctuation,
    kernel,
)
from empirical import tangent_kernels  # noqa: E402

COUNTS = {32: 400_000, 64: 400_000, 128: 400_000, 256: 200_000}
BATCH = 2**21
BATCHES = 40
"""Groups of kernels whose scatter gives the standard errors."""


def draws(network: Network, width: int, count: int, seed: int) -> np.ndarray:
    """The upper triangles of ``count`` kernels, (count, pairs)."""
    x = torch.from_numpy(points())
    generator = torch.Generator().manual_seed(seed)
    upper = np.triu_indices(len(x))
    size = max(1, BATCH // (width * len(x) * len(network.steps)))
    parts = []
    for start in range(0, count, size):
        k = sample_kernels(network, x, width, min(size, count - start), generator)
        parts.append(k.numpy()[:, *upper].astype(np.float32))
    return np.concatenate(parts)


def measure(network: Network, width: int, count: int, seed: int) -> dict[str, Any]:
    """Mean and covariance of the entries, from groups of kernels, with standard errors."""
    k = draws(network, width, count, seed).astype(np.float64)
    mean = k.mean(axis=0)
    groups = np.array([g.T @ g / len(g) for g in np.array_split(k - mean, BATCHES)])
    return {
        "width": width,
        "count": count,
        "mean": mean.tolist(),
        "mean_error": (k.std(axis=0) / np.sqrt(count)).tolist(),
        "covariance": (groups.mean(axis=0) * count / (count - 1)).tolist(),
        "covariance_error": (groups.std(axis=0, ddof=1) / np.sqrt(BATCHES)).tolist(),
    }


def extrapolated(
    rows: list[dict[str, Any]], values: list[np.ndarray], errors: list[np.ndarray]
) -> np.ndarray:
    """The constant of C + c/m + e/m^2 by weighted least squares, and its standard error."""
    m = np.array([row["width"] for row in rows], dtype=float)
    design = np.stack([np.ones_like(m), 1 / m, 1 / m**2], axis=1)
    found = np.empty((2, *values[0].shape))
    for place in np.ndindex(*values[0].shape):
        weight = 1 / np.array([e[place] for e in errors])
        a = design * weight[:, None]
        inverse = np.linalg.inv(a.T @ a)
        found[0][place] = (inverse @ a.T @ (weight * np.array([v[place] for v in values])))[0]
        found[1][place] = np.sqrt(inverse[0, 0])
    return found


def compare(network: Network, rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Extrapolated m Var K_0 over the predicted C for every pair, and its standard error."""
    x = points()
    c = fluctuation(network, x)[np.triu_indices(len(x))]
    values = [row["width"] * np.diag(row["covariance"]) / c for row in rows]
    errors = [row["width"] * np.diag(row["covariance_error"]) / c for row in rows]
    found = extrapolated(rows, values, errors)
    return np.asarray(found[0]), np.asarray(found[1])


def table(measured: dict[str, Any]) -> str:
    """One line for every network."""
    lines = [
        "| network | mean ratio - 1 | standard error | largest deviation | in its errors |",
        "|---|---|---|---|---|",
    ]
    for name, rows in measured.items():
        ratio, error = compare(NETWORKS[name], rows)
        z = (ratio - 1) / error
        worst = int(np.argmax(np.abs(z)))
        mean, spread = np.average(ratio - 1, weights=error**-2), float(np.sqrt(np.mean(error**2)))
        lines.append(
            f"| {name} | {mean:+.4f} | {spread:.4f} | {ratio[worst] - 1:+.4f} | {z[worst]:+.1f} |"
        )
    return "\n".join(lines)


IMAGES = {
    "8 positions, flattened": (
        Network(*[Convolution("tanh", 3, weight_std=0.6)] * 2),
        (2, 2, 8),
    ),
    "8 positions, residual, pooled": (
        Network(
            Convolution("softplus", 3, weight_std=0.6),
            Residual(Convolution("tanh", 3, weight_std=0.6, padding_mode="circular")),
            AveragePooling(2),
            Convolution("tanh", 3, weight_std=0.6),
            GlobalAveragePooling(),
        ),
        (2, 2, 8),
    ),
    "4 x 4 positions, flattened": (
        Network(*[Convolution("tanh", 3, weight_std=0.4)] * 2),
        (1, 2, 4, 4),
    ),
    "4 x 4 positions, pooled": (
        Network(*[Convolution("softplus", 3, weight_std=0.4)] * 2, GlobalAveragePooling()),
        (1, 2, 4, 4),
    ),
}
"""Networks of small images, and the shapes of their inputs."""


def images() -> None:
    """m Var K_0 of real networks, extrapolated by C + c/m, over the prediction."""
    print("| network | mean ratio - 1 | standard error | largest in its errors | seconds |")
    print("|---|---|---|---|---|")
    for name, (network, shape) in IMAGES.items():
        x = np.random.default_rng(4).standard_normal(shape)
        start = time.process_time()
        c = fluctuation(network, x)[np.triu_indices(len(x))]
        seconds = time.process_time() - start
        values, errors = [], []
        for width, count in ((32, 20000), (64, 20000)):
            k = tangent_kernels(network, torch.from_numpy(x), width, range(count)).numpy()
            squares = width * ((k - k.mean(axis=0)) ** 2)[:, *np.triu_indices(len(x))] / c
            values.append(squares.mean(axis=0))
            errors.append(squares.std(axis=0) / count**0.5)
        ratio, error = 2 * values[1] - values[0], np.hypot(2 * errors[1], errors[0])
        z = (ratio - 1) / error
        mean, worst = np.mean(ratio - 1), z[np.argmax(np.abs(z))]
        row = f"{mean:+.4f} | {error.mean():.4f} | {worst:+.1f} | {seconds:.0f}"
        print(f"| {name} | {row} |", flush=True)


def law() -> None:
    """Kolmogorov's distance of m D over 2,000 real networks from the predicted law."""
    x = points()
    print("| network | width | distance | after m D is scaled to its mean | 99 % point |")
    print("|---|---|---|---|---|")
    for name in ("tanh, 2 layers", "softplus, 3 residual", "unequal widths, biases, residual"):
        network = NETWORKS[name]
        limit, predicted = kernel(network, x), distance_law(network, x)
        for width in (64, 256, 1024):
            k = tangent_kernels(network, torch.from_numpy(x), width, range(2000)).numpy()
            d = np.sort(width * ((k - limit) ** 2).mean(axis=(1, 2)))
            scale = predicted.mean / d.mean()
            found = [_kolmogorov(predicted, d), _kolmogorov(predicted, d * scale)]
            row = f"{found[0]:.4f} | {found[1]:.4f} | {1.628 / 2000**0.5:.4f}"
            print(f"| {name} | {width} | {row} |", flush=True)


def _kolmogorov(predicted: DistanceLaw, d: np.ndarray) -> float:
    below = np.arange(len(d)) / len(d)
    p = np.array([predicted.probability(float(q)) for q in d])
    return float(np.maximum(np.abs(p - below), np.abs(p - below - 1 / len(d))).max())


def main() -> None:
    torch.set_num_threads(1)
    if sys.argv[1] in ("images", "law"):
        {"images": images, "law": law}[sys.argv[1]]()
        return
    path = Path(sys.argv[2])
    if sys.argv[1] == "table":
        print(table(json.loads(path.read_text())))
        return
    measured = json.loads(path.read_text()) if path.exists() else {}
    for index, name in enumerate(NETWORKS):
        if name in measured or (len(sys.argv) > 3 and name not in sys.argv[3:]):
            continue
        network = NETWORKS[name]
        rows = [measure(network, m, n, 1000 * index + m) for m, n in COUNTS.items()]
        measured[name] = rows
        path.write_text(json.dumps(measured))
        print(name, flush=True)


if __name__ == "__main__":
    main()
