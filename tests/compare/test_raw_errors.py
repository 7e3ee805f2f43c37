"""What people hand over by mistake: one sentence, nothing cut, nothing destroyed."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytic import FullyConnected, Network
from analytic.files import write_data, write_whole
from compare import Convergence, DynamicsScaling, Inputs, Target, convergence, dynamics_gap
from compare.command.cli import main
from compare.dynamics.design import check_grid, check_growth
from compare.rate import check_design

NETWORK, SPHERE = Network(FullyConnected("tanh")), Inputs.sphere(3)
CHECKS: dict[str, Any] = {"design": check_design, "grid": check_grid, "growth": check_growth}


def test_inputs_are_equal_when_their_points_are() -> None:
    a, b = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
    one = Inputs.array(a)
    assert one == Inputs.array(a.copy())
    assert hash(one) == hash(Inputs.array(a.copy()))
    assert one != Inputs.array(b)
    assert hash(one) != hash(Inputs.array(b))
    assert one != Inputs.array(a, "other")
    assert Inputs.sphere(3) == SPHERE != Inputs.sphere(4)
    assert one != "array"
    for again in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert again == one
        assert again.points is not None
        with pytest.raises(ValueError, match="read-only"):
            again.points[0, 0] = 9.0


def test_integers_of_numpy_are_integers(tmp_path: Path) -> None:
    i: Any = np.int64
    widths: Any = np.array([4, 8, 16])
    found = convergence(NETWORK, SPHERE, widths, i(3), points=i(5))
    same = convergence(NETWORK, SPHERE, [4, 8, 16], 3, points=5)
    found.save(tmp_path / "a.json")
    assert Convergence.load(tmp_path / "a.json").config["seeds"] == [3, 3, 3]
    assert all(map(np.array_equal, found.distances, same.distances))
    numbers: Any = {"width": i(4), "samples": i(4), "seeds": i(2), "points": i(16)}
    horizon: Any = np.float64(0.5)
    gap = dynamics_gap(NETWORK, Inputs.sphere(2), Target.step(), horizon=horizon, **numbers)
    gap.save(tmp_path / "gap.npz")
    assert type(gap).load(tmp_path / "gap.npz").config["width"] == 4


@pytest.mark.parametrize(
    ("check", "arguments", "message"),
    [
        ("design", (SPHERE, [4.9, 8, 16], 3, 5), "integer for widths, got 4.9"),
        ("design", (SPHERE, [4, 8, 16], 4.7, 5), "integer for seeds, got 4.7"),
        ("design", (SPHERE, [4, 8, 16], [4, 4.7, 4], 5), "integer for seeds, got 4.7"),
        ("design", (SPHERE, [4, 8, 16], 4, 5.5), "integer for points, got 5.5"),
        ("design", (SPHERE, 8, 4, 5), "expected integers for widths, got 8"),
        ("design", (SPHERE, [True, 8, 16], 4, 5), "integer for widths, got True"),
        ("grid", (SPHERE, [4.9, 8], [4, 8], 1.0, 2), "integer for widths, got 4.9"),
        ("growth", (SPHERE, [1.0], [4, 8.5], 1.0, 2), "integer for samples, got 8.5"),
    ],
)
def test_numbers_are_never_cut(check: str, arguments: tuple, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        CHECKS[check](*arguments)


def test_dimensions_and_sizes_of_samples_are_whole() -> None:
    with pytest.raises(TypeError, match=r"expected an integer for d, got 2.5"):
        Inputs.sphere(2.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"expected an integer for n, got 2.5"):
        SPHERE.sample(2.5)  # pyright: ignore[reportArgumentType]
    assert SPHERE.sample(np.int64(2)).shape == (2, 3)  # pyright: ignore[reportArgumentType]


def test_files_are_written_through_links_and_never_over_devices(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    dangling = tmp_path / "dangling.json"
    dangling.symlink_to(tmp_path / "later.json")
    write_whole(dangling, "there")
    assert (tmp_path / "later.json").read_text() == "there"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"expected the name of a file, got what is no regular"):
        write_whole(tmp_path / "pipe", "lost")
    with pytest.raises(ValueError, match=r"expected the name of a file, got the folder"):
        write_whole(tmp_path, "lost")
    with pytest.raises(FileNotFoundError, match=r"expected a folder that exists, got .*nowhere"):
        write_whole(tmp_path / "nowhere" / "a", "lost")
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    for work in (lambda p: write_whole(p, "lost"), Convergence.load):
        with pytest.raises(ValueError, match=r"got .*circle, a link that leads back to itself"):
            work(circle)
    assert circle.is_symlink()
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("record", [Convergence, DynamicsScaling])
def test_what_is_no_file_cannot_be_loaded(record: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a record of .*, got the folder"):
        record.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"expected a record of .* which is not there"):
        record.load(tmp_path / "missing")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"words", None])
def test_a_damaged_array_is_named_by_the_command(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.npy"
    np.save(file, np.ones((8, 3)))
    file.write_bytes(file.read_bytes()[:-40] if content is None else content)
    arguments = ["convergence", "-n", repr(NETWORK), "-i", str(file), "-o", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code not in (0, 130)
    assert "expected an array of numbers in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("entry", "value", "reason"),
    [
        ("widths", [16, 8, 4], "do not fit widths that rise"),
        ("widths", [4, 8], "do not fit widths that rise"),
        ("widths", ["a", "b", "c"], "not supported"),
        ("distances", [[1.0, -2.0], [1.0, 2.0], [1.0, 2.0]], "at least 0, got -2.0"),
        ("distances", [[1.0], [1.0], [1.0]], "at least 2 values in every group"),
        ("distances", [], "do not fit"),
        ("bias", [], "do not fit"),
        ("config", {}, "confidence"),
    ],
)
def test_a_whole_file_that_no_measurement_writes_is_refused(
    entry: str, value: Any, reason: str, tmp_path: Path
) -> None:
    rows = np.random.default_rng(0).chisquare(1, (3, 12)) / np.array([[4], [8], [16]])
    zeros = [0.0, 0.0, 0.0]
    data = {"config": {"confidence": 0.99}, "widths": [4, 8, 16], "distances": rows.tolist(),
            "bias": zeros, "rounding": zeros, "answers": {}}  # fmt: skip
    write_data(tmp_path / "whole.json", data)
    assert Convergence.load(tmp_path / "whole.json").widths == (4, 8, 16)
    write_data(tmp_path / "other.json", {**data, entry: value})
    with pytest.raises(ValueError, match=rf"expected a record of convergence in .*{reason}"):
        Convergence.load(tmp_path / "other.json")
