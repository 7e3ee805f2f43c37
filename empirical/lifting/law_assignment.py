r"""Which initialiser each parameter of a module had.

The numbers of one parameter may be few: sixteen of a readout fit many laws. But a module is
initialised by a rule or two, so that a set of rules is sought that is likely as a whole: the
likelihood of all numbers, each under the best rule of the set, less a price for every rule. One
rule is not on the list of laws: normal or uniform numbers whose variance is a constant over fan_in,
the same for many parameters and measured on all of them.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from empirical.lifting.initial_laws import (
    Family,
    InitialLaw,
    candidates,
    fits,
    is_orthogonal,
    outlier,
    read_law,
)
from empirical.lifting.places import LiftingError

__all__ = ["Drawn", "laws_of"]

Array = NDArray[np.float64]
COMMON, RARE_RULE = 4.0, 10.0
"""What a rule costs, in units of log-likelihood: most modules have one rule or two."""
UNEXPLAINED = 1e12
"""Price of a parameter that no chosen rule fits."""
NEARLY = 0.2
"""Up to this relative distance a measured bound is that of a law, passed by training."""
MOST_RULES = 8
"""Most rules of one module."""
_COMMON = frozenset({
    "torch's default", "standard normal", "Kaiming (fan_in, gain of relu), normal",
    "Kaiming (fan_in, gain of relu), uniform", "Kaiming (fan_in, gain of linear), normal",
    "Kaiming (fan_in, gain of linear), uniform", "Xavier (gain of linear), normal",
    "Xavier (gain of linear), uniform", "std 0.02, truncated",
})  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A parameter of a module as numbers.

    Attributes:
        name: of the parameter.
        numbers: as torch has them, the parameters of several modules one behind the other.
        shape: of one of them.
        fan_in: of the weights that a bias belongs to; None for weights.
    """

    name: str
    numbers: Array
    shape: tuple[int, ...]
    fan_in: int | None = None

    @property
    def flat(self) -> Array:
        """All numbers."""
        return self.numbers.ravel()

    @property
    def matrices(self) -> Array:
        """(modules, units, numbers of a unit)."""
        return self.numbers.reshape(len(self.numbers), self.shape[0], -1)

    @property
    def scale(self) -> float:
        """sqrt(fan_in)."""
        return math.sqrt(self.fan_in or math.prod(self.shape[1:]))

    def laws(self) -> list[InitialLaw]:
        """Those on the list."""
        shape = self.shape if len(self.shape) > 1 or self.fan_in else (1, *self.shape)
        return candidates(shape, self.fan_in)


def laws_of(parameters: list[Drawn], given: Mapping[str, InitialLaw]) -> dict[str, InitialLaw]:
    """The law of every parameter.

    Args:
        parameters: weights and biases.
        given: laws that are known, by patterns of names.

    Raises:
        LiftingError: the numbers of one are no draw from a law with mean 0, or not from its own.
    """
    found: dict[str, InitialLaw] = {}
    open_: list[Drawn] = []
    for one in parameters:
        law = _known(one, given)
        if law is None:
            open_.append(one)
        else:
            found[one.name] = law
    for weights in (True, False):
        some = [one for one in open_ if (one.fan_in is None) == weights]
        found |= _by_rules(some)
    for one in parameters:
        _check_untrained(one, found[one.name])
    return found


def _known(one: Drawn, given: Mapping[str, InitialLaw]) -> InitialLaw | None:
    """A law that was passed, or that cannot be mistaken."""
    for pattern, law in given.items():
        if fnmatch.fnmatchcase(one.name, pattern):
            if law.std > 0 and law.family in _INDEPENDENT and not fits(law, one.flat):
                raise LiftingError(
                    f"expected numbers from {law.name} in {one.name!r}, got others: mean"
                    f" {one.flat.mean():.3g}, standard deviation {one.flat.std():.3g} for"
                    f" {law.std:.3g}; pass the law they were drawn from"
                )
            return law
    if not one.flat.any():
        return InitialLaw("zeros", "constant", 0.0)
    if one.fan_in is None and all(map(is_orthogonal, one.matrices)):
        law = InitialLaw("orthogonal", "orthogonal", float(np.sqrt((one.flat**2).mean())))
        if not fits(replace(law, family="normal"), one.flat):
            raise LiftingError(
                f"expected a draw, got an orthogonal matrix {one.name!r} that is none, as the unit"
                " matrix (nn.init.eye_, dirac_): it hands on single units, and their sums do not"
                " become Gaussian; use nn.init.orthogonal_ or normal weights"
            )
        return law
    return None


_INDEPENDENT = ("normal", "uniform", "truncated normal")


