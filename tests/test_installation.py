"""What pip answers to the README's two ways to install.

The indexes are folders of empty wheels with the names, versions and requirements of the real
ones: on Linux, PyPI's torch 2.13.0 requires CUDA libraries (``pip install --dry-run
torch==2.13.0`` lists 5 GB of them), the one of the index for processors is 2.13.0+cpu and
requires none. A version with a local part is later than the one without, and ``==2.13.0`` takes
both: so the second index is enough, whatever the order.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
CUDA = "nvidia-cublas"


def _wheel(folder: Path, name: str, version: str, tag: str, *requires: str) -> None:
    info = f"{name.replace('-', '_')}-{version}"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {required}" for required in requires]
    files = {
        "METADATA": "\n".join(lines),
        "WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{info}-{tag}.whl", "w") as wheel:
        for file, text in files.items():
            wheel.writestr(f"{info}.dist-info/{file}", text)


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """PyPI, and the index of torch for processors."""
    pypi, processors = (tmp_path_factory.mktemp(name) for name in ("pypi", "processors"))
    _wheel(pypi, CUDA, "13.1", "py3-none-any")
    for python in PYTHONS:
        tag = f"cp{python.replace('.', '')}"
        tag = f"{tag}-{tag}-manylinux_2_28_x86_64"
        _wheel(pypi, "torch", _pin(), tag, f'{CUDA}; platform_system == "Linux"')
        _wheel(processors, "torch", f"{_pin()}+cpu", tag)
    return pypi, processors


def _pin() -> str:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith("torch==")).removeprefix("torch==")


def _torch_required() -> str:
    with (ROOT / "pyproject.toml").open("rb") as file:
        required = tomllib.load(file)["project"]["dependencies"]
    return next(r for r in required if r.startswith("torch"))


def _answer(python: str, folder: Path, *indexes: Path) -> dict[str, str]:
    """Names and versions that pip would install for the project's torch on Linux."""
    report = folder / "report.json"
    (folder / "constraints.txt").write_text(f"torch=={_pin()}\n")
    command = [sys.executable, "-m", "pip", "--isolated", "install", "--quiet", "--dry-run"]
    command += ["--ignore-installed", "--only-binary=:all:", "--no-index", "--target", str(folder)]
    command += ["--python-version", python, "--platform", "manylinux_2_28_x86_64"]
    command += ["-c", str(folder / "constraints.txt"), "--report", str(report)]
    command += [part for index in indexes for part in ("--find-links", str(index))]
    subprocess.run([*command, _torch_required()], check=True, capture_output=True)
    found = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    return {item["name"]: item["version"] for item in found}


@pytest.mark.skipif(sys.platform != "linux", reason="pip reads the marker of this platform")
@pytest.mark.parametrize("python", PYTHONS)
def test_the_second_index_brings_torch_for_processors_alone(
    python: str, indexes: tuple[Path, Path], tmp_path: Path
) -> None:
    pypi, processors = indexes
    assert _answer(python, tmp_path, pypi) == {"torch": _pin(), CUDA: "13.1"}
    for order in ((pypi, processors), (processors, pypi)):
        assert _answer(python, tmp_path, *order) == {"torch": f"{_pin()}+cpu"}


def test_the_readme_names_the_index() -> None:
    text = (ROOT / "README.md").read_text()
    assert "pip install -c constraints.txt ." in text
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in text
