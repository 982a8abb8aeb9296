"""Models: Docker's model plugin pulls and configures them, and says where they answer.

Calls: ``docker-model ls --json``, ``pull MODEL``, ``configure [--context-size N] MODEL [-- FLAGS]`` and ``status --json``.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, cast

from ...errors import OperationError
from ..events import DONE, ERROR, WARNING, Progress
from ..plugins import MODEL, find_plugin
from .providers import plugin_environment

if TYPE_CHECKING:
    from ...model.service import Service
    from ...model.values import Json
    from ...plan.ops import ConfigureModel
    from .world import World

_FLAGS_SINCE = (1, 0, 6)
"""The first version of the plugin that takes runtime flags."""


def configure_model(world: World, operation: ConfigureModel) -> None:
    """Pull the model unless it is there, configure it, and remember its endpoint. Raises `OperationError`."""
    tree = world.project.models[operation.model]
    shown = f"Model {operation.model}"
    reference = str(tree["model"])
    try:
        if reference not in _available(world):
            world.emit(Progress(shown, "Pulling"))
            _call(world, "pull", reference)
        world.emit(Progress(shown, "Configuring"))
        words = ["configure"]
        if tree.get("context_size"):
            words += ["--context-size", str(tree["context_size"])]
        words.append(reference)
        flags = [str(one) for one in tree.get("runtime_flags") or ()]
        if flags and _version(world) >= _FLAGS_SINCE:
            words += ["--", *flags]
        elif flags:
            needed = ".".join(map(str, _FLAGS_SINCE))
            detail = f"runtime_flags have no effect: they need version {needed} of docker-model"
            world.emit(Progress(f"{shown} flags", "Warning", WARNING, detail=detail))
        _call(world, *words)
        world.model_endpoints[operation.model] = _endpoint(world)
    except OperationError:
        world.emit(Progress(shown, "Error", ERROR))
        raise
    world.emit(Progress(shown, "Configured", DONE))


def model_variables(world: World, service: Service) -> dict[str, str]:
    """What tells a service of its models: MODEL_URL and MODEL_MODEL after each model's name, or the names it asks for."""
    result: dict[str, str] = {}
    for ref, use in (service.get("models") or {}).items():
        prefix = str(ref).upper().replace("-", "_")
        use = use or {}
        result[str(use.get("model_var") or f"{prefix}_MODEL")] = str(world.project.models[ref]["model"])
        result[str(use.get("endpoint_var") or f"{prefix}_URL")] = world.model_endpoints[ref]
    return result


def _available(world: World) -> set[str]:
    listed = _json(_call(world, "ls", "--json"), "ls")
    models = listed if isinstance(listed, list) else []
    tags = [one.get("tags") for one in models if isinstance(one, dict)]
    return {str(tag) for some in tags if isinstance(some, list) for tag in some}


def _endpoint(world: World) -> str:
    status = _json(_call(world, "status", "--json"), "status")
    endpoint = status.get("endpoint") if isinstance(status, dict) else None
    if not endpoint:
        raise OperationError("docker-model status names no endpoint: is the model runner running?")
    return str(endpoint)


def _version(world: World) -> tuple[int, ...]:
    tree = _json(_call(world, "docker-cli-plugin-metadata"), "docker-cli-plugin-metadata")
    text = str(tree.get("Version") or "") if isinstance(tree, dict) else ""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _json(text: str, verb: str) -> Json:
    try:
        return cast("Json", json.loads(text or "null"))
    except ValueError:
        raise OperationError(f"docker-model {verb} did not answer with JSON") from None


def _call(world: World, *words: str) -> str:
    """Run the plugin; what it printed."""
    program = find_plugin(MODEL)
    if program is None:
        raise OperationError("models need Docker's model plugin: no program docker-model was found")
    try:
        done = subprocess.run(
            [program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=world.project.directory,
            env=plugin_environment(world),
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise OperationError(f"{program}: {error.strerror}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        reason = f": {said[-1]}" if said else ""
        raise OperationError(f"docker-model {' '.join(words)} failed with exit code {done.returncode}{reason}")
    return done.stdout
