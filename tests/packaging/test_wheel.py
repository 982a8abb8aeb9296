"""What a release is: the wheel and the sdist as they are built, installed beside strangers' packages of the same short names."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

STRANGERS = ("compose", "engine", "schemas", "tests")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist and the wheel that is built from it."""
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=110)
    return target


@pytest.fixture(scope="module")
def python(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment that has the wheel, what it depends on, and strangers' packages."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(home), "platbase": str(home)}))
    (wheel,) = distributions.glob("*.whl")
    target = home / "bin" / "python"
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(target),
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=110)
    # Dependencies are those of this run. A .pth file found by way of another is not read, so the checkout stays out of sight.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in STRANGERS:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(f"whose = 'the {name} of somebody else'\n")
    return target


def _run(python: Path, *arguments: str, directory: Path) -> str:
    done = subprocess.run(
        [str(python), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_name_at_the_top(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {name for name in tops if not name.endswith((".dist-info", ".data"))} == {"pycompose"}
    # What goes elsewhere is the command alone.
    assert [name.partition(".data/")[2] for name in names if ".data/" in name] == ["scripts/pycompose"]


def test_the_command_imports_what_it_needs(python: Path) -> None:
    """The script is ours: the one that pip writes loads `re` first."""
    script = python.with_name("pycompose").read_text().splitlines()
    assert script[0] == f"#!{python}"
    assert [line for line in script if "import" in line] == ["from pycompose.launcher import main"]


def test_the_module_is_the_command_as_well(python: Path, tmp_path: Path) -> None:
    assert _run(python, "-m", "pycompose", "version", directory=tmp_path).startswith("pycompose version ")


def test_the_sdist_has_what_a_reader_expects(distributions: Path) -> None:
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    for name in (
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "pycompose/engine/runtime/keeper.py",
        "pycompose/schemas/compose.json",
    ):
        assert name in names
    assert not any("__pycache__" in name for name in names)


def test_the_description_is_accepted(distributions: Path) -> None:
    files = [str(path) for path in distributions.iterdir()]
    done = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_strangers_of_the_same_names(python: Path, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("name: demo\nservices:\n  web: {image: busybox}\n")
    command = str(python.with_name("pycompose"))
    assert "demo" in _run(python, command, "config", directory=tmp_path)
    for name in STRANGERS:
        assert "somebody else" in _run(python, "-c", f"import {name}; print({name}.whose)", directory=tmp_path)


@pytest.mark.root
def test_the_engine_of_the_wheel(python: Path, tmp_path: Path) -> None:
    command = [str(python.with_name("pycompose")), "--root", str(tmp_path / "root")]
    try:
        assert "pycompose" in _run(python, *command, "system", "info", directory=tmp_path)
    finally:
        _run(python, *command, "engine", "stop", directory=tmp_path)


def test_the_library_is_typed(python: Path, tmp_path: Path) -> None:
    """A program that uses it passes mypy --strict against what is installed, and a wrong use does not."""
    example = (ROOT / "examples" / "library" / "backup.py").read_text()
    wrong = "from pycompose import Stack\n\nreached: int = Stack('compose.yaml', profile='x').address('web', '80')\n"
    (tmp_path / "backup.py").write_text(example)
    (tmp_path / "wrong.py").write_text(wrong)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-executable", str(python)]
    found = {}
    for name in ("backup.py", "wrong.py"):
        done = subprocess.run([*command, name], cwd=tmp_path, capture_output=True, text=True, timeout=110)
        found[name] = done.stdout
    assert "Success: no issues found" in found["backup.py"], found["backup.py"]
    for mistake in ('"profile"', "[arg-type]", "[assignment]"):
        assert mistake in found["wrong.py"], found["wrong.py"]
