"""Registry credentials from the docker CLI's configuration file, in the form the Engine API takes them.

Plain ``auths`` in every form that clients have written, and credential helpers. A machine without the file pulls
anonymously.
"""

from __future__ import annotations

import base64
import contextlib
import json
from typing import TYPE_CHECKING

from ...grammar.references import DEFAULT_DOMAIN, LEGACY_DOMAIN, split_domain
from ..errors import OperationError
from . import docker_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...grammar.jsontree import Json, Object
    from .docker_config import Configuration

DOCKER_HUB = "https://index.docker.io/v1/"
_HUB_NAMES = (DEFAULT_DOMAIN, LEGACY_DOMAIN, "registry-1.docker.io")
_TOKENS = ("identitytoken", "registrytoken")
HELPER_TIMEOUT = 20.0


def registry_of(ref: str) -> str:
    """The registry host in a reference, Docker Hub's key when it names none."""
    domain, _ = split_domain(ref)
    return DOCKER_HUB if domain in _HUB_NAMES else domain


def registry_auth(ref: str) -> str | None:
    """X-Registry-Auth for pulling or pushing ``ref``; None when nothing is configured.

    Raises `OperationError` when a credential helper is configured that cannot be asked.
    """
    entry = _lookup(docker_config.read(), registry_of(ref))
    return _encode(entry) if entry else None


def login_of(host: str) -> tuple[str, str] | None:
    """Name and password for a registry, as `registry_of` names it; None when there are none, or a token in their place.

    Raises `OperationError` when a credential helper is configured that cannot be asked.
    """
    entry = _lookup(docker_config.read(), host) or {}
    return (entry["username"], entry.get("password", "")) if entry.get("username") else None


def all_registries() -> str | None:
    """X-Registry-Config for a build: what there is for each registry that the file names. A helper that cannot be asked
    has nothing, since the build may need none of it."""
    configuration = docker_config.read()
    entries = {}
    for host in _hosts(configuration):
        with contextlib.suppress(OperationError):
            if found := _lookup(configuration, host):
                entries[host] = found
    return _encode(entries) if entries else None


def configuration_file() -> bytes | None:
    """A config.json with every credential that can be had, helpers asked, for whoever has none of its own; None without
    any."""
    configuration = docker_config.read()
    auths: dict[str, dict[str, str]] = {}
    for host in _hosts(configuration):
        entry = _lookup(configuration, host)
        if entry is None:
            continue
        auths[host] = {name: entry[name] for name in _TOKENS if name in entry}
        if entry.get("username"):
            pair = f"{entry['username']}:{entry.get('password', '')}".encode()
            auths[host]["auth"] = base64.b64encode(pair).decode()
    return json.dumps({"auths": auths}).encode() if auths else None


def _hosts(configuration: Configuration) -> list[str]:
    """The registries that the file names, each once, as `registry_of` names them."""
    keys = [*configuration.table("auths"), *configuration.table("credHelpers")]
    return list(dict.fromkeys(DOCKER_HUB if host_of(key) in _HUB_NAMES else host_of(key) for key in keys))


def _encode(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def host_of(key: str) -> str:
    """The host of a key: clients have written ``host``, ``host/``, ``https://host``, ``http://host/v2/``…"""
    return key.partition("://")[2 if "://" in key else 0].partition("/")[0]


def find(table: Object, host: str) -> Json:
    """What a table of registries has for ``host``: under that very key, else under another form of it."""
    if host in table:
        return table[host]
    names = _HUB_NAMES if host == DOCKER_HUB else (host,)
    return next((value for key, value in table.items() if host_of(key) in names), None)


def _lookup(configuration: Configuration, host: str) -> dict[str, str] | None:
    helper = find(configuration.table("credHelpers"), host) or configuration.tree.get("credsStore")
    if helper and (found := _ask_helper(str(helper), host, configuration.path)):
        return found
    entry = find(configuration.table("auths"), host)
    return _from_entry(entry, host) if isinstance(entry, dict) else None


def _from_entry(entry: Object, host: str) -> dict[str, str] | None:
    """An entry as the Engine API takes it; None when it says nothing. ``auth`` wins over ``username`` and ``password``."""
    found = {name: str(entry[name]) for name in ("username", "password", *_TOKENS) if entry.get(name)}
    if entry.get("auth"):
        try:
            name, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
        except ValueError:
            return None
        found |= {"username": name, "password": password.rstrip("\0")}
    return {**found, "serveraddress": host} if found.get("username") or any(map(found.get, _TOKENS)) else None


def _ask_helper(helper: str, host: str, path: str) -> dict[str, str] | None:
    import subprocess

    if "/" in helper:  # it would be looked for below the current directory
        raise OperationError(f"error getting credentials: {helper!r} is no name of a helper; {path} names it")
    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=host.encode(),
            capture_output=True,
            timeout=HELPER_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        words = "executable file not found in $PATH" if isinstance(error, FileNotFoundError) else str(error)
        raise OperationError(
            f"error getting credentials: docker-credential-{helper}: {words}; {path} names it"
        ) from error
    try:
        answer = json.loads(done.stdout) if done.returncode == 0 else {}
    except ValueError:
        answer = {}
    if not isinstance(answer, dict) or "Secret" not in answer:
        return None
    if answer.get("Username") == "<token>":
        return {"identitytoken": answer["Secret"], "serveraddress": host}
    return {"username": answer.get("Username", ""), "password": answer.get("Secret", ""), "serveraddress": host}
