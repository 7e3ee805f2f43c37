r"""Gradient flow: full-batch gradient descent with infinitesimal steps, to a tolerance.

    theta_t' = -grad Phi(theta_t),    Phi = (1/2n) sum_a (f(x_a; theta) - y_a)^2

Discrete gradient descent is Euler's method for it; the theory is about the flow itself. The
methods, and what the tolerance means, are in docs/theory/flow.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from analytic.files import check_path
from empirical.flow.arguments import check_data, check_numbers, check_times
from empirical.flow.losses import LossName
from empirical.flow.record import Flow
from empirical.flow.run import Method, Run
from empirical.parameter_rates import Rates, Rescaled, rates_of
from empirical.precision import full_precision

__all__ = ["gradient_flow"]


def gradient_flow(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    times: Sequence[float] | Tensor,
    *,
    evaluate: Tensor | None = None,
    watch: Tensor | None = None,
    rtol: float = 1e-6,
    method: Method = "auto",
    loss: LossName = "square",
    max_evaluations: int = 100_000,
    resume: Flow | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    rates: Rates | None = None,
) -> Flow:
    r"""Gradient flow of a mean loss from the module's parameters.

    .. math:: \theta_t' = -\nabla\Phi(\theta_t), \qquad
              \Phi(\theta) = \frac1n \sum_{a=1}^n \ell(f(x_a; \theta), y_a), \qquad
              \ell(f, y) = \tfrac12 |f - y|^2 \text{ by default}

    The module itself is not changed.

    Args:
        module: any module, in eval mode, with outputs of shape (n,), (n, 1) or (n, k).
        x: inputs, shape (n, ...), of the module's dtype (or integers) and on its device.
        y: targets, shape (n,), or (n, k) for k outputs.
        times: output times, increasing, not negative, shape (T,).
        evaluate: points at which predictions are recorded, shape (N, ...).
        watch: points at which the tangent kernel K_t is recorded, shape (w, ...).
        rtol: tolerance of the predictions relative to the rms of the first dl/df, and of
            the parameters relative to the way they went; float32 takes 1.2e-5 and more.
        method: ``"multistep"``, LSODA, for few parameters; ``"exponential"``, on the
            eigenvectors of the tangent kernel, for steps of any length; ``"explicit"`` where
            that kernel is too large or second derivatives are missing; ``"auto"`` for the
            first that suits the sizes.
        loss: ``"square"``; ``"huber"``, ``|f - y| - 1/2`` beyond ``|f - y| = 1``; ``"logistic"``,
            log(1 + exp(-y f)) for targets -1 and 1; ``"cross-entropy"`` for classes y,
            integers of shape (n,), or probabilities, shape (n, k). The last three take
            multistep and explicit steps.
        max_evaluations: how often the gradient may be computed in this call, at most.
        resume: a record of the same flow at the first of these times, to be continued; that
            it is the same is seen by its arguments, by frozen parameters and buffers, and by
            outputs and gradients at its first and its last point, which are computed again.
        checkpoint: file to which the record is written after every output time; if it exists,
            the flow continues from there.
        rates: rates of the parameters, as of ``tangent_kernel``: theta' = -rate dPhi/dtheta.
            Displacements and gradients are then lengths of theta/sqrt(rate).

    Returns:
        The record, a ``Flow``.

    Raises:
        TypeError: a kind is wrong: the module, dtypes, integer targets.
        ValueError: shapes, devices or times do not fit, numbers are not finite, the gradient
            at the start is not, the checkpoint cannot be written, or the record to be
            continued belongs to another flow or is damaged.
        MemoryError: the vectors of the integrator would not fit.
        FlowError: the last time was not reached; ``error.partial`` is the record until then.

    References:
        Bowman and Montufar (2022), section 2.2; Dormand and Prince (1980).

    Example:
        >>> f = nn.Linear(1, 1, bias=False).double()
        >>> _ = nn.init.zeros_(f.weight)
        >>> x, y = torch.ones(1, 1).double(), torch.ones(1).double()
        >>> flow = gradient_flow(f, x, y, [0.0, 1.0])
        >>> [round(float(r), 5) for r in flow.residuals]  # -exp(-t)
        [-1.0, -0.36788]
    """
    y = check_data(module, x, y, loss, evaluate=evaluate, watch=watch)
    grid = check_times(times)
    check_numbers(rtol, max_evaluations, method, next(module.parameters()).dtype)
    path = check_path(checkpoint)
    found = rates_of(module, rates)
    if found is not None:
        module = Rescaled(module, found)
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        full_precision(next(module.parameters()).device),
    ):
        run = Run(module, x, y, evaluate, watch, rtol, method, loss)
        if resume is None and path is not None and path.exists():
            resume = Flow.load(path, str(run.field.origin.device))
        if resume is not None:
            run.resume(resume, grid)
        return run.through(grid, max_evaluations, path)
