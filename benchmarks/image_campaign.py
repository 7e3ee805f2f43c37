"""Attack the error bound of the kernel at random networks of images.

    python benchmarks/image_campaign.py [SEED [CASES [FAMILY]]]

Networks are made at random: convolutions with strides, dilations and either padding, pooling that
overlaps or not, sums of branches that stride, units side by side, dropout, ``LayerNorm`` over
channels or positions, rates other than 1. Images have blank borders, patches that are parallel,
opposite or nearly so (1e-1 to 1e-15), positions that cancel, sizes from 2^-40 to 2^40, or are 0.
Every entry of a kernel of images, and one between images of different sizes, is compared with ball
arithmetic at all pairs of positions (tests/oracles/image_balls.py).

Families: "smooth" (erf, sin, cos, exp(-x^2)), "bent" (relu, leaky relu, the absolute value: the
networks that carry 1 - cos), "mixed", and "normal" (with LayerNorm). One row is printed for each;
a violation is printed with what makes it again. docs/theory/bound.md keeps the table.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # in this order: tests/analytic is no package

from oracles import balls, image_balls  # noqa: E402  # pyright: ignore[reportMissingImports]

from analytic import (  # noqa: E402
    AccuracyError,
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Residual,
    Sum,
    SumPooling,
    kernel_estimate,
)

SMOOTH, BENT = ("erf", "sin", "cos", "gaussian"), ("relu", "abs(x)", "Max(x/4, x)")
NAMES = {"smooth": SMOOTH, "bent": BENT, "mixed": SMOOTH + BENT, "normal": SMOOTH + BENT}
DIGITS = {"smooth": 150, "bent": 1200, "mixed": 1200, "normal": 1200}
"""Balls of parallel patches lose half of their digits at a kink, layer by layer."""


class Maker:
    """Layers at random, of the activations of a family."""

    def __init__(self, family: str, rng: np.random.Generator) -> None:
        self.family, self.rng = family, rng
        self.deep = rng.random() < 0.2

    def name(self) -> str:
        """An activation."""
        names = NAMES[self.family]
        return "identity" if self.rng.random() < 0.15 else str(self.rng.choice(names))

    def chance(self, share: float) -> bool:
        """Whether."""
        return bool(self.rng.random() < share)

    def rates(self) -> dict[str, Any]:
        """Scales of a layer and its rates of training."""
        rng = self.rng
        found: dict[str, Any] = {
            "weight_std": float(10 ** rng.uniform(-0.6, 0.3)),
            "bias_std": float(rng.choice([0.0, 0.0, 0.3])),
        }
        if self.chance(0.25):
            found["weight_rate"] = float(rng.choice([0.0, 0.3, 2.5]))
        if self.chance(0.2):
            found["bias_rate"] = float(rng.choice([0.0, 0.7]))
        return found

    def convolution(self, stride: int = 1, size: int | None = None) -> Convolution:
        """One, of the first dimensions that are met."""
        rng, options = self.rng, dict[str, Any]()
        padding = str(rng.choice(["zeros", "circular", "zeros"]))
        if stride == 1 and size is None and self.chance(0.15):
            options["padding"] = "valid"
        else:
            options["padding_mode"] = padding
        if self.chance(0.2):
            options["dilation"] = 2
        kernel = int(rng.integers(1, 4)) if size is None else size
        return Convolution(self.name(), kernel, stride=stride, **options, **self.rates())

    def layers(self) -> list[Any]:
        """One part of a network."""
        kind = self.rng.random()
        if kind < 0.4:
            return [self.convolution(int(self.rng.choice([1, 1, 2, 3])))]
        if kind < 0.55:
            branch = [self.convolution(size=int(self.rng.integers(1, 4)))]
            return [Residual(*branch)]
        if kind < 0.65:
            stride = int(self.rng.choice([1, 2]))
            one, other = ([self.convolution(stride, size=k)] for k in (1, 2))
            if self.chance(0.4):
                one = [AveragePooling(stride), self.convolution(size=1)]
            return [(Sum if self.chance(0.6) else Concatenate)(one, other)]
        if kind < 0.85:
            size, stride = int(self.rng.integers(2, 4)), int(self.rng.integers(1, 4))
            pool = AveragePooling if self.chance(0.7) else SumPooling
            return [pool(size, stride=stride)]
        if self.family == "normal":
            norm = LayerNorm(positions=self.chance(0.7), eps=float(self.rng.choice([1e-5, 0.1])))
            return [norm, self.convolution(size=int(self.rng.integers(1, 3)))]
        return [Dropout(0.3)] if self.chance(0.3) else [self.convolution()]

    def network(self) -> Network:
        """All of it."""
        count = int(self.rng.integers(5, 10)) if self.deep else int(self.rng.integers(0, 4))
        first = [] if self.chance(0.15) else [self.convolution()]  # else it may pool at first
        parts = *first, *(layer for _ in range(count) for layer in self.layers())
        end: list[Any] = [Flatten() if self.chance(0.4) else GlobalAveragePooling()]
        if self.chance(0.4) or not parts:
            end.append(FullyConnected(self.name(), **self.rates()))
        if self.chance(0.1):
            end.append(Residual(FullyConnected(self.name(), **self.rates())))
        return Network(*parts, *end)


def pictures(rng: np.random.Generator) -> np.ndarray:
    """Two images, the second one near the first, or its opposite, or anything."""
    one_dimension = rng.random() < 0.7
    spatial = (int(rng.integers(3, 8)),) if one_dimension else (2, int(rng.integers(2, 5)))
    x = rng.standard_normal((2, int(rng.integers(1, 3)), *spatial))
    if rng.random() < 0.3:
        x = np.abs(x)
    if rng.random() < 0.6:
        sign = rng.choice([-1, 1])
        x[1] = sign * (x[0] + 10.0 ** -rng.uniform(1, 15) * x[1])
    if rng.random() < 0.4:  # parallel positions
        x = x[:, :, ..., :1] * np.round(x[:, :1], 1)
    if rng.random() < 0.3:
        x[..., 0] = 0
    if rng.random() < 0.2:  # positions cancel, or nearly
        x = x - (1 - 10.0 ** -rng.uniform(0, 18)) * x.mean(axis=-1, keepdims=True)
    if rng.random() < 0.05:
        x[1] = 0
    if rng.random() < 0.25:
        x = x * 2.0 ** rng.integers(-40, 41)
    if rng.random() < 0.25:
        x[1] = x[1] * 2.0 ** rng.integers(-20, 21)
    return x


class Case(NamedTuple):
    """Of every entry the error over the bound; those of whom nothing is proved; whether refused."""

    ratios: list[float]
    certified: bool
    refused: bool


def judged(network: Network, x: np.ndarray, digits: int) -> Case:
    """Compare the kernel of two images, and that between them."""
    refused, certified, found = False, True, list[float]()
    exact: list[Any] = []
    for rows, columns, places in ((x, None, ((0, 0), (0, 1), (1, 1))), (x[:1], x[1:], ((0, 0),))):
        try:
            estimate: Any = kernel_estimate(network, rows, columns)
        except AccuracyError as refusal:
            estimate, refused = refusal.estimate, True
            if estimate is None:
                continue
        exact = exact or image_balls.kernel(network, x[0], x[1], digits)
        certified = certified and estimate.certified
        for i, j in places:
            true = exact[i][j + (columns is not None)]
            off, bound = balls.distance(estimate.value[i, j], true), float(estimate.error[i, j])
            met = true.contains(float(estimate.value[i, j]))
            found.append(off / bound if bound > 0 else (0.0 if met else np.inf))
    return Case(found, certified, refused)


def main(seed: int, cases: int, families: list[str]) -> None:
    """Print a table."""
    warnings.simplefilter("error", RuntimeWarning)  # a warning of numpy ends the run
    print("| family | networks | entries | violated | largest error/bound | median bound/error |"
          " estimated (violated) | refused |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for family in families:
        certified, estimated, refused, done = list[float](), list[float](), 0, 0
        for number in range(cases):
            rng = np.random.default_rng([seed, number, len(family)])
            x = pictures(rng)
            try:
                network = Maker(family, rng).network()
                case = judged(network, x, DIGITS[family])
            except ValueError:  # more was read than there is
                continue
            (certified if case.certified else estimated).extend(case.ratios)
            refused, done = refused + case.refused, done + 1
            if max(case.ratios, default=0) > 1:
                known = "VIOLATED" if case.certified else "estimate violated"
                print(known, case.ratios, number, network, x.tolist(), flush=True)
        met = np.array([1 / ratio for ratio in certified if ratio > 0])
        print(
            f"| {family} | {done} | {len(certified)} | {sum(r > 1 for r in certified)} |"
            f" {max(certified, default=0):.2g} | {np.median(met) if met.size else 0:.0f} |"
            f" {len(estimated)} ({sum(r > 1 for r in estimated)}) | {refused} |",
            flush=True,
        )


if __name__ == "__main__":
    seed, cases = (*sys.argv[1:3], *("1", "100")[len(sys.argv[1:3]) :])
    main(int(seed), int(cases), sys.argv[3:] or [*NAMES])
