"""The command ``kinfinity dynamics``."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from analytic import Activation, nystrom, sphere_spectrum
from analytic.network import Convolution, FullyConnected, Layer, Network, Residual, parse_network
from compare.command.dynamics_report import Findings, write_dynamics
from compare.command.options import check_fit, read_inputs, read_integers, read_target
from compare.command.report import open_folder
from compare.dynamics import (
    DynamicsError,
    DynamicsGap,
    check_cell,
    check_grid,
    dynamics_gap,
    dynamics_growth,
    dynamics_scaling,
)
from compare.rho import Inputs, Target, evaluation_points, sphere_dimension

__all__ = ["dynamics"]

NETWORK = Network(*[FullyConnected("tanh", weight_std=3.0)] * 3)
TARGET = "harmonic:" + ",".join(map(str, range(1, 20, 2)))
"""Equal parts of the ten leading eigenspaces of the default network on the circle."""
RATIOS = (0.5, 1.0)
"""Of width and samples in Observation 3.9."""


@click.command()
@click.option(
    "-o",
    "--output",
    default="kinfinity-dynamics",
    show_default=True,
    help="Folder for the results.",
)
@click.option(
    "-n", "--network", default=repr(NETWORK), show_default=True, help="As Python prints it."
)
@click.option(
    "-i", "--inputs", "source", default="sphere:2", show_default=True,
    help="digits, sphere:D, or an .npy file of shape (n, d).",
)  # fmt: skip
@click.option(
    "-t", "--target", "aim", default=TARGET, show_default=True,
    help="harmonic:1,3,5, step, smooth:SEED, parity, digit:K, or an .npy file of values.",
)  # fmt: skip
@click.option("-m", "--width", default=256, show_default=True, help="Width of the networks.")
@click.option("-N", "--samples", default=256, show_default=True, help="Training samples.")
@click.option("-T", "--horizon", type=float, help="Last time. [default: 20/sigma_1]")
@click.option("-s", "--seeds", default=6, show_default=True, help="Networks with their samples.")
@click.option("-p", "--points", default=256, show_default=True, help="Evaluation points.")
@click.option(
    "--widths", default="32,64,128,256", show_default=True, help="Of the fits; empty for none."
)
@click.option("--sizes", default="64,256", show_default=True, help="Samples of the fits.")
@click.option("--repeats", default=8, show_default=True, help="Networks for each pair of the fits.")
@click.option("--strict", is_flag=True, help="Exit with 1 unless every verdict is as expected.")
def dynamics(
    output: str,
    network: str,
    source: str,
    aim: str,
    width: int,
    samples: int,
    horizon: float | None,
    seeds: int,
    points: int,
    widths: str,
    sizes: str,
    repeats: int,
    strict: bool,
) -> None:
    """Train networks, compare them with exp(-T_K t) r_0, judge Theorem 3.5 and what follows."""
    described, inputs = parse_network(network), read_inputs(source)
    target = Target.of(read_target(aim, inputs), inputs)
    check_fit(described, inputs, points)
    evaluation_points(inputs, points)
    check_cell(inputs, width, samples, 1.0 if horizon is None else horizon, seeds)
    wide = read_integers("widths", widths) if widths else []
    many = read_integers("sizes", sizes) if widths else []
    if widths:
        check_grid(inputs, wide, many, 1.0, repeats)
    end = _horizon(described, inputs) if horizon is None else horizon
    folder = Path(output)
    open_folder(folder)
    found = Findings(shlex.join(["kinfinity", *sys.argv[1:]]))
    shared: dict[str, Any] = {"horizon": end}
    click.echo(f"{described} on {inputs.name}, target {target.name}, up to t = {end:.4g}")
    found.gap = _gap(
        found, folder, described, inputs, target,
        width=width, samples=samples, seeds=seeds, points=points, store=folder / "gap.sqlite",
        **shared,
    )  # fmt: skip
    click.echo(f"  {found.gap.verdict}")
    write_dynamics(folder, found)
    if widths:
        grid = {
            "widths": wide,
            "samples": many,
            "seeds": repeats,
            "points": min(points, 128),
        }
        found.scaling = dynamics_scaling(
            described, inputs, target, store=folder / "scaling.sqlite", **grid, **shared
        )
        click.echo(f"  {found.scaling.verdict}")
        write_dynamics(folder, found)
        grid["limit"] = other_activation(described)
        found.control = dynamics_scaling(
            described,
            inputs,
            target,
            store=folder / "control.sqlite",
            **grid | {"seeds": max(2, repeats // 3)},
            **shared,
        )
        click.echo(f"  with the kernel of {found.control.config['limit']}: {found.control.verdict}")
        write_dynamics(folder, found)
        found.growth = dynamics_growth(
            described, inputs, target, ratios=RATIOS, samples=grid["samples"],
            seeds=max(2, repeats // 2),
            points=grid["points"], store=folder / "growth.sqlite", **shared,
        )  # fmt: skip
    path = write_dynamics(folder, found)
    click.echo(f"report: {path.resolve()}")
    if strict and not found.as_expected:
        sys.exit(1)


def other_activation(network: Network) -> Network:
    """The same layers with softplus, or with tanh where they have softplus: a wrong kernel."""

    def other(layer: Layer) -> Layer:
        if isinstance(layer, Residual):
            return Residual(*(other(inner) for inner in layer.layers))
        if not isinstance(layer, FullyConnected | Convolution):
            return layer
        name = "tanh" if layer.activation.name == "softplus" else "softplus"
        return replace(layer, activation=Activation(name))

    return Network(*(other(layer) for layer in network.layers))


def _gap(found: Findings, folder: Path, *arguments: Any, **named: Any) -> DynamicsGap:
    """The measurement; what there is of it is written before the error goes on."""
    try:
        return dynamics_gap(*arguments, **named)
    except DynamicsError as error:
        found.gap, found.stopped = error.partial, str(error)
        write_dynamics(folder, found)
        raise ValueError(f"{error}; what was reached is in {folder}") from error


def _horizon(network: Network, inputs: Inputs) -> float:
    """20/sigma_1, sigma_1 the largest eigenvalue."""
    dimension = sphere_dimension(inputs)
    if dimension is not None and dimension >= 2:
        return 20 / float(sphere_spectrum(network, dimension, 16).eigenvalues.max())
    sample = inputs.sample(min(inputs.population or 256, 256))
    return 20 / float(nystrom(network, sample).eigenvalues[0])