def _by_rules(ahead: list[Drawn]) -> dict[str, InitialLaw]:
    """The few rules under which the numbers are most likely, each at a price."""
    rules: dict[str, dict[str, InitialLaw]] = {}
    for one in ahead:
        for law in one.laws():
            if fits(law, one.flat):
                rules.setdefault(law.name, {})[one.name] = law
    families: tuple[Family, ...] = ("normal", "uniform")
    for family in families:
        rule = _measured(ahead, family)
        if len(rule) > 1:
            rules[f"the same measured gain, {family}"] = rule
    explained = [one for one in ahead if any(one.name in rule for rule in rules.values())]
    found = _cheapest(explained, rules)
    return found | {one.name: _alone(one) for one in ahead if one.name not in found}


def _cheapest(ahead: list[Drawn], rules: dict[str, dict[str, InitialLaw]]) -> dict[str, InitialLaw]:
    """Rules added one by one, or exchanged, as long as the numbers become more likely by it."""
    names = [*rules]
    prices = np.array([COMMON if n in _COMMON else RARE_RULE for n in names])
    costs = np.full((len(names), len(ahead)), UNEXPLAINED)
    for r, name in enumerate(names):
        for k, one in enumerate(ahead):
            if one.name in rules[name]:
                costs[r, k] = -rules[name][one.name].log_likelihood(one.flat)

    def total(chosen: tuple[int, ...]) -> float:
        return float(costs[list(chosen)].min(axis=0).sum() + prices[list(chosen)].sum())

    best: tuple[int, ...] = ()
    for size in range(1, min(MOST_RULES, len(names)) + 1):
        found = min(combinations(range(len(names)), size), key=total) if size < 3 else min(
            ((*best, r) for r in range(len(names)) if r not in best), key=total
        )  # fmt: skip
        if best and total(found) >= total(best):
            break
        best = found
    chosen = [min(best, key=lambda r: costs[r, k]) for k in range(len(ahead))]
    return {
        one.name: rules[names[r]][one.name]
        for one, r in zip(ahead, chosen, strict=True)
        if one.name in rules[names[r]]
    }


def _measured(ahead: list[Drawn], family: Family) -> dict[str, InitialLaw]:
    """Numbers whose variance is the same constant over fan_in."""
    if not ahead or ahead[0].fan_in is not None:
        return {}
    gains = [float(np.sqrt((one.flat**2).mean())) * one.scale for one in ahead]
    largest = gains[int(np.argmax([one.flat.size for one in ahead]))]
    near = [one for one, gain in zip(ahead, gains, strict=True) if abs(gain / largest - 1) < 0.5]
    size = sum(one.flat.size for one in near)
    gain = math.sqrt(sum(float((one.flat**2).sum()) * one.scale**2 for one in near) / size)
    laws = [
        (one, InitialLaw(_NAME, family, gain / one.scale, 1 / math.sqrt(2 * size))) for one in near
    ]
    return {one.name: law for one, law in laws if fits(law, one.flat)}


_NAME = "measured"


def _alone(one: Drawn) -> InitialLaw:
    if math.prod(one.shape) > 1 and (one.flat == one.flat[0]).all():
        raise LiftingError(
            f"expected numbers of mean 0, got {one.name!r}, all of them {one.flat[0]:.3g}: a"
            " description has no constants, which shift all units alike; start them at 0,"
            " nn.init.zeros_, or put the constant behind the layer, h + 0.01"
        )
    law = read_law(one.flat, one.laws())
    near = None if law is None else _nearly(law, one)
    if law is not None and (near is not None or law.family == "unknown"):
        like = f"nearly {near.name}, but beyond its bound" if near else "neither normal nor uniform"
        raise LiftingError(
            f"expected a fresh draw, got numbers in {one.name!r} that are {like}: they are trained,"
            " or from a law that has to be passed; pass the module as it was initialised, or laws="
        )
    if law is None:
        raise LiftingError(
            f"expected a fresh draw, got numbers in {one.name!r} whose mean {one.flat.mean():.3g}"
            f" is not 0 within its error {one.flat.std() / math.sqrt(one.flat.size):.2g}: they are"
            " trained, or constants; pass the module as it was initialised"
        )
    if law.error > 0 and one.fan_in is not None and len(one.numbers) == 1:
        raise LiftingError(
            f"expected a fresh draw, got biases {one.name!r} of standard deviation {law.std:.2g},"
            " which no rule gives: those that have started at 0 and were trained look like this;"
            " pass the module as it was initialised, or laws= if they were drawn so"
        )
    return law


def _nearly(law: InitialLaw, one: Drawn) -> InitialLaw | None:
    """A uniform law of nearly the same width, whose bound training has passed."""
    for other in one.laws():
        if law.family == other.family == "uniform" and abs(law.std / other.std - 1) < NEARLY:
            return other
    return None


def _check_untrained(one: Drawn, law: InitialLaw) -> None:
    """Raise where a matrix has a direction that no draw has."""
    if law.std == 0 or one.fan_in is not None:
        return
    for matrix in one.matrices[:1]:
        ratio = outlier(matrix, law.std)
        if ratio is not None:
            raise LiftingError(
                f"expected a fresh draw, got a matrix {one.name!r} whose largest singular value is"
                f" {ratio:.3g} times that of independent numbers: it is trained; pass the module as"
                " it was initialised"
            )
