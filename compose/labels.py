"""The labels that tie engine objects to a project, as Docker Compose writes them, and the names derived from them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .model import Project

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
CONFIG_HASH = "com.docker.compose.config-hash"
CONFIG_FILES = "com.docker.compose.project.config_files"
WORKING_DIR = "com.docker.compose.project.working_dir"
ENVIRONMENT_FILE = "com.docker.compose.project.environment_file"
ONEOFF = "com.docker.compose.oneoff"
DEPENDS_ON = "com.docker.compose.depends_on"
IMAGE = "com.docker.compose.image"
REPLACE = "com.docker.compose.replace"
SLUG = "com.docker.compose.slug"
VERSION = "com.docker.compose.version"
NETWORK = "com.docker.compose.network"
VOLUME = "com.docker.compose.volume"

_DIGITS = 9

FIELDS = "io.pycompose.fields"
"""Digests of the canonical service's leaves: what lets a later plan name the fields that changed."""

KEPT_VOLUMES = "io.pycompose.kept-volumes"
"""Anonymous volumes taken over from an earlier container: by name now, so that no engine counts them as anonymous."""

PRE_STOP = "io.pycompose.pre-stop"
"""The service's pre_stop hooks as JSON, so that whoever stops the container needs no model."""

POST_START = "io.pycompose.post-start"
"""The service's post_start hooks as JSON, for `start` and `restart`."""

PENDING = "io.pycompose.pending"
"""Shown by our own engine on a container whose start is not complete: its post_start hooks were cut off, or have failed."""

PRE_START = "io.pycompose.pre-start"
"""The service's pre_start hooks as JSON, so that whoever starts the container for the first time needs no model."""

HOOK = "com.docker.compose.hook"
"""On the container of a hook: which kind of hook it runs, ``pre_start``."""

HOOK_INDEX = "io.pycompose.hook-index"
"""On the container of a hook: its place in the service's list."""

HOOK_FOR = "io.pycompose.hook-for"
"""On the container of a hook: the id of the container whose start it precedes."""

LEASE = "io.pycompose.lease"
"""The lease that an object goes with."""

DEBUG = "io.pycompose.debug"
"""On a container of `debug`: the id of the container that is looked at."""

UNFINISHED = "unfinished_"
"""How the name of a container begins that still lacks networks, configs or secrets: it gets its own name as the last step of
its creation, which no engine does by halves. A label could not be taken off again."""

COMPATIBLE_VERSION = "2.26.1"
"""The Docker Compose version whose labels, names and resources these are; scripts compare it."""


def belongs(tags: Mapping[str, str]) -> bool:
    """Whether a container with these labels was made by Compose. Images that it built carry the project's label too, and so
    does whatever container is run from one by other means."""
    return ONEOFF in tags or HOOK in tags


def number(tags: Mapping[str, str], label: str, otherwise: int) -> int:
    """A label's number; ``otherwise`` where there is none, whatever somebody has written there."""
    text = str(tags.get(label) or "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else otherwise


def container_name(project: Project, service: str, number: int) -> str:
    """The name of a container whose service gives it none."""
    return project.separator.join((project.name, service, str(number)))


def hook_container_name(project: str, service: str, index: int, number: int = 0) -> str:
    """The container of step ``index`` of pre_start; ``number`` where it runs for one replica."""
    words = (project, service, *((str(number),) if number else ()), "pre_start", str(index))
    return "-".join(words)


def short_name(name: str, project: str) -> str:
    """``project-service-1`` as ``service-1``: what log prefixes show."""
    return name.removeprefix(f"{project}-").removeprefix(f"{project}_")


def normalize_project_name(name: str) -> str:
    """A directory's base name as a project name: lower case, only letters, digits, dash and underscore."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")


def valid_project_name(name: str) -> bool:
    return re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name) is not None


def image_name(project: Project, service: str) -> str:
    """The reference a service runs: its ``image``, or the name given to what it builds."""
    tree = project.services.get(service) or project.disabled_services[service]
    return str(tree.get("image") or f"{project.name}{project.separator}{service}")


def dependent_images(project: Project, service: str) -> list[str]:
    """References that a service needs besides the one it runs: images of pre_start hooks and images it mounts."""
    tree = project.services[service]
    found = [hook.get("image") for hook in tree.get("pre_start") or ()]
    found += [item.get("source") for item in tree.get("volumes") or () if item.get("type") == "image"]
    return list(dict.fromkeys(str(ref) for ref in found if ref and ref != image_name(project, service)))


def service_images(project: Project, service: str) -> list[str]:
    """Every reference that the containers of ``service`` need."""
    return [image_name(project, service), *dependent_images(project, service)]


def network_name(project: Project, key: str) -> str:
    tree = project.networks.get(key) or {}
    return str(tree.get("name") or f"{project.name}_{key}")


def volume_name(project: Project, key: str) -> str:
    tree = project.volumes.get(key) or {}
    return str(tree.get("name") or f"{project.name}_{key}")
