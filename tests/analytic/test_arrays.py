"""Whatever is more than an array of real numbers gets one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from analytic import FullyConnected, Network, ensemble, kernel, predict
from analytic.arrays import numbers
from compare import Inputs

NETWORK = Network(FullyConnected("relu"))


class Length(np.ndarray):
    """Numbers in a unit, as astropy and unyt have them."""

    units = "m"


MASKED = np.ma.masked_invalid([[1.0, np.nan], [2.0, 3.0]])
MORE: list[tuple[Any, str]] = [
    (MASKED, "a masked array; its mask would be lost"),
    ([MASKED[0], MASKED[1]], "a masked array"),
    (sparse.eye_array(2, format="csr"), r"a sparse csr_array; pass x\.toarray"),
    (sparse.eye_array(2, format="coo"), "a sparse coo_array"),
    (np.ones(2, dtype=[("a", float), ("b", float)]), "structured one with the fields a, b"),
    (np.ones((2, 2)).view(Length), "a Length with units"),
    (np.ones((2, 2)) + 0j, r"complex128; pass x\.real"),
    (torch.ones(2, 2).to(torch.complex64), r"complex64; pass x\.real"),
    (np.array([["a", "b"]]), "dtype <U1"),
    (np.ones((2, 2), dtype=object), "dtype object"),
    ([[1.0], [1.0, 2.0]], "list that makes none"),
    (np.array(["2026-01-01"], dtype="datetime64[D]"), "datetime64"),
    (torch.eye(2).to_sparse(), r"layout torch.sparse_coo; pass x\.to_dense"),
    (torch.ones(2, 2, device="meta"), "the meta device"),
]


@pytest.mark.parametrize(("x", "message"), MORE)
def test_what_would_be_lost_is_refused(x: Any, message: str) -> None:
    for take in (lambda: numbers("x", x), lambda: kernel(NETWORK, x), lambda: Inputs.array(x)):
        with pytest.raises(TypeError, match=message):
            take()


def test_predictions_refuse_masks_as_well() -> None:
    k = np.eye(2)
    with pytest.raises(TypeError, match="k_train, got a masked array"):
        predict(MASKED, k, [1.0, 2.0])
    with pytest.raises(TypeError, match="y, got a masked array"):
        predict(k, k, np.ma.masked_equal([1.0, 2.0], 1.0))
    with pytest.raises(TypeError, match="expected both kernels as train, got ndarray"):
        ensemble(k, k, k, [1.0, 2.0])  # pyright: ignore[reportArgumentType]


def test_tensors_are_taken_with_a_graph_and_in_any_format() -> None:
    exact = np.array([[1.0, 0.5], [0.25, 2.0]])
    wanted = kernel(NETWORK, exact)
    for x in (torch.tensor(exact, requires_grad=True), torch.tensor(exact).bfloat16(),
              torch.tensor(exact).half(), torch.tensor(exact).conj()):  # fmt: skip
        assert np.array_equal(kernel(NETWORK, x), wanted)
