"""Named networks beside the peer and finite ones, and the time and memory of Myrtle-5.

    python benchmarks/named_networks.py values PEER_PYTHON
    python benchmarks/named_networks.py speed PEER_PYTHON [IMAGES ...]
    python benchmarks/named_networks.py finite [NETWORKS]

``values`` prints what ``tests/analytic/network/test_peer_values.py`` holds. ``speed`` takes crops
of 16 x 16 of photographs; both sides run one after the other, each in a process of its own.
``finite`` prints the rows of the table in docs/howto/images.md: at two widths NETWORKS finite
networks (400), two inputs, and of the mean of K_0 without its part in 1/m the largest distance
from K_inf in standard errors, with the largest of these in per cent of K_inf.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from images_speed import photographs

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from analytic import kernel, lenet, mlp, myrtle, resnet, wide_resnet  # noqa: E402
from empirical import tangent_kernels  # noqa: E402

PEER = Path(__file__).with_name("peer_named_networks.py")
CASES = (
    ("lenet", "erf", (1, 16, 16)),
    ("myrtle", "erf", (3, 8, 8)),
    ("myrtle", "relu", (3, 8, 8)),
    ("resnet", "erf", (2, 5, 5)),
    ("resnet", "relu", (2, 5, 5)),
)
NAMED = (
    ('mlp(3, "softplus", bias_std=0.3)', mlp(3, "softplus", bias_std=0.3), (4,), 32),
    ("lenet(weight_std=1.2, bias_std=0.2)", lenet(weight_std=1.2, bias_std=0.2), (1, 12, 12), 8),
    ('myrtle(5, "softplus")', myrtle(5, "softplus"), (2, 4, 4), 32),
    ('wide_resnet(10, "softplus")', wide_resnet(10, "softplus"), (1, 4, 4), 16),
    ('resnet(8, "softplus")', resnet(8, "softplus"), (1, 4, 4), 16),
)
OURS = """
import resource, sys, time
import numpy as np
from analytic import kernel, myrtle
x, network = np.load(sys.argv[1]), myrtle(5)
kernel(network, x[:2], tolerance=1e-8)
small = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began, used = time.perf_counter(), time.process_time()
value = kernel(network, x, tolerance=1e-8)
seconds = time.perf_counter() - began, time.process_time() - used
np.save(sys.argv[2], value)
print(*seconds, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 1024 * small)
"""


def asked(python: str, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The peer's answers."""
    done = subprocess.run(
        [python, "-W", "ignore", str(PEER)],
        input=json.dumps(requests), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def values(python: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, activation, shape in CASES:
            x, out = Path(folder) / "x.npy", Path(folder) / "k.npy"
            np.save(x, np.cos(np.arange(2 * np.prod(shape))).reshape(2, *shape))
            request = {"network": name, "activation": activation, "x": str(x), "out": str(out)}
            asked(python, [request | {"repeat": 0}])
            for kind, kernel in zip(("nngp", "ntk"), np.load(out), strict=True):
                entries = ", ".join(repr(float(v)) for v in kernel[np.triu_indices(2)])
                print(f"{name} {activation} {kind}: {entries}", flush=True)


def speed(python: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        x, ours, theirs = (str(Path(folder) / name) for name in ("x.npy", "a.npy", "b.npy"))
        np.save(x, photographs(count, 16))
        run = [sys.executable, "-c", OURS, x, ours]
        done = subprocess.run(run, check=True, cwd=ROOT, capture_output=True, text=True)
        clock, processor, memory, small = map(float, done.stdout.split())
        request = {"network": "myrtle", "activation": "relu", "x": x, "out": None, "repeat": 2}
        (peer,) = asked(python, [request])
        best, used = min(peer["clock"]), min(peer["processor"])
        print(
            f"Myrtle-5, relu, {count} of 3 x 16 x 16: {clock:.2f} s, {processor:.2f} s of processor"
            f" time, {memory / 1e6:.0f} MB ({(memory - small) / 1e6:.0f} more than for 2); peer,"
            f" jitted: {best:.2f} s, {used:.2f} s, {peer['memory'] / 1e6:.0f} MB; ratios"
            f" {best / clock:.1f} and {used / processor:.1f}",
            flush=True,
        )
        if count <= 16:
            asked(python, [request | {"out": theirs, "repeat": 0}])
            apart = np.abs(np.load(ours) / np.load(theirs)[1] - 1).max()
            print(f"  values apart by {apart:.0e}")


def finite(count: int) -> None:
    for name, network, shape, width in NAMED:
        x = np.random.default_rng(2).standard_normal((2, *shape))
        k = kernel(network, x)
        narrow, wide = (
            tangent_kernels(network, torch.from_numpy(x), m, range(count)).numpy()
            for m in (width, 2 * width)
        )
        mean = 2 * wide.mean(axis=0) - narrow.mean(axis=0)
        error = np.sqrt((4 * wide.var(axis=0) + narrow.var(axis=0)) / count)
        apart, relative = np.max(np.abs(mean - k) / error), np.max(error / k)
        bias = np.max(np.abs(wide.mean(axis=0) / k - 1))
        print(
            f"| `{name}` | {width}, {2 * width} | {apart:.1f} | {relative:.1%} | {bias:.1%} |",
            flush=True,
        )


def main() -> None:
    if sys.argv[1] == "finite":
        finite(int(*sys.argv[2:] or ("400",)))
        return
    task, python, *counts = sys.argv[1:]
    if task == "values":
        values(python)
        return
    for count in map(int, counts or ("16", "50")):
        speed(python, count)


if __name__ == "__main__":
    main()
