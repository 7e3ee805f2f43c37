"""The leading spectrum of K_0: against known spectra, its rounding, its fit, its file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from analytic import FullyConnected, Network, kernel
from compare import Inputs, Spectrum, lenet5, spectrum
from compare.command.cli import main
from compare.low_rank import FIGURE_ONE, figure_one
from compare.low_rank.power_tail import fit_tail
from empirical import FiniteNetwork, tangent_kernel

NETWORK = Network(FullyConnected("softplus"))


def linear(seed: int) -> nn.Module:
    """K_0 = x x'."""
    del seed
    return nn.Linear(200, 1, bias=False).double()


class Gaussian:
    """Standard normal vectors."""

    def __call__(self, n: int, generator: np.random.Generator) -> np.ndarray:
        return generator.standard_normal((n, 200))


def test_a_linear_module_has_the_spectrum_of_marchenko_and_pastur() -> None:
    """K_0/n of standard normal x in d = 200: edges (1 +- sqrt(d/n))^2, mean d/n."""
    inputs = Inputs("normal", (200,), None, Gaussian())
    found = spectrum(linear, inputs, seeds=3, points=800, eigenvalues=800, progress=False)
    edges = (1 + np.array([1, -1]) * np.sqrt(200 / 800)) ** 2
    # edges fluctuate by n^(-2/3); the mean by sqrt(2 d)/n over its size, twice three seeds
    assert_allclose(found.eigenvalues[:, 0], edges[0], rtol=0.06)
    assert_allclose(found.eigenvalues[:, 199], edges[1], rtol=0.12)
    assert_allclose(found.eigenvalues.sum(axis=1) / 800, 200 / 800, rtol=4 * np.sqrt(2 / 160000))
    assert np.all(found.eigenvalues[:, 200:] <= 10 * found.floors[:, None])
    assert found.limit is None
    assert found.holds is False  # every one of 200 dimensions is as good as another


def test_eigenvalues_are_those_of_each_network_on_its_batch_and_of_the_limit() -> None:
    digits = Inputs.digits()
    found = spectrum(NETWORK, digits, width=32, seeds=2, points=30, eigenvalues=12)
    x = digits.sample(30, seed=1)
    f = FiniteNetwork(NETWORK, (64,), 32, seed=1, antisymmetric=False)
    exact = torch.linalg.eigvalsh(tangent_kernel(f, torch.from_numpy(x)) / 30).flip(0)[:12]
    assert_allclose(found.eigenvalues[1], exact, rtol=0, atol=1e-14 * float(exact[0]))
    limit = np.linalg.eigvalsh(kernel(NETWORK, x) / 30)[::-1][:12]
    assert found.limit is not None
    assert_allclose(found.limit[1], limit, rtol=0, atol=1e-14 * limit[0])


def test_wide_networks_have_the_spectrum_of_the_limit_and_others_do_not() -> None:
    digits = Inputs.digits(scale="pixels")
    sizes: dict[str, Any] = {"seeds": 3, "points": 60, "eigenvalues": 25, "width": 4096}
    near = spectrum(NETWORK, digits, **sizes).deviation
    far = spectrum(NETWORK, digits, limit=Network(FullyConnected("sin")), **sizes).deviation
    assert near is not None
    assert far is not None
    assert near < 0.05 < far


def test_the_floor_is_what_rounding_makes_of_the_eigenvalues() -> None:
    digits = Inputs.digits()
    kinds = (torch.float32, torch.float64)
    sizes: dict[str, Any] = {"width": 64, "seeds": 2, "points": 200, "eigenvalues": 200}
    narrow, wide = (spectrum(NETWORK, digits, dtype=kind, **sizes) for kind in kinds)
    error = np.abs(narrow.eigenvalues - wide.eigenvalues)
    assert np.all(error <= narrow.floors[:, None] * 2)
    assert np.all(error.max(axis=1) >= narrow.floors / 100)
    assert narrow.tail().last < wide.tail().last


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.5])
def test_the_tail_has_the_exponent_that_it_was_made_with(exponent: float) -> None:
    k = np.arange(1, 301.0)
    noise = np.random.default_rng(2).standard_normal((40, 10, 300))
    covered = 0
    for part in noise:
        rows = k**-exponent * np.exp(0.2 * part) * np.where(k < 10, 5.0, 1.0)
        tail = fit_tail(rows, np.zeros(10), 10, 300)
        covered += tail.interval[0] <= exponent <= tail.interval[1]
    assert covered >= 32  # 95 % of 40, less four standard errors
    sharp = fit_tail(k[None] ** -exponent, np.zeros(1), 10, 200)
    assert_allclose((sharp.exponent, sharp.constant), (exponent, 1.0), rtol=1e-12)
    assert (sharp.first, sharp.last) == (10, 200)


def test_the_tail_ends_where_rounding_begins() -> None:
    row = np.maximum(0.5 ** np.arange(60.0), 1e-9)[None]
    tail = fit_tail(row, np.array([1e-9]), 10, 60)
    assert tail.last == int(np.sum(row > 1e-8))
    with pytest.raises(ValueError, match="at least 3 eigenvalues above the rounding"):
        fit_tail(row, np.array([1e-3]), 10, 60)


