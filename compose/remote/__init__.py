"""Compose files from elsewhere: git repositories and artifacts in OCI registries, fetched into a cache and then read as files.

    https://host/path.git[#ref[:directory]]   ssh://, file:// and git@host:path.git alike
    oci://registry/repository[:tag][@digest]  as `docker compose publish` writes them

A git source is cached by commit, an artifact by digest: what a name means now is asked for at every load. Whether a text is
such a name is decided here without importing anything; how it is fetched is in `git` and `oci`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from .place import cache_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

_GIT = re.compile(
    r"(?:https?://[^\s#]+\.git|(?:ssh|git|file)://[^\s#]+|[\w.-]+@[\w.-]+:(?!//)[^\s#]+\.git)(?:\#\S*)?", re.ASCII
)
OCI = "oci://"


def is_remote(text: str) -> bool:
    """Whether ``text`` names a Compose file elsewhere rather than a path."""
    return text.startswith(OCI) or _GIT.fullmatch(text) is not None


def fetch(text: str, environment: Mapping[str, str]) -> str:
    """The path of the Compose file that ``text`` names, fetched where the cache lacks it. Raises `OperationError`."""
    if text.startswith(OCI):
        from .oci import fetch_artifact

        return fetch_artifact(text.removeprefix(OCI), environment)
    from .git import fetch_repository

    return fetch_repository(text, environment)


def place(directory: str, environment: Mapping[str, str]) -> str:
    """What stays the same of a project's directory from one version of its source to the next: below the cache, the
    directory without the version; any other directory is its own real path."""
    root = os.path.realpath(cache_directory(environment))
    real = os.path.realpath(directory)
    if not real.startswith(f"{root}/"):
        return real
    kind, source, _, *rest = real.removeprefix(f"{root}/").split("/")
    return "/".join((root, kind, source, *rest))
