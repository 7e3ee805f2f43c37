r"""K_0 of kinds of modules that have no layer of their own, beside the same in Linear layers.

    python benchmarks/module_kinds.py

Recurrent classes of torch, transposed convolutions, einsum, ragged bags with masks, integrators
with a step for each sample: 128 samples, float64, one thread, processor seconds of the best of
three, as a ratio to a module of Linear layers that computes the same function. Goal: 3.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from empirical import tangent_kernel

N, STEPS, WIDTH, INPUTS = 128, 8, 64, 16


class Function(nn.Module):
    """A function of a batch that uses some parts."""

    def __init__(self, function: Callable[[Any, Tensor], Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def recurrent(kind: type[nn.Module]) -> nn.Module:
    """A class of torch, the last state read out."""
    return Function(
        lambda m, x: m.out(m.rnn(x)[0][:, -1]), rnn=kind(INPUTS, WIDTH, batch_first=True),
        out=nn.Linear(WIDTH, 1),
    )  # fmt: skip


def unrolled(gates: int) -> nn.Module:
    """The same gates as Linear layers, step by step."""

    def run(m: Any, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), WIDTH)
        for t in range(x.shape[1]):
            g = (m.of_x(x[:, t]) + m.of_h(h)).chunk(gates, 1)
            if gates == 1:
                h = torch.tanh(g[0])
            elif gates == 3:
                z = torch.sigmoid(g[0])
                h = (1 - z) * torch.tanh(g[2] + torch.sigmoid(g[1])) + z * h
            else:
                c = torch.sigmoid(g[1]) * c + torch.sigmoid(g[0]) * torch.tanh(g[2])
                h = torch.sigmoid(g[3]) * torch.tanh(c)
        return m.out(h)

    return Function(
        run, of_x=nn.Linear(INPUTS, gates * WIDTH), of_h=nn.Linear(WIDTH, gates * WIDTH),
        out=nn.Linear(WIDTH, 1),
    )  # fmt: skip


def transposed() -> nn.Module:
    return Function(
        lambda m, x: m.out(torch.tanh(m.up(x[:, :, None])).flatten(1)),
        up=nn.ConvTranspose1d(INPUTS, WIDTH, 4), out=nn.Linear(4 * WIDTH, 1),
    )  # fmt: skip


def spread() -> nn.Module:
    return Function(
        lambda m, x: m.out(torch.tanh(m.up(x))),
        up=nn.Linear(INPUTS, 4 * WIDTH), out=nn.Linear(4 * WIDTH, 1),
    )  # fmt: skip


class Einsum(nn.Module):
    """A weight of its own for every step, in one contraction."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(STEPS, WIDTH, INPUTS) / 4)
        self.out = nn.Linear(STEPS * WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.tanh(torch.einsum("nti,twi->ntw", x, self.w)).flatten(1))


def apart() -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        parts = [layer(x[:, t]) for t, layer in enumerate(m.layers)]
        return m.out(torch.tanh(torch.cat(parts, 1)))

    layers = nn.ModuleList([nn.Linear(INPUTS, WIDTH, bias=False) for _ in range(STEPS)])
    return Function(run, layers=layers, out=nn.Linear(STEPS * WIDTH, 1))


def ragged(masked: bool) -> nn.Module:
    """Bags of some of the steps: those whose first number is positive."""

    def run(m: Any, x: Tensor) -> Tensor:
        mask = (x[:, :, :1] > 0).to(x.dtype)
        h = torch.tanh(m.a(x))
        total = (h * mask).sum(1) / mask.sum(1).clamp(min=1) if masked else h.mean(1)
        return m.out(total)

    return Function(run, a=nn.Linear(INPUTS, WIDTH), out=nn.Linear(WIDTH, 1))


def integrator(own_steps: bool) -> nn.Module:
    def run(m: Any, x: Tensor) -> Tensor:
        h = m.a(x)
        step = 0.1 * (1 + torch.sigmoid(x[:, :1])) if own_steps else 0.1
        for _ in range(STEPS):
            h = h + step * torch.tanh(m.b(h))
        return m.out(h)

    return Function(
        run, a=nn.Linear(INPUTS, WIDTH), b=nn.Linear(WIDTH, WIDTH), out=nn.Linear(WIDTH, 1)
    )


SERIES, FLAT = (N, STEPS, INPUTS), (N, INPUTS)
KINDS = {
    "RNN": (recurrent(nn.RNN), unrolled(1), SERIES),
    "GRU": (recurrent(nn.GRU), unrolled(3), SERIES),
    "LSTM": (recurrent(nn.LSTM), unrolled(4), SERIES),
    "transposed convolution": (transposed(), spread(), FLAT),
    "einsum": (Einsum(), apart(), SERIES),
    "ragged bags": (ragged(True), ragged(False), SERIES),
    "steps of each sample": (integrator(True), integrator(False), FLAT),
}


def seconds(module: nn.Module, x: Tensor) -> float:
    """Processor seconds, best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        tangent_kernel(module, x)
        best = min(best, time.process_time() - began)
    return best


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for name, (kind, linear, shape) in KINDS.items():
        x = torch.randn(shape, dtype=torch.float64)
        own, other = seconds(kind.double(), x), seconds(linear.double(), x)
        print(f"{name:24s} {own * 1e3:8.1f} ms, {own / other:5.2f} of Linear layers", flush=True)


if __name__ == "__main__":
    main()
