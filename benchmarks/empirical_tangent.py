r"""K_0 of one wide network and of LeNet-5: this project against its peers, in one run.

    python benchmarks/empirical_tangent.py [--nngeometry PYTHON] [--neural-tangents PYTHON]

Each method runs in a process of its own, on one thread: the best of some repetitions in CPU
seconds, and how much the process grew. The options name interpreters that have the peers;
without them these rows are left out. Trust ratios, not seconds.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

CASES = {"fc": (512, 64), "lenet": (256, 1, 28, 28)}
WIDTH = 1024
SELF = Path(__file__).resolve()
TORCH = ("kinfinity", "kinfinity float64", "gemms", "gemms float64", "square", "jacobian")
FC_ONLY = ("gemms", "gemms float64", "square")


def measure(work: Callable[[], Any], repeat: int) -> dict[str, float]:
    """Best CPU seconds, and the growth of the process in MB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    seconds: list[float] = []
    for _ in range(repeat):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return {"seconds": min(seconds), "mb": grown}


def torch_work(case: str, method: str) -> Callable[[], Any]:
    """The kernel of one output by a method that torch can run."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    dtype = torch.float64 if method.endswith("float64") else torch.float32
    x = torch.randn(CASES[case], dtype=dtype)
    widths = [64, WIDTH, WIDTH, 1]
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.Tanh()]
    lenet = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84),
        nn.Tanh(), nn.Linear(84, 1),
    )  # fmt: skip
    module = (nn.Sequential(*layers[:-1]) if case == "fc" else lenet).to(dtype).eval()
    if method.startswith("kinfinity"):
        sys.path.insert(0, str(SELF.parents[1]))
        from empirical import tangent_kernel

        return lambda: tangent_kernel(module, x)
    if method == "square":
        square = torch.randn(2048, 2048)
        return lambda: square @ square
    if method.startswith("gemms"):
        return lambda: gemms([p.detach() for p in module.parameters() if p.ndim == 2], x)
    if method == "jacobian":
        return lambda: contraction(module, x)
    from nngeometry.backend import TorchHooksJacobianBackend
    from nngeometry.object.fspace import FMatDense
    from torch.utils.data import DataLoader, TensorDataset

    batch = DataLoader(TensorDataset(x, torch.zeros(len(x))), batch_size=len(x))
    backend = TorchHooksJacobianBackend(module, function=lambda *d: module(d[0]))
    return lambda: FMatDense(generator=backend, examples=batch)


def gemms(weights: list[Any], x: Any) -> list[Any]:
    """The products of the layer identity and nothing else: 4.4 GFlop here."""
    inputs, signals = [x], [weights[-1].expand(len(x), -1)]
    for weight in weights[:-1]:
        inputs.append(inputs[-1] @ weight.T)
    for weight in weights[-2:0:-1]:
        signals.append(signals[-1] @ weight)
    return [a @ a.T for a in (*inputs, *signals)]


def flops() -> float:
    """Of ``gemms``: forward, backward, and Gram matrices of inputs and signals."""
    n, d = CASES["fc"]
    return 2.0 * (n * (d * WIDTH + 2 * WIDTH**2) + n * n * (d + 4 * WIDTH))


def contraction(module: Any, x: Any) -> Any:
    """torch.func: all per-sample gradients, then one product."""
    import torch

    parameters = {k: p.detach() for k, p in module.named_parameters()}

    def value(p: Any, one: Any) -> Any:
        return torch.func.functional_call(module, p, (one[None],))[0, 0]

    rows = torch.func.vmap(torch.func.grad(value), (None, 0))(parameters, x)
    kernel = 0
    for part in rows.values():
        kernel = kernel + part.flatten(1) @ part.flatten(1).T
    return kernel


def jax_work(case: str) -> Callable[[], Any]:
    """neural-tangents, Jacobian contraction (its implementation 1)."""
    import types

    sys.modules["neural_tangents.experimental"] = types.ModuleType("experimental")
    import jax
    import neural_tangents as nt
    from jax import numpy as jnp
    from neural_tangents import stax

    tanh = stax.Elementwise(jnp.tanh)
    dense = [stax.Dense(WIDTH), tanh, stax.Dense(WIDTH), tanh, stax.Dense(1)]
    pool = stax.AvgPool((2, 2), (2, 2))
    lenet = [
        stax.Conv(6, (5, 5), padding="SAME"), tanh, pool, stax.Conv(16, (5, 5), padding="VALID"),
        tanh, pool, stax.Flatten(), stax.Dense(120), tanh, stax.Dense(84), tanh, stax.Dense(1),
    ]  # fmt: skip
    init, apply, _ = stax.serial(*(dense if case == "fc" else lenet))
    n, *shape = CASES[case]
    shape = (n, *shape) if case == "fc" else (n, *shape[1:], shape[0])
    x = jax.random.normal(jax.random.PRNGKey(0), shape)
    _, parameters = init(jax.random.PRNGKey(1), shape)
    kernel = jax.jit(
        nt.empirical_ntk_fn(
            apply, vmap_axes=0, implementation=nt.NtkImplementation.JACOBIAN_CONTRACTION
        )
    )
    return lambda: kernel(x, None, parameters).block_until_ready()


def child(case: str, method: str) -> None:
    """Measure one method and print the record."""
    work = jax_work(case) if method == "neural-tangents" else torch_work(case, method)
    slow = case == "fc" and method in ("jacobian", "neural-tangents")
    print(json.dumps(measure(work, 2 if slow else 15)))


def run(python: str, case: str, method: str) -> dict[str, float]:
    """The record of a process of its own."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    flags = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}
    command = [python, str(SELF), "--case", case, "--method", method]
    done = subprocess.run(
        command, env={**os.environ, **threads, **flags}, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run all methods on both cases and print ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("case", "method", "nngeometry", "neural-tangents"):
        options.add_argument(f"--{name}")
    given = options.parse_args()
    if given.method:
        child(given.case, given.method)
        return
    for case in CASES:
        methods = {m: sys.executable for m in TORCH if case == "fc" or m not in FC_ONLY}
        methods |= {"nngeometry": given.nngeometry} if given.nngeometry else {}
        jax = given.neural_tangents
        methods |= {"neural-tangents": jax} if jax else {}
        records = {method: run(python, case, method) for method, python in methods.items()}
        own = records["kinfinity"]["seconds"]
        print(f"{case}: inputs {CASES[case]}, float32 unless said")
        for method, record in records.items():
            seconds, mb = record["seconds"], record["mb"]
            work = 2 * 2048**3 if method == "square" else flops()
            rate = f" {work / seconds / 1e9:6.1f} GFlop/s" if case == "fc" else ""
            print(f"  {method:20s} {seconds:8.4f} s {seconds / own:7.2f} x {mb:7.0f} MB{rate}")


if __name__ == "__main__":
    main()
