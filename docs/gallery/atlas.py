"""The atlas: predicted and measured constants, exponents and verdicts of many networks.

    python docs/gallery/atlas.py FOLDER                  # measure; stores and resumes
    python docs/gallery/atlas.py FOLDER --only sphere    # those whose name contains "sphere"
    python docs/gallery/atlas.py FOLDER --table          # what is finished, in Markdown
    python docs/gallery/atlas.py FOLDER --widths         # the widths that accuracies ask for
    python docs/gallery/atlas.py OTHER --drawn           # networks with weights, fewer of them
    python docs/gallery/atlas.py FOLDER --beside OTHER   # do both have the same mean distances?

Each sweep has a store of its own in the folder and can be killed at any instant; finished ones are
not measured again. All of them take a quarter of an hour of one processor; the networks with
weights, half an hour by estimate, were not run.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats

from analytic import (
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Residual,
)
from analytic.network import Layer
from compare import Convergence, Inputs, convergence
from compare.rate import Weights

ACTIVATIONS = ("tanh", "softplus", "sigmoid", "erf", "gelu")
DENSE, IMAGES = (128, 256, 512, 1024, 2048), (64, 128, 256, 512, 1024)
SEEDS = {"integrated": (3000, 2000, 1000, 500, 400), "drawn": (150, 100, 80, 60, 30)}
APART = 10_000
"""Networks of one row have numbers that no other row has, so that rows are independent."""
CONVOLUTIONS = ("convolution flatten", "convolution pooling", "convolution residual pooling")
POINTS = {"dense": 16, "images": 3}


class Entry(NamedTuple):
    """A row of the atlas."""

    name: str
    network: Network
    inputs: Inputs
    widths: tuple[int, ...]
    points: int
    first: int


def layers(kind: str, activation: str) -> list[Layer]:
    """The layers of a kind such as "FC 3" or "convolution, pooling"."""
    word, _, rest = kind.partition(" ")
    dense, filters = FullyConnected(activation), Convolution(activation, 3)
    if word == "FC":
        return [dense] * int(rest)
    if word == "residual":
        return [dense, *[Residual(dense)] * (int(rest) - 1)]
    end = GlobalAveragePooling() if "pooling" in kind else Flatten()
    middle = Residual(filters) if "residual" in kind else filters
    return [filters, middle, end]


def entries() -> list[Entry]:
    """All rows, so that every kind comes early."""
    kinds = [f"FC {depth}" for depth in (1, 2, 3, 4)] + [f"residual {d}" for d in (2, 3, 4)]
    cases = [(source, kind) for source in ("sphere", "digits") for kind in (*kinds, *CONVOLUTIONS)]
    rows: list[Entry] = []
    for w in ACTIVATIONS:
        for source, kind in cases:
            form = "images" if kind in CONVOLUTIONS else "dense"
            rows.append(
                Entry(
                    f"{source}, {kind}, {w}",
                    Network(*layers(kind, w)),
                    SOURCES[source, form](),
                    IMAGES if form == "images" else DENSE,
                    POINTS[form],
                    APART * len(rows),
                )
            )
    return rows


def line() -> Inputs:
    """The sphere in ten dimensions as images of 1 x 10."""
    return Inputs.array(Inputs.sphere(10).sample(500).reshape(500, 1, 10), "sphere(10) as 1 x 10")


def small_digits() -> Inputs:
    """The digits, averaged to 4 x 4 and put on the sphere x.x/d = 1."""
    whole = Inputs.digits(flat=False, scale="pixels").points
    assert whole is not None
    x = whole.reshape(-1, 1, 4, 2, 4, 2).mean(axis=(3, 5))
    return Inputs.array(x / np.sqrt((x**2).mean(axis=(2, 3), keepdims=True)), "digits as 4 x 4")


SOURCES: dict[tuple[str, str], Callable[[], Inputs]] = {
    ("sphere", "dense"): partial(Inputs.sphere, 10),
    ("sphere", "images"): line,
    ("digits", "dense"): Inputs.digits,
    ("digits", "images"): small_digits,
}


def _dear(row: Entry) -> tuple[bool, bool]:
    """Convolutions last, and those of the digits, which have the most positions, behind them."""
    return row.network.is_spatial, row.name.startswith("digits")


def measure(folder: Path, chosen: list[Entry], weights: Weights) -> None:
    """Every sweep that is not finished, one after the other."""
    start, one = time.process_time(), ThreadPoolExecutor(1)
    for number, row in enumerate(sorted(chosen, key=_dear), 1):
        path = file(folder, row)
        if path.exists():
            continue
        found = convergence(
            row.network, row.inputs, row.widths, SEEDS[weights], points=row.points,
            store=path.with_suffix(".sqlite"), weights=weights, first=row.first,
            dtype=torch.float32 if weights == "integrated" else torch.float64, progress=False,
            executor=one,
        )  # fmt: skip
        found.save(path)
        spent = time.process_time() - start
        print(f"[{number}/{len(chosen)}, {spent:.0f} s] {row.name}: {found.verdict}", flush=True)


def table(folder: Path, chosen: list[Entry]) -> None:
    """The rows that are finished, and how many intervals miss their prediction."""
    missed, counted = [], 0
    print(
        "| network | C predicted | C measured, 95 % | exponent, 95 % | verdict | width for 1e-3 |"
    )
    print("|---|---|---|---|---|---|")
    for row, decided in finished(folder, chosen):
        at_95 = replace(decided, config=decided.config | {"confidence": 0.95})
        (low, high), c = at_95.law.constant_interval, decided.predicted
        if c is not None:
            counted += 1
            error = at_95.law.covariance[0, 0] ** 0.5
            if not low <= c <= high:
                missed.append(f"{row.name} ({(at_95.constant - c) / error:+.1f} standard errors)")
        print(
            f"| {row.name} | {'' if c is None else f'{c:.4g}'} | {at_95.constant:.4g}"
            f" [{low:.4g}, {high:.4g}] | {at_95.exponent:.3f}"
            f" [{at_95.exponent_interval[0]:.3f}, {at_95.exponent_interval[1]:.3f}]"
            f" | {decided.verdict} | {width(decided, 1e-3)} |"
        )
    few, most = (int(stats.binom.ppf(p, max(counted, 1), 0.05)) for p in (0.005, 0.995))
    print(f"\n{len(missed)} of {counted} intervals miss the prediction (99 %: {few} to {most}):")
    print("; ".join(missed) or "none")
    for row, decided in finished(folder, chosen):
        if not decided.holds:
            print(f"{row.name}: {decided.verdict}, {decided.reason}")
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores")


def finished(folder: Path, chosen: list[Entry]) -> Iterator[tuple[Entry, Convergence]]:
    """The rows that are measured."""
    for row in chosen:
        if (path := file(folder, row)).exists():
            yield row, Convergence.load(path)


def file(folder: Path, row: Entry) -> Path:
    """Where a row is kept."""
    return folder / f"{row.name.replace(', ', '-').replace(' ', '_')}.json"


def beside(folder: Path, other: Path, chosen: list[Entry]) -> None:
    """The differences of the mean distances of two folders, in standard errors."""
    found = dict[str, list[float]]()
    for row, one in finished(folder, chosen):
        for _, two in finished(other, [row]):
            pairs = zip(one.distances, two.distances, strict=True)
            found[row.name] = [
                (a.mean() - b.mean()) / np.hypot(*(d.std(ddof=1) / d.size**0.5 for d in (a, b)))
                for a, b in pairs
            ]
    z = np.array(list(found.values()))
    print(f"{len(z)} rows, {z.size} widths: chi^2 {(z**2).sum():.0f}, mean {z.mean():+.2f}")
    print(f"largest {np.abs(z).max():.2f}; beyond 2.58: {(np.abs(z) > 2.58).sum()}")


def widths(folder: Path, chosen: list[Entry]) -> None:
    """The widths that suffice for three accuracies, of the rows on which the assumption holds."""
    accuracies = (1e-2, 1e-3, 1e-4)
    print("| network | " + " | ".join(f"{e:g}" for e in accuracies) + " | predicted mean, 1e-4 |")
    print("|---" * (len(accuracies) + 2) + "|")
    for row, found in finished(folder, chosen):
        if found.holds:
            mean = "" if found.predicted is None else f"{found.predicted / accuracies[-1]:.0f}"
            cells = " | ".join(width(found, epsilon) for epsilon in accuracies)
            print(f"| {row.name} | {cells} | {mean} |")


def width(result: Convergence, epsilon: float) -> str:
    """The width for epsilon with probability 0.95, with its interval."""
    if not result.holds:
        return "not known"
    found = result.required_width(epsilon, 0.05)
    low, high = found.interval
    return f"{found.measured} [{low:.0f}, {high:.0f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument(
        "--drawn", action="store_true", help="networks with all their weights, fewer of them"
    )
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--beside", type=Path, help="compare with the sweeps of another folder")
    parser.add_argument("--widths", action="store_true", help="the table of required widths")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    chosen = [row for row in entries() if arguments.only in row.name]
    if arguments.table:
        table(arguments.folder, chosen)
    elif arguments.beside:
        beside(arguments.folder, arguments.beside, chosen)
    elif arguments.widths:
        widths(arguments.folder, chosen)
    else:
        measure(arguments.folder, chosen, "drawn" if arguments.drawn else "integrated")


if __name__ == "__main__":
    sys.exit(main())
