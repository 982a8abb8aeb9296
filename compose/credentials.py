"""Registry credentials from the docker CLI's configuration file, in the form the Engine API takes them.

Reads ``$DOCKER_CONFIG/config.json`` (or ``~/.docker``): plain ``auths`` and credential helpers. A machine without one
pulls anonymously.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

DOCKER_HUB = "https://index.docker.io/v1/"
HELPER_TIMEOUT = 20.0


def registry_of(ref: str) -> str:
    """The registry host in a reference, Docker Hub's key when it names none."""
    first, slash, _ = ref.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return DOCKER_HUB if first in ("docker.io", "index.docker.io") else first
    return DOCKER_HUB


def registry_auth(ref: str) -> str | None:
    """X-Registry-Auth for pulling or pushing ``ref``; None when nothing is configured."""
    entry = _lookup(_configuration(), registry_of(ref))
    return _encode(entry) if entry else None


def all_registries() -> str | None:
    """X-Registry-Config for a build: every plain entry of the file."""
    entries = {host: one for host in _configuration().get("auths") or {} if (one := _lookup(_configuration(), host))}
    return _encode(entries) if entries else None


def _encode(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def _configuration() -> dict[str, Any]:
    directory = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    try:
        with open(os.path.join(directory, "config.json"), encoding="utf-8") as file:
            decoded = json.load(file)
    except (OSError, ValueError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


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

    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=host.encode(),
            capture_output=True,
            timeout=HELPER_TIMEOUT,
            check=True,
        )
        answer = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if answer.get("Username") == "<token>":
        return {"identitytoken": answer["Secret"], "serveraddress": host}
    return {"username": answer.get("Username", ""), "password": answer.get("Secret", ""), "serveraddress": host}
