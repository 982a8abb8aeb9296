"""Docker's CLI plugins: programs named ``docker-NAME``, which providers and the model runner come as."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from .. import files

if TYPE_CHECKING:
    from ..errors import Diagnostic
    from ..model import Project

MODEL = "model"
_DIRECTORIES = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)


def find_plugin(name: str) -> str | None:
    """The path of ``docker-NAME``: in the user's plugin directory, those that Docker's configuration adds, the
    system's, or on PATH."""
    program = f"docker-{name}"
    home = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    for directory in (os.path.join(home, "cli-plugins"), *_extra_directories(home), *_DIRECTORIES):
        path = os.path.join(directory, program)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return shutil.which(program)


def _extra_directories(home: str) -> list[str]:
    try:
        found = json.loads(files.read(os.path.join(home, "config.json"), 16 << 20)).get("cliPluginsExtraDirs") or []
    except (OSError, ValueError, AttributeError, RecursionError):
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def missing_model_plugin(project: Project) -> list[Diagnostic]:
    """Every use of a model, with its place, when there is no model runner to ask."""
    from ..errors import Diagnostic

    if find_plugin(MODEL) is not None:
        return []
    return [
        Diagnostic(
            "models need Docker's model plugin: no program docker-model on PATH or among Docker's CLI plugins."
            " Install the package docker-model-plugin, or let a provider service stand in",
            path,
            project.mark(*path),
        )
        for name, service in project.services.items()
        for path in (("services", name, "models", ref) for ref in service.get("models") or ())
    ]
