"""K_0 against K_inf for networks drawn at random from the algebra; prints a table.

    python benchmarks/random_architectures.py [COUNT]     (30 networks; some seconds for each)

Of every network (``tests/networks/random_stacks.py``, drawn by hypothesis, always the same ones)
100 finite networks are measured at widths 32 and 64 on three inputs. Columns: the exponent p of
E |K_0 - K_inf|^2 = C m^-p with its standard error; m times the largest relative bias; the largest
deviation of E K_0 from K_inf without its part in 1/m, in standard errors; the largest share of the
terms of means in K_inf; and the same deviation from a limit that lacks these terms.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from networks.random_stacks import (  # noqa: E402 # pyright: ignore[reportMissingImports]
    SHAPES,
    networks,
)
from oracles.random_agreement import agreement  # noqa: E402 # pyright: ignore[reportMissingImports]

from analytic import Network  # noqa: E402

WIDTHS, COUNT = (32, 64), 100


def drawn(count: int) -> list[Network]:
    """Different networks, the same ones every time."""
    found: dict[Network, None] = {}

    @settings(
        max_examples=4 * count, derandomize=True, database=None, deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(networks())
    def collect(network: Network) -> None:
        found[network] = None

    collect()
    by_length = sorted(found, key=lambda network: len(network.steps))
    return by_length[:: len(by_length) // count][:count]


def main(count: int) -> None:
    """Print a row for every network."""
    print("| network | exponent | m bias | deviation | terms of means | deviation without |")
    print("|---|---|---|---|---|---|")
    x = np.random.default_rng(0)
    inputs = {spatial: x.standard_normal((3, *shape)) for spatial, shape in SHAPES.items()}
    for network in drawn(count):
        a = agreement(network, inputs[network.is_spatial], WIDTHS, COUNT)
        without = f"{a.without:.1f}" if a.terms > 1e-9 else "no terms"
        print(
            f"| `{network!r}` | {a.exponent:.2f} ± {a.exponent_error:.2f} | {a.bias:.2g} |"
            f" {a.worst:.1f} | {a.terms:.1%} | {without} |",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
