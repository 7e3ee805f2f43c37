"""The lines of the recursion; their legend is that of ``analytic.recursion.layer_equations``."""

from __future__ import annotations

from typing import Any

__all__ = ["centred", "plain", "preactivation", "residual", "side_by_side"]


def preactivation(sigma: Any, theta: Any, weight: Any, bias: Any, rate: Any, bias_rate: Any) -> Any:
    """(Lambda, T, Gamma) of a layer, with weight = weight_std^2 and bias = bias_std^2."""
    covariance = weight * sigma + bias
    plainly = rate == 1.0 and bias_rate == bias
    trained = covariance if plainly else (rate * weight) * sigma + bias_rate
    return covariance, trained, trained + weight * theta


def centred(sigma: Any, theta: Any, mu: Any, mu_: Any, scale: Any) -> Any:
    """(Sigma, Theta) of normalised units, with scale = 1/(sigma sigma')."""
    return (sigma - mu * mu_) * scale, theta * scale


def plain(e: Any, d: Any, gamma: Any) -> Any:
    """(Sigma, Theta) after w."""
    return e, d * gamma


def residual(
    sigma: Any, theta: Any, mu: Any, mu_: Any, e: Any, d_gamma: Any, eta: Any, eta_: Any
) -> Any:
    """(Sigma, Theta) after a sum: units with (Sigma, Theta, mu) plus an independent branch."""
    return sigma + e + mu * eta_ + eta * mu_, theta + d_gamma


def side_by_side(sigma: Any, theta: Any, e: Any, d_gamma: Any, p: Any, q: Any) -> Any:
    """(Sigma, Theta) of units of which the share p has the first and q the second."""
    return p * sigma + q * e, p * theta + q * d_gamma
