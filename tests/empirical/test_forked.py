"""Forked processes do not hang, whatever torch did in their parent."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import multiprocessing, warnings
from concurrent.futures import ProcessPoolExecutor
import numpy as np, torch
import kinfinity as ki

NETWORK = ki.Network(ki.FullyConnected("tanh"))

def work(name):
    x = np.random.default_rng(0).standard_normal((200, 30))
    if name == "kernel":
        return float(ki.kernel(NETWORK, x, progress=False).sum())
    if name == "module":
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(30, 256), torch.nn.Linear(256, 1)).double()
        return float(ki.tangent_kernel(module, torch.tensor(x)).sum())
    if name == "seeds":
        return float(ki.tangent_kernels(NETWORK, torch.tensor(x), 256, range(3)).sum())
    return float(ki.tangent_kernel(ki.FiniteNetwork(NETWORK, (30,), 512), torch.tensor(x)).sum())

def sweep(executor):
    arguments = dict(widths=[8, 16, 32], seeds=4, points=10, progress=False)
    return ki.convergence(NETWORK, ki.Inputs.sphere(3), **arguments, executor=executor).distances

if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Python warns of forks beside threads
    torch.set_num_threads(2)
    names = ["kernel", "module", "seeds", "network"]
    exact = [work(name) for name in names]
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        found = pool.map_async(work, names).get(timeout=60)
    assert np.allclose(found, exact, rtol=1e-12), (found, exact)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = sweep(pool)
    assert np.allclose(found, sweep(None), rtol=1e-9)
    print("done")
"""


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
)
def test_forked_processes_finish(tmp_path: Path) -> None:
    script = tmp_path / "forked.py"
    script.write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert run.stdout.strip() == "done", run.stderr[-2000:]
