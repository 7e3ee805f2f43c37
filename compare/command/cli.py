"""The command ``kinfinity``."""

from __future__ import annotations

import shlex
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import click

from analytic.machine import EXTENDED, UNIT, cores
from analytic.network import FullyConnected, Network, Residual, parse_network
from analytic.results import PROMISE
from compare.command.convergence_command import convergence as convergence_command
from compare.command.dynamics_command import dynamics
from compare.command.options import check_fit, read_inputs, read_integers
from compare.command.report import open_folder, write_report, write_results
from compare.command.spectrum_command import leading_spectrum
from compare.dynamics import DynamicsError
from compare.provenance import version
from compare.rate import Convergence, check_design, convergence

__all__ = ["main"]

NETWORKS = (
    Network(FullyConnected("tanh"), FullyConnected("tanh"), FullyConnected("tanh")),
    *(
        Network(
            FullyConnected(name), Residual(FullyConnected(name)), Residual(FullyConnected(name))
        )
        for name in ("softplus", "sigmoid")
    ),
)
"""The networks of the default run."""
WIDTH_LIST = "64,128,256,512,1024"
SEED_LIST = "500,2000,1000,600,300"
SAMPLE_SIZE = 96


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version())
def kinfinity() -> None:
    """The infinite-width limit of deep networks, computed, measured and compared."""


@kinfinity.command()
def info() -> None:
    """Say what is promised of the kernels, and on which machine."""
    digits = f"unit roundoffs {UNIT:.1e} and {EXTENDED:.1e}"
    click.echo(f"kinfinity {version()}, {cores()} threads, {digits}")
    click.echo(textwrap.fill(PROMISE, 80))


@kinfinity.command()
@click.option(
    "-o", "--output", default="kinfinity-report", show_default=True, help="Folder for the results."
)
@click.option(
    "-n",
    "--network",
    "networks",
    multiple=True,
    help="A network as Python prints it; may be repeated. [default: three networks]",
)
@click.option(
    "-i",
    "--inputs",
    "source",
    default="digits",
    show_default=True,
    help="digits (images for networks of images), sphere:D, or an .npy file, shape (n, ...).",
)
@click.option("-w", "--widths", default=WIDTH_LIST, show_default=True, help="Widths, by commas.")
@click.option(
    "-s",
    "--seeds",
    default=SEED_LIST,
    show_default=True,
    help="Networks per width: one number or one for each width.",
)
@click.option(
    "-p",
    "--points",
    default=SAMPLE_SIZE,
    show_default=True,
    help="Size of the sample of inputs.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 unless every verdict is 'holds'.")
def validate(
    output: str,
    networks: tuple[str, ...],
    source: str,
    widths: str,
    seeds: str,
    points: int,
    strict: bool,
) -> None:
    """Measure how fast K_0 approaches K_inf, judge Assumption 3.6, and write a report."""
    chosen = [parse_network(text) for text in networks] or list(NETWORKS)
    wide, counts = read_integers("widths", widths), read_integers("seeds", seeds)
    sources = [read_inputs(source, network.is_spatial) for network in chosen]
    number = counts[0] if len(counts) == 1 else counts
    for network, inputs in zip(chosen, sources, strict=True):
        check_design(inputs, wide, number, points)
        check_fit(network, inputs, points)
    folder = Path(output)
    open_folder(folder)
    command = shlex.join(["kinfinity", *sys.argv[1:]])
    results: list[Convergence] = []
    for index, (network, inputs) in enumerate(zip(chosen, sources, strict=True), 1):
        click.echo(f"[{index}/{len(chosen)}] {network} on {inputs.name}")
        results.append(convergence(network, inputs, wide, number, points=points))
        write_results(folder, results, command, version())
        click.echo(f"      {results[-1].verdict}: {results[-1].reason}")
    path = write_report(folder, results, command, version())
    click.echo(f"report: {path.resolve()}")
    if strict and not all(result.holds for result in results):
        sys.exit(1)


kinfinity.add_command(convergence_command)
kinfinity.add_command(dynamics)
kinfinity.add_command(leading_spectrum)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; bad input ends with one line and exit code 2."""
    try:
        kinfinity.main(arguments, prog_name="kinfinity", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (ValueError, TypeError, OSError, MemoryError, DynamicsError) as error:
        click.echo(f"kinfinity: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
