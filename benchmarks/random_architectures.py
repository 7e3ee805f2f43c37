"""K_0 against K_inf for networks drawn at random from the algebra, with a negative control.

    python benchmarks/random_architectures.py FILE [COUNT]   (30 networks; some seconds for each)

The networks (``tests/networks/random_stacks.py``) are drawn by hypothesis, always the same ones.
No two have the same parts in the same order. COUNT of those are taken whose limit has terms of
means mu eta' + eta mu' of at least 15 %, and a quarter as many that have none. Kernels of finite
networks of five widths are measured on three inputs; K(x, x) counts as 1. A row that was not
decided is measured anew, with other networks and four times as many, once. Rows are appended to
FILE one by one, and those that are there already are not measured again. Columns:

    D           exponent p of E |K_0 - K_inf|^2 = C m^-p, its 99 % interval, and the verdict
    bias        m times the largest |E K_0 - K_inf| at the largest width, and the largest deviation
                of E K_0 from K_inf without its part in 1/m, in standard errors
    terms       the largest term of means, and how many of these biases it is
    without     the same exponent, verdict and deviation, of the limit that lacks these terms
    networks    of the smallest width; half as many of each width that is twice another
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from networks.random_stacks import (  # noqa: E402 # pyright: ignore[reportMissingImports]
    SHAPES,
    networks,
)
from oracles.random_agreement import (  # noqa: E402 # pyright: ignore[reportMissingImports]
    Agreement,
    agreement,
    share_of_means,
)

from analytic import AccuracyError, Network  # noqa: E402

WIDTHS = (32, 64, 128, 256, 512)
COUNTS = np.array([2000, 1000, 500, 250, 125])
LEAST = 0.15
"""Of a term of means that widths up to 512 can show."""
HEAD = "| network | D | verdict | bias | terms | without | verdict | networks |"


def drawn(count: int) -> list[Network]:
    """Networks of different structures, the same ones every time."""
    found: dict[str, Network] = {}

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(networks(st.sampled_from(["softplus", "sigmoid", "gelu", "tanh", "erf"])))
    def collect(network: Network) -> None:
        found.setdefault(_structure(network), network)

    collect()
    different = list(found.values())
    return [different[k] for k in np.random.default_rng(0).permutation(len(different))]


def _structure(network: Network) -> str:
    """The description without its activations, numbers and factors."""
    return re.sub(r"Scale\(.*?\)|\w+=[^,)]*|[0-9.]+|\"\w*\"|[, ]", "", repr(network))


def inputs(network: Network) -> np.ndarray:
    """Three vectors or images."""
    shape = SHAPES[network.is_spatial]
    return np.random.default_rng(0).standard_normal((3, *shape))


def chosen(count: int) -> Iterator[Network]:
    """Of those drawn: ``count`` with terms of means, of all lengths, and some without."""
    found = drawn(100 * count)
    yield from islice((n for n in found if _share(n) >= LEAST), count)
    yield from islice((n for n in found if _share(n) == 0), max(1, count // 4))


def _share(network: Network) -> float:
    try:
        return share_of_means(network, inputs(network))
    except AccuracyError:
        return -1.0


def measured(network: Network) -> tuple[Agreement, int]:
    """The agreement, and the networks of the smallest width that it took."""
    counts, first = COUNTS, 0
    while True:
        found = agreement(network, inputs(network), WIDTHS, counts.tolist(), first)
        if found.found.verdict != "undecided" or counts[0] > COUNTS[0]:
            return found, int(counts[0])
        counts, first = 4 * counts, first + int(counts[0])


def row(network: Network) -> str:
    """A line of the table."""
    a, count = measured(network)
    low, high = a.found.exponent_interval
    exponent = f"{a.found.exponent:.2f} [{low:.2f}, {high:.2f}]"
    terms, without, verdict = "none", "", ""
    if a.missing > 0:
        terms = f"{a.missing:.1%}, {a.level:.0f} biases"
        without = f"{a.control.exponent:.2f}, {a.without:.0f} s.e."
        verdict = a.control.verdict
    return (
        f"| `{network!r}` | {exponent} | {a.found.verdict} | {a.bias:.2g}, {a.worst:.1f} s.e. |"
        f" {terms} | {without} | {verdict} | {count} |"
    )


def main(path: Path, count: int) -> None:
    """Append the rows that are missing."""
    if not path.exists():
        path.write_text(f"{HEAD}\n|{'---|' * 8}\n")
    for network in chosen(count):
        if f"| `{network!r}` |" in path.read_text():
            continue
        began = time.process_time()
        line = row(network)
        with path.open("a") as file:
            file.write(line + "\n")
        print(f"{time.process_time() - began:.0f} s {line}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 30)
