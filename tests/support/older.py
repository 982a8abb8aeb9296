"""An earlier pycompose out of the repository's history, in an environment of its own with the same dependencies.

older = OlderRelease.install("2996a74", tmp_path)
engine = EngineRoot(root, command=older.command)
"""

from __future__ import annotations

import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

_STAND_IN = """\
import sys
from pycompose.engine.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True)
class OlderRelease:
    """``tree`` is its source, ``environment`` a virtual environment in which the source comes before everything."""

    tree: Path
    environment: Path

    @staticmethod
    def install(commit: str, directory: Path) -> OlderRelease:
        """Skips the test where the history does not reach back to ``commit``."""
        git = ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY)]
        archive = subprocess.run([*git, "archive", commit], capture_output=True, check=False)
        if archive.returncode:
            pytest.skip(f"the history here does not have {commit}: {archive.stderr.decode().strip()}")
        release = OlderRelease(directory / "older", directory / "environment")
        release.tree.mkdir()
        subprocess.run(["tar", "-x", "-C", str(release.tree)], input=archive.stdout, check=True)
        venv.create(release.environment, symlinks=True)
        release._look_in(release.tree)
        return release

    @property
    def command(self) -> tuple[str, str]:
        """Interpreter and keeper's script, for an EngineRoot."""
        package = self.tree / "pycompose"
        keeper = (package if package.is_dir() else self.tree) / "engine" / "runtime" / "keeper.py"
        return str(self.environment / "bin" / "python"), str(keeper)

    def upgrade(self) -> None:
        """From now on its keeper starts the engine of this checkout, as after an upgrade in place."""
        stand_in = self.tree.parent / "stand-in"
        (stand_in / "engine").mkdir(parents=True)
        (stand_in / "engine" / "__init__.py").touch()
        (stand_in / "engine" / "__main__.py").write_text(_STAND_IN)
        self._look_in(stand_in, REPOSITORY)

    def _look_in(self, *directories: Path) -> None:
        """Have the environment import from these, and the dependencies from where this interpreter has them."""
        version = sysconfig.get_python_version()
        path = self.environment / "lib" / f"python{version}" / "site-packages" / "older.pth"
        places = [*map(str, directories), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        path.write_text("".join(f"{place}\n" for place in dict.fromkeys(places)))
