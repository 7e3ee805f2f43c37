"""What a gradient flow leaves behind: a frozen record, and the error that carries one."""

from __future__ import annotations

import io
import os
import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from analytic.files import read_sealed, write_sealed

__all__ = ["Flow", "FlowError"]


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Gradient flow of one module, seen at its output times.

    Predictions and kernels have the module's dtype and device; times and norms are float64
    on the CPU. For a module with k > 1 outputs the residuals are (T, n, k), the predictions
    (T, N, k) and the kernels (T, w, k, w, k).

    Attributes:
        times: the output times that were reached, shape (T,).
        residuals: f(x_a; theta_t) - y_a on the samples, shape (T, n); of another loss l than
            the square its slopes dl/df there.
        evaluation: f(z_b; theta_t) at the evaluation points, shape (T, N), or None.
        displacement: ||theta_t - theta_0||, shape (T,).
        loss: Phi = (1/n) sum_a l(f(x_a; theta_t), y_a), shape (T,).
        gradient: ||grad Phi||^2, shape (T,).
        kernels: K_t on the watched points, shape (T, w, w), or None.
        parameters: theta_t at the last output time, for ``module.load_state_dict(...,
            strict=False)``.
        stiff: what was found about stiffness, a sentence, or None.
        kinks: what was found about kinks on the way, a sentence, or None.
        work: evaluations of the vector field, steps, and steps that were rejected.
        state: where the integrator stands, for ``resume``.
        config: the arguments, and digests of the tensors among them.
    """  # thirteen fields: the four monitors of the contract, and what a run needs to go on

    times: Tensor
    residuals: Tensor
    evaluation: Tensor | None
    displacement: Tensor
    loss: Tensor
    gradient: Tensor
    kernels: Tensor | None
    parameters: dict[str, Tensor]
    stiff: str | None
    kinks: str | None
    work: dict[str, int]
    state: dict[str, Any]
    config: dict[str, Any]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record; a file of that name is replaced at once or not at all."""
        buffer = io.BytesIO()
        torch.save({f.name: getattr(self, f.name) for f in fields(self)}, buffer)
        write_sealed(Path(path), buffer.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str | None = None) -> Flow:
        """Read a record; no code in the file is run.

        Args:
            path: the file.
            device: where its tensors go; where they were if None.

        Raises:
            ValueError: the file is damaged, or holds something else.
        """
        archive = io.BytesIO(read_sealed(Path(path), "a record of gradient_flow"))
        try:
            return cls(**torch.load(archive, map_location=device, weights_only=True))
        except (KeyError, TypeError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"expected a record of gradient_flow in {path}, got something else; name another"
                " file"
            ) from error


class FlowError(RuntimeError):
    """The flow did not reach its last output time.

    Attributes:
        partial: the ``Flow`` up to the last output time that was reached.
    """

    def __init__(self, message: str, partial: Flow) -> None:
        super().__init__(message)
        self.partial = partial

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.partial)
