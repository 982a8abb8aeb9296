"""Keeping and forgetting registry credentials: in the docker CLI's configuration file, or in the helper it names.

The other half of `credentials`, which reads them. The file is replaced as a whole, readable by its owner alone; what it
says besides stays as it is.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from typing import TYPE_CHECKING, cast

from ...grammar.jsontree import mapping, text
from .. import files
from ..errors import OperationError
from .lookup import HELPER_TIMEOUT, find

if TYPE_CHECKING:
    from ...grammar.jsontree import Json, Object

TOKEN_USER = "<token>"


def configuration_file() -> str:
    directory = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    return os.path.join(directory, "config.json")


def _read() -> dict[str, Json]:
    path = configuration_file()
    try:
        tree = json.loads(files.read(path, 16 << 20))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise OperationError(f"{path}: {error}") from error
    if not isinstance(tree, dict):
        raise OperationError(f"{path}: no JSON object")
    for name in ("auths", "credHelpers"):
        if not isinstance(tree.get(name) or {}, dict):
            raise OperationError(f"{path}: {name} is no JSON object")
    return cast("dict[str, Json]", tree)


def _write(tree: Object) -> None:
    path = os.path.realpath(configuration_file())
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix="config.json", dir=os.path.dirname(path))
        try:
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(tree, file, indent="\t", ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise OperationError(f"{path}: {error.strerror}") from error


def helper_of(tree: Object, host: str) -> str | None:
    """The credential helper in charge of ``host``, if any."""
    return text(find(mapping(tree.get("credHelpers")), host)) or text(tree.get("credsStore")) or None


def _ask(helper: str, verb: str, data: str) -> None:
    if "/" in helper:  # it would be looked for below the current directory
        raise OperationError(f"{helper!r} is no name of a credential helper")
    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", verb],
            input=data.encode(),
            capture_output=True,
            timeout=HELPER_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OperationError(f"docker-credential-{helper}: {error}") from error
    if done.returncode:
        words = (done.stdout or done.stderr).decode("utf-8", "replace").strip()
        raise OperationError(f"docker-credential-{helper} {verb}: {words or f'exit code {done.returncode}'}")


def keep(host: str, username: str, password: str, identity_token: str = "") -> str | None:
    """Remember credentials for ``host``; the file they are now in unencrypted, None when a helper has them."""
    tree = _read()
    helper = helper_of(tree, host)
    if helper:
        user, secret = (TOKEN_USER, identity_token) if identity_token else (username, password)
        _ask(helper, "store", json.dumps({"ServerURL": host, "Username": user, "Secret": secret}))
        if host not in mapping(tree.get("auths")):
            # A build sends credentials for the registries that stand here.
            tree["auths"] = {**mapping(tree.get("auths")), host: {}}
            _write(tree)
        return None
    shown = "" if identity_token else password
    entry: dict[str, Json] = {"auth": base64.b64encode(f"{username}:{shown}".encode()).decode()}
    if identity_token:
        entry["identitytoken"] = identity_token
    tree["auths"] = {**mapping(tree.get("auths")), host: entry}
    _write(tree)
    return configuration_file()


def forget(host: str) -> None:
    """Forget the credentials for ``host``, whether there are any or not."""
    tree = _read()
    helper = helper_of(tree, host)
    if helper:
        _ask(helper, "erase", host)
    auths = mapping(tree.get("auths"))
    if host in auths:
        tree["auths"] = {name: entry for name, entry in auths.items() if name != host}
        _write(tree)
