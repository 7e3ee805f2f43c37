"""The store: kills at any instant, damages, other configurations, two runs, full disks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from oracles.damages import damages

from analytic import FullyConnected, Network
from analytic.files import DamagedError
from compare import Convergence, Inputs, convergence
from compare.store import Store, digest

CONFIGURATION = {"network": "one", "versions": {"torch": "2"}}
CELL = {"distances": np.arange(3.0), "total": np.eye(2)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Store(tmp_path / "cells.sqlite", CONFIGURATION) as store:
        store.put("a", CELL)
        store.put("b", CELL | {"distances": np.array(np.pi)})
    return tmp_path / "cells.sqlite"


def test_cells_come_back_to_the_bit(path: Path) -> None:
    with Store(path, CONFIGURATION) as store:
        assert len(store) == 2
        assert store.get("c") is None
        found = store.get("b")
        assert found is not None
        assert found["distances"] == np.pi
        assert_array_equal(found["total"], np.eye(2))


NETWORK = Network(FullyConnected("tanh"))
WIDTHS, SEEDS = [512, 1024, 2048], [96, 96, 48]


def sweep(store: Path | None) -> Convergence:
    return convergence(
        NETWORK, Inputs.sphere(3), WIDTHS, SEEDS, points=4, store=store, progress=False
    )


def test_a_sweep_killed_at_a_dozen_instants_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Each forked child is killed after some processor time, drawn over that of a whole sweep.

    SIGPROF without a handler ends a process at once, as SIGKILL does, but its clock does not run
    while others have the processor.
    """
    store, begin = tmp_path / "sweep.sqlite", time.process_time()
    uninterrupted = sweep(None)
    whole = time.process_time() - begin
    context, rng, rows = multiprocessing.get_context("fork"), np.random.default_rng(0), [0]
    for instant in rng.uniform(0, whole, 12):
        child = context.Process(target=_killed_sweep, args=(store, instant))
        child.start()
        child.join(60)
        child.kill()  # a fork may wait for a lock that a thread of ours held
        child.join()
        assert child.exitcode in (0, -signal.SIGPROF, -signal.SIGKILL)  # 0: it was ready before
        rows.append(_rows(store))
        assert rows[-1] >= rows[-2]  # nothing is lost
        if child.exitcode == 0:
            store.unlink()  # begin again, so that every kill falls into a sweep
            rows.append(0)
    assert any(0 < count < 15 for count in rows)
    assert_same(sweep(store), uninterrupted)
    assert _rows(store) == 3 + 6 + 6
    assert_same(sweep(store), uninterrupted)  # from the store alone


def _killed_sweep(store: Path, instant: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, instant)
    sweep(store)
    signal.setitimer(signal.ITIMER_PROF, 0)


def _rows(store: Path) -> int:
    if not store.exists():
        return 0
    with sqlite3.connect(store) as file:
        there = file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return file.execute("SELECT count(*) FROM cells").fetchone()[0] if there else 0


def assert_same(a: Convergence, b: Convergence) -> None:
    for mine, other in zip(a.distances, b.distances, strict=True):
        assert_array_equal(mine, other)
    assert (a.bias, a.rounding) == (b.bias, b.rounding)
    assert a.answers() == b.answers()


def test_finished_cells_are_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import compare.rate.width_sweep as module

    def small(seeds: list[int]) -> Convergence:
        return convergence(
            NETWORK, Inputs.sphere(3), [8, 16, 32], seeds, points=4, store=tmp_path / "s"
        )

    first = small([10, 10, 10])
    asked: list[int] = []
    run = module.run_cell
    monkeypatch.setattr(
        module, "run_cell", lambda cell, *rest: (asked.append(cell.width), run(cell, *rest))[1]
    )
    assert_same(small([10, 10, 10]), first)
    assert asked == []
    more = small([10, 12, 10])  # only what is new
    assert asked == [16]
    assert_array_equal(more.distances[1][:10], first.distances[1])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"network": "two", "versions": {"torch": "2"}}, "network 'one' instead of 'two'"),
        ({"network": "one", "versions": {"torch": "3"}}, "torch '2' instead of '3'"),
        ({"network": "one"}, "versions .* instead of None"),
    ],
)
def test_a_store_of_another_configuration_is_refused_and_kept(
    path: Path, other: dict, words: str
) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"expected a store of this measurement.*{words}"):
        Store(path, other)
    assert path.read_bytes() == before


