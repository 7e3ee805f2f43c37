"""The 1/m constants of one pair by brute force.

Nothing here knows derivatives beyond w': expectations are two-dimensional trapezoidal sums,
the Jacobian of a layer is taken by complex steps and its Hessian by differences of these, and
the fresh noise is the covariance of what one unit contributes, summed over the nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
import sympy

from analytic import FullyConnected, Network, Residual
from analytic.activation import X

__all__ = ["pair_fluctuation", "pair_shift"]

Array = Any
STEP, REACH = 0.16, 8.48


def pair_fluctuation(network: Network, x: Array, y: Array, *, whole: bool = True) -> float:
    """C(x, y) of different inputs; without ``whole`` only the diagonal of the Gram matrix."""
    d = len(x)
    z = np.array([x @ x / d, x @ y / d, y @ y / d, 0.0, 0.0, 0.0])
    v, a, b = np.zeros((6, 6)), 0.0, 0.0
    for outer in network.layers:
        skip = isinstance(outer, Residual)
        layer = outer.layers[0] if isinstance(outer, Residual) else outer
        assert isinstance(layer, FullyConnected)
        j = complex_step(lambda s, own=layer, r=skip: layer_map(own, s, r), z)
        v = j @ v @ j.T + noise(layer, z, skip) / layer.width_ratio
        weight = layer.weight_std**2
        e1, e2, wd, e4 = slopes(layer, z)
        t = trained(layer, z)
        fresh = (e4 * t**2 + 2 * skip * wd * t * z[5]) / layer.width_ratio
        a = fresh + whole * (skip + weight * e1) * (skip + weight * e2) * a
        b = fresh + whole * (skip + weight * wd) ** 2 * b
        z = layer_map(layer, z, skip).real
    scale, rate = network.output.weight_std**2, network.output.weight_rate
    ends = np.array([0, rate, 0, 0, 0, 1])
    return float(scale**2 * (ends @ v @ ends + a + b))


def pair_shift(network: Network, x: Array, y: Array) -> float:
    """b(x, y) of different inputs; derivatives of expectations by Stein's lemma."""
    d = len(x)
    z = np.array([x @ x / d, x @ y / d, y @ y / d, 0.0, 0.0, 0.0])
    v, b, r, before = np.zeros((6, 6)), np.zeros(6), np.zeros((3, 3)), 1.0
    for outer in network.layers:
        skip = isinstance(outer, Residual)
        layer = outer.layers[0] if isinstance(outer, Residual) else outer
        assert isinstance(layer, FullyConnected)

        def jacobian(s: Array, own: FullyConnected = layer, kept: bool = skip) -> Array:
            return complex_step(lambda q: layer_map(own, q, kept), s)

        bent = np.zeros(6)
        for k in range(6):  # sum_jk d J_ij/dz_k V_jk by central differences
            h = 1e-4 * np.eye(6)[k]
            bent += (jacobian(z + h) - jacobian(z - h)) / 2e-4 @ v[:, k] / 2
        j = jacobian(z)
        b = j @ b + bent
        own_shift, r_new = gram_shift(layer, z, r, skip)
        b[5] += own_shift / before
        v = j @ v @ j.T + noise(layer, z, skip) / layer.width_ratio
        r = r_new(layer.width_ratio / before)
        z, before = layer_map(layer, z, skip).real, layer.width_ratio
    return float(network.output.weight_std**2 * (network.output.weight_rate * b[1] + b[5]))


def gram_shift(
    layer: FullyConnected, z: Array, r: Array, skip: bool
) -> tuple[float, Callable[[float], Array]]:
    """What alpha^T G alpha adds to the trace of G, and the same form after the layer."""
    u1, u2, p = nodes(layer, z)
    w, d = functions(layer)
    weight = layer.weight_std**2
    covariance = weight * np.array([[z[0], z[1]], [z[1], z[2]]]) + layer.bias_std**2
    inverse = np.linalg.inv(covariance)
    score = inverse @ np.stack([u1, u2])  # E[d_e F] = E[F score_e]
    slopes, values = np.stack([d(u1), d(u2)]), np.stack([w(u1), w(u2), 0 * u1])
    both = slopes[0] * slopes[1]
    twice = (both * p * score) @ score.T - both @ p * inverse  # E[d_c d_d F]
    shift = weight**2 * np.sum(twice * r[:2, :2])
    if skip:
        once = (slopes * p) @ score.T
        shift += weight * (once[0, 0] * r[0, 2] + once[1, 1] * r[2, 1])
    mean = np.array([skip * z[3], skip * z[4], 1.0])
    second = np.outer(mean, mean)
    second[:2, :2] = skip * np.array([[z[0], z[1]], [z[1], z[2]]])
    t = trained(layer, z)
    first = (both * p) @ values.T
    seen = second * (both @ p) + np.outer(mean, first) + np.outer(first, mean)
    seen += (both * p * values) @ values.T
    turn = []
    for slope in slopes:
        passing = (slope * p * (mean[:, None] + values)) @ score.T
        matrix = np.hstack([weight * passing, skip * (values @ p)[:, None]])
        turn.append(matrix + skip * np.eye(3))

    def after(ratio: float) -> Array:
        spread = skip * z[5] * covariance_of(values, p)
        return turn[0] @ r @ turn[1].T * ratio + t * seen + spread

    return float(shift), after


