"""Golden Compose cases: a directory each, with its files, `case.json` and what Docker Compose 2.26 said (`expected.json`)
or, where it refused, what pycompose says instead (`expected.txt`).

Cases are loaded from a copy below a fixed-depth directory, and that directory reads ``/project`` in what is compared.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycompose.compose.errors import ComposeError
from pycompose.compose.load import dump
from pycompose.compose.load.pipeline import load_project
from pycompose.compose.model import LoadOptions

ROOT = Path(__file__).parent.parent / "golden" / "compose"
HOME = "/home/user"
ORACLE_VERSION = "2.26"


def _oracle() -> str | None:
    """The docker command when its compose plugin is the version that the expected files are from."""
    docker = shutil.which("docker")
    if docker is None:
        return None
    version = subprocess.run([docker, "compose", "version", "--short"], capture_output=True, text=True, check=False)
    return docker if version.stdout.removeprefix("v").startswith(ORACLE_VERSION) else None


ORACLE = _oracle()


@dataclass(frozen=True)
class Case:
    name: str
    config: dict[str, Any]

    @property
    def source(self) -> Path:
        return ROOT / self.name

    @property
    def asks_oracle(self) -> bool:
        return bool(self.config.get("oracle", True))

    def expected(self) -> str | None:
        path = self.source / "expected.json"
        return path.read_text() if path.exists() else None

    def copy(self, into: Path) -> Path:
        """A copy of the case to load from; its name is the project's."""
        target = into / "project"
        shutil.copytree(self.source, target, ignore=shutil.ignore_patterns("case.json", "expected.*"))
        return target

    def environment(self) -> dict[str, str]:
        return {"HOME": HOME, "PATH": os.environ["PATH"], **self.config.get("env", {})}

    def options(self, directory: Path) -> LoadOptions:
        return LoadOptions(
            files=tuple(self.config.get("files", ())),
            env_files=tuple(self.config.get("env_files", ())),
            profiles=tuple(self.config.get("profiles", ())),
            environment=self.environment(),
            cwd=directory,
            stdin=self.config.get("stdin"),
        )

    def ask(self, directory: Path) -> tuple[int, str, str]:
        """What Docker Compose says: exit code, JSON with ``/project`` as the directory, last line of its errors."""
        assert ORACLE is not None
        command = [ORACLE, "compose"]
        for flag, key in (("-f", "files"), ("--env-file", "env_files"), ("--profile", "profiles")):
            for value in self.config.get(key, ()):
                command += [flag, value]
        done = subprocess.run(
            [*command, "config", "--format", "json"],
            cwd=directory,
            env={"DOCKER_CONFIG": os.path.expanduser("~/.docker"), **self.environment()},
            input=self.config.get("stdin", ""),
            capture_output=True,
            text=True,
            timeout=60,
        )
        return (
            done.returncode,
            relative(done.stdout, directory),
            relative(done.stderr.strip().split("\n")[-1], directory),
        )


def relative(text: str, directory: Path) -> str:
    return text.replace(str(directory), "/project")


def cases() -> list[Case]:
    return [Case(path.parent.name, json.loads(path.read_text())) for path in sorted(ROOT.glob("*/case.json"))]


def load(case: Case, directory: Path) -> tuple[str | None, str]:
    """The JSON of the project, or None, and the text of the error or warnings."""
    try:
        project = load_project(case.options(directory))
    except ComposeError as error:
        return None, relative(str(error), directory) + "\n"
    return relative(dump.to_json(project), directory) + "\n", "".join(
        relative(f"{warning}\n", directory) for warning in project.warnings
    )
