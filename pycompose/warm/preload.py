"""What a resident has loaded, and whether that is still what is installed."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from .. import compose
from ..compose.dataclass import compile_all

_LEFT_OUT = ("pycompose.compose.deploy", "pycompose.compose.screens", "pycompose.compose.cli.verbs.cluster")
"""Seldom used, and what they need is large or an extra of the installation."""

_OF_OTHERS = [
    "_strptime",
    "anyio._backends._asyncio",
    "asyncio.taskgroups",
    "encodings.idna",
    "encodings.latin_1",
    "jsonschema",
    "networkx",
    "ssl",
    "stringprep",
    "yaml",
    "zoneinfo",
]
"""Loaded by functions of ours and of libraries when they are called."""

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Stamp = dict[str, tuple[int, int, int]]


def load_everything() -> None:
    """Import every module that a command may need. A module that cannot be imported here is left to the command."""
    for name in (*_modules(compose.__path__, f"{compose.__name__}."), *_OF_OTHERS):
        try:
            import_module(name)
        except ImportError:
            continue
    compile_all()


def _modules(places: Iterable[str], prefix: str) -> Iterator[str]:
    """Names below a package, without importing anything of what is left out."""
    for found in iter_modules(places, prefix):
        if found.name.startswith(_LEFT_OUT):
            continue
        yield found.name
        if found.ispkg:
            yield from _modules(import_module(found.name).__path__, f"{found.name}.")


def stamp() -> Stamp:
    """Files and directories of our code and the directories of others', with time, size and inode as they are now."""
    package = os.path.dirname(os.path.abspath(compose.__file__ or ""))
    places = set(sys.path)
    for name, module in sys.modules.copy().items():
        path = getattr(module, "__file__", None)
        if path:
            places.add(os.path.dirname(path))
            if name.partition(".")[0] == "pycompose":
                places.add(path)
    for directory, _, files in os.walk(os.path.join(os.path.dirname(package), "schemas")):
        places.update((directory, *(os.path.join(directory, name) for name in files)))
    return {path: found for path in sorted(places) if (found := _look(path)) is not None}


def is_current(known: Stamp) -> bool:
    """Whether nothing of it has changed since."""
    return all(_look(path) == found for path, found in known.items())


def _look(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


_SAMPLE = """\
name: rehearsal
services:
  one:
    image: a
    command: [b, c]
    environment: {D: e, F: "$G"}
    ports: ["80", "8080:80/udp"]
    volumes: [data:/data, "./here:/there:ro"]
    networks: [inner]
    healthcheck: {test: "n", interval: 5s}
    depends_on: {two: {condition: service_healthy}}
    labels: [h=i]
    deploy: {resources: {limits: {cpus: "1", memory: 64m}}}
  two:
    build: .
    extends: {service: three}
    healthcheck: {test: [CMD, j], retries: 3}
    restart: always
  three:
    image: k
    ulimits: {nofile: 1024}
networks: {inner: {}}
volumes: {data: {}}
configs: {l: {content: m}}
"""


def rehearse() -> None:
    """Load and print a project that touches no file: what is compiled at its first use (schemas, data classes, regular
    expressions) is compiled once for all commands."""
    from ..compose.load import load_project
    from ..compose.load.conformance import ignored, refused
    from ..compose.load.dump import to_json
    from ..compose.load.yamldump import to_yaml
    from ..compose.model import LoadOptions
    from ..compose.plan.observe import Snapshot
    from ..compose.plan.reconcile.options import UpOptions
    from ..compose.plan.reconcile.up import reconcile_up

    options = LoadOptions(files=("-",), stdin=_SAMPLE, environment={"G": "n"}, cwd=Path("/"))
    project = load_project(options, cached=False)
    to_json(project)
    to_yaml(project)
    refused(project)
    ignored(project)
    reconcile_up(project, Snapshot(project.name), UpOptions(), {})
