"""The command ``kinfinity dynamics``."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from analytic import Activation, nystrom, sphere_spectrum
from analytic.network import (
    Branched,
    Convolution,
    FullyConnected,
    Layer,
    Network,
    Nonlinearity,
    Pointwise,
    parse_network,
)
from compare.command.dynamics_report import Findings, write_dynamics
from compare.command.options import check_fit, read_inputs, read_integers, read_target
from compare.command.report import open_folder
from compare.dynamics import (
    DynamicsError,
    check_cell,
    check_grid,
    check_linearised,
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
@click.option(
    "--linearised", default=250, show_default=True,
    help="Networks for each pair that are linearised instead of trained: narrower intervals.",
)  # fmt: skip
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
    linearised: int,
    strict: bool,
) -> None:
    """Train networks, compare them with exp(-T_K t) r_0, judge Theorem 3.5 and what follows."""
    described, inputs = parse_network(network), read_inputs(source)
    target = Target.of(read_target(aim, inputs), inputs)
    check_fit(described, inputs, points)
    evaluation_points(inputs, points)
    check_cell(inputs, width, samples, 1.0 if horizon is None else horizon, seeds)
    grid: dict[str, Any] = {}
    if widths:
        wide, many = read_integers("widths", widths), read_integers("sizes", sizes)
        check_grid(inputs, wide, many, 1.0, repeats)
        check_linearised(linearised)
        grid = {
            "widths": wide, "samples": many, "seeds": repeats, "points": min(points, 128),
            "linearised": linearised,
        }  # fmt: skip
    end = _horizon(described, inputs) if horizon is None else horizon
    run = _Run(Path(output), described, inputs, target, end)
    run.one_cell(width=width, samples=samples, seeds=seeds, points=points)
    if grid:
        run.fits(**grid)
    click.echo(f"report: {write_dynamics(run.folder, run.found).resolve()}")
    if strict and not run.found.as_expected:
        sys.exit(1)


class _Run:
    """The measurements of one call; the report is written after each of them."""

    def __init__(
        self, folder: Path, network: Network, inputs: Inputs, target: Target, horizon: float
    ) -> None:
        open_folder(folder)
        self.folder = folder
        self.found = Findings(shlex.join(["kinfinity", *sys.argv[1:]]))
        self.cell = (network, inputs, target)
        self.horizon = horizon
        click.echo(f"{network} on {inputs.name}, target {target.name}, up to t = {horizon:.4g}")

    def one_cell(self, **sizes: Any) -> None:
        """The gap of one width and number of samples, taken apart."""
        numbers = "{seeds} networks of {width} units on {samples} samples".format(**sizes)
        click.echo(f"one width: {numbers}")
        try:
            self.found.gap = dynamics_gap(*self.cell, **sizes, **self._named("gap"))
        except DynamicsError as error:
            self.found.gap, self.found.stopped = error.partial, str(error)
            write_dynamics(self.folder, self.found)
            raise ValueError(f"{error}; what was reached is in {self.folder}") from error
        click.echo(f"  {self.found.gap.verdict}")
        write_dynamics(self.folder, self.found)

    def fits(self, *, seeds: int, **grid: Any) -> None:
        """The exponents of Corollary 3.7, a control that must fail, and Observation 3.9."""
        found = self.found
        cells = "{widths} on {samples} samples".format(**grid)
        click.echo(f"exponents: {seeds} networks of each of the widths {cells}")
        found.scaling = dynamics_scaling(*self.cell, seeds=seeds, **grid, **self._named("scaling"))
        click.echo(f"  {found.scaling.verdict}")
        write_dynamics(self.folder, found)
        wrong = other_activation(self.cell[0])
        click.echo(f"control: the same against the kernel of {wrong!r}")
        found.control = dynamics_scaling(
            *self.cell, limit=wrong, seeds=max(2, seeds // 3), **grid, **self._named("control")
        )
        click.echo(f"  {found.control.verdict}")
        write_dynamics(self.folder, found)
        del grid["widths"]
        click.echo(f"widths of {' and '.join(map(str, RATIOS))} times the samples")
        found.growth = dynamics_growth(
            *self.cell, ratios=RATIOS, seeds=max(2, seeds // 2), **grid, **self._named("growth")
        )

    def _named(self, name: str) -> dict[str, Any]:
        return {"horizon": self.horizon, "store": self.folder / f"{name}.sqlite"}


def other_activation(network: Network) -> Network:
    """The same layers with softplus, or with tanh where they have softplus: a wrong kernel."""
    network = network.joined()
    bare = any(isinstance(step.layer, Pointwise) for step in network.steps)

    def other(layer: Layer) -> Layer:
        if isinstance(layer, Branched):
            return layer.changed(lambda inner: tuple(map(other, inner)))
        if not isinstance(layer, FullyConnected | Convolution | Nonlinearity):
            return layer
        if bare and layer.activation.is_linear:
            return layer  # what a bare nonlinearity needs before it
        name = "tanh" if layer.activation.name == "softplus" else "softplus"
        return replace(layer, activation=Activation(name))

    return Network(*(other(layer) for layer in network.layers))


def _horizon(network: Network, inputs: Inputs) -> float:
    """20/sigma_1, sigma_1 the largest eigenvalue."""
    dimension = sphere_dimension(inputs)
    if dimension is not None and dimension >= 2:
        return 20 / float(sphere_spectrum(network, dimension, 16).eigenvalues.max())
    sample = inputs.sample(min(inputs.population or 256, 256))
    return 20 / float(nystrom(network, sample).eigenvalues[0])
