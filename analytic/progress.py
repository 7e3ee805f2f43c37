"""Progress bars whose lock is that of this process alone.

``tqdm`` shares one with all forked processes: where one of them is killed as it draws, all others
wait for ever.
"""

from __future__ import annotations

from threading import RLock
from typing import Any

from tqdm.auto import tqdm

__all__ = ["ProgressBar"]


class ProgressBar(tqdm):  # pyright: ignore[reportUntypedBaseClass, reportMissingTypeArgument]
    """``tqdm.auto.tqdm`` with a lock for threads, and no thread of its own."""

    monitor_interval: Any = 0
    _lock: Any = RLock()
