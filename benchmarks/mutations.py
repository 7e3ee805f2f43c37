"""Break the formulas and bounds one at a time, and see whether a test notices.

    python benchmarks/mutations.py            # all of them
    python benchmarks/mutations.py tail       # those whose name contains "tail"

Each mutation changes one line in a copy of the repository, which has no compiled code of the
original, and runs the tests that should notice. mutmut and cosmic-ray make the changes by
themselves, but keep numba's cache (so that a changed function is not run) and make thousands
of changes that are no faults, such as other texts of messages; the terms of a bound are better
named one by one. Not part of CI; it prints a line for each mutation.
"""

# ruff: noqa: E501 - a mutation is a line of code

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Mutation(NamedTuple):
    """A fault: in which file which text becomes which, and the tests that should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: str


TABLES = "tests/analytic/expectations/test_error_bounds.py"
RECURSION = "tests/analytic/recursion tests/analytic/pairs/test_certificate_sweep.py"
_E, _R = "analytic/expectations/", "analytic/recursion/"
MUTATIONS = (
    Mutation("no tail", _E + "quadrature_error.py", "if np.all(tails <= norms + SHARE):", "if True:", TABLES),
    Mutation("mass of a box", _E + "majorants.py", "* 0.4) - least**2 / 2", "* 0.4) - least**2", TABLES),
    Mutation("no aliasing", _E + "quadrature_error.py", "need = np.where(worst < np.inf, np.logaddexp(0, worst + math.log(2)), np.inf)", "need = np.where(worst < np.inf, np.logaddexp(0, worst + math.log(2)) / 3, np.inf)", TABLES),
    Mutation("step of aliasing", _E + "quadrature_error.py", "step = 2 * np.pi * self.maps.height[:, 0] / need", "step = 6 * np.pi * self.maps.height[:, 0] / need", TABLES),
    Mutation("values of w", _E + "node_tables.py", "slope = 1.01 * np.linalg.norm(d1, axis=1)", "slope = 0 * np.linalg.norm(d1, axis=1)", TABLES),
    Mutation("library", "analytic/expressions/rounding.py", "own = 4 * (EXTENDED", "own = 0.2 * (EXTENDED", TABLES),
    Mutation("normal distribution", "analytic/expressions/rounding.py", "own + 2 * U * np.minimum", "own + 0 * U * np.minimum", TABLES),
    Mutation("interpolation", _E + "interpolation_error.py", "- (points - 1) * np.log(RHO)", "- 1.5 * (points - 1) * np.log(RHO)", TABLES),
    Mutation("arcs", _E + "interpolation_error.py", "axis=(0, 3)).max(axis=1)", "axis=(0, 3)).min(axis=1)", TABLES),
    Mutation("evaluation of the series", _E + "bounded_tables.py", "5 * order**2 + order + 6", "0 * order", TABLES),
    Mutation("recurrence", _E + "quadrature.py", "high = _leading(whole)", "high = _leading(whole) * (1 + 1e-13)", TABLES),
    Mutation("complex product", "analytic/proofs/complex_enclosure.py", "_plus(_times(a.re, b.im), _times(a.im, b.re))", "_times(a.re, b.im)", TABLES),
    Mutation("complex tanh", "analytic/proofs/complex_enclosure.py", "bottom = _one_plus(_times(_real(sympy.cos, y), decay))", "bottom = _one_plus(decay)", TABLES),
    Mutation("error of the tables, E", _R + "error_propagation.py", "e = fixed.value +", "e =", RECURSION),
    Mutation("error of the tables, D", _R + "error_propagation.py", "d = fixed.slope +", "d =", RECURSION),
    Mutation("variances, E", _R + "error_propagation.py", "fixed.variance * at.v_e", "0 * at.v_e", RECURSION),
    Mutation("variances, D", _R + "error_propagation.py", "fixed.variance * at.v_d", "0 * at.v_d", RECURSION),
    Mutation("ratio at a skip", _R + "error_propagation.py", "return ratio * max(eps_sigma0", "return max(eps_sigma0", RECURSION),
    Mutation("response of relu", _R + "error_amplification.py", "0, 0, 0, 0, 0, 1, 0, 0.5,", "0, 0, 0, 0, 0, 0, 0, 0.5,", RECURSION),
)  # fmt: skip


def survives(mutation: Mutation) -> bool:
    """Whether the tests pass in spite of the fault."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        ignored = shutil.ignore_patterns("__pycache__", ".git", ".venv", "*.nbi", "*.nbc")
        shutil.copytree(ROOT, copy, ignore=ignored)
        target = copy / mutation.file
        text = target.read_text()
        if text.count(mutation.old) < 1:
            raise ValueError(
                f"expected the text of {mutation.name!r} in {mutation.file}; update it"
            )
        target.write_text(text.replace(mutation.old, mutation.new, 1))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        tests, _, chosen = mutation.tests.partition(" -k ")
        command += [*tests.split(), *(["-k", chosen] if chosen else [])]
        done = subprocess.run(command, cwd=copy, capture_output=True)
        if done.returncode not in (0, 1):  # 1: tests failed
            raise RuntimeError(f"the tests of {mutation.name!r} did not run: {done.stdout!r}")
        return done.returncode == 0


def run(mutations: Sequence[Mutation]) -> None:
    """Try the mutations whose names contain the command's argument."""
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutation for mutation in mutations if part in mutation.name]
    survived = []
    for mutation in chosen:
        alive = survives(mutation)
        survived += [mutation.name] * alive
        print("SURVIVED" if alive else "caught  ", mutation.name, flush=True)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} caught")


if __name__ == "__main__":
    run(MUTATIONS)
