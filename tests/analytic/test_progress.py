"""A process that is killed as it draws its progress stops no other one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

import pytest
from tqdm.auto import tqdm

from analytic.progress import ProgressBar

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")


def _draw_and_die() -> None:
    with ProgressBar.get_lock():
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_holds_no_lock_of_ours() -> None:
    for bar in (tqdm, ProgressBar):
        bar.get_lock()  # a fork shares what there is
    child = multiprocessing.get_context("fork").Process(target=_draw_and_die)
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    drawn = threading.Thread(
        target=lambda: ProgressBar(total=1, disable=False).close(), daemon=True
    )
    drawn.start()
    drawn.join(30)
    assert not drawn.is_alive()


def test_other_bars_keep_their_lock() -> None:
    assert ProgressBar.get_lock() is not tqdm.get_lock()
    assert not ProgressBar.monitor_interval
    assert tqdm.monitor_interval