def test_a_spectrum_of_one_eigenvalue_has_a_record_without_a_power_law() -> None:
    def constant(seed: int) -> nn.Module:
        return nn.Linear(40, 1, bias=False).double()

    inputs = Inputs.array(np.ones((20, 40)))
    found = spectrum(constant, inputs, seeds=2, points=20, eigenvalues=10)
    assert found.holds is True
    assert "too few are above the rounding" in str(found)
    assert "exponent" not in found.answers()
    assert found.plot().get_yscale() == "log"
    one = spectrum(NETWORK, Inputs.sphere(3), width=16, seeds=1, points=30, eigenvalues=16)
    assert "with a = " in str(one)


def test_a_record_comes_back_from_its_file(tmp_path: Path) -> None:
    for network in (NETWORK, linear):
        inputs = Inputs.sphere(200 if network is linear else 3)
        found = spectrum(network, inputs, width=16, seeds=2, points=30, eigenvalues=16)
        found.save(tmp_path / "spectrum.npz")
        again = Spectrum.load(tmp_path / "spectrum.npz")
        assert str(again) == str(found)
        assert again.answers() == found.answers()
        assert_array_equal(again.eigenvalues, found.eigenvalues)
        assert (again.limit is None) == (found.limit is None)
        assert found.table().rows[0][1] == "1"


def test_lenet_is_the_same_for_28_and_32_pixels_and_for_the_same_seed() -> None:
    x = torch.rand(2, 1, 28, 28)
    padded = nn.functional.pad(x, (2, 2, 2, 2))
    assert torch.equal(lenet5(3)(x), lenet5(3)(padded))
    before = torch.random.get_rng_state()
    assert not torch.equal(lenet5(3)(x), lenet5(4)(x))
    assert torch.equal(before, torch.random.get_rng_state())


def test_where_the_network_does_not_answer_the_digits_stand_in_and_the_title_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def silent() -> None:
        raise OSError("no network")

    monkeypatch.setattr("compare.rho.inputs.mnist", silent)
    monkeypatch.setattr("compare.rho.inputs.cifar10", silent)
    for case, name in (("lenet5", "in place of MNIST"), ("softplus", "in place of CIFAR-10")):
        found = figure_one(case, seeds=2, points=20, eigenvalues=16)  # pyright: ignore[reportArgumentType]
        assert name in found.plot().get_title()
    assert FIGURE_ONE["softplus"].width == 4000


def run(*arguments: str) -> int:
    try:
        main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_writes_figure_and_numbers_of_a_data_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32)).astype(np.uint8)
    np.savez(tmp_path / "cifar.npz", x=images)
    few = ["-s", "2", "-p", "30", "-k", "20"]
    file = str(tmp_path / "cifar.npz")
    code = run("spectrum", "-o", str(tmp_path / "out"), "-c", "softplus", "-d", file, *few)
    printed = capsys.readouterr().out
    assert code == 0
    assert "cifar10(scale=pixels, sha256=" in printed
    assert (tmp_path / "out" / "spectrum.png").stat().st_size > 5000
    found = Spectrum.load(tmp_path / "out" / "softplus.npz")
    assert found.eigenvalues.shape == (2, 20)
    assert found.config["parameters"] == 3072 * 4000 + 4000
    code = run("spectrum", "-o", str(tmp_path), "-n", repr(NETWORK), "-m", "16", *few)
    assert code == 0
    assert "digits(scale=sphere)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-c", "resnet"], "expected the case lenet5, softplus or both, got 'resnet'"),
        (["-d", "file.npz"], "expected one case for the file file.npz, got both"),
        (["-c", "lenet5", "-d", "missing.npz"], "missing.npz, which does not exist"),
        (["-c", "lenet5", "-d", "."], "got ., which is a folder"),
        (["-n", repr(NETWORK), "-d", "digits"], "expected --inputs for another network"),
        (["-n", repr(NETWORK), "-p", "0", "-k", "1"], "at least 1 point, got 0"),
        (["-c", "softplus", "-d", "{other}"], "expected the key x .* got images"),
        (["-c", "lenet5", "-d", "{square}"], r"got float64 of shape \(3, 5, 5\)"),
        (["-n", repr(NETWORK), "-k", "31"], "between 1 and 30 eigenvalues of 30 points, got 31"),
        (["-n", repr(NETWORK), "-p", "1800"], "at most 1797 points of digits"),
        (["-n", repr(NETWORK), "-s", "0"], "at least 1 seed, got 0"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_two(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"other": {"images": np.ones((3, 3072))}, "square": {"x": np.ones((3, 5, 5))}}
    for name, arrays in files.items():
        np.savez(tmp_path / f"{name}.npz", **arrays)  # pyright: ignore[reportArgumentType]
    places = {name: str(tmp_path / f"{name}.npz") for name in files}
    given = [a.format(**places) if a.startswith("{") else a for a in arguments]
    few = [] if {"-p", "-k"} & set(given) else ["-k", "20"]
    few += [] if "-p" in given else ["-p", "30"]
    assert run("spectrum", "-o", str(tmp_path / "out"), *few, *given) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(message, line), line


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda i: spectrum(nn.Linear(3, 1), i), TypeError, "function of a seed .* got Linear"),  # pyright: ignore[reportArgumentType]
        (lambda i: spectrum("tanh", i), TypeError, "function of a seed .* got str"),  # pyright: ignore[reportArgumentType]
        (lambda i: spectrum(NETWORK, i, output=True), TypeError, "expected an index as output"),
        (lambda i: figure_one("left"), ValueError, "case lenet5 or softplus .* got 'left'"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_wrong_arguments_are_refused(
    call: Callable[[Inputs], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(Inputs.sphere(3))
