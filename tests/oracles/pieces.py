r"""Duals of activations with kinks, by Gauss-Legendre panels that end at the kinks.

    E[f(u) f(v)],    u = a z,    v = b (rho z + tau xi),    tau^2 = 1 - rho^2

The inner sum over xi has panels that end where v meets a kink. The outer one has panels that end
where u does, and, since the inner sum as a function of z changes there within tau, at rho b z = x
and at distances of tau, 2 tau, 4 tau, ... from it. A rho within 1e-13 of 1 is taken for 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["KINKS", "dual", "duals", "means"]

KINKS: dict[str, tuple[float, ...]] = {
    "celu": (0.0,),
    "elu": (0.0,),
    "hardswish": (-3.0, 3.0),
    "hardtanh": (-1.0, 1.0),
    "relu6": (0.0, 6.0),
    "selu": (0.0,),
    "softsign": (0.0,),
}
"""Where these activations are not smooth."""
END = 9.0
NODES = np.polynomial.legendre.leggauss(14)


def duals(activation: Any, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[w(u) w(v)] and E[w'(u) w'(v)] of columns (a, b, rho), each once."""
    places = KINKS[activation.name]
    columns, copies = np.unique(given, axis=1, return_inverse=True)
    e, d = (
        np.array([dual(f, places, *column) for column in columns.T])[copies.ravel()]
        for f in _functions(activation)
    )
    return e, d


def means(activation: Any, s: np.ndarray) -> np.ndarray:
    """E[w(s z)]."""
    value, _ = _functions(activation)
    found = [_mean(value, KINKS[activation.name], a) for a in s.ravel()]
    return np.array(found).reshape(s.shape)


def _functions(activation: Any) -> list[Any]:
    return [lambda x, k=k: activation.derivatives(x, k)[k] for k in (0, 1)]


def dual(f: Any, places: tuple[float, ...], a: float, b: float, rho: float) -> float:
    """E[f(u) f(v)]; where f jumps, no node is there."""
    if abs(rho) > 1 - 1e-13:
        rho = math.copysign(1.0, rho)
    tau = math.sqrt(1 - rho * rho)
    z, p = _rule(np.array(_outer_cuts(places, a, b * rho, tau))[None])
    if tau == 0.0:
        return float(np.sum(p * f(a * z) * f(b * rho * z)))
    middle = (b * rho * z[0])[:, None]
    with np.errstate(divide="ignore"):
        moved = (np.array(places) - middle) / (b * tau) if b > 0 else middle + np.inf
    fixed = np.broadcast_to(np.arange(-END, END + 1), (len(middle), int(2 * END) + 1))
    xi, q = _rule(np.sort(np.clip(np.concatenate([fixed, moved], axis=1), -END, END), axis=1))
    inner = np.sum(q * f(middle + b * tau * xi), axis=1)
    return float(np.sum(p[0] * f(a * z[0]) * inner))


def _mean(f: Any, places: tuple[float, ...], s: float) -> float:
    z, p = _rule(np.array(_outer_cuts(places, s, 0.0, 0.0))[None])
    return float(np.sum(p * f(s * z)))


def _outer_cuts(places: tuple[float, ...], a: float, c: float, tau: float) -> list[float]:
    cuts = [*np.arange(-END, END + 1)]
    for place in places:
        cuts += [place / a] if a > 0 else []
        if c != 0 and abs(place / c) < 2 * END:
            cuts.append(place / c)
            step = tau
            while 1e-12 < step < END:
                cuts += [place / c - step, place / c + step]
                step *= 2
    return sorted(float(min(max(cut, -END), END)) for cut in cuts)


def _rule(cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of the panels between the cuts, (rows, nodes), and weights of the normal law."""
    x, w = NODES
    half, middle = np.diff(cuts)[..., None] / 2, (cuts[:, 1:, None] + cuts[:, :-1, None]) / 2
    z = (middle + half * x).reshape(len(cuts), -1)
    p = (half * w).reshape(len(cuts), -1)
    return z, p * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
