"""The page on the dynamics: one row for every statement of the paper, pictures, numbers."""

from __future__ import annotations

import base64
import io
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes

from analytic.files import write_whole
from compare.dynamics import Doubt, DynamicsGap, DynamicsScaling, mean_error
from compare.provenance import version
from compare.rate import Power
from compare.theory import ideal_decay
from compare.verdict import Outcome

Json = dict[str, "Json"] | list["Json"] | tuple["Json", ...] | str | float | bool | None

__all__ = ["Findings", "Row", "statements", "write_dynamics"]


@dataclass(slots=True)
class Findings:
    """What a run of the command has found so far.

    Attributes:
        command: that was typed.
        gap: the measurement at one width.
        scaling: over widths and samples.
        control: the same with a wrong kernel.
        growth: Observation 3.9.
        stopped: why the integrator stopped early, or "".
    """

    command: str
    gap: DynamicsGap | None = None
    scaling: DynamicsScaling | None = None
    control: DynamicsScaling | None = None
    growth: dict[float, Power] | None = None
    stopped: str = ""

    @property
    def as_expected(self) -> bool:
        """No statement fails, and the control does."""
        assert self.gap is not None
        return (
            not self.stopped
            and all(row.kind is not Outcome.FAILS for row in statements(self))
            and (self.scaling is None or self.scaling.holds is True)
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One statement of the paper with what was measured.

    Attributes:
        statement: its name; anchor: where the page speaks of it.
        measured: in words; answer: in one word.
        kind: the outcome that gives the colour.
    """

    statement: str
    anchor: str
    measured: str
    answer: str
    kind: Outcome


def statements(found: Findings) -> list[Row]:
    """One row for every statement, in the order of the paper."""
    gap = found.gap
    assert gap is not None
    rows = [_theorem(gap), _corollary(gap), *_stopping(gap), _rates(gap), _rkhs(gap)]
    if found.growth:
        rows.append(_growth(found.growth))
    if found.scaling is not None:
        s = found.scaling
        found_rates = s.judgement
        rows.append(
            _row("Corollary 3.7, rates", "scaling", found_rates.reason, found_rates.outcome)
        )
    if found.control is not None:
        good = found.control.holds is False
        text = "ε levels off" if good else found.control.verdict
        rows.append(_row("negative control", "control", text, Outcome.of(good or None)))
    defects = gap.runs.checks[0]
    if np.isfinite(defects[0]):
        text = f"both sides differ by {defects[0]:.1e} of ‖r₀‖; energy by {defects[1]:.1e}"
        kept = Outcome.of(gap.doubt is not Doubt.IDENTITY or None)
        rows.append(_row("Duhamel's formula", "gap", text, kept))
    return rows


def _row(statement: str, anchor: str, measured: str, outcome: Outcome) -> Row:
    return Row(statement, anchor, measured, outcome, outcome)


def _theorem(gap: DynamicsGap) -> Row:
    needed = gap.epsilon(False)[:, -1]
    text = f"left side at most {gap.theorem().slack:.2g} of the right; needs ε = {needed.max():.3g}"
    if gap.doubt:
        return _row("Theorem 3.5", "theorem", text, Outcome.UNDECIDED)
    answer = Outcome.HOLDS if gap.holds else "with that ε"
    return Row("Theorem 3.5", "theorem", text, answer, Outcome.HOLDS)


def _corollary(gap: DynamicsGap) -> Row:
    text = f"needs ε = {mean_error(gap.epsilon()[:, -1])}; for K = K₀ (an extension)"
    text += f" {mean_error(gap.own_epsilon()[:, -1])}"
    return Row("Corollary 3.7", "theorem", text, "with that ε", Outcome.HOLDS)


def _stopping(gap: DynamicsGap) -> list[Row]:
    tests = gap.stopping_tests()
    if not tests:
        return []
    worst = max(inside.max() for _, inside, _, _ in tests)
    epsilon = gap.config["epsilon"]
    text = f"largest ‖P_k r_T‖² over {len(tests)} eigenspaces and all seeds: {worst:.3g}, ε ="
    good = all(
        inside.max() <= epsilon and test.max() <= tail + epsilon for _, inside, test, tail in tests
    )
    return [_row("Corollary 3.10", "stopping", f"{text} {epsilon:.3g}", Outcome.of(good))]


def _rates(gap: DynamicsGap) -> Row:
    rates = gap.rates()
    inside = [
        bool(low <= sigma <= high)
        for sigma, (low, high) in zip(rates.eigenvalues, rates.intervals, strict=True)
    ]
    if not inside:
        text = "the target has nothing in the known eigenspaces"
        return _row("Observation 3.8", "bias", text, Outcome.UNDECIDED)
    ratio = rates.rates / rates.eigenvalues
    text = (
        f"{len(inside)} fitted rates are {ratio.min():.2f} to {ratio.max():.2f} times their"
        f" eigenvalues, {sum(inside)} intervals contain it"
    )
    ordered = bool(np.all(np.diff(rates.rates) < 0))
    good = ordered and sum(inside) >= 0.7 * len(inside)
    return _row("Observation 3.8", "bias", text, Outcome.of(good or None))


def _rkhs(gap: DynamicsGap) -> Row:
    decay = ideal_decay(
        gap.modes.eigenvalues, gap.modes.energies, float(gap.modes.square_norm), gap.times[1:]
    )
    if math.isinf(decay.square_norm):
        text = "the target has a part outside the known eigenspaces: no 1/t is promised"
        return Row("O(1/t) in the RKHS", "gap", text, "not asked", Outcome.UNDECIDED)
    text = (
        f"‖f*‖²_H = {decay.square_norm:.3g}; ‖exp(-Tt) r₀‖² at most {decay.ratio:.2g} of"
        " ‖f*‖²_H/(2et)"
    )
    return _row("O(1/t) in the RKHS", "gap", text, Outcome.of(decay.ratio <= 1))


def _growth(growth: dict[float, Power]) -> Row:
    parts = [
        f"m = {c:g} n: gap² ∝ n^-{p.exponent:.2f} in [{p.interval[0]:.2f}, {p.interval[1]:.2f}]"
        for c, p in growth.items()
    ]
    lows, highs = zip(*(p.interval for p in growth.values()), strict=True)
    holds = True if min(lows) > 0 else False if max(highs) < 0 else None
    return _row("Observation 3.9", "growth", "; ".join(parts), Outcome.of(holds))


def write_dynamics(folder: Path, found: Findings) -> Path:
    """Write results.json, the arrays, the pictures and report.html, each whole."""
    gap = found.gap
    assert gap is not None
    gap.save(folder / "dynamics.npz")
    for name in ("scaling", "control"):
        record = getattr(found, name)
        if record is not None:
            record.save(folder / f"{name}.npz")
    rows = statements(found)
    write_whole(
        folder / "results.json", json.dumps(_plain(_results(found, rows, version())), indent=1)
    )
    environment = Environment(
        loader=PackageLoader("compare.command", "."), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("dynamics.html.j2").render(
        gap=gap,
        scaling=found.scaling,
        control=found.control,
        growth=found.growth,
        stopped=found.stopped,
        rows=rows,
        pictures=_pictures(folder, found),
        command=found.command,
        version=version(),
        created=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )
    path = folder / "report.html"
    write_whole(path, page)
    return path


def _results(found: Findings, rows: list[Row], version: str) -> dict[str, Any]:
    assert found.gap is not None
    records = {"dynamics": found.gap, "scaling": found.scaling, "control": found.control}
    growth = {
        f"{c:g}": {"exponent": p.exponent, "interval": p.interval}
        for c, p in (found.growth or {}).items()
    }
    return {
        "version": version,
        "command": found.command,
        "stopped": found.stopped,
        "statements": {row.statement: [row.measured, row.answer] for row in rows},
        **{
            name: {"config": record.config, "answers": record.answers()}
            for name, record in records.items()
            if record is not None
        },
        "growth": growth,
    }


def _plain(value: Json) -> Json:
    """The same for JSON, which has no NaN and no infinity."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pictures(folder: Path, found: Findings) -> dict[str, str]:
    """The pictures as base64, and as files."""
    gap = found.gap
    assert gap is not None
    made: dict[str, Axes] = {
        "gap": gap.plot(),
        "theorem": gap.plot_theorem(),
        "modes": gap.plot_modes(),
        "rates": gap.plot_rates(),
    }
    for name in ("scaling", "control"):
        record = getattr(found, name)
        if record is not None:
            made[name] = record.plot()
    encoded: dict[str, str] = {}
    for name, ax in made.items():
        buffer, figure = io.BytesIO(), ax.get_figure(root=True)
        assert figure is not None
        figure.savefig(buffer, format="png", dpi=150)
        write_whole(folder / f"{name}.png", buffer.getvalue())
        encoded[name] = base64.b64encode(buffer.getvalue()).decode()
    return encoded
