"""The command ``kinfinity spectrum``."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from analytic.files import write_whole
from analytic.network import parse_network
from compare.command.options import check_fit, read_inputs
from compare.command.report import open_folder
from compare.low_rank import FIGURE_ONE, Spectrum, figure_one, spectrum

__all__ = ["leading_spectrum"]


@click.command("spectrum")
@click.option(
    "-o", "--output", default="kinfinity-spectrum", show_default=True, help="Folder for results."
)
@click.option(
    "-c", "--case", default="both", show_default=True,
    help="Which half of Figure 1 of the paper: lenet5, softplus or both.",
)  # fmt: skip
@click.option(
    "-d", "--data",
    help="An .npz file with images x (and labels y), of MNIST for lenet5 and of CIFAR-10 for"
    " softplus; or synthetic, or digits. [default: from the network, else the digits]",
)  # fmt: skip
@click.option("-n", "--network", help="Another network, as Python prints it.")
@click.option("-m", "--width", default=4096, show_default=True, help="Width of that network.")
@click.option(
    "-i", "--inputs", "source", default="digits", show_default=True,
    help="Of that network: digits, sphere:D, or an .npy file.",
)  # fmt: skip
@click.option("-s", "--seeds", default=10, show_default=True, help="Initialisations and batches.")
@click.option("-p", "--points", default=2000, show_default=True, help="Size of a batch.")
@click.option("-k", "--eigenvalues", default=1000, show_default=True, help="How many of them.")
@click.option("--strict", is_flag=True, help="Exit with 1 unless every verdict is 'holds'.")
def leading_spectrum(
    output: str,
    case: str,
    data: str | None,
    network: str | None,
    width: int,
    source: str,
    seeds: int,
    points: int,
    eigenvalues: int,
    strict: bool,
) -> None:
    """The leading eigenvalues of K_0 and K_inf: Figure 1, or those of another network."""
    sizes: dict[str, Any] = {"seeds": seeds, "points": points, "eigenvalues": eigenvalues}
    folder, results = Path(output), dict[str, Spectrum]()
    if network is not None:
        _check_no_data(data)
        described = parse_network(network)
        inputs = read_inputs(source, described.is_spatial)
        check_fit(described, inputs, points)
        open_folder(folder)
        results["network"] = spectrum(described, inputs, width=width, **sizes)
        click.echo(str(results["network"]))
    else:
        names = _cases(case, data)
        open_folder(folder)
        for name in names:
            click.echo(f"{name}: {FIGURE_ONE[name].data} in the paper")
            results[name] = figure_one(name, data, **sizes)  # pyright: ignore[reportArgumentType]
            click.echo(f"  {results[name]}")
            _write(folder, results)
    _write(folder, results)
    for name, result in results.items():
        click.echo(f"{name}\n{result.table()}")
    click.echo(f"results: {folder.resolve()}")
    if strict and not all(result.holds for result in results.values()):
        sys.exit(1)


def _check_no_data(data: str | None) -> None:
    if data is not None:
        raise ValueError(
            f"expected --inputs for another network, got --data {data}, which is for Figure 1;"
            " leave --data out"
        )


def _cases(case: str, data: str | None) -> list[str]:
    """The halves of Figure 1 that are asked for."""
    if case not in (*FIGURE_ONE, "both"):
        raise ValueError(f"expected the case lenet5, softplus or both, got {case!r}; choose one")
    if case == "both" and data not in (None, "synthetic", "digits"):
        raise ValueError(
            f"expected one case for the file {data}, got both; add --case lenet5 for MNIST or"
            " --case softplus for CIFAR-10"
        )
    return list(FIGURE_ONE) if case == "both" else [case]


def _write(folder: Path, results: dict[str, Spectrum]) -> None:
    """The picture, the arrays, and the numbers with the command that makes them again."""
    from matplotlib.figure import Figure  # no global state, no display

    figure = Figure(figsize=(5.8 * len(results), 4.4), layout="constrained")
    for ax, (name, result) in zip(
        figure.subplots(1, len(results), squeeze=False)[0], results.items(), strict=True
    ):
        result.plot(ax)
        result.save(folder / f"{name}.npz")
    figure.savefig(folder / "spectrum.png", dpi=110)
    data = {
        "command": shlex.join(["kinfinity", *sys.argv[1:]]),
        "results": {n: {"config": r.config, "answers": r.answers()} for n, r in results.items()},
    }
    write_whole(folder / "results.json", json.dumps(data, indent=1))
