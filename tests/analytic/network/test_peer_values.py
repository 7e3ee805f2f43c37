"""Named networks against the kernels that neural-tangents prints for them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from analytic import (
    AveragePooling,
    Convolution,
    GlobalAveragePooling,
    Network,
    kernel,
    lenet,
    myrtle,
    resnet,
)

PRINTED = {
    "lenet erf nngp": (0.0031288465352985973, -0.00013440197314139277, 0.003165110447393579),
    "lenet erf ntk": (0.01590859652233818, -0.0006819447481012253, 0.016100092816141835),
    "myrtle erf nngp": (0.0002006336877721071, -0.00018608996036303987, 0.0002006136876921621),
    "myrtle erf ntk": (0.0010563160607528575, -0.000971767659924143, 0.0010562157502767918),
    "myrtle relu nngp": (0.00240718387180332, 0.0023928534934106625, 0.0024072852412432115),
    "myrtle relu ntk": (0.005974121311969041, 0.005648394844132733, 0.005974411242690429),
    "resnet erf nngp": (0.05864578917606408, 0.056564303871254676, 0.05984774664911416),
    "resnet erf ntk": (0.34512947758945195, 0.327673040651843, 0.3503712150555286),
    "resnet relu nngp": (0.0324074403309503, 0.031526137670215636, 0.03131050275811333),
    "resnet relu ntk": (0.08919610453656177, 0.07882070409132258, 0.08667483715481797),
}
"""K(x, x), K(x, x'), K(x', x') of neural-tangents 0.6.5, its closed forms in float64, as
``benchmarks/named_networks.py values`` prints them; the pixels of x and x' are cos 0, cos 1, ..."""
CASES: dict[str, tuple[Network, tuple[int, ...]]] = {
    "lenet erf": (lenet("erf"), (1, 16, 16)),
    "myrtle erf": (myrtle(5, "erf"), (3, 8, 8)),
    "myrtle relu": (myrtle(5), (3, 8, 8)),
    "resnet erf": (resnet(8, "erf"), (2, 5, 5)),
    "resnet relu": (resnet(8), (2, 5, 5)),
}
"""Networks and images."""
PEER = {"erf": 1e-12, "relu": 1e-8}
"""The peer's own errors: roundings, and the root of one that its relu adds at x = x'."""


@pytest.mark.parametrize("name", CASES)
def test_the_peer_prints_these_kernels(name: str) -> None:
    network, shape = CASES[name]
    x = np.cos(np.arange(2 * np.prod(shape))).reshape(2, *shape)
    found = kernel(network, x, kind="both")
    for kind in ("nngp", "ntk"):
        value = getattr(found, kind)
        scale = np.sqrt(np.outer(np.diag(value), np.diag(value)))
        printed = PRINTED[f"{name} {kind}"]
        apart = np.abs(value[np.triu_indices(2)] - printed) / scale[np.triu_indices(2)]
        assert apart.max() <= 1e-10 + PEER[name.split()[1]]


CROPS = {
    "flatten": (0.22631915756687537, 0.3336627567580506, 0.7217456695026944),
    "pool": (0.14431384336996717, 0.27404778332522534, 0.5663138376798026),
    "pools": (0.0809723141447851, 0.15697397067053906, 0.3289395488618994),
}
"""The tangent kernel that it prints for two 16 x 16 crops of the photographs of scikit-learn, as
``benchmarks/images_speed.py`` cuts them: three 3 x 3 convolutions of erf, weight_std 1/3."""


@pytest.mark.parametrize("readout", CROPS)
def test_the_peer_prints_these_kernels_of_photographs(readout: str) -> None:
    rng, crops = np.random.default_rng(0), list[np.ndarray]()
    for picture in load_sample_images().images:
        y, x = (rng.integers(size - 16) for size in picture.shape[:2])
        crops.append(np.moveaxis(picture[y : y + 16, x : x + 16] / 255.0, -1, 0))
    layer = Convolution("erf", 3, weight_std=1 / 3)
    between = [AveragePooling(2)] * (readout == "pools")
    end = [GlobalAveragePooling()] * (readout != "flatten")
    network = Network(layer, *between, layer, *between, layer, *end)
    found = kernel(network, np.array(crops))[np.triu_indices(2)]
    np.testing.assert_allclose(found, CROPS[readout], rtol=1e-10)
