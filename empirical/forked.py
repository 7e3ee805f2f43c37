"""Processes that were forked: torch works there on one thread.

A child that is forked has none of its parent's threads, and a parallel region of torch waits for
them for ever once the parent has had one. One thread needs no parallel region.
"""

from __future__ import annotations

import os

import torch

__all__ = ["keep_forked_processes_alive"]

_registered: list[int] = []


def keep_forked_processes_alive() -> None:
    """Let every process that is forked from this one work on one thread."""
    if hasattr(os, "register_at_fork") and not _registered:
        os.register_at_fork(after_in_child=_alone)
        _registered.append(os.getpid())


def _alone() -> None:
    torch.set_num_threads(1)
