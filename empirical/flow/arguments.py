"""What the arguments of a gradient flow must be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from empirical.checks import check_inputs, check_module
from empirical.flow.kinks import SwitchedField
from empirical.flow.losses import LOSSES, check_targets
from empirical.flow.record import Flow
from empirical.flow.steps import Position
from empirical.flow.vector_field import Field

__all__ = [
    "check_data",
    "check_numbers",
    "check_record",
    "check_start",
    "check_times",
]


def check_data(
    module: nn.Module, x: Tensor, y: Tensor, loss: str, **others: Tensor | None
) -> Tensor:
    """The targets as the loss takes them, if the module can be trained on x, y and run elsewhere.

    Raises:
        TypeError, ValueError: it cannot.
    """
    if loss not in LOSSES:
        raise ValueError(f"expected loss {', '.join(map(repr, LOSSES))}, got {loss!r}; pass one")
    first = next(iter(check_module(module).values()))
    if first.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"expected a module in float64 or float32, got {first.dtype}; call .double()"
        )
    batches = {"x": x, "y": y, **others}
    for name, batch in batches.items():
        if batch is None and name not in ("x", "y"):
            continue
        check_inputs(name, batch, first)  # pyright: ignore[reportArgumentType]
        assert batch is not None
        if name == "y" and not batch.is_floating_point() and loss != "cross-entropy":
            raise TypeError(f"expected real targets y, got {batch.dtype}; pass y.to({first.dtype})")
        if name not in ("x", "y") and batch.shape[1:] != x.shape[1:]:
            raise ValueError(
                f"expected {name} of shape (N, *{tuple(x.shape[1:])}) as x, got"
                f" {tuple(batch.shape)}; match x"
            )
    if len(y) != len(x):
        raise ValueError(f"expected one target for each of {len(x)} inputs, got {len(y)}; match x")
    return _check_outputs(module, x, y, loss)


def _check_outputs(module: nn.Module, x: Tensor, y: Tensor, loss: str) -> Tensor:
    """The targets, unless the outputs on x are not finite numbers with their shape."""
    try:
        with torch.inference_mode(False), torch.enable_grad():
            values = module(x)
    except RuntimeError as error:
        raise ValueError(
            f"expected inputs that the module takes, got {tuple(x.shape)}: {error}; match them"
        ) from error
    if not isinstance(values, Tensor) or not values.is_floating_point():
        got = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise TypeError(f"expected a module with real outputs, got {got}; return a real tensor")
    if values.ndim not in (1, 2) or len(values) != len(x):
        raise ValueError(
            f"expected outputs of shape (n,) or (n, k), got {tuple(values.shape)} for a batch of"
            f" {len(x)}; return one row for each sample"
        )
    y = check_targets(loss, y, values)
    n, k = len(x), values[0].numel()
    if tuple(y.shape) not in {(n, k), (n,) if k == 1 else (n, k)}:
        wanted = f"({n},)" if k == 1 else f"({n}, {k})"
        raise ValueError(f"expected y of shape {wanted}, got {tuple(y.shape)}; match the outputs")
    if not values.requires_grad:
        raise ValueError("expected outputs that depend on the parameters, got none; do not detach")
    if not bool(torch.isfinite(values).all()):
        raise ValueError("expected finite outputs on x, got NaN or infinity; rescale the inputs")
    return y


def check_times(times: Sequence[float] | Tensor) -> list[float]:
    """The output times as floats."""
    try:
        grid = torch.as_tensor(times, dtype=torch.float64).cpu()
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"expected times as numbers, got {type(times).__name__}; pass a list"
        ) from error
    if grid.ndim != 1 or len(grid) == 0:
        raise ValueError(
            f"expected times of shape (T,) with T >= 1, got {tuple(grid.shape)}; pass a list"
        )
    if not bool(torch.isfinite(grid).all()) or float(grid[0]) < 0:
        raise ValueError(
            f"expected finite times from 0 on, got {grid.tolist()}; the flow starts at t = 0"
        )
    if bool((grid.diff() <= 0).any()):
        raise ValueError(f"expected increasing times, got {grid.tolist()}; sort them")
    return grid.tolist()


def check_numbers(rtol: float, budget: int, method: str, dtype: torch.dtype) -> None:
    """Raise unless the tolerance, the budget and the method are possible."""
    if method not in ("auto", "exponential", "explicit", "multistep"):
        raise ValueError(
            "expected method 'auto', 'exponential', 'explicit' or 'multistep', got"
            f" {method!r}; pass one of them"
        )
    for name, value in (("rtol", rtol), ("max_evaluations", budget)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"expected {name} as a number, got {type(value).__name__}; pass one")
    # local errors are differences of predictions, whose rounding is some ten units
    least = 100 * torch.finfo(dtype).eps
    if not least <= rtol < 1:
        raise ValueError(
            f"expected {least:.1e} <= rtol < 1 in {dtype}, got {rtol}; change it or the dtype"
        )
    if budget < 1:
        raise ValueError(f"expected max_evaluations of at least 1, got {budget}; raise it")


def check_start(field: Field, residual: Tensor, slope: Tensor) -> None:
    """Raise unless the loss and its gradient at theta_0 are finite numbers."""
    largest = float(residual.abs().max())
    if not bool(torch.isfinite(residual.double().square().sum())):
        raise ValueError(
            f"expected residuals whose squares are numbers, got one of {largest:.3g}; rescale y"
            " and the module"
        )
    for name, part in zip(field.names, field.split(slope), strict=True):
        if not bool(torch.isfinite(part).all()):
            raise ValueError(
                f"expected a finite gradient at the start, got NaN or infinity in that by {name};"
                " the module has no slope there: move its parameters"
            )


def check_record(record: Flow, config: dict[str, Any], grid: list[float], field: Field) -> None:
    """Raise unless the record is of this flow and stops at or before the times asked for."""
    if not isinstance(record, Flow):
        raise TypeError(
            f"expected resume as a Flow, got {type(record).__name__}; load it with Flow.load"
        )
    known = record.config if isinstance(record.config, dict) else {}
    other = ["rates"] if known.get("rates", config["rates"]) != config["rates"] else []
    if not other:  # at other rates there are other numbers of parameters
        _check_whole(record, field)
        texts = {k: v for k, v in config.items() if not isinstance(v, Tensor)}
        other = [k for k, v in texts.items() if known.get(k) != v]
    if other:
        raise ValueError(
            f"expected a record of this flow, got one with other {', '.join(other)}; pass the"
            " same module at theta_0 with the same arguments, or start anew"
        )
    done = record.times.tolist()
    if done != grid[: len(done)]:
        raise ValueError(
            f"expected times that begin with those of the record, {done}, got {grid};"
            " append to them"
        )


def _check_whole(record: Flow, field: Field) -> None:
    """Raise unless the parts of a record are what ``gradient_flow`` leaves."""
    shapes = {name: tuple(view.shape) for name, view in field.parameters(field.origin).items()}
    counts = {
        name: len(series)
        for name in ("residuals", "displacement", "loss", "gradient", "evaluation", "kernels")
        if (series := getattr(record, name)) is not None
    }
    wrong = ""
    if not isinstance(record.state, dict) or not isinstance(record.config, dict):
        wrong = "state and config"
    elif record.state and not _is_state(record.state, field):
        wrong = "state"
    elif {name: tuple(p.shape) for name, p in record.parameters.items()} != shapes:
        wrong = "parameters"
    elif set(counts.values()) != {len(record.times)}:
        wrong = "series"
    if wrong:
        raise ValueError(
            f"expected a record as gradient_flow left it for this module, got one with other"
            f" {wrong}; load it again or start anew"
        )


def _is_state(state: dict[str, Any], field: Field) -> bool:
    """Whether a state is a position of an integrator of these parameters."""
    if set(state) != {f.name for f in fields(Position)}:
        return False
    numbers = [v for k, v in state.items() if k not in ("displacement", "switches")]
    switches = state["switches"]
    wanted = field.switches if isinstance(field, SwitchedField) else None
    if (switches is None) != (wanted is None) or (
        wanted is not None and (not isinstance(switches, Tensor) or switches.shape != wanted.shape)
    ):
        return False
    moved, origin = state["displacement"], field.origin
    return (
        all(isinstance(v, int | float) and not math.isnan(v) for v in numbers)
        and isinstance(moved, Tensor)
        and (moved.shape, moved.dtype, moved.device) == (origin.shape, origin.dtype, origin.device)
        and bool(torch.isfinite(moved).all())
    )
