"""The peer's side of a comparison: K of a network by neural-tangents 0.6.5.

    python benchmarks/peer_neural_tangents.py < request.json > answer.json

Runs in an environment of its own (``make bench-peers`` builds it) and shares nothing with
this project: a request is a list of {"activation", "weight_std", "bias_std", "depth",
"degree", "x", "repeat", "out"}; ``x`` and ``out`` are .npy files; ``degree`` is null for the
closed form; "jit" is true by default; with "readout" ("flatten", "pool" or "pools", which has
2 x 2 average pooling between the layers too) the network is one of 3 x 3 convolutions of images
(n, channels, height, width). The answer lists the seconds of every repetition after a first call.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
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

FUNCTIONS = {"tanh": jnp.tanh, "softplus": jax.nn.softplus, "sigmoid": jax.nn.sigmoid}
CLOSED = {"erf": stax.Erf, "relu": stax.Relu, "sin": stax.Sin}


def activation(name: str, degree: int | None) -> Any:
    if degree is None:
        return CLOSED[name]()
    return stax.ElementwiseNumerical(FUNCTIONS[name], deg=degree)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    layers: list[Any] = []
    x, readout = jnp.asarray(np.load(request["x"])), request.get("readout")
    for number in range(request["depth"]):
        if readout == "pools" and number > 0:
            layers.append(stax.AvgPool((2, 2), (2, 2)))
        stds = request["weight_std"], request["bias_std"]
        if readout:
            layers.append(stax.Conv(1, (3, 3), None, "SAME", *stds))
        else:
            layers.append(stax.Dense(1, *stds))
        layers.append(activation(request["activation"], request["degree"]))
    if readout:
        layers.append(stax.Flatten() if readout == "flatten" else stax.GlobalAvgPool())
        x = jnp.moveaxis(x, 1, -1)
    *_, kernel = stax.serial(*layers, stax.Dense(1, 1.0, 0.0))
    plain = partial(kernel, x2=None, get="ntk")
    call = jax.jit(plain) if request.get("jit", True) else plain
    value = np.asarray(call(x))  # compiles
    if request["out"]:
        np.save(request["out"], value)
    seconds: list[float] = []
    for _ in range(request["repeat"]):
        began = time.perf_counter()
        np.asarray(call(x))
        seconds.append(time.perf_counter() - began)
    return {"seconds": seconds}


if __name__ == "__main__":
    json.dump([answer(request) for request in json.load(sys.stdin)], sys.stdout)
