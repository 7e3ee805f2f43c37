r"""The covariance of any two entries of K_0 at leading order in 1/m.

The recursion of ``pair_variance`` for all pairs at once. The state is S_ab and g_ab for all
ordered pairs and mu_a for all inputs, one vector of 2 n^2 + n numbers; its covariance passes
V <- J V J^T + Q/ratio, where Q takes the expectations at four units. The Gram matrices are met by

    A(ab, cd) = lim m tr(G_ab G_cd^T) / m_l^2 ,     tr(G_ab G_cd) being A(ab, dc).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytic.corrections.all_pairs import JointState, PointPairs, blocks, turned
from analytic.corrections.four_units import four_moments
from analytic.corrections.pair_state import FIRST, UNIT, OneSide, at_layer
from analytic.corrections.positions import mean_map, pair_map
from analytic.corrections.product_tables import tabulate
from analytic.corrections.products import Sum, keys
from analytic.corrections.stacked_layers import StackLayer, checked, require
from analytic.inputs import positions_first
from analytic.network import Network

__all__ = ["fluctuation_covariance"]

Array = NDArray[np.float64]

W1: Sum = {("1", ""): 1.0}
COVARIANCE_PRODUCTS = keys(*UNIT, *FIRST.values())


def fluctuation_covariance(network: Network, x: ArrayLike) -> Array:
    r"""The covariance of any two entries of K_0 at finite width, at leading order.

        m Cov(K_0(x_a, x_b), K_0(x_c, x_d)) -> answer[a, b, c, d]

    exactly at any m for one layer. ``answer[a, b, a, b]`` is ``fluctuation(network, x)[a, b]``.
    Its expectations at four units are accurate to about 1e-7 of their scale.

    Args:
        network: layers of vectors or images, residual blocks of one layer, whose activations
            have three derivatives.
        x: inputs, shape (n, d) or ``(n, channels, *spatial)``; the time grows like n^4, where every
            position of an image counts as a point.

    Returns:
        shape (n, n, n, n), float64.

    Raises:
        ValueError: the network is another one (the layer and the reason are named), or
            wrong shapes, empty arrays, NaN or infinity.
        TypeError: the network or the inputs are of the wrong kind.
        MemoryError: the quadruples do not fit; the message says how many bytes they need.
        AccuracyError: the pre-activations are too wide for the rules.

    Example:
        >>> import numpy as np
        >>> from analytic import FullyConnected, Network
        >>> c = fluctuation_covariance(Network(FullyConnected("identity")), 2 * np.eye(2)[:, :2])
        >>> c[0, 0, 0, 0].round(6), c[0, 1, 0, 1].round(6), c[0, 0, 1, 1].round(6)
        (np.float64(16.0), np.float64(4.0), np.float64(8.0))
    """
    places, rows, _ = checked(network, x, None, 3, images=True)
    points = rows if rows.ndim == 2 else positions_first(rows).reshape(-1, rows.shape[1])
    n = max(len(points), len(rows) * max(place.points for place in places))
    require(8 * (6 * n**4 + 5 * (2 * n**2 + n) ** 2), f"quadruples of {n} points")
    state = beginning(points)
    for place in places:
        if place.layer is None:
            state = averaged(state, place.maps, len(rows))
        else:
            state = through_layer(state, place.layer, pair_map(place.maps, len(rows)))
    n = len(rows)
    s, g = slice(0, n * n), slice(n * n, 2 * n * n)
    v = state.v
    scale, _, rate, _ = network.output.coefficients
    sums = rate**2 * v[s, s] + rate * v[s, g] + rate * v[g, s] + v[g, g]
    total = sums.reshape(n, n, n, n) + state.gram + state.gram.transpose(0, 1, 3, 2)
    return np.asarray(scale**2 * total)


def beginning(points: Array) -> JointState:
    """The inputs themselves: nothing fluctuates."""
    n = len(points)
    none = np.zeros((n, n))
    s = points @ points.T / points.shape[1]
    return JointState(s, none, none[0], np.zeros((2 * n * n + n,) * 2), np.zeros((n,) * 4))


def averaged(state: JointState, maps: list[Array], inputs: int) -> JointState:
    """Pooling and flattening, which are linear."""
    pi, mean = pair_map(maps, inputs), mean_map(maps, inputs)
    n = len(mean)
    whole = blocks(pi, pi, mean)
    s, g = ((pi @ a.ravel()).reshape(n, n) for a in (state.s, state.g))
    return JointState(s, g, mean @ state.mu, whole @ state.v @ whole.T, turned(state.gram, pi, pi))


def through_layer(state: JointState, layer: StackLayer, patch: Array) -> JointState:
    """A layer with weights; ``patch`` sums pairs of points over the offsets of its filters."""
    n = round(len(patch) ** 0.5)
    s, g = ((patch @ a.ravel()).reshape(n, n) for a in (state.s, state.g))
    covariance = layer.weight * s + layer.bias
    variance = np.diag(covariance)
    factors = frozenset(digits for product in COVARIANCE_PRODUCTS for digits in product if digits)
    side = OneSide(tabulate(layer.activation, np.sqrt(variance), factors), variance)
    own = np.diag(s)
    z = own[:, None], s, own[None, :], np.zeros((1, 1)), np.zeros((1, 1)), g
    pair = at_layer(layer, z, side, side, COVARIANCE_PRODUCTS)
    at = PointPairs(pair, four_moments(layer.activation, covariance), n, state, patch)
    j = at.jacobian()
    return JointState(*at.through(), j @ state.v @ j.T + at.fresh() / layer.ratio, at.gram())
