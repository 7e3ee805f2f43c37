r"""K_0 of modules of images as large as people have: beside a plain loop and beside peers.

    python benchmarks/module_images.py [--nngeometry PYTHON]

A strided convolutional network and a residual one with 11 million parameters. Each method runs
in a process of its own, on one thread, float32: best processor seconds of two, the growth of the
process, and the largest difference to the kernel of the loop. The loop calls ``autograd.grad``
for one sample at a time, keeps all gradients and multiplies them; torch.func does the same with
``vmap``. The option names an interpreter that has nngeometry. Trust ratios, not seconds.
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
from pathlib import Path

import torch
from torch import Tensor, nn

ROWS = [  # module, samples, height and width
    ("strided", 2, 256), ("strided", 16, 256), ("strided", 64, 256), ("residual", 16, 32),
    ("residual", 64, 32), ("residual", 16, 224), ("residual", 64, 224),
]  # fmt: skip
METHODS = ("loop", "kinfinity", "torch.func")
SELF = Path(__file__).resolve()


class Block(nn.Module):
    """Two convolutions beside a skip, projected where the shape changes."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, out, 3, stride, 1)
        self.second = nn.Conv2d(out, out, 3, 1, 1)
        same = channels == out and stride == 1
        self.skip = nn.Identity() if same else nn.Conv2d(channels, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.skip(x) + self.second(torch.relu(self.first(x))))


def strided() -> nn.Module:
    """Five convolutions of stride 2."""
    layers, channels = list[nn.Module](), 3
    for out in (16, 32, 64, 64, 64):
        layers += [nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.Tanh()]
        channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1))


def residual() -> nn.Module:
    """Eight blocks, 11.2 million parameters."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3), nn.ReLU(), nn.AvgPool2d(3, 2, 1)]
    channels = 64
    for out, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
                        (512, 1)):  # fmt: skip
        layers.append(Block(channels, out, stride))
        channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1))


def loop(module: nn.Module, x: Tensor) -> Tensor:
    """One sample at a time."""
    parameters = list(module.parameters())
    rows = [torch.autograd.grad(module(one[None])[0, 0], parameters) for one in x]
    jacobian = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
    return jacobian @ jacobian.T


def by_vmap(module: nn.Module, x: Tensor) -> Tensor:
    """All per-sample gradients by torch.func, then one product for each parameter."""
    parameters = {k: p.detach() for k, p in module.named_parameters()}

    def value(p: dict[str, Tensor], one: Tensor) -> Tensor:
        return torch.func.functional_call(module, p, (one[None],))[0, 0]

    rows = torch.func.vmap(torch.func.grad(value), (None, 0))(parameters, x)
    parts = [part.flatten(1) @ part.flatten(1).T for part in rows.values()]
    return torch.stack(parts).sum(0)


def by_hooks(module: nn.Module, x: Tensor) -> Tensor:
    """nngeometry."""
    from nngeometry.backend import TorchHooksJacobianBackend
    from nngeometry.object.fspace import FMatDense
    from torch.utils.data import DataLoader, TensorDataset

    batch = DataLoader(TensorDataset(x, torch.zeros(len(x))), batch_size=len(x))
    backend = TorchHooksJacobianBackend(module, function=lambda *d: module(d[0]))
    return FMatDense(generator=backend, examples=batch).to_torch()[0, :, 0, :]


def ours(module: nn.Module, x: Tensor) -> Tensor:
    sys.path.insert(0, str(SELF.parents[1]))
    from empirical import tangent_kernel

    return tangent_kernel(module, x)


WORK: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "loop": loop, "kinfinity": ours, "torch.func": by_vmap, "nngeometry": by_hooks,
}  # fmt: skip


def child(method: str, name: str, n: int, side: int) -> None:
    """Measure one method and print the record."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = {"strided": strided, "residual": residual}[name]()
    x = torch.randn(n, 3, side, side)
    WORK[method](module, x[:2])
    before, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, list[float]()
    kernel = torch.empty(0)
    for _ in range(2):
        began = time.process_time()
        kernel = WORK[method](module, x)
        seconds.append(time.process_time() - began)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"seconds": min(seconds), "mb": grown, "kernel": kernel.tolist()}))


def main() -> None:
    """Run all methods on all rows and print ratios to the loop."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--nngeometry")
    options.add_argument("--child", nargs=4)
    given = options.parse_args()
    if given.child:
        method, name, n, side = given.child
        child(method, name, int(n), int(side))
        return
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    for name, n, side in ROWS:
        print(f"{name}, {n} images of 3 x {side} x {side}")
        records: dict[str, dict[str, object]] = {}
        for method in (*METHODS, *(["nngeometry"] if given.nngeometry else [])):
            python = given.nngeometry if method == "nngeometry" else sys.executable
            command = [python, str(SELF), "--child", method, name, str(n), str(side)]
            done = subprocess.run(
                command, env={**os.environ, **threads}, capture_output=True, text=True
            )
            if done.returncode:
                print(f"  {method:12s} failed: {(done.stderr.splitlines() or ['killed'])[-1]}")
                continue
            record = json.loads(done.stdout.splitlines()[-1])
            records[method] = record
            loops, kernel = records["loop"], torch.tensor(record["kernel"])
            exact = torch.tensor(loops["kernel"])
            error = float((kernel - exact).abs().max() / exact.abs().max())
            ratio = record["seconds"] / float(str(loops["seconds"]))
            print(
                f"  {method:12s} {record['seconds']:8.3f} s {ratio:6.2f} of the loop"
                f" {record['mb']:7.0f} MB, differs by {error:.0e}"
            )


if __name__ == "__main__":
    main()
