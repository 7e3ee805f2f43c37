"""Dual activations E[w(u) w(v)] that have a formula.

Enters: an activation. Leaves: the sympy expression of its dual and of its mean in the three
covariances of (u, v), or the reason why there is none here. The bivariate Gaussian moments of
products of polynomials, exponentials, trigonometric, error and sign functions are taken one
factor at a time. Below: ``analytic.expressions``.
"""

from analytic.closed_forms.dual_activations import COVARIANCES, dual, dual_mean, dual_obstacle

__all__ = ["COVARIANCES", "dual", "dual_mean", "dual_obstacle"]