def test_a_newer_version_and_another_program_are_refused(path: Path, tmp_path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 2")
    with pytest.raises(ValueError, match=r"expected a store of version 1 .* update kinfinity"):
        Store(path, CONFIGURATION)
    with sqlite3.connect(tmp_path / "other") as file:
        file.execute("CREATE TABLE mine (x)")
    with pytest.raises(ValueError, match="got a database of another program"):
        Store(tmp_path / "other", CONFIGURATION)


def test_two_runs_on_one_store_are_refused_while_the_first_has_it(path: Path) -> None:
    with Store(path, CONFIGURATION) as first:
        with pytest.raises(BlockingIOError, match="another run has it open; wait"):
            Store(path, CONFIGURATION)
        first.put("c", CELL)
    with Store(path, CONFIGURATION) as second:
        assert len(second) == 3


def test_a_full_disk_keeps_what_is_finished(path: Path) -> None:
    with Store(path, CONFIGURATION) as store:
        pages = store._file.execute("PRAGMA page_count").fetchone()[0]
        store._file.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own full disk
        with pytest.raises(OSError, match="the disk is full; finished cells are kept"):
            store.put("large", {"x": np.zeros(10_000)})
    with Store(path, CONFIGURATION) as store:
        assert len(store) == 2
        store.put("large", {"x": np.zeros(10_000)})


def test_places_that_cannot_be_written_are_named(path: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a folder for the store"):
        Store(tmp_path / "nowhere" / "cells", CONFIGURATION)
    with pytest.raises(PermissionError, match="change the permissions or name another"):
        Store(tmp_path, CONFIGURATION)  # a folder
    with Store(path, CONFIGURATION) as store:
        store._file.execute("PRAGMA query_only = 1")  # SQLite's own read-only file
        with pytest.raises(PermissionError, match="finished cells are kept"):
            store.put("c", CELL)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folders_are_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="change the permissions"):
        Store(tmp_path / "cells", CONFIGURATION)


def test_damages_are_refused_or_harmless(path: Path) -> None:
    """500 damages: a sentence, or the same bits in every cell that is there."""
    refused: list[str] = []
    content = path.read_bytes()
    for damaged in damages(content, 500):
        path.write_bytes(damaged)
        try:
            for found in _cells(path):
                assert found is None or _is_whole(found)
        except (ValueError, OSError) as error:
            refused.append(str(error))
    assert all(words.startswith("expected") for words in refused)
    assert len(refused) > 250
    path.write_bytes(content)
    assert len(list(_cells(path))) == 2


def _is_whole(found: dict) -> bool:
    number = found["distances"]
    return np.array_equal(found["total"], np.eye(2)) and (
        np.array_equal(number, np.arange(3.0)) or float(number) == np.pi
    )


def _cells(path: Path) -> Iterator[dict | None]:
    with Store(path, CONFIGURATION) as store:
        for name in "ab":
            yield store.get(name)


def test_an_empty_file_is_a_new_store_and_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()  # what a kill at the first instant leaves
    with Store(tmp_path / "empty", CONFIGURATION) as store:
        assert len(store) == 0
    (tmp_path / "text").write_text("widths: 64\n" * 99)
    with pytest.raises(DamagedError, match="restore it, or delete it to measure again"):
        Store(tmp_path / "text", CONFIGURATION)


def test_digests_tell_arrays_apart() -> None:
    a = np.arange(6.0)
    assert digest(a) == digest(a.copy())
    different = [a.reshape(2, 3), a.astype(np.float32), a + 1e-15 * a, a[::-1]]
    assert len({digest(x) for x in [a, *different]}) == 5
