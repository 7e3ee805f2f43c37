"""The command ``kinfinity convergence``: flags, TOML, resuming, one line for bad input."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

import compare.rate.width_sweep
from compare import Convergence
from compare.command.cli import main

TANH = 'Network(FullyConnected("tanh"))'
QUICK = ["-n", TANH, "-i", "sphere:3", "-w", "8,16,32", "-s", "30,25,22", "-p", "5"]


def run(*arguments: str) -> int:
    try:
        main(["convergence", *arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def answers(folder: Path) -> dict:
    return Convergence.load(folder / "convergence.json").answers()


def test_the_written_configuration_makes_the_same_results_again(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(*QUICK, "-o", str(first), "--epsilon", "0.1") == 0
    assert "no width: expected a sweep on which Assumption 3.6 holds" in capsys.readouterr().out
    names = {p.name for p in first.iterdir()}
    assert names == {"cells.sqlite", "convergence.json", "convergence.png", "convergence.toml"}
    settings = tomllib.loads((first / "convergence.toml").read_text())
    assert (settings["widths"], settings["network"]) == ([8, 16, 32], TANH)
    assert run("-c", str(first / "convergence.toml"), "-o", str(second)) == 0
    assert answers(first) == answers(second)
    same = (first / "convergence.toml").read_text() == (second / "convergence.toml").read_text()
    assert same


def test_flags_go_before_the_file_and_finished_cells_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(f"network = {json.dumps(TANH)}\ninputs = 'sphere:3'\nseeds = 9\npoints = 5\n")
    arguments = ["-c", str(file), "-o", str(tmp_path), "-w", "8,16,32"]
    assert run(*arguments, "--strict") == 1  # nine seeds do not decide
    asked: list[int] = []
    cell = compare.rate.width_sweep.run_cell
    monkeypatch.setattr(
        compare.rate.width_sweep,
        "run_cell",
        lambda c, *rest: (asked.append(c.width), cell(c, *rest))[1],
    )
    assert run(*arguments, "-s", "9,9,11") == 0
    assert asked == [32]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a network or a module, got none"),
        (["-n", TANH, "-w", "8,16", "-s", "5"], "expected at least 3 different widths"),
        (["-n", TANH, "--limit", "Network()"], "expected"),
        (["-n", TANH, "--epsilon", "-1"], "expected epsilon > 0"),
        (["-c", "nowhere.toml"], "expected a TOML file, got 'nowhere.toml'"),
        (["-n", TANH, "-i", "cube"], "expected inputs digits"),
    ],
)
def test_bad_arguments_end_with_one_line_before_the_first_network(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compare.rate.width_sweep, "run_cell", None)
    assert run(*arguments, "-o", str(tmp_path / "out")) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width = 3\nsamples = 4\n", "got samples, width; rename or remove them"),
        ("widths = [1, \n", "expected TOML in"),
    ],
)
def test_files_with_other_entries_are_refused(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "bad.toml").write_text(text)
    assert run("-c", str(tmp_path / "bad.toml")) == 2
    assert message in capsys.readouterr().err
