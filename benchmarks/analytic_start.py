"""Import and first call in a fresh process, and peak memory beyond the answer.

python benchmarks/analytic_start.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIRST_CALL = """
import numpy as np
from analytic import FullyConnected, Network, kernel
kernel(Network(*[FullyConnected("tanh")] * 3), np.random.default_rng(0).standard_normal((100, 8)))
"""
MEMORY = """
import resource, sys
import numpy as np
from analytic import FullyConnected, Network, kernel
n = int(sys.argv[1])
network = Network(*[FullyConnected("tanh", weight_std=float(sys.argv[2]))] * 3)
x = np.random.default_rng(0).standard_normal((n, 64))
kernel(network, x[:300])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
answer = kernel(network, x)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(f"{answer.nbytes / 1e6:.0f} {max(grown * 1024 - answer.nbytes, 0) / 1e6:.0f}")
"""


def seconds(code: str, folder: Path, **environment: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=folder, env=os.environ | environment
    )
    return time.perf_counter() - began


def main() -> None:
    for name in ("analytic", "kinfinity"):
        best = min(seconds(f"import {name}", ROOT) for _ in range(3))
        print(f"import {name}: {best:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        ignore = shutil.ignore_patterns("__pycache__")  # the cache lies beside the code
        shutil.copytree(ROOT / "analytic", Path(folder) / "analytic", ignore=ignore)
        cold = seconds(FIRST_CALL, Path(folder))
        warm = min(seconds(FIRST_CALL, Path(folder)) for _ in range(3))
    print(f"first call in a fresh process: {cold:.1f} s with an empty cache, {warm:.1f} s after")
    for n, weight_std in ((4096, 1.0), (10000, 1.0), (8000, 10.0)):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(n), str(weight_std)],
            check=True, cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        size, beyond = map(int, done.stdout.split())
        print(
            f"n = {n}, weight_std {weight_std:g}: answer {size} MB, beyond it {beyond} MB"
            f" (goal {0.1 * size + 200:.0f})"
        )


if __name__ == "__main__":
    main()
