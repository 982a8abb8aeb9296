"""The docker CLI's configuration file, ``$DOCKER_CONFIG/config.json`` or ``~/.docker/config.json``: what it says, and proxies.

A file that is not JSON is no reason to stop (the docker CLI goes on as well), but nobody should wonder why a login or a proxy
is ignored: `Configuration.fault` says what is wrong with it, for whoever talks to the user.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from ...grammar.jsontree import mapping, text
from .. import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...grammar.jsontree import Object

_LARGEST = 16 << 20
_PROXIES = (
    ("httpProxy", "HTTP_PROXY"),
    ("httpsProxy", "HTTPS_PROXY"),
    ("noProxy", "NO_PROXY"),
    ("ftpProxy", "FTP_PROXY"),
    ("allProxy", "ALL_PROXY"),
)


class Configuration(NamedTuple):
    """``tree`` is empty without a usable file; ``fault`` is why, as ``file:line:column: reason``, else empty."""

    path: str
    tree: Object
    fault: str = ""

    def table(self, name: str) -> Object:
        """A member that is an object; empty when it is none."""
        return mapping(self.tree.get(name))


def read(environment: Mapping[str, str] = os.environ) -> Configuration:
    directory = environment.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    path = os.path.join(directory, "config.json")
    try:
        tree = json.loads(files.read(path, _LARGEST))
    except (FileNotFoundError, NotADirectoryError):
        return Configuration(path, {})
    except json.JSONDecodeError as error:
        return Configuration(path, {}, f"{path}:{error.lineno}:{error.colno}: {error.msg}")
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return Configuration(path, {}, f"{path}: {reason}")
    if not isinstance(tree, dict):
        return Configuration(path, {}, f"{path}:1:1: not a JSON object")
    wrong = [name for name in ("auths", "credHelpers", "proxies") if not isinstance(tree.get(name) or {}, dict)]
    return Configuration(path, tree, f"{path}: {wrong[0]} is not a JSON object" if wrong else "")


def proxies(configuration: Configuration, host: str = "") -> dict[str, str]:
    """The variables that containers and builds get (docs.docker.com, "Use a proxy server with the Docker CLI"), each in upper
    and in lower case: those for the engine's address ``host``, else the default ones."""
    table = configuration.table("proxies")
    chosen = table.get(host) if host in table else table.get("default")
    if not isinstance(chosen, dict):
        return {}
    found = {name: value for key, name in _PROXIES if (value := text(chosen.get(key)))}
    return {form: value for name, value in found.items() for form in (name, name.lower())}
