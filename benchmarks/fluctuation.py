"""Var K_0 and E K_0 of finite networks against the predicted constants; writes what was measured.

    python benchmarks/fluctuation.py measure OUTPUT.json [NETWORKS]   (a minute for each)
    python benchmarks/fluctuation.py variances OUTPUT.json
    python benchmarks/fluctuation.py measure_means OUTPUT.json [NETWORKS]   (a minute for each)
    python benchmarks/fluctuation.py means OUTPUT.json
    python benchmarks/fluctuation.py law [NETWORKS]
    python benchmarks/fluctuation.py costs

For every network of ``tests/networks/fluctuating.py`` and of images, and for every width, millions
of units are drawn: for Var K_0 by ``tests/oracles/martingale_controls.py``, 10,000 networks at
width 1024, for E K_0 by ``tests/oracles/conditional_means.py``. m Var K_0 and m (E K_0 - K_inf) are
extrapolated to 1/m = 0 by C + c/m + e/m^2, of images, which have two widths, by C + c/m.
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
from oracles.conditional_means import (  # noqa: E402 # pyright: ignore[reportMissingImports]
    conditional_means,
    regression,
)
from oracles.martingale_controls import (  # noqa: E402 # pyright: ignore[reportMissingImports]
    coefficients,
    controlled,
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
    fluctuation_covariance,
    kernel,
    mean_correction,
)
from empirical import tangent_kernels  # noqa: E402

UNITS, WIDTHS = 10_000_000, (64, 256, 512, 1024)
"""Units of one layer that are drawn for every network of vectors and width."""
IMAGE_UNITS, IMAGE_WIDTHS = 6_000_000, (64, 256)
"""The same for images, all positions of a channel being one unit."""
MEAN_UNITS, MEAN_WIDTHS = 1_000_000, (32, 64, 128, 256)
"""The same for the mean."""
NOISY = {"unequal widths": 3, "mixed, residual inside": 2}
NOISY_MEANS = {"gelu, 2 layers": 2, "erf, 3 layers, weights 1.5": 6, "tanh, 2 residual": 6}
"""How many times as many units are drawn of networks whose standard errors are larger."""
PILOT, MEAN_PILOT = 6000, 2000
BATCH, IMAGE_BATCH, MEAN_BATCH = 64_000, 16_000, 32_000
"""Units of a layer that are drawn at once."""


def measure(network: Network, x: np.ndarray, width: int, units: int, seed: int) -> dict[str, Any]:
    """Mean and variance of the entries of K_0, with standard errors."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.from_numpy(x)
    batch = (IMAGE_BATCH if network.is_spatial else BATCH) // width
    a = coefficients(network, inputs, width, PILOT, generator, batch)
    found = controlled(network, inputs, width, units // width, generator, batch, a)
    variance, of_variance = found.variance()
    return {
        "width": width,
        "count": len(found.k),
        "variance": variance.tolist(),
        "variance_error": of_variance.tolist(),
        "explained": (1 - (found.k - found.z).var(0) / found.k.var(0)).tolist(),
    }


def measure_mean(
    network: Network, x: np.ndarray, width: int, units: int, seed: int
) -> dict[str, Any]:
    """m (E K_0 - K_inf) of the entries of K_0, with standard errors."""
    generator = torch.Generator().manual_seed(seed)
    inputs, count, batch = torch.from_numpy(x), units // width, MEAN_BATCH // width
    a = regression(network, inputs, width, MEAN_PILOT, generator, batch)
    found = conditional_means(network, inputs, width, count, generator, batch, a).numpy()
    shift = width * (found - kernel(network, x)[np.triu_indices(len(x))])
    return {
        "width": width,
        "count": count,
        "shift": shift.mean(axis=0).tolist(),
        "shift_error": (shift.std(axis=0) / count**0.5).tolist(),
    }


def extrapolated(
    rows: list[dict[str, Any]], values: list[np.ndarray], errors: list[np.ndarray]
) -> np.ndarray:
    """The constant of C + c/m + e/m^2 by weighted least squares, and its standard error."""
    m = np.array([row["width"] for row in rows], dtype=float)
    design = np.stack([m**-k for k in range(min(3, len(m)))], axis=1)
    found = np.empty((2, len(values[0])))
    for place in range(len(values[0])):
        weight = 1 / np.array([e[place] for e in errors])
        a = design * weight[:, None]
        inverse = np.linalg.inv(a.T @ a)
        found[0, place] = (inverse @ a.T @ (weight * np.array([v[place] for v in values])))[0]
        found[1, place] = np.sqrt(inverse[0, 0])
    return found


def variances(network: Network, x: np.ndarray, rows: list[dict[str, Any]]) -> np.ndarray:
    """Extrapolated m Var K_0 over the predicted C for every pair, and its standard error."""
    c = fluctuation(network, x)[np.triu_indices(len(x))]
    values = [row["width"] * np.array(row["variance"]) / c for row in rows]
    errors = [row["width"] * np.array(row["variance_error"]) / c for row in rows]
    return extrapolated(rows, values, errors)


def means(network: Network, x: np.ndarray, rows: list[dict[str, Any]]) -> np.ndarray:
    """Extrapolated m (E K_0 - K_inf) less the predicted b, over the largest b, and its error."""
    b = mean_correction(network, x)[np.triu_indices(len(x))]
    values = [np.array(row["shift"]) - b for row in rows]
    errors = [np.array(row["shift_error"]) for row in rows]
    return extrapolated(rows, values, errors) / np.abs(b).max()


def table(measured: dict[str, Any], of_means: bool) -> str:
    """One line for every network."""
    lines = [
        "| network | units | mean deviation | standard error | largest deviation | in its errors |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in measured.items():
        network, x = case(name)
        value, error = (means if of_means else variances)(network, x, rows)
        off = value if of_means else value - 1
        z = off / error
        worst = int(np.argmax(np.abs(z)))
        mean, spread = np.average(off, weights=error**-2), float(np.sqrt(np.mean(error**2)))
        widest = max(row["width"] for row in rows)
        units = sum(row["count"] * widest for row in rows if row["width"] == widest)
        found = f"{mean:+.4f} | {spread:.4f} | {off[worst]:+.4f} | {z[worst]:+.1f}"
        lines.append(f"| {name} | {units / 1e6:.1f}e6 | {found} |")
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


def case(name: str) -> tuple[Network, np.ndarray]:
    """A network with its inputs."""
    if name in NETWORKS:
        return NETWORKS[name], points()
    network, shape = IMAGES[name]
    return network, np.random.default_rng(4).standard_normal(shape)


LAWS = ("tanh, 2 layers", "softplus, 3 residual", "unequal widths, biases, residual")
"""Networks whose distances are compared with the law."""


def costs() -> None:
    """Seconds by the clock and of processor time, with the threads that the functions take."""
    print("| function | network | inputs | seconds | of processor time |")
    print("|---|---|---|---|---|")
    x = np.random.default_rng(6).standard_normal((500, 10))
    plan: list[tuple[Any, str, int]] = [
        (f, name, 500)
        for f in (fluctuation, mean_correction)
        for name in ("tanh, 3 layers", "softplus, 3 residual", "erf, 3 layers, weights 1.5")
    ]
    plan += [(fluctuation_covariance, name, 24) for name in ("tanh, 3 layers", LAWS[1])]
    for f, name, n in plan:
        f(NETWORKS[name], x[:2])  # compiles
        clock, processor = time.perf_counter(), time.process_time()
        f(NETWORKS[name], x[:n])
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        print(f"| `{f.__name__}` | {name} | {n} | {clock:.1f} | {processor:.1f} |", flush=True)


def law() -> None:
    """Kolmogorov's distance of m D over 2,000 real networks from the predicted law."""
    x = points()
    print("| network | width | distance | after m D is scaled to its mean | 99 % point |")
    print("|---|---|---|---|---|")
    for name in sys.argv[2:] or LAWS:
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
    if sys.argv[1] in ("law", "costs"):
        {"law": law, "costs": costs}[sys.argv[1]]()
        return
    path = Path(sys.argv[2])
    measured = json.loads(path.read_text()) if path.exists() else {}
    if sys.argv[1] in ("variances", "means"):
        print(table(measured, sys.argv[1] == "means"))
        return
    of_means = sys.argv[1] == "measure_means"
    for index, name in enumerate([*NETWORKS, *IMAGES]):
        network = case(name)[0]
        done = name in measured or (len(sys.argv) > 3 and name not in sys.argv[3:])
        if done or (of_means and (network.is_spatial or len(network.layers) == 1)):
            continue
        start = time.process_time()
        measured[name] = _rows(name, of_means, 1000 * index)
        path.write_text(json.dumps(measured))
        print(f"{name}: {time.process_time() - start:.0f} s", flush=True)


def _rows(name: str, of_means: bool, seed: int) -> list[dict[str, Any]]:
    """One for every width."""
    network, x = case(name)
    if of_means:
        units = NOISY_MEANS.get(name, 1) * MEAN_UNITS
        return [measure_mean(network, x, m, units, seed + m) for m in MEAN_WIDTHS]
    units, widths = (IMAGE_UNITS, IMAGE_WIDTHS) if network.is_spatial else (UNITS, WIDTHS)
    return [measure(network, x, m, NOISY.get(name, 1) * units, seed + m) for m in widths]


if __name__ == "__main__":
    main()
