"""Which containers of a Compose project are as the project's files say now, and the labels that tell `up` so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from ...convert.container import Facts, create_request
from ...errors import ComposeError
from ...labels import (
    CONFIG_FILES,
    CONFIG_HASH,
    ENVIRONMENT_FILE,
    FIELDS,
    IMAGE,
    KEPT_VOLUMES,
    NUMBER,
    ONEOFF,
    PROJECT,
    SERVICE,
    WORKING_DIR,
    number,
)
from ...plan.digest import content_digests, service_digest
from ..choices import Choices, Silent
from ..session import Session
from .matching import differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...client.bodies.containers import Container
    from ...client.bodies.images import Image
    from ...model import Project
    from .bodies import Draft


HASH_BEFORE = "io.pycompose.hash-before"
"""On a container that has got our configuration hash: the one that Docker Compose had given it, for the way back."""


def given_back(tags: Mapping[str, str]) -> dict[str, str]:
    """Labels for Docker Compose: its own hash again, where the container is the one that it made."""
    if HASH_BEFORE not in tags:
        return dict(tags)
    kept = {name: value for name, value in tags.items() if name not in (HASH_BEFORE, FIELDS)}
    return {**kept, CONFIG_HASH: tags[HASH_BEFORE]}


class Adoption:
    """The projects of some containers, each loaded once from the files that its labels name."""

    def __init__(self, containers: Iterable[Container], api: tuple[int, int]) -> None:
        self._api = api
        self._services: dict[tuple[str, str, str, str], set[str]] = {}
        self._loaded: dict[tuple[str, str, str, str], Project | str] = {}
        for one in containers:
            tags = one["Config"].get("Labels") or {}
            if PROJECT in tags and SERVICE in tags:
                self._services.setdefault(_key(tags), set()).add(tags[SERVICE])

    def labels(
        self, container: Container, draft: Draft, image: Image, made: Mapping[str, str]
    ) -> tuple[dict[str, str], str]:
        """Labels to put over the container's own, and why `up` will replace it ("" when it will not). ``made`` has the target's
        container of each service of the project that is there already."""
        tags = container["Config"].get("Labels") or {}
        if PROJECT not in tags or SERVICE not in tags:
            return {}, ""
        own = {IMAGE: image["Id"]} if IMAGE in tags else {}
        if tags.get(ONEOFF, "False") == "True":
            return own, ""
        project = self._project(_key(tags))
        if isinstance(project, str):
            return own, project
        service = tags[SERVICE]
        if service not in project.services:
            return own, f"its files have no service {service}"
        digest = service_digest(project, service, content_digests(project))
        facts = Facts(api=self._api, image_id=image["Id"], config_hash=digest.config_hash, containers=made)
        try:
            request = create_request(project, service, number(tags, NUMBER, 1), facts)
        except ComposeError as error:
            return own, str(error)
        if request.files:
            return own, "its configs and secrets are put in anew"
        endpoints = request.body["NetworkingConfig"]["EndpointsConfig"]
        names = ({*endpoints, *(name for name, _ in request.connect)}, set(draft.endpoints))
        host = cast("Mapping[str, object]", container["HostConfig"])
        mounted = {"Binds": host.get("Binds"), "Mounts": host.get("Mounts")}
        had = {"Config": draft.config, "HostConfig": {**draft.host, **mounted}}
        kept = frozenset(filter(None, tags.get(KEPT_VOLUMES, "").split(",")))
        body, config = (
            cast("Mapping[str, object]", request.body),
            cast("Mapping[str, object]", image.get("Config") or {}),
        )
        different = list(differences(body, had, config, names, kept))
        if different:
            return own, f"its files say something else now in {', '.join(different)}"
        if FIELDS in tags and tags.get(CONFIG_HASH) == digest.config_hash:
            return own, ""
        fields = json.dumps(digest.fields(), separators=(",", ":"))
        before = {HASH_BEFORE: tags[CONFIG_HASH]} if CONFIG_HASH in tags else {}
        return {**own, **before, CONFIG_HASH: digest.config_hash, FIELDS: fields}, ""

    def _project(self, key: tuple[str, str, str, str]) -> Project | str:
        """The project, or why it cannot be loaded."""
        if key not in self._loaded:
            name, directory, files, environment = key
            choices = Choices(
                files=tuple(filter(None, files.split(","))),
                project_name=name,
                project_directory=directory or None,
                env_files=tuple(filter(None, environment.split(","))),
                services=tuple(sorted(self._services.get(key, ()))),
                directory=directory or "/",
            )
            try:
                self._loaded[key] = Session(choices, Silent([])).project
            except (ComposeError, OSError) as error:
                self._loaded[key] = f"its files cannot be compared: {str(error).splitlines()[0]}"
        return self._loaded[key]


def _key(tags: Mapping[str, str]) -> tuple[str, str, str, str]:
    return tags[PROJECT], tags.get(WORKING_DIR, ""), tags.get(CONFIG_FILES, ""), tags.get(ENVIRONMENT_FILE, "")
