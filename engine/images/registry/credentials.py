"""Credentials of the user who runs the engine: ~/.docker/config.json and its credential helpers.

Used when a request brings no X-Registry-Auth of its own. Nothing is ever written or logged here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..reference import DEFAULT_DOMAIN
from ..types import Auth

if TYPE_CHECKING:
    from collections.abc import Mapping

_HUB_KEY = "https://index.docker.io/v1/"
_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_TIMEOUT = 20.0


def lookup(domain: str, env: Mapping[str, str]) -> Auth | None:
    """Credentials for a registry domain, or None. Unreadable or foreign configuration counts as none."""
    directory = env.get("DOCKER_CONFIG") or (f"{env['HOME']}/.docker" if env.get("HOME") else "")
    if not directory:
        return None
    try:
        config = json.loads(Path(directory, "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    keys = [_HUB_KEY, "docker.io", "index.docker.io", "registry-1.docker.io"] if domain == DEFAULT_DOMAIN else [domain]
    helpers = _mapping(config.get("credHelpers"))
    for key in keys:
        helper = helpers.get(key) or config.get("credsStore")
        if isinstance(helper, str) and (auth := _from_helper(helper, key, env)):
            return auth
    auths = _mapping(config.get("auths"))
    for name, value in auths.items():
        if name in keys or _host(name) in keys:
            auth = _from_entry(_mapping(value))
            if auth:
                return auth
    return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _host(key: str) -> str:
    """Old keys are URLs: ``https://registry.example/v1/``."""
    return key.partition("://")[2].partition("/")[0] if "://" in key else key.partition("/")[0]


def _from_entry(entry: Mapping[str, Any]) -> Auth | None:
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
        value = _mapping(json.loads(result.stdout)) if result.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    username, secret = str(value.get("Username") or ""), str(value.get("Secret") or "")
    if username == "<token>":
        return Auth(identity_token=secret)
    return Auth(username, secret) if username else None
