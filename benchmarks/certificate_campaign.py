"""Attack the error bound of the kernel at random activations, networks and inputs.

    python benchmarks/certificate_campaign.py --seed 1 --minutes 60 --results seed-1

Each activation is an expression made at random from the language, shifted and scaled so that
a third have their mass beyond four standard deviations. Each entry of each kernel is one case:
its distance from the kernel computed in ball arithmetic and extended precision
(tests/oracles/exact_tables.py) is divided by its bound. A ratio above 1 is a violation and is
printed with what makes it again. A summary is printed every 20 activations and at the end.

Attempt k of a seed and a number of inputs is the same in every run; n inputs give n (n + 1) cases,
and cost n times as much. With ``--results FOLDER`` each attempt is a line of
FOLDER/attempts.jsonl, a run goes on where the one before it ended, and the references are kept:
remove attempts.jsonl to judge other bounds by the same references, which take most of the time.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

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


def random_inputs(rng: np.random.Generator, count: int) -> Any:
    """Inputs of different sizes; two of them may be near each other."""
    x = rng.standard_normal((count, 3)) * 10 ** rng.uniform(-1, 0.5, (count, 1))
    if rng.random() < 0.5:
        x[1] = x[0] + 10 ** rng.uniform(-2, 0) * rng.standard_normal(3)
    return x


SECONDS = 40
"""Processor time for one activation; what takes longer (balls of 600 digits) is given up."""


class TooSlowError(Exception):
    """The reference or the kernel took too long."""


def _stop(*_: Any) -> None:
    raise TooSlowError


class Attempt(NamedTuple):
    """What came of one activation in one network.

    ``outcome`` is "refused expression", "too slow", "no reference", "certified" or "estimated";
    ``refused`` says whether the kernel was, ``ratios`` are errors over bounds of its entries.
    """

    number: int
    outcome: str
    refused: bool
    ratios: list[float]
    text: str


def attempt(seed: int, number: int, count: int, folder: Path | None) -> Attempt:
    """One activation in one network."""
    rng = np.random.default_rng([seed, number])
    text = random_text(rng)
    try:
        activation = Activation(text)
    except ValueError:
        return Attempt(number, "refused expression", False, [], text)
    network, x = random_network(rng, activation), random_inputs(rng, count)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        exact = _reference(network, x, folder and folder / f"reference-{seed}-{number}.npz")
        estimate, refused = _estimate(network, x)
    except TooSlowError:
        return Attempt(number, "too slow", False, [], text)
    except (exact_tables.UnknownError, ValueError, ZeroDivisionError):
        return Attempt(number, "no reference", False, [], text)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    ratios = _ratios(estimate, *exact)
    if max(ratios, default=0) > 1:
        known = "VIOLATED" if estimate.certified else "estimate violated"
        print(known, max(ratios), number, text, repr(network), x.tolist(), flush=True)
    outcome = "certified" if estimate.certified else "estimated"
    return Attempt(number, outcome, refused, ratios, text)


def _reference(network: Network, x: Any, path: Path | None) -> tuple[Any, Any, Any]:
    """The exact kernels and which of their entries are sure; kept at the path, if there is one."""
    if path is not None and path.exists():
        with np.load(path) as kept:
            return kept["nngp"], kept["ntk"], kept["sure"]
    nngp, ntk, sure = exact_tables.kernels(network, x)
    if path is not None:
        np.savez(path, nngp=nngp, ntk=ntk, sure=sure)
    return nngp, ntk, sure


def _ratios(estimate: Any, nngp: Any, ntk: Any, sure: Any) -> list[float]:
    """Errors over bounds; where a bound is 0, an error of 0 keeps it and any other does not."""
    found: list[float] = []
    for kind, exact in (("nngp", nngp), ("ntk", ntk)):
        off = np.abs(getattr(estimate.value, kind) - exact)
        error = getattr(estimate.error, kind)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(off == 0, 0, off / error).astype(float)[np.triu(sure)]
        found += np.where(np.isnan(ratio), np.inf, ratio).tolist()
    return found


def summary(attempts: list[Attempt]) -> dict[str, Any]:
    """What has been seen."""
    outcomes = Counter(a.outcome for a in attempts)
    ratios, estimated = (
        np.array([r for a in attempts if a.outcome == kind for r in a.ratios], dtype=float)
        for kind in ("certified", "estimated")
    )
    positive = ratios[ratios > 0]
    return {
        "activations": len(attempts) - outcomes["refused expression"],
        **{name: outcomes[name] for name in ("refused expression", "no reference", "too slow")},
        "refused kernels": sum(a.refused for a in attempts),
        "certified entries": ratios.size,
        "violated": int((ratios > 1).sum()),
        "estimated entries": estimated.size,
        "estimated violated": int((estimated > 1).sum()),
        "largest error/bound": float(ratios.max(initial=0)),
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
    parser.add_argument("--inputs", type=int, default=10)
    parser.add_argument("--results", type=Path, default=None)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    signal.signal(signal.SIGVTALRM, _stop)
    attempts, folder = [], arguments.results
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        attempts = _kept(folder / "attempts.jsonl")
    end = time.monotonic() + 60 * arguments.minutes
    done = summary(attempts)["activations"]
    while time.monotonic() < end and done < arguments.activations:
        attempts.append(attempt(arguments.seed, len(attempts), arguments.inputs, folder))
        if folder is not None:
            with (folder / "attempts.jsonl").open("a") as lines:
                lines.write(json.dumps(attempts[-1]._asdict()) + "\n")
        if attempts[-1].outcome != "refused expression":
            done += 1
            if done % 20 == 0:
                print(json.dumps(summary(attempts)), flush=True)
    print(json.dumps(summary(attempts), indent=1))


def _kept(path: Path) -> list[Attempt]:
    if not path.exists():
        return []
    return [Attempt(**json.loads(line)) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    main()
