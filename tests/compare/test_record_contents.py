"""Records whose files are whole to their checksums, with contents that no measurement writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytic.files import write_arrays
from compare import DynamicsGap, DynamicsScaling
from compare.configuration import packed, unpacked
from compare.dynamics.runs import SHAPES, from_arrays
from compare.low_rank import HessianGrowth, RankGrowth, RankPath, Spectrum

RNG = np.random.default_rng(3)
SIZES = {"times": 4, "k": 3, "seeds": 5, "parts": 4, "more": 4, "checks": 3}


def positive(*shape: int) -> np.ndarray:
    return RNG.chisquare(4, shape) + 0.1


def scaling() -> DynamicsScaling:
    config = {"network": "n", "inputs": "i", "widths": [4, 8, 16], "samples": [4, 8]}
    a, b, c, d = (positive(3, 2, 5, 4) for _ in range(4))
    return DynamicsScaling(config, np.arange(4.0), a, b, c, d, positive(3, 2, 5), positive(3, 2, 6))


def gap() -> DynamicsGap:
    arrays: dict[str, Any] = {
        name: positive(*(SIZES[axis] for axis in axes.split())) for name, axes in SHAPES.items()
    }
    arrays |= {"times": np.arange(4.0), "modes.eigenvalues": np.array([3.0, 2.0, 1.0])}
    config = {"network": "n", "inputs": "i", "epsilon": 0.1, "confidence": 0.99, "rtol": 1e-8}
    return DynamicsGap(config, ("0", "1", "2"), arrays["times"], *from_arrays(arrays, 3))


def ranks() -> RankGrowth:
    config = {"network": "n", "widths": [4, 8, 16], "scales": [0.5, 0.1]}
    return RankGrowth(config, positive(3, 5, 6), positive(6), np.array([9, 20, 60]))


def path() -> RankPath:
    spectra = -np.sort(-positive(4, 6))
    return RankPath({"module": "m"}, np.arange(4.0), spectra, *(positive(4) for _ in range(3)))


def spectrum() -> Spectrum:
    config = {"network": "n", "inputs": "i", "width": 8, "points": 9, "parameters": 20}
    values = -np.sort(-positive(5, 6))
    return Spectrum(config, values, 1e-12 * positive(5), values)


def hessian() -> HessianGrowth:
    config = {"network": "n", "widths": [4, 8, 16], "radius": 0.0}
    return HessianGrowth(config, positive(3, 5))


PARTIAL = ("runs.checks", "runs.amplitudes")
"""Arrays with NaN where nothing was measured."""
RECORDS: dict[str, Any] = {
    "scaling": scaling, "gap": gap, "ranks": ranks, "path": path, "spectrum": spectrum,
    "hessian": hessian,
}  # fmt: skip


def raw(file: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The arrays of a file, its configuration, and the name of the latter."""
    with np.load(file, allow_pickle=False) as archive:
        data = dict(archive)
    words = "words" if "words" in data else "config"
    return data, unpacked(data[words]), words


@pytest.mark.parametrize("name", RECORDS)
def test_what_was_saved_is_read_again(name: str, tmp_path: Path) -> None:
    record = RECORDS[name]()
    record.save(tmp_path / "a.npz")
    again = type(record).load(tmp_path / "a.npz")
    assert str(again) == str(record)


@pytest.mark.parametrize("name", RECORDS)
def test_every_array_that_does_not_fit_is_refused(name: str, tmp_path: Path) -> None:
    """Each in turn cut, of another kind, of another dimension, and with NaN."""
    record = RECORDS[name]()
    record.save(tmp_path / "a.npz")
    data, _, words = raw(tmp_path / "a.npz")
    for array in set(data) - {words}:
        good = data[array]
        poisoned = good.astype(np.float64)
        poisoned[(0,) * good.ndim] = np.nan
        bad = [np.array("text"), good[None], *([good[:-1]] if good.ndim else [])]
        bad += [] if array in PARTIAL else [poisoned]
        for value in bad:
            refused(type(record), tmp_path, data | {array: value})


def refused(kind: Any, folder: Path, data: Mapping[str, Any], reason: str = "") -> None:
    write_arrays(folder / "b.npz", data)
    with pytest.raises(ValueError, match=rf"expected a record of .* no measurement.*{reason}"):
        kind.load(folder / "b.npz")


@pytest.mark.parametrize("name", RECORDS)
def test_a_configuration_without_its_entries_is_refused(name: str, tmp_path: Path) -> None:
    record = RECORDS[name]()
    record.save(tmp_path / "a.npz")
    data, config, words = raw(tmp_path / "a.npz")
    inner = config["config"] if "config" in config else config
    for entry in list(inner):
        less = {key: value for key, value in inner.items() if key != entry}
        whole = config | {"config": less} if "config" in config else less
        refused(type(record), tmp_path, data | {words: packed(whole)}, entry)
    for nonsense in (np.array("[1, 2]"), np.array("no JSON"), np.array(3.0)):
        refused(type(record), tmp_path, data | {words: nonsense})


@pytest.mark.parametrize(
    ("name", "array", "value", "reason"),
    [
        ("scaling", "times", [0.0, 2.0, 1.0, 3.0], "times are .* that rise"),
        ("scaling", "epsilon", -1.0, "epsilon with -1, below 0"),
        ("gap", "times", [3.0, 2.0, 1.0, 0.0], "times are .* that rise"),
        ("gap", "runs.norms", -1.0, "norms with -1, below 0"),
        ("ranks", "eigenvalues", -1.0, "eigenvalues with -1, below 0"),
        ("path", "times", [0.0, 0.0, 1.0, 2.0], "times are .* that rise"),
        ("path", "loss", -1.0, "loss with -1, below 0"),
        ("spectrum", "eigenvalues", -1.0, "descend from one above 0"),
        ("spectrum", "floors", -1.0, "floors with -1, below 0"),
        ("hessian", "norms", -1.0, "norms with -1, below 0"),
    ],
)
def test_numbers_that_cannot_have_been_measured_are_refused(
    name: str, array: str, value: Any, reason: str, tmp_path: Path
) -> None:
    record = RECORDS[name]()
    record.save(tmp_path / "a.npz")
    data, _, _ = raw(tmp_path / "a.npz")
    bad = data[array].copy()
    bad[(0,) * bad.ndim if np.ndim(value) == 0 else slice(None)] = value
    refused(type(record), tmp_path, data | {array: bad}, reason)


@pytest.mark.parametrize("name", ["scaling", "ranks", "hessian"])
@pytest.mark.parametrize("widths", [[16, 8, 4], [4, 4, 8], [-4, 8, 16], ["a", 8, 16], 3])
def test_widths_that_do_not_rise_are_refused(name: str, widths: Any, tmp_path: Path) -> None:
    record = RECORDS[name]()
    record.save(tmp_path / "a.npz")
    data, config, words = raw(tmp_path / "a.npz")
    refused(type(record), tmp_path, data | {words: packed(config | {"widths": widths})})


def test_the_seal_is_looked_at_first(tmp_path: Path) -> None:
    hessian().save(tmp_path / "a.npz")
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:-1] + b"x")
    with pytest.raises(ValueError, match="damaged or something else"):
        HessianGrowth.load(tmp_path / "a.npz")
