"""Registry credentials from the docker CLI's configuration file, in the form the Engine API takes them.

Reads ``$DOCKER_CONFIG/config.json`` (or ``~/.docker``): plain ``auths`` and credential helpers. A machine without one
pulls anonymously.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from typing import Any

from . import files
from .errors import OperationError

DOCKER_HUB = "https://index.docker.io/v1/"
HELPER_TIMEOUT = 20.0


def registry_of(ref: str) -> str:
    """The registry host in a reference, Docker Hub's key when it names none."""
    first, slash, _ = ref.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return DOCKER_HUB if first in ("docker.io", "index.docker.io") else first
    return DOCKER_HUB


def registry_auth(ref: str) -> str | None:
    """X-Registry-Auth for pulling or pushing ``ref``; None when nothing is configured.

    Raises `OperationError` when a credential helper is configured that cannot be asked.
    """
    entry = _lookup(_configuration(), registry_of(ref))
    return _encode(entry) if entry else None


def all_registries() -> str | None:
    """X-Registry-Config for a build: what there is for each registry that the file names. A helper that cannot be asked
    has nothing, since the build may need none of it."""
    configuration = _configuration()
    entries = {}
    for host in dict.fromkeys([*(configuration.get("auths") or ()), *(configuration.get("credHelpers") or ())]):
        with contextlib.suppress(OperationError):
            if found := _lookup(configuration, host):
                entries[host] = found
    return _encode(entries) if entries else None


def configuration_file() -> bytes | None:
    """A config.json with every credential that can be had, helpers asked, for whoever has none of its own; None without
    any."""
    configuration = _configuration()
    hosts = dict.fromkeys([*(configuration.get("auths") or {}), *(configuration.get("credHelpers") or {})])
    auths: dict[str, dict[str, str]] = {}
    for host in hosts:
        entry = _lookup(configuration, host)
        if entry and entry.get("identitytoken"):
            auths[host] = {"identitytoken": entry["identitytoken"]}
        elif entry:
            pair = f"{entry['username']}:{entry['password']}".encode()
            auths[host] = {"auth": base64.b64encode(pair).decode()}
    return json.dumps({"auths": auths}).encode() if auths else None


def _encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def _path() -> str:
    directory = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    return os.path.join(directory, "config.json")


def _configuration() -> dict[str, Any]:
    try:
        decoded = json.loads(files.read(_path(), 16 << 20))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(decoded, dict):
        return {}
    return {**decoded, **{name: _object(decoded.get(name)) for name in ("auths", "credHelpers")}}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _lookup(configuration: dict[str, Any], host: str) -> dict[str, str] | None:
    helper = (configuration.get("credHelpers") or {}).get(host) or configuration.get("credsStore")
    if helper:
        found = _ask_helper(str(helper), host)
        if found:
            return found
    entry = (configuration.get("auths") or {}).get(host)
    if not isinstance(entry, dict):
        return None
    if entry.get("identitytoken"):
        return {"identitytoken": str(entry["identitytoken"]), "serveraddress": host}
    if entry.get("auth"):
        try:
            name, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except ValueError:
            return None
        return {"username": name, "password": password, "serveraddress": host}
    return None


def _ask_helper(helper: str, host: str) -> dict[str, str] | None:
    import subprocess

    if "/" in helper:  # it would be looked for below the current directory
        raise OperationError(f"error getting credentials: {helper!r} is no name of a helper; {_path()} names it")
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
            f"error getting credentials: docker-credential-{helper}: {words}; {_path()} names it"
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