def trained(layer: FullyConnected, z: Array) -> Array:
    """<grad h(x), grad h(x')> of one unit h: by its own parameters, and by those before."""
    bias = layer.bias_std**2 if layer.bias_rate is None else layer.bias_rate
    return layer.weight_std**2 * (layer.weight_rate * z[1] + z[5]) + bias


def complex_step(function: Callable[[Array], Array], z: Array) -> Array:
    """The Jacobian of an analytic function, without cancellation."""
    return np.stack([function(z + 1e-30j * e).imag / 1e-30 for e in np.eye(len(z))], axis=1)


def layer_map(layer: FullyConnected, z: Array, skip: bool) -> Array:
    """z after the layer."""
    y, p = units(layer, z)
    new = y @ p
    if not skip:
        return new
    m1, m2, n1, n2 = z[3], z[4], new[3], new[4]
    cross = np.array([2 * m1 * n1, m1 * n2 + m2 * n1, 2 * m2 * n2, 0, 0, 0])
    return z + new + cross


def units(layer: FullyConnected, z: Array) -> tuple[Array, Array]:
    """What a unit contributes at every node, (6, nodes), and the weights of the nodes."""
    u1, u2, p = nodes(layer, z)
    w, d = (functions(layer)[k] for k in (0, 1))
    t = trained(layer, z)
    w1, w2 = w(u1), w(u2)
    return np.stack([w1 * w1, w1 * w2, w2 * w2, w1, w2, d(u1) * d(u2) * t]), p


def noise(layer: FullyConnected, z: Array, skip: bool) -> Array:
    """Covariance over units, with alpha in the place of a two-point law with its moments."""
    if not skip:
        y, p = units(layer, z)
        return covariance_of(y, p)
    u1, u2, p = nodes(layer, z)
    w1, w2 = functions(layer)[0](u1), functions(layer)[0](u2)
    y, _ = units(layer, z)
    mu = z[3:5]
    root = np.linalg.cholesky(np.array([[z[0], z[1]], [z[1], z[2]]]) - np.outer(mu, mu))
    q = np.zeros((6, 6))
    for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):  # alpha = mu + root @ signs
        a1, a2 = mu + root @ np.array(signs)
        extra = np.stack([2 * a1 * w1, a1 * w2 + a2 * w1, 2 * a2 * w2])
        q += covariance_of(np.concatenate([y[:3] + extra, y[3:]]), p) / 4
    return q


def covariance_of(y: Array, p: Array) -> Array:
    centred = y - (y @ p)[:, None]
    return (centred * p) @ centred.T


def slopes(layer: FullyConnected, z: Array) -> tuple[float, float, float, float]:
    u1, u2, p = nodes(layer, z)
    d1, d2 = functions(layer)[1](u1), functions(layer)[1](u2)
    return d1**2 @ p, d2**2 @ p, (d1 * d2) @ p, (d1**2 * d2**2) @ p


def nodes(layer: FullyConnected, z: Array) -> tuple[Array, Array, Array]:
    """Pre-activations and weights of a two-dimensional trapezoidal sum."""
    l1, l12, l2 = (layer.weight_std**2 * s + layer.bias_std**2 for s in z[:3])
    t = np.arange(-REACH, REACH + STEP / 2, STEP)
    p = STEP * np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi)
    a, b = (grid.ravel() for grid in np.meshgrid(t, t))
    u1 = np.sqrt(l1) * a
    u2 = l12 / np.sqrt(l1) * a + np.sqrt(l2 - l12**2 / l1) * b
    return u1, u2, np.outer(p, p).ravel()


def functions(layer: FullyConnected) -> list[Callable[[Array], Array]]:
    """The activation and its slope as functions of complex numbers."""
    w = layer.activation.expression
    modules = [{"erf": scipy.special.erf, "softplus": _softplus, "sigmoid": _sigmoid}, "numpy"]
    return [sympy.lambdify(X, e, modules) for e in (w, sympy.diff(w, X))]


def _softplus(x: Array) -> Array:
    return np.log(1 + np.exp(x))


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))
