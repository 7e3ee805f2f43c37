"""What ``kernel_plan`` foresees against what ``kernel`` takes, where that is hard to foresee.

    python benchmarks/plan_times.py [PART OF A NAME]

Raw tables, lines, kinks, images by series and by positions, each in a process of its own: the plan,
then the kernel (first), then both again, the kernel three times (second, the quickest of them). The
machine should have nothing else to do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.datasets

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from analytic import (  # noqa: E402
    AveragePooling,
    Convolution,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Nonlinearity,
    Residual,
    kernel,
    kernel_plan,
)

DATASETS: Any = sklearn.datasets
Case = tuple[Network, np.ndarray]


def cases() -> dict[str, Case]:
    """Networks and inputs by name."""
    return {**_tables(), **_lines(), **_kinks(), **_images(), **_others(), **_more_images()}


def _dense(activation: str, depth: int, **options: float) -> Network:
    return Network(*[FullyConnected(activation, **options)] * depth)


def _tables() -> dict[str, Case]:
    raw = {
        "iris": DATASETS.load_iris,
        "wine": DATASETS.load_wine,
        "cancer": DATASETS.load_breast_cancer,
    }
    found: dict[str, Case] = {}
    for name, load in raw.items():
        for activation, depth in (
            ("tanh", 1),
            ("tanh", 3),
            ("softplus", 1),
            ("softplus", 3),
            ("erf", 1),
        ):
            found[f"{name} {activation} {depth}"] = _dense(activation, depth), load().data
    found["diabetes tanh 3"] = _dense("tanh", 3), DATASETS.load_diabetes().data
    found["digits relu 3"] = _dense("relu", 3), DATASETS.load_digits().data[:1000]
    return found


def _lines() -> dict[str, Case]:
    line, short = np.linspace(-12, 12, 1000)[:, None], np.linspace(-6, 6, 2000)[:, None]
    return {
        "line tanh 3": (_dense("tanh", 3), line),
        "line tanh 3 bias": (_dense("tanh", 3, bias_std=0.1), line),
        "line erf 1": (_dense("erf", 1), line),
        "line softplus 2 bias": (_dense("softplus", 2, bias_std=0.3), short),
    }


def _kinks() -> dict[str, Case]:
    x, names = (
        np.random.default_rng(0).standard_normal((300, 10)),
        "hardswish hardtanh elu softsign",
    )
    found = {f"normal {name} 2": (_dense(name, 2), x) for name in f"{names} selu relu6".split()}
    found["iris hardswish 1"] = _dense("hardswish", 1), DATASETS.load_iris().data
    found["iris elu 2"] = _dense("elu", 2), DATASETS.load_iris().data
    found["wine hardtanh 1"] = _dense("hardtanh", 1), DATASETS.load_wine().data
    return found


def _images() -> dict[str, Case]:
    digits = DATASETS.load_digits().images[:, None] / 16
    pixels = np.random.default_rng(0).integers(0, 256, (6, 1, 12, 12)).astype(float)
    pool, everywhere, norm = AveragePooling(2), GlobalAveragePooling(), LayerNorm()

    def conv(activation: str) -> Convolution:
        return Convolution(activation, 3, weight_std=1 / 3, bias_std=0.1)

    block = Residual(norm, Nonlinearity("relu"), conv("identity"))
    end = pool, norm, Nonlinearity("relu"), everywhere
    return {
        "images elu pooled": (Network(conv("elu"), pool, conv("elu"), everywhere), digits[:12]),
        "images hardtanh": (Network(conv("hardtanh"), conv("hardtanh")), digits[:20]),
        "raw images tanh pooled": (Network(conv("tanh"), conv("tanh"), everywhere), pixels),
        "images LayerNorm pooled": (Network(conv("identity"), block, *end), digits[:16]),
        "images tanh": (Network(*[conv("tanh")] * 3), digits[:60]),
        "images relu pooled": (Network(conv("relu"), conv("relu"), everywhere), digits[:20]),
    }


def _others() -> dict[str, Case]:
    """Vectors that nothing was tuned on."""
    rng = np.random.default_rng(2)
    x, wide = rng.standard_normal((300, 12)), rng.standard_normal((1000, 2))
    pixels = rng.integers(0, 256, (150, 30)).astype(np.float32)
    tanh, gelu, relu = (FullyConnected(name) for name in ("tanh", "gelu", "relu"))
    return {
        "other residual": (Network(tanh, *[Residual(gelu)] * 3), x),
        "other LayerNorm": (Network(relu, LayerNorm(), gelu, LayerNorm(), tanh), x),
        "other 1000 x 2": (_dense("sigmoid", 2, bias_std=0.2), wide),
        "other depth 10": (_dense("tanh", 10), x[:200]),
        "other duplicates": (_dense("gelu", 3), np.repeat(x[:100], 3, axis=0)),
        "other weight_std 5": (_dense("erf", 4, weight_std=5.0), x),
        "other float32 pixels": (_dense("tanh", 2), pixels),
    }


def _more_images() -> dict[str, Case]:
    """Images and sequences that nothing was tuned on."""
    rng = np.random.default_rng(3)
    long, short, image = (
        rng.standard_normal(size) for size in ((40, 3, 48), (8, 2, 9), (10, 1, 14, 14))
    )
    strided = Convolution("relu", 3, stride=2, weight_std=0.6)
    sequence = Convolution("gelu", 5, weight_std=0.5, bias_std=0.1)
    everywhere = GlobalAveragePooling()
    return {
        "more strides": (Network(strided, strided, everywhere), image),
        "more strides tanh": (Network(*[Convolution("tanh", 3, stride=2)] * 2), image),
        "more sequences long": (Network(sequence, sequence, everywhere), long),
        "more sequences short": (Network(sequence, AveragePooling(3), sequence), short),
        "more residual": (Network(sequence, Residual(sequence), everywhere), long[:12]),
    }


def measure(name: str) -> dict[str, Any]:
    """Seconds foreseen and taken, the first time and the second one."""
    network, x = cases()[name]

    def taken() -> float:
        start = time.perf_counter()
        with suppress(ArithmeticError):
            kernel(network, x, progress=False)
        return time.perf_counter() - start

    first = kernel_plan(network, x).seconds, taken()
    plan = kernel_plan(network, x)
    second = plan.seconds, min(taken() for _ in range(3))
    return {"name": name, "method": plan.method, "first": first, "second": second}


def main(part: str) -> None:
    worst = {"first": 1.0, "second": 1.0}
    for name in cases():
        if part not in name:
            continue
        command = [sys.executable, __file__, "--one", name]
        row = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        text = f"{name:24s} {row['method']:14s}"
        for turn in worst:
            foreseen, took = row[turn]
            worst[turn] = max(worst[turn], foreseen / took, took / foreseen)
            text += f"  {turn} {foreseen:6.2f}/{took:6.2f} = {foreseen / took:5.2f}"
        print(text, flush=True)
    print(f"worst factor: first {worst['first']:.1f}, second {worst['second']:.1f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(sys.argv[2])))
    else:
        main(" ".join(sys.argv[1:]))
