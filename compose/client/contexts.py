"""The docker CLI's contexts: the engine's address that `docker context create` has kept under a name."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from .. import files
from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Context(NamedTuple):
    """``tls`` is the directory of ca.pem, cert.pem and key.pem, None without any; ``verify`` is False for SkipTLSVerify."""

    host: str
    tls: str | None
    verify: bool


def find_context(name: str, environment: Mapping[str, str]) -> Context:
    """The context ``name`` below $DOCKER_CONFIG or ~/.docker. Raises `UsageError` when there is none."""
    base = environment.get("DOCKER_CONFIG") or os.path.join(environment.get("HOME", ""), ".docker")
    directory = hashlib.sha256(name.encode()).hexdigest()
    path = os.path.join(base, "contexts", "meta", directory, "meta.json")
    try:
        endpoint = json.loads(files.read(path, 16 << 20))["Endpoints"]["docker"]
        host, verify = str(endpoint["Host"]), not endpoint.get("SkipTLSVerify")
    except FileNotFoundError:
        raise UsageError(f'context "{name}": context not found: {path} is not there') from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f'context "{name}": {path}: {error!r}') from None
    tls = os.path.join(base, "contexts", "tls", directory, "docker")
    return Context(host, tls if os.path.isdir(tls) else None, verify)
