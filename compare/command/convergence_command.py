"""The command ``kinfinity convergence``: one width sweep, from flags or a TOML file."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import torch

from analytic.files import write_whole
from analytic.network import Network, parse_network
from compare.command.options import check_fit, read_factory, read_inputs, read_integers
from compare.command.report import open_folder
from compare.rate import Convergence, RequiredWidth, Weights, check_accuracy, check_design
from compare.rate import convergence as measure

__all__ = ["convergence"]

WIDTHS_BY_DEFAULT, NUMBERS_BY_DEFAULT = "64,128,256,512,1024", "1000,1000,500,300,150"


def _read_settings(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    """Take the entries of a TOML file as defaults of the flags of the same names."""
    if value is None:
        return None
    try:
        found = tomllib.loads(Path(value).read_text())
    except OSError as error:
        raise ValueError(
            f"expected a TOML file, got {value!r} ({error.strerror}); check the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"expected TOML in {value!r}, got: {error}; repair it") from None
    names = {p.name for p in context.command.params if p.name != "settings"}
    unknown = sorted(set(found) - names)
    if unknown:
        raise ValueError(
            f"expected entries {', '.join(sorted(filter(None, names)))} in {value!r}, got"
            f" {', '.join(unknown)}; rename or remove them"
        )
    context.default_map = {name: _flag(entry) for name, entry in found.items()}
    return value


def _flag(entry: Any) -> Any:
    """Lists of numbers as one writes them on the command line."""
    return ",".join(map(str, entry)) if isinstance(entry, list) else entry


@click.command()
@click.option(
    "-c", "--config", "settings", is_eager=True, callback=_read_settings,
    help="A TOML file with entries named as these flags, which go before it.",
)  # fmt: skip
@click.option(
    "-o", "--output", default="kinfinity-convergence", show_default=True, help="Folder for results."
)
@click.option("-n", "--network", help="A network as Python prints it.  [this or --module]")
@click.option(
    "-m", "--module", help="package.file:factory, a function (width, seed) that makes modules."
)
@click.option(
    "-i", "--inputs", default="digits", show_default=True,
    help="digits (images for networks of images), sphere:D, or an .npy file, shape (n, ...).",
)  # fmt: skip
@click.option("-w", "--widths", default=WIDTHS_BY_DEFAULT, show_default=True, help="By commas.")
@click.option(
    "-s", "--seeds", default=NUMBERS_BY_DEFAULT, show_default=True,
    help="Networks per width: one number or one for each width.",
)  # fmt: skip
@click.option("-p", "--points", default=96, show_default=True, help="Size of the sample of inputs.")
@click.option("--limit", help="Another network, whose kernel takes the place of K_inf: a control.")
@click.option(
    "--dtype", default="float64", show_default=True, type=click.Choice(["float32", "float64"])
)
@click.option(
    "--weights", default="drawn", show_default=True, type=click.Choice(["drawn", "integrated"]),
    help="Draw networks, or their kernels from the same law without weights.",
)  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option("--epsilon", type=float, help="Answer which width suffices for D <= epsilon ...")
@click.option("--delta", default=0.05, show_default=True, help="... with probability 1 - delta.")
@click.option("--strict", is_flag=True, help="Exit with 1 unless the verdict is 'holds'.")
def convergence(
    settings: str | None,
    output: str,
    network: str | None,
    module: str | None,
    inputs: str,
    widths: str,
    seeds: str,
    points: int,
    limit: str | None,
    dtype: str,
    weights: Weights,
    device: str,
    epsilon: float | None,
    delta: float,
    strict: bool,
) -> None:
    """Measure how fast K_0 of one network, or module, approaches K_inf; judge Assumption 3.6.

    Finished cells are kept in OUTPUT/cells.sqlite: the same command goes on where it was stopped,
    and its results are the same bits.
    """
    described, other = _family(network, module), None if limit is None else parse_network(limit)
    source = read_inputs(inputs, isinstance(described, Network) and described.is_spatial)
    wide, counts = read_integers("widths", str(widths)), read_integers("seeds", str(seeds))
    number = counts[0] if len(counts) == 1 else counts
    check_design(source, wide, number, points)
    for each in (described, other):
        if isinstance(each, Network):
            check_fit(each, source, points)
    if epsilon is not None:
        check_accuracy(epsilon, delta)
    folder = Path(output)
    open_folder(folder)
    click.echo(f"{network or module} on {source.name}")
    result = measure(
        described, source, wide, number, points=points, limit=other, device=device,
        dtype=getattr(torch, dtype), weights=weights, store=folder / "cells.sqlite", progress=True,
    )  # fmt: skip
    named = {
        "network": network, "module": module, "inputs": inputs, "widths": wide, "seeds": counts,
        "points": points, "dtype": dtype, "weights": weights, "device": device, "delta": delta,
        "epsilon": epsilon, "limit": None if other is None else repr(other),
    }  # fmt: skip
    _write(folder, result, named)
    if result.config.get("described"):
        click.echo(f"the limit is that of {result.config['described']}")
    click.echo(f"{result.table()}\n{result.verdict}: {result.reason}")
    if epsilon is not None:
        click.echo(_words(result, epsilon, delta))
    click.echo(f"results: {folder.resolve()}")
    if strict and not result.holds:
        sys.exit(1)


def _family(network: str | None, module: str | None) -> Network | Any:
    """A description, or the function that a path names."""
    if (network is None) == (module is None):
        got = "none" if network is None else "both"
        raise ValueError(
            f"expected a network or a module, got {got}; give --network or --module, or an entry"
            " in --config"
        )
    return parse_network(network) if network is not None else read_factory(str(module))


def _write(folder: Path, result: Convergence, settings: dict[str, Any]) -> None:
    """The record, its picture, and the configuration that makes it again."""
    result.save(folder / "convergence.json")
    # numbers, lists of numbers and strings read the same in JSON and TOML
    given = {name: value for name, value in settings.items() if value is not None}
    lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
    write_whole(folder / "convergence.toml", "\n".join(lines) + "\n")
    figure = result.plot().get_figure(root=True)
    assert figure is not None
    figure.savefig(folder / "convergence.png", dpi=150)


def _words(result: Convergence, epsilon: float, delta: float) -> str:
    """The width that suffices, or why none is known."""
    try:
        found: RequiredWidth = result.required_width(epsilon, delta)
    except ValueError as error:
        return f"no width: {error}"
    low, high = found.interval
    predicted = "" if found.predicted is None else f"; {found.predicted} by the predicted constant"
    return (
        f"D <= {epsilon:g} with probability {1 - delta:g}: width {found.measured}, in"
        f" [{low:.0f}, {high:.0f}]; {found.markov} by Markov's inequality{predicted}"
    )
