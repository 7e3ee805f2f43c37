"""The atlas: predicted and measured constants, exponents and verdicts of many networks.

    python docs/gallery/atlas.py FOLDER                # measure; stores and resumes
    python docs/gallery/atlas.py FOLDER --only sphere  # those whose name contains "sphere"
    python docs/gallery/atlas.py FOLDER --table        # the table of what is finished, in Markdown
    python docs/gallery/atlas.py FOLDER --widths       # the widths that accuracies ask for

Each sweep has a store of its own in the folder and can be killed at any instant; finished ones are
not measured again. All of them take a night on two cores, hence the order: cheap ones first.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

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

ACTIVATIONS = ("tanh", "softplus", "sigmoid", "erf", "gelu")
DENSE, IMAGES = (128, 256, 512, 1024, 2048), (64, 128, 256, 512, 1024)
SEEDS = (400, 300, 200, 100, 50)
CONVOLUTIONS = ("convolution flatten", "convolution pooling", "convolution residual pooling")
POINTS = {"dense": 48, "images": 12}


class Entry(NamedTuple):
    """A row of the atlas."""

    name: str
    network: Network
    inputs: Inputs
    widths: tuple[int, ...]
    points: int


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
    """All rows, dense ones first."""
    rows = []
    dense = [f"FC {depth}" for depth in (1, 2, 3, 4)] + [f"residual {d}" for d in (2, 3, 4)]
    for source in ("sphere", "digits"):
        for kind in dense:
            inputs = Inputs.sphere(10) if source == "sphere" else Inputs.digits()
            for w in ACTIVATIONS:
                network = Network(*layers(kind, w))
                rows.append(
                    Entry(f"{source}, {kind}, {w}", network, inputs, DENSE, POINTS["dense"])
                )
    for source in ("sphere", "digits"):
        line = Inputs.array(
            Inputs.sphere(10).sample(500).reshape(500, 1, 10), "sphere(10) as 1 x 10"
        )
        inputs = line if source == "sphere" else Inputs.digits(flat=False)
        for kind in CONVOLUTIONS:
            for w in ACTIVATIONS:
                network = Network(*layers(kind, w))
                name = f"{source}, {kind}, {w}"
                rows.append(Entry(name, network, inputs, IMAGES, POINTS["images"]))
    return rows


def measure(folder: Path, chosen: list[Entry], most: int) -> None:
    """Every sweep that is not finished, one after the other."""
    for number, row in enumerate(chosen, 1):
        path = folder / f"{row.name.replace(', ', '-').replace(' ', '_')}.json"
        if path.exists():
            continue
        store = path.with_suffix(".sqlite")
        widths = [m for m in row.widths if m <= most]
        seeds = SEEDS[: len(widths)]
        found = convergence(row.network, row.inputs, widths, seeds, points=row.points, store=store)
        found.save(path)
        print(f"[{number}/{len(chosen)}] {row.name}: {found.verdict}", flush=True)


def table(folder: Path, chosen: list[Entry]) -> None:
    """The rows that are finished, and how many intervals miss their prediction."""
    missed, counted = [], 0
    print(
        "| network | C predicted | C measured, 95 % | exponent, 95 % | verdict | width for 1e-3 |"
    )
    print("|---|---|---|---|---|---|")
    for row in chosen:
        path = folder / f"{row.name.replace(', ', '-').replace(' ', '_')}.json"
        if not path.exists():
            continue
        decided = Convergence.load(path)
        at_95 = Convergence(
            decided.config | {"confidence": 0.95},
            decided.widths, decided.distances, decided.bias, decided.rounding,
        )  # fmt: skip
        low, high = at_95.law.constant_interval
        c = decided.predicted
        if c is not None:
            counted += 1
            if not low <= c <= high:
                missed.append(row.name)
        print(
            f"| {row.name} | {'' if c is None else f'{c:.4g}'} | {at_95.constant:.4g}"
            f" [{low:.4g}, {high:.4g}] | {at_95.exponent:.3f}"
            f" [{at_95.exponent_interval[0]:.3f}, {at_95.exponent_interval[1]:.3f}]"
            f" | {decided.verdict} | {width(decided, 1e-3)} |"
        )
    most = int(stats.binom.ppf(0.995, max(counted, 1), 0.05))
    print(f"\n{len(missed)} of {counted} intervals miss the prediction (99 %: at most {most}):")
    print("; ".join(missed) or "none")
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores")


def widths(folder: Path, chosen: list[Entry]) -> None:
    """The widths that suffice for three accuracies, of the rows on which the assumption holds."""
    accuracies = (1e-2, 1e-3, 1e-4)
    print("| network | " + " | ".join(f"{e:g}" for e in accuracies) + " | predicted mean, 1e-4 |")
    print("|---" * (len(accuracies) + 2) + "|")
    for row in chosen:
        path = folder / f"{row.name.replace(', ', '-').replace(' ', '_')}.json"
        if path.exists() and (found := Convergence.load(path)).holds:
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
    parser.add_argument("--most", type=int, default=2048, help="largest width")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--widths", action="store_true", help="the table of required widths")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    chosen = [row for row in entries() if arguments.only in row.name]
    if arguments.table:
        table(arguments.folder, chosen)
    elif arguments.widths:
        widths(arguments.folder, chosen)
    else:
        measure(arguments.folder, chosen, arguments.most)


if __name__ == "__main__":
    sys.exit(main())
