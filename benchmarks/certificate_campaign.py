"""Attack the error bound of the kernel at random activations, networks and inputs.

    python benchmarks/certificate_campaign.py --seed 1 --minutes 60

Each activation is an expression made at random from the language, shifted and scaled so that
a third have their mass beyond four standard deviations. Each entry of each kernel is one case:
its distance from the kernel computed in ball arithmetic and extended precision
(tests/oracles/exact_tables.py) is divided by its bound. A ratio above 1 is a violation and is
printed with what makes it again. A summary is printed every 100 activations and at the end.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # in this order: tests/analytic is no package

from oracles import exact_tables  # noqa: E402  # pyright: ignore[reportMissingImports]

from analytic import (  # noqa: E402
    AccuracyError,
    Activation,
    FullyConnected,
    Network,
    Residual,
    kernel_estimate,
)

FUNCTIONS = (
    "tanh({u})", "sigmoid({u})", "softplus({u})", "erf({u})", "gelu({u})", "silu({u})", "sin({u})",
    "cos({u})", "exp(-({u})**2)", "sech({u})", "atan({u})", "asinh({u})", "1/(1+({u})**2)",
    "sqrt(1+({u})**2)", "log(2+({u})**2)", "({u})**2", "({u})**3", "({u})*exp(-({u})**2/2)",
    "erf({u})+1", "1-tanh({u})", "exp(-({u})**2)*cos(3*({u}))", "exp({u}/3)", "({u})**6",
    "log(cosh({u}))", "({u})*sigmoid(1.702*({u}))", "tanh({u})**2", "sin({u})**2",
)  # fmt: skip
OUTER = ("tanh({u})", "sin({u})", "softplus({u})", "erf({u})", "exp(-({u})**2)")


def random_text(rng: np.random.Generator) -> str:
    """An expression in x."""
    far = rng.random() < 1 / 3
    one = _function(rng, far)
    kind = rng.integers(5)
    if kind < 2:
        return one
    if kind == 2:
        return f"{one} + {rng.uniform(0.1, 2):.3g}*{_function(rng, far)}"
    if kind == 3:
        return f"({one})*({_function(rng, far)})"
    return str(rng.choice(OUTER)).format(u=_function(rng, far))


def _function(rng: np.random.Generator, far: bool) -> str:
    scale = 10 ** rng.uniform(-0.5, 0.6)
    shift = (
        rng.uniform(4, 8) * rng.choice([-1, 1])
        if far
        else rng.normal() * 1.5 * (rng.random() < 0.7)
    )
    return str(rng.choice(FUNCTIONS)).format(u=f"{scale:.3g}*(x-{shift:.3g})".replace("--", "+"))


def random_network(rng: np.random.Generator, activation: Activation) -> Network:
    """One to three layers."""
    layers: list[Any] = []
    for number in range(int(rng.choice([1, 1, 2, 3]))):
        layer = FullyConnected(
            activation,
            weight_std=float(10 ** rng.uniform(-0.7, 0.6)),
            bias_std=float(rng.choice([0.0, 0.1, 1.0])),
        )
        layers.append(Residual(layer) if number and rng.random() < 0.4 else layer)
    return Network(*layers)


def random_inputs(rng: np.random.Generator) -> Any:
    """Ten inputs of different sizes; two of them may be near each other."""
    x = rng.standard_normal((10, 3)) * 10 ** rng.uniform(-1, 0.5, (10, 1))
    if rng.random() < 0.5:
        x[1] = x[0] + 10 ** rng.uniform(-2, 0) * rng.standard_normal(3)
    return x


SECONDS = 40
"""Processor time for one activation; what takes longer (balls of 600 digits) is given up."""


class TooSlowError(Exception):
    """The reference or the kernel took too long."""


def _stop(*_: Any) -> None:
    raise TooSlowError


class Campaign:
    """Counts and ratios."""

    def __init__(self) -> None:
        self.ratios: list[float] = []
        self.counts = dict.fromkeys(
            ("activations", "refused expressions", "no reference", "too slow", "refused kernels",
             "estimated", "estimated violated", "violated"), 0
        )  # fmt: skip

    def attack(self, rng: np.random.Generator) -> None:
        """One activation in one network."""
        text = random_text(rng)
        try:
            activation = Activation(text)
        except ValueError:
            self.counts["refused expressions"] += 1
            return
        self.counts["activations"] += 1
        network, x = random_network(rng, activation), random_inputs(rng)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            nngp, ntk, sure = exact_tables.kernels(network, x)
            estimate, refused = _estimate(network, x)
        except TooSlowError:
            self.counts["too slow"] += 1
            return
        except (exact_tables.UnknownError, ValueError, ZeroDivisionError):
            self.counts["no reference"] += 1
            return
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        self.counts["refused kernels"] += refused
        where = f"{text} {network!r} {x.tolist()}"
        for kind, exact in (("nngp", nngp), ("ntk", ntk)):
            value, error = getattr(estimate.value, kind), getattr(estimate.error, kind)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = (np.abs(value - exact) / error).astype(float)[np.triu(sure)]
            ratio = np.where(np.isnan(ratio), np.inf, ratio)
            self._count(ratio, estimate.certified, f"{kind} {where}")

    def _count(self, ratio: Any, certified: bool, where: str) -> None:
        violated = int((ratio > 1).sum())
        if not certified:
            self.counts["estimated"] += ratio.size
            self.counts["estimated violated"] += violated
            return
        self.ratios += list(ratio)
        self.counts["violated"] += violated
        if violated:
            print("VIOLATED", ratio.max(), where, flush=True)

    def summary(self) -> dict[str, Any]:
        """What has been seen."""
        ratios = np.array(self.ratios)
        positive = ratios[ratios > 0]
        return self.counts | {
            "cases": ratios.size,
            "largest error/bound": float(ratios.max(initial=0)),
            "smallest error/bound above 0": float(positive.min()) if positive.size else None,
            "median bound/error": float(np.median(1 / positive)) if positive.size else None,
        }


def _estimate(network: Network, x: Any) -> tuple[Any, bool]:
    try:
        return kernel_estimate(network, x, kind="both"), False
    except AccuracyError as refusal:
        return refusal.estimate, True


def main() -> None:
    """Run until the time is over or the activations are done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--activations", type=int, default=10**9)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    signal.signal(signal.SIGVTALRM, _stop)
    rng, campaign = np.random.default_rng(arguments.seed), Campaign()
    end, shown = time.monotonic() + 60 * arguments.minutes, 0
    while time.monotonic() < end and campaign.counts["activations"] < arguments.activations:
        campaign.attack(rng)
        if campaign.counts["activations"] >= shown + 20:
            shown = campaign.counts["activations"]
            print(json.dumps(campaign.summary()), flush=True)
    print(json.dumps(campaign.summary(), indent=1))


if __name__ == "__main__":
    main()
