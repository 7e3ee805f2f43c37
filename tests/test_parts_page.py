"""The page on adding a part: its code is that of the tree, and so are its names."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import numpy as np
import torch

from analytic import Dropout, FullyConnected, Network, kernel, kernel_estimate
from analytic.network import parse_network
from empirical import FiniteNetwork
from empirical.network.layer_modules import PointwiseLayer

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "howto" / "parts.md").read_text().split("## All parts together")[0]
FILES = {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("analytic", "empirical", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
}


def test_every_block_of_the_walk_is_code_of_the_tree() -> None:
    blocks = re.findall(r"(?:^ {4}.*\n)+", PAGE, flags=re.M)
    assert len(blocks) == 4
    whole = [_stripped(text) for text in FILES.values()]
    for block in blocks:
        assert any(_stripped(block) in text for text in whole), block


def test_every_file_of_the_walk_exists_and_every_name_occurs() -> None:
    words = set(re.findall(r"`([^`\n]+)`", PAGE))
    files = {word for word in words if re.fullmatch(r"[\w/]+\.py", word)}
    assert len(files) >= 12
    for file in files:
        assert any(f"/{path}".endswith(f"/{file}") for path in FILES), file
    whole = "\n".join(FILES.values())
    for word in (word for word in words - files if "/" not in word):
        for name in re.findall(r"[A-Za-z_]\w+", word):
            assert re.search(rf"\b{name}\b", whole), name


def test_the_part_of_the_walk_has_the_five_things() -> None:
    """Of inputs of 1s: Sigma and Theta are 2 and 4 at x = x', and 1 and 2 elsewhere."""
    network = Network(FullyConnected("identity"), Dropout(0.5), FullyConnected("identity"))
    assert parse_network(repr(network)) == network
    x = np.ones((2, 3))
    value = np.array([[6.0, 3.0], [3.0, 6.0]])
    estimate = kernel_estimate(network, x)
    np.testing.assert_allclose(kernel(network, x), value, rtol=1e-14)
    assert np.all(np.abs(estimate.value - value) <= estimate.error)
    found = network.recursion().equations[-1]
    assert str(found) == "Eq(K(x, x'), Sigma_3(x, x') + Theta_3(x, x'))"
    f = FiniteNetwork(network, (3,), 4)
    assert any(isinstance(part, PointwiseLayer) for part in f.modules())
    assert f(torch.ones(1, 3, dtype=torch.float64)).shape == (1,)


def _stripped(code: str) -> str:
    """Without what indents it."""
    return "\n".join(line.strip() for line in dedent(code).splitlines() if line.strip())
