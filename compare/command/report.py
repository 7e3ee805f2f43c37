"""The page that says what was measured: one self-contained HTML file, and the numbers."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from analytic.files import write_whole
from compare.rate import Convergence

__all__ = ["open_folder", "write_report", "write_results"]


def open_folder(folder: Path) -> None:
    """Make a folder for results and see that it can be written.

    Raises:
        ValueError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"expected an output folder that can be written, got {str(folder)!r}"
            f" ({error.strerror}); choose another with --output"
        ) from None


def write_results(folder: Path, results: Sequence[Convergence], command: str, version: str) -> None:
    """Write results.json, whole at any instant."""
    data: dict[str, Any] = {
        "version": version,
        "command": command,
        "results": [
            {
                "config": r.config,
                "answers": r.answers(),
                "widths": list(r.widths),
                "means": [float(d.mean()) for d in r.distances],
                "distances": [d.tolist() for d in r.distances],
                "bias": list(r.bias),
            }
            for r in results
        ],
    }
    write_whole(folder / "results.json", json.dumps(data, indent=1))


def write_report(folder: Path, results: Sequence[Convergence], command: str, version: str) -> Path:
    """Write the pictures and report.html, and return the path of the latter."""
    pictures: list[str] = []
    for index, result in enumerate(results, 1):
        buffer = io.BytesIO()
        picture = result.plot().get_figure(root=True)
        assert picture is not None
        picture.savefig(buffer, format="png", dpi=150)
        write_whole(folder / f"convergence-{index}.png", buffer.getvalue())
        pictures.append(base64.b64encode(buffer.getvalue()).decode())
    environment = Environment(
        loader=PackageLoader("compare.command", "."), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("report.html.j2").render(
        results=results,
        pictures=pictures,
        command=command,
        version=version,
        created=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )
    path = folder / "report.html"
    write_whole(path, page)
    return path
