"""Sphinx configuration."""

import sys
import tomllib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from kinfinity import __version__

project = "kinfinity"
author = "The kinfinity developers"
copyright = "2026, The kinfinity developers"
release = __version__
extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
myst_enable_extensions = ["amsmath", "dollarmath", "deflist"]
myst_heading_anchors = 3
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 120)]
plot_rcparams = {"svg.hashsalt": "kinfinity"}
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
add_module_names = False
napoleon_use_rtype = False
html_theme = "furo"
html_title = f"kinfinity {release}"
exclude_patterns = ["_build"]
nitpicky = False


def list_rooms(app: Any, page: str, source: list[str]) -> None:
    """The rooms on the page of the house, from the contracts that hold their order."""
    if page != "house":
        return
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    listed = []
    for contract in tomllib.loads(text)["tool"]["importlinter"]["contracts"]:
        for floor in contract.get("containers", []):
            names = "|".join(contract["layers"]).split("|")
            rooms = "\n".join(f"   {floor}.{name.strip()}" for name in names)
            block = f".. autosummary::\n   :nosignatures:\n\n{rooms}"
            listed.append(f"## {floor}\n\n```{{eval-rst}}\n{block}\n```\n")
    assert listed
    source[0] = source[0].replace("<!-- rooms -->", "\n".join(listed))


def setup(app: Any) -> None:
    app.connect("source-read", list_rooms)
