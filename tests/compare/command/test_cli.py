"""The command: its report, its exit codes, its one line for bad input."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest

import compare.dynamics.training
import compare.rate.measurement
import compare.theory.duhamel
from compare.command.cli import main
from empirical import gradient_flow

QUICK = ["-w", "8,16,32", "-s", "10", "-p", "6"]


def run(*arguments: str) -> int:
    try:
        main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_validate_writes_a_whole_report(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "deep" / "folder"
    network = 'Network(FullyConnected("tanh"), Residual(FullyConnected("sigmoid")))'
    assert (
        run(
            "validate",
            "-o",
            str(folder),
            "-n",
            network,
            "-n",
            'Network(FullyConnected("erf"))',
            *QUICK,
        )
        == 0
    )
    assert f"report: {folder.resolve()}/report.html" in capsys.readouterr().out
    names = sorted(p.name for p in folder.iterdir())
    assert names == ["convergence-1.png", "convergence-2.png", "report.html", "results.json"]
    results = json.loads((folder / "results.json").read_text())["results"]
    assert [r["config"]["network"] for r in results] == [network, 'Network(FullyConnected("erf"))']
    assert len(results[0]["distances"][2]) == 10
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:|#)', page)  # self-contained
    assert results[0]["answers"]["verdict"] in page


def test_networks_of_images_take_the_digits_as_images(tmp_path: Path) -> None:
    networks = [
        'Network(Convolution("tanh", 3, stride=2), AveragePooling(4))',
        'Network(FullyConnected("tanh"))',
    ]
    arguments = [part for network in networks for part in ("-n", network)]
    assert run("validate", "-o", str(tmp_path), *arguments, *QUICK) == 0
    results = json.loads((tmp_path / "results.json").read_text())["results"]
    assert [r["config"]["network"] for r in results] == networks


def test_strict_exits_with_one_unless_everything_holds(tmp_path: Path) -> None:
    few = ["-w", "8,16,32", "-s", "3", "-p", "6"]
    assert (
        run(
            "validate",
            "-o",
            str(tmp_path),
            "-n",
            'Network(FullyConnected("tanh"))',
            *few,
            "--strict",
        )
        == 1
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-n", 'Network(Convolution("tanh", 3))', "-i", "sphere:64"],
            r"expected x of shape \(n, channels, positions\) or .* got \(6, 64\)",
        ),
        (
            ["-n", 'Network(Convolution("tanh", 1), AveragePooling(3))'],
            r"expected positions that AveragePooling\(3\) divides, got 8 x 8",
        ),
        (
            ["-n", 'Network(FullyConnected("tanhh"))'],
            "unknown activation 'tanhh'.*did you mean tanh",
        ),
        (["-n", 'Network(Residual(FullyConnected("tanh")))'], "first layer that is not residual"),
        (
            ["-n", 'Network(FullyConnected("tanh"), Residual(Residual(FullyConnected("tanh"))))'],
            "expected a residual branch that has weights",
        ),
        (
            ["-n", "tanh, tanh"],
            "expected Network, FullyConnected, Convolution, .*, Residual, .*, names and numbers",
        ),
        (["-w", "0,16,32"], "expected widths of at least 1, got 0"),
        (["-w", "a,b"], "expected integers separated by commas for widths, got 'a,b'"),
        (["-i", "missing.npy"], "expected a file, got 'missing.npy'"),
        (["-i", "mnist"], "expected inputs digits, sphere:D or a file .npy"),
        (["-i", "sphere:x"], "expected inputs"),
        (["-i", "{bad}"], "NaN or infinity first in row 1"),
        (["-i", "{empty}"], r"expected inputs of shape \(n, ...\), got \(0, 3\)"),
        (["-i", "{cube}"], r"expected x of shape \(n, d\)"),
        (["-i", "{pickled}"], "Object arrays cannot be loaded"),
        (["-o", "{file}/folder"], "expected an output folder that can be written"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_two(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    files = {
        "bad": np.array([[1.0, 2.0, 3.0], [np.nan, 1.0, 1.0]]),
        "empty": np.empty((0, 3)),
        "cube": np.ones((8, 2, 2)),
        "pickled": np.array([None, 1]),
    }
    for name, array in files.items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "file").write_text("")
    places = {name: str(tmp_path / f"{name}.npy") for name in files} | {
        "file": str(tmp_path / "file")
    }
    given = [a.format(**places) if a.startswith("{") else a for a in arguments]
    rest = ["-s", "3", "-p", "6"] + ([] if "-w" in given else ["-w", "8,16,32"])
    output = [] if "-o" in given else ["-o", str(tmp_path / "out")]
    assert run("validate", *given, *rest, *output) == 2
    captured = capsys.readouterr()
    assert re.search(message, captured.err)
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


def test_all_networks_are_checked_before_the_first_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(compare.rate.measurement, "sweep", _never)
    networks = ["-n", 'Network(FullyConnected("tanh"))', "-n", 'Network(Convolution("tanh", 3))']
    assert run("validate", "-o", str(tmp_path), *networks, "-i", "sphere:3", *QUICK) == 2
    assert "got (6, 3)" in capsys.readouterr().err
    assert not (tmp_path / "results.json").exists()


def _never(*_: object, **__: object) -> None:
    raise AssertionError("a network was trained before all arguments were checked")


def test_unknown_options_end_with_two(capsys: pytest.CaptureFixture) -> None:
    assert run("validate", "--colour") == 2
    assert "No such option" in capsys.readouterr().err


SMALL = ["-n", 'Network(FullyConnected("tanh"))', "-t", "harmonic:1,3", "-m", "16", "-N", "16",
         "-s", "2", "-p", "32", "-T", "3"]  # fmt: skip
STATEMENTS = ("Theorem 3.5", "Corollary 3.7", "Observation 3.8", "O(1/t) in the RKHS")


def test_dynamics_writes_a_whole_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fits = ["--widths", "16,32", "--sizes", "16,32", "--repeats", "2", "--linearised", "4"]
    assert run("dynamics", "-o", str(tmp_path), *SMALL, *fits) == 0
    assert f"report: {tmp_path.resolve()}/report.html" in capsys.readouterr().out
    found = {p.name for p in tmp_path.iterdir()}
    assert {"report.html", "results.json", "dynamics.npz", "scaling.npz", "control.npz"} <= found
    assert not [name for name in found if name.endswith(".part")]
    results = json.loads((tmp_path / "results.json").read_text())
    assert set(STATEMENTS) <= set(results["statements"])
    assert results["control"]["config"]["limit"] == 'Network(FullyConnected("softplus"))'
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 6
    assert not re.search(r'(src|href)="(?!data:|#)', page)  # self-contained
    for statement in results["statements"]:
        assert statement in page.replace("&#39;", "'")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-t", "nothing"], "expected a target harmonic:1,3,5, step"),
        (["-t", "parity"], "expected a function as target on sphere"),
        (["-T", "-1"], "expected a positive, finite horizon, got -1"),
        (["-i", "digits", "-t", "parity", "-N", "1798"], "expected at most 1797 samples"),
        (["-m", "0"], "expected width of at least 1, got 0"),
        (["-t", "harmonic:a"], "expected integers separated by commas for degrees"),
        (["-p", "7"], "expected at least 8 evaluation points, got 7"),
        (["--widths", "-1,4"], "expected width of at least 1, got -1"),
        (["--widths", "16"], "expected at least two widths"),
        (["--widths", "8,16", "--sizes", "1,16"], "expected samples of at least 2, got 1"),
        (["--widths", "8,16", "--repeats", "1"], "expected seeds of at least 2, got 1"),
        (["--widths", "8,x"], "expected integers separated by commas for widths"),
        (["-n", 'Network(Convolution("tanh", 3))'], "expected x of shape (n, channels, positions)"),
    ],
)
def test_bad_input_to_dynamics_gets_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(compare.dynamics.training, "train", _never)
    assert run("dynamics", "-o", str(tmp_path), *SMALL, "--widths", "", *arguments) == 2
    captured = capsys.readouterr()
    assert re.search(re.escape(message), captured.err)
    assert captured.err.count("\n") == 1


def test_a_horizon_out_of_reach_leaves_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = functools.partial(gradient_flow, max_evaluations=60)
    monkeypatch.setattr(compare.theory.duhamel, "gradient_flow", short)
    assert run("dynamics", "-o", str(tmp_path), *SMALL, "-T", "1e5", "--widths", "") == 2
    assert "what was reached is in" in capsys.readouterr().err
    results = json.loads((tmp_path / "results.json").read_text())
    assert "expected to reach t" in results["stopped"]
    assert 0 < results["dynamics"]["answers"]["horizon"] < 1e5
