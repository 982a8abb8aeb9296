"""Credentials of the user who runs the engine: ~/.docker/config.json and its credential helpers.

Used when a request brings no X-Registry-Auth of its own. Nothing is ever written or logged here.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ...shapes import members
from ..reference import DEFAULT_DOMAIN
from ..types import Auth
from .endpoints import domain_of_key

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

_HUB_KEY = "https://index.docker.io/v1/"
_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_TIMEOUT = 20.0


def lookup(domain: str, env: Mapping[str, str]) -> Auth | None:
    """Credentials for a registry domain, or None. Unreadable or foreign configuration counts as none, and is logged."""
    directory = env.get("DOCKER_CONFIG") or (f"{env['HOME']}/.docker" if env.get("HOME") else "")
    if not directory:
        return None
    path = Path(directory, "config.json")
    try:
        config = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.warning("credentials are not used: %s: %s", path, error)
        return None
    if not isinstance(config, dict):
        log.warning("credentials are not used: %s is not a JSON object", path)
        return None
    helper = _find(config.get("credHelpers"), domain) or config.get("credsStore")
    if isinstance(helper, str):
        key = _HUB_KEY if domain == DEFAULT_DOMAIN else domain
        if auth := _from_helper(helper, key, env):
            return auth
    return _from_entry(members(_find(config.get("auths"), domain)))


def _find(table: object, domain: str) -> object:
    """What a table of registries has for ``domain``: under that very key, else under another form of it."""
    found = members(table)
    if domain in found:
        return found[domain]
    return next((value for key, value in found.items() if domain_of_key(key) == domain), None)


def _from_entry(entry: Mapping[str, object]) -> Auth | None:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            text = base64.b64decode(str(entry["auth"])).decode()
        except (binascii.Error, ValueError):
            return None
        username, _, password = text.partition(":")
    auth = Auth(
        username,
        password.rstrip("\0"),
        identity_token=str(entry.get("identitytoken") or ""),
        registry_token=str(entry.get("registrytoken") or ""),
    )
    return auth or None


def _from_helper(helper: str, key: str, env: Mapping[str, str]) -> Auth | None:
    if not _HELPER.fullmatch(helper):
        return None
    try:
        result = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=key,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            env=dict(env),
            check=False,
        )
        value = members(json.loads(result.stdout)) if result.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    username, secret = str(value.get("Username") or ""), str(value.get("Secret") or "")
    if username == "<token>":
        return Auth(identity_token=secret)
    return Auth(username, secret) if username else None
