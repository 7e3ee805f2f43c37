"""The limits of this machine, measured: multiply-adds and memory bandwidth on all cores."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite.binding import get_host_cpu_name
from numba import njit

from analytic.machine import cores


@njit(nogil=True, fastmath=True, cache=True)
def _multiply_adds(a: Any, b: Any, c: Any, rounds: int) -> None:
    """16 chains of multiply-adds for each of the 128 lanes: registers only."""
    for _ in range(rounds):
        for j in range(a.size):
            x = c[j]
            y = a[j]
            for _ in range(16):
                x = x * y + b[j]
            c[j] = x


@njit(nogil=True, fastmath=True, cache=True)
def _fill(a: Any, value: float) -> None:
    for i in range(a.size):
        a[i] = value


def best(work: Callable[[], Any], repeat: int = 5) -> float:
    """Seconds of the fastest repetition, after one that does not count."""
    return best_in_turns({0: work}, repeat)[0]


def best_in_turns(works: dict[int, Callable[[], Any]], repeat: int = 5) -> dict[int, float]:
    """The same of several, one after the other, so that all meet the same speed of the machine."""
    for work in works.values():
        work()
    seconds = dict.fromkeys(works, float("inf"))
    for _ in range(repeat):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            seconds[name] = min(seconds[name], time.perf_counter() - began)
    return seconds


def on_all_cores(work: Callable[[int], Any]) -> Callable[[], Any]:
    def run() -> None:
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(work, range(cores())))

    return run


def multiply_adds_per_second() -> float:
    """The larger of a loop on registers and of a matrix product, in multiply-adds."""
    lanes = np.random.default_rng(0).uniform(0.1, 0.5, (cores(), 3, 128))
    rounds = 100_000
    loop = best(
        on_all_cores(lambda i: _multiply_adds(lanes[i, 0], lanes[i, 1], lanes[i, 2], rounds))
    )
    a = np.random.default_rng(0).standard_normal((2048, 2048))
    product = best(lambda: a @ a)
    return max(cores() * 16 * 128 * rounds / loop, 2048**3 / product)


def processor() -> str:
    """Its model, and the one that LLVM compiles for."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{next(iter(models), platform.machine())} ({get_host_cpu_name()}), {cores()} cores"


def bytes_written_per_second() -> float:
    """Stores to memory that is mapped already and larger than the caches."""
    part = np.zeros((cores(), 2**23))  # 64 MB each
    return part.nbytes / best(on_all_cores(lambda core: _fill(part[core], 1.0)))


if __name__ == "__main__":
    print(processor())
    print(f"{multiply_adds_per_second() / 1e9:.1f} G multiply-adds/s (float64)")
    print(f"{bytes_written_per_second() / 1e9:.1f} GB/s written")
