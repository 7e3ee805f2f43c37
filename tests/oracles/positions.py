r"""The limiting kernel of networks of images, slowly: every pair of positions is carried.

It shares nothing with the package but the description of the network. The positions that a
layer reads are written out one by one, the recursion layer inside layer, and the Gaussian
expectations are two-dimensional trapezoidal sums, or closed forms for erf and relu.

    S[a, b, p, q]   limit of (1/m) sum_i alpha_i(a)[p] alpha_i(b)[q]
    T[a, b, p, q]   limiting tangent kernel of one unit
    mu[a, p]        limit of (1/m) sum_i alpha_i(a)[p]

for all inputs a, b and positions p, q; vectors have one position. Take a few small images.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from oracles import channels, pieces
from scipy.special import expit

from analytic import (
    AveragePooling,
    Concatenate,
    Convolution,
    Dropout,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    LayerNorm,
    Network,
    Nonlinearity,
    Residual,
    Scale,
    Sum,
    SumPooling,
)

__all__ = ["kernel", "windows"]

STEP = 0.25
"""Of the trapezoidal sums at variance 1: exp(-2 pi (pi/2)/STEP) = 1e-17 for tanh."""

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "identity": (lambda u: u, np.ones_like),
    "sigmoid": (expit, lambda u: expit(u) * expit(-u)),
    "sin": (np.sin, np.cos),
    "softplus": (lambda u: np.logaddexp(0, u), expit),
    "tanh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
}
"""Activations with their slopes."""


class State(NamedTuple):
    """S and T, shape (N, N, P, P), mu, shape (N, P), and the spatial shape."""

    S: Any
    T: Any
    mu: Any
    spatial: tuple[int, ...]
    channels: Fraction = Fraction(1)
    gains: bool = False


def kernel(
    network: Network, x: Any, y: Any = None, kind: str = "ntk", means: bool = True
) -> np.ndarray:
    """K_inf or Sigma, shape (n, k), for x of shape (n, channels, *spatial) or (n, d).

    Args:
        network: the description.
        x: inputs.
        y: other inputs; x itself if None.
        kind: "ntk" or "nngp".
        means: whether residual layers have the terms mu eta' + eta mu'.
    """
    x = np.asarray(x, dtype=float)
    both = x if y is None else np.concatenate([x, np.asarray(y, dtype=float)])
    pixels = both.reshape(*both.shape[:2], -1)  # (N, channels, P)
    S = np.einsum("acp,bcq->abpq", pixels, pixels) / both.shape[1]
    start = State(S, np.zeros_like(S), np.full(pixels[:, 0].shape, np.nan), both.shape[2:])
    end = _through(network.layers, start, means)
    end = _layer(Flatten(), end, means) if end.spatial else end
    value = (end.S + (end.T if kind == "ntk" else 0))[:, :, 0, 0]
    return value[: len(x), 0 if y is None else len(x) :]


def _through(layers: Sequence[Any], state: State, means: bool) -> State:
    """Trained gains that no weights follow are remembered, since nonlinearities need them."""
    for layer in layers:
        fresh = isinstance(layer, FullyConnected | Convolution | Sum | Concatenate)
        after = _layer(layer, state, means)
        count, gains = channels.after([layer], state.channels), state.gains and not fresh
        state = after._replace(channels=count, gains=after.gains or gains)
    return state


def _layer(layer: Any, state: State, means: bool) -> State:
    if isinstance(layer, Residual):
        branch = _through(layer.layers, state, means)
        S, mu, eta = state.S + branch.S, state.mu, branch.mu
        if means:
            S = S + np.einsum("ap,bq->abpq", mu, eta) + np.einsum("ap,bq->abpq", eta, mu)
        gains = state.gains or branch.gains
        return State(S, state.T + branch.T, mu + eta, state.spatial, gains=gains)
    if isinstance(layer, Sum):
        ends = [_through(branch, state, means) for branch in layer.branches]
        S, T, mu = (sum(parts) for parts in list(zip(*ends, strict=True))[:3])
        for one, other in itertools.permutations(ends, 2) if means else ():
            S = S + np.einsum("ap,bq->abpq", one.mu, other.mu)
        return State(S, T, mu, ends[0].spatial, gains=any(end.gains for end in ends))
    if isinstance(layer, Concatenate):
        ends = [_through(branch, state, means) for branch in layer.branches]
        p = [float(share) for share in channels.shares(layer, state.channels)]
        S, T, mu = (
            sum(q * part for q, part in zip(p, parts, strict=True))
            for parts in list(zip(*ends, strict=True))[:3]
        )
        return State(S, T, mu, ends[0].spatial, gains=any(end.gains for end in ends))
    if isinstance(layer, Dropout | LayerNorm | Scale):
        return _multiplied(layer, state)
    if isinstance(layer, FullyConnected):
        return _weights(layer, state.S, state.T, ())
    if isinstance(layer, Nonlinearity):
        if state.gains and not layer.activation.is_linear:
            raise NotImplementedError(
                f"expected weights between trained gains and {layer}, got none; use image_balls"
            )
        return _activated(layer.activation, state.S, state.T, state.spatial)
    table, after = windows(layer, state.spatial)
    if isinstance(layer, Convolution):
        return _weights(layer, _patch(state.S, table), _patch(state.T, table), after)
    if isinstance(layer, Flatten):
        diagonal = (np.einsum("abpp->ab", A)[:, :, None, None] for A in (state.S, state.T))
        S, T = (A / state.S.shape[2] for A in diagonal)
        return State(S, T, state.mu.mean(axis=1, keepdims=True), ())
    return _pooled(layer, state, table, after)


def _pooled(layer: Any, state: State, table: Any, after: tuple[int, ...]) -> State:
    """Means over windows, or sums."""
    S, T = (
        np.array([[A[:, :, w][:, :, :, v].mean(axis=(2, 3)) for v in table] for w in table])
        .transpose(2, 3, 0, 1)
        for A in (state.S, state.T)
    )  # fmt: skip
    mu = np.stack([state.mu[:, w].mean(axis=1) for w in table], axis=1)
    count = len(table[0]) if isinstance(layer, SumPooling) else 1
    return State(count**2 * S, count**2 * T, count * mu, after)


def _multiplied(layer: Any, state: State) -> State:
    """Units times noise or a factor, or normalised."""
    if isinstance(layer, LayerNorm):
        over = partial(np.mean, axis=1, keepdims=True) if layer.positions else np.asarray
        taken = over(state.mu) + 0 * state.mu  # what is subtracted
        cross = np.einsum("ap,bq->abpq", state.mu, taken)
        S = state.S - cross - cross.transpose(1, 0, 3, 2) + np.einsum("ap,bq->abpq", taken, taken)
        root = np.sqrt(over(np.einsum("aapp->ap", S)) + layer.eps + 0 * state.mu)
        both = np.einsum("ap,bq->abpq", root, root)
        T = layer.gain_rate * S / both + layer.bias_rate + state.T / both
        mu, gains = (state.mu - taken) / root, layer.gain_rate > 0
        return State(S / both, T, mu, state.spatial, gains=gains)
    if isinstance(layer, Dropout):
        S, T = state.S.copy(), state.T.copy()
        for A in (S, T):
            np.einsum("aapp->ap", A)[:] /= 1 - layer.rate
        return State(S, T, state.mu, state.spatial)
    c = layer.factor
    return State(c**2 * state.S, c**2 * state.T, c * state.mu, state.spatial)


def _weights(layer: Any, S: Any, T: Any, after: tuple[int, ...]) -> State:
    """A layer with weights, given what its filters see."""
    variance = layer.weight_std**2
    L = variance * S + layer.bias_std**2
    return _activated(layer.activation, L, L + variance * T, after)


def _activated(activation: Any, L: Any, G: Any, after: tuple[int, ...]) -> State:
    """w of Gaussian units with second moments L and tangent kernel G."""
    own = np.einsum("aapp->ap", L)
    shape = L.shape
    first = np.broadcast_to(own[:, None, :, None], shape)
    second = np.broadcast_to(own[None, :, None, :], shape)
    E, D = (
        value.reshape(shape)
        for value in _duals(activation, first.ravel(), L.ravel(), second.ravel())
    )
    return State(E, D * G, _means(activation, own), after)


def _patch(A: Any, table: list[list[int | None]]) -> Any:
    """Sum over the reads k of A at the two positions that belong together."""
    positions = len(table)
    out = np.zeros((*A.shape[:2], positions, positions))
    for p, q in itertools.product(range(positions), repeat=2):
        for u, v in zip(table[p], table[q], strict=True):
            if u is not None and v is not None:
                out[:, :, p, q] += A[:, :, u, v]
    return out


def windows(layer: Any, spatial: tuple[int, ...]) -> tuple[list[list[Any]], tuple[int, ...]]:
    """The positions that each output of a layer reads, in order, None for padding zeros.

    Position p of a convolution reads s p + d (k - floor((K - 1)/2)); "valid" starts at s p.
    """
    if isinstance(layer, Flatten | GlobalAveragePooling):
        return [list(range(math.prod(spatial)))], ()
    pools = isinstance(layer, AveragePooling | SumPooling)
    kernel_size = layer.size if pools else layer.kernel_size
    stride: Any = kernel_size if layer.stride is None else layer.stride
    dilation = layer.dilation if isinstance(layer, Convolution) else 1
    same = isinstance(layer, Convolution) and layer.padding == "same"
    wraps = isinstance(layer, Convolution) and layer.padding_mode == "circular"
    axes: list[list[list[int | None]]] = []
    for axis, P in enumerate(spatial):
        K = kernel_size if isinstance(kernel_size, int) else kernel_size[axis]
        s = stride if isinstance(stride, int) else stride[axis]
        d = dilation if isinstance(dilation, int) else dilation[axis]
        outs = math.ceil(P / s) if same else (P - d * (K - 1) - 1) // s + 1
        found: list[list[int | None]] = []
        for p in range(outs):
            row: list[int | None] = []
            for k in range(K):
                u = s * p + d * (k - ((K - 1) // 2 if same else 0))
                if wraps:
                    u %= P
                row.append(u if 0 <= u < P else None)
            found.append(row)
        axes.append(found)
    table = [
        [_number(where, spatial) for where in itertools.product(*rows)]
        for rows in itertools.product(*axes)
    ]
    return table, tuple(map(len, axes))


def _number(where: tuple[int | None, ...], spatial: tuple[int, ...]) -> int | None:
    """Row-major."""
    total = 0
    for u, P in zip(where, spatial, strict=True):
        if u is None:
            return None
        total = total * P + u
    return total


def _duals(activation: Any, v: Any, c: Any, v_: Any) -> tuple[Any, Any]:
    """E[w(u) w(u')] and E[w'(u) w'(u')] for many pairs."""
    s, s_ = np.sqrt(v), np.sqrt(v_)
    rho = np.clip(np.divide(c, s * s_, out=np.zeros_like(c), where=s * s_ > 0), -1, 1)
    if activation.name == "relu":  # Cho and Saul (2009)
        t = np.arccos(rho)
        return s * s_ * (np.sin(t) + (np.pi - t) * rho) / (2 * np.pi), (np.pi - t) / (2 * np.pi)
    if activation.name == "erf":  # Williams (1997)
        bottom = (1 + 2 * v) * (1 + 2 * v_)
        turn = np.arcsin(2 * c / np.sqrt(bottom))
        return 2 / np.pi * turn, 4 / np.pi / np.sqrt(bottom - 4 * c**2)
    if activation.name in pieces.KINKS:
        return pieces.duals(activation, np.stack([s, s_, rho]))
    z, weights = _nodes(max(s.max(), s_.max()))
    E, D = np.empty_like(c), np.empty_like(c)
    for index, (a, b, r) in enumerate(zip(s, s_, rho, strict=True)):
        other = b * (r * z[:, None] + math.sqrt(1 - r * r) * z)
        for out, function in zip((E, D), _functions(activation), strict=True):
            out[index] = (weights * function(a * z)) @ function(other) @ weights
    return E, D


def _means(activation: Any, v: Any) -> Any:
    """E[w(u)]."""
    s = np.sqrt(v)
    if activation.name in pieces.KINKS:
        return pieces.means(activation, s)
    if activation.name == "relu":
        return s / math.sqrt(2 * math.pi)
    if activation.name == "erf":
        return np.zeros_like(s)
    z, weights = _nodes(s.max())
    return _functions(activation)[0](s[..., None] * z) @ weights


def _functions(activation: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """An activation and its slope."""
    if activation.name in FUNCTIONS:
        return FUNCTIONS[activation.name]
    return tuple(lambda u, k=k: activation.derivatives(u, k)[k] for k in (0, 1))  # type: ignore[return-value]


def _nodes(s: float) -> tuple[Any, Any]:
    z = np.linspace(-9.0, 9.0, 2 * math.ceil(9.0 * max(1.0, s) / STEP) + 1)
    weights = np.exp(-(z**2) / 2)
    return z, weights / weights.sum()
