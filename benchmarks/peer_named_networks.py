"""The peer's side of named networks: K of LeNet-5, Myrtle-5 and ResNets by neural-tangents 0.6.5.

    python benchmarks/peer_named_networks.py < request.json > answer.json

Runs in an environment of its own and shares nothing with this project: a request is a list of
{"network", "activation", "x", "out", "repeat"}; ``x`` is an .npy file of images (n, channels,
height, width), ``out`` one for the kernels (2, n, n), nngp first, "repeat" how often the tangent
kernel is timed after a first call, which compiles. The answer lists clock and processor seconds,
and the largest memory of the process in bytes.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
import resource
import sys
import time
from functools import partial
from types import ModuleType
from typing import Any

sys.modules["neural_tangents.experimental"] = ModuleType("experimental")  # wants tensorflow

import jax  # noqa: E402

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from neural_tangents import stax  # noqa: E402

ACTIVATIONS = {"erf": stax.Erf, "relu": stax.Relu}
POOL = stax.AvgPool((2, 2), (2, 2))


def conv(size: int, stride: int = 1, padding: str = "SAME") -> Any:
    return stax.Conv(1, (size, size), (stride, stride), padding, 1.0, None)


def lenet(act: Any) -> list[Any]:
    dense = stax.Dense(1, 1.0, None)
    first, second = [conv(5), act(), POOL], [conv(5, padding="VALID"), act(), POOL]
    return [*first, *second, stax.Flatten(), dense, act(), dense, act()]


def myrtle(act: Any) -> list[Any]:
    one = [conv(3), act()]
    return [*one, *one, POOL, *one, POOL, *one, stax.GlobalAvgPool()]


def resnet(act: Any) -> list[Any]:
    """ResNet-8, its blocks beginning with their activation."""
    inner = stax.serial(act(), conv(3), act(), conv(3))
    layers = [conv(3), stax.FanOut(2), stax.parallel(stax.Identity(), inner), stax.FanInSum()]
    for _ in range(2):
        branch = stax.serial(conv(3, 2), act(), conv(3))
        layers += [act(), stax.FanOut(2), stax.parallel(conv(1, 2), branch), stax.FanInSum()]
    return [*layers, act(), stax.GlobalAvgPool()]


NETWORKS = {"lenet": lenet, "myrtle": myrtle, "resnet": resnet}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    x = jnp.moveaxis(jnp.asarray(np.load(request["x"])), 1, -1)
    layers = NETWORKS[request["network"]](ACTIVATIONS[request["activation"]])
    *_, kernel = stax.serial(*layers, stax.Dense(1, 1.0, None))
    if request["out"]:
        both = jax.jit(partial(kernel, x2=None, get=("nngp", "ntk")))(x)
        np.save(request["out"], np.array([both.nngp, both.ntk]))
    clock: list[float] = []
    processor: list[float] = []
    call = jax.jit(partial(kernel, x2=None, get="ntk"))
    for _ in range(request["repeat"] + 1 if request["repeat"] else 0):
        began, used = time.perf_counter(), time.process_time()
        np.asarray(call(x))
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"clock": clock[1:], "processor": processor[1:], "memory": memory}


if __name__ == "__main__":
    json.dump([answer(request) for request in json.load(sys.stdin)], sys.stdout)
