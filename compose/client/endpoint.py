"""Which engine a command talks to: the first of -H, --root, PYCOMPOSE_HOST, PYCOMPOSE_ROOT, DOCKER_HOST, DOCKER_CONTEXT,
default.

Pure: reads no environment but the mapping it is given, and no file but a context's that is asked for; of the user's directory
for sockets it looks whether it is there. Only an endpoint that belongs to an engine root
(`root` is not None, or `own`) may be started automatically; a foreign engine is somebody else's to start.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ..errors import UsageError
from .http import Address

if TYPE_CHECKING:
    from collections.abc import Mapping


class Endpoint(NamedTuple):
    """An address; ``own`` says that it is our engine's socket; ``root`` is its root directory (None: the default)."""

    address: Address
    own: bool = False
    root: str | None = None
    origin: str = "the default"


def run_directory(root: str | None, environment: Mapping[str, str], uid: int) -> str:
    """Where the engine of ``root`` keeps its socket and its log; the same rule as the engine's own layout."""
    if root and os.path.abspath(root) != _default_root(environment, uid):
        return os.path.join(os.path.abspath(root), "run")
    if uid == 0:
        return "/run/pycompose"
    for directory in (environment.get("XDG_RUNTIME_DIR"), f"/run/user/{uid}"):
        if directory and _belongs_to(directory, uid):
            return os.path.join(directory, "pycompose")
    return os.path.join(_default_root(environment, uid), "run")


def _belongs_to(directory: str, uid: int) -> bool:
    """Whether it is there and the user's own: `su` keeps XDG_RUNTIME_DIR of somebody else."""
    try:
        return os.stat(directory).st_uid == uid
    except OSError:
        return False


def _default_root(environment: Mapping[str, str], uid: int) -> str:
    if uid == 0:
        return "/var/lib/pycompose"
    home = environment.get("XDG_DATA_HOME") or os.path.join(environment.get("HOME", ""), ".local/share")
    return os.path.join(home, "pycompose")


def log_files(root: str | None, environment: Mapping[str, str], uid: int) -> tuple[str, str]:
    """Where the engine of ``root`` logs to while it runs, and where its log is kept afterwards."""
    base = os.path.abspath(root) if root else _default_root(environment, uid)
    state = base if base == _default_root(environment, uid) else os.path.join(base, "state")
    return os.path.join(run_directory(root, environment, uid), "engine.log"), os.path.join(state, "engine.log")


def choose(environment: Mapping[str, str], uid: int, host: str | None = None, root: str | None = None) -> Endpoint:
    """The endpoint for these choices. Raises `UsageError` for a host that cannot be one."""
    if host:
        return _from_host(host, environment, "-H")
    if root:
        return _own(root, environment, uid, "--root")
    if environment.get("PYCOMPOSE_HOST"):
        return _from_host(environment["PYCOMPOSE_HOST"], environment, "PYCOMPOSE_HOST")
    if environment.get("PYCOMPOSE_ROOT"):
        return _own(environment["PYCOMPOSE_ROOT"], environment, uid, "PYCOMPOSE_ROOT")
    if environment.get("DOCKER_HOST"):
        return _from_host(environment["DOCKER_HOST"], environment, "DOCKER_HOST")
    if environment.get("DOCKER_CONTEXT", "default") not in ("", "default"):
        from .contexts import find_context

        name = environment["DOCKER_CONTEXT"]
        context = find_context(name, environment)
        endpoint = _from_host(context.host, {}, f"context {name}")
        if context.tls is None or endpoint.address.host == "":
            return endpoint
        return endpoint._replace(address=endpoint.address._replace(tls=(context.tls, context.verify)))
    return _own(None, environment, uid, "the default")


def _own(root: str | None, environment: Mapping[str, str], uid: int, origin: str) -> Endpoint:
    path = os.path.join(run_directory(root, environment, uid), "engine.sock")
    return Endpoint(Address(path), True, os.path.abspath(root) if root else None, origin)


def _from_host(host: str, environment: Mapping[str, str], origin: str) -> Endpoint:
    scheme, separator, rest = host.partition("://")
    if not separator:
        scheme, rest = ("unix", host) if host.startswith("/") else ("tcp", host)
    if scheme == "unix":
        if not rest.startswith("/"):
            raise UsageError(f"{origin}: {host!r} is no absolute socket path")
        return Endpoint(Address(rest), origin=origin)
    if scheme in ("tcp", "http", "https"):
        tls = None
        verify = bool(environment.get("DOCKER_TLS_VERIFY"))
        if scheme == "https" or verify or environment.get("DOCKER_TLS"):
            directory = environment.get("DOCKER_CERT_PATH") or os.path.join(environment.get("HOME", ""), ".docker")
            tls = (directory, verify)
        name, _, port = rest.rstrip("/").rpartition(":")
        if not name:
            name, port = rest.rstrip("/"), "2376" if tls else "2375"
        if not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
            raise UsageError(f"{origin}: {host!r} has no valid port")
        return Endpoint(Address(None, name.strip("[]"), int(port), tls), origin=origin)
    if scheme == "ssh":
        from .ssh import command

        try:
            command(host)
        except ValueError as error:
            raise UsageError(f"{origin}: {host!r}: {error}") from None
        return Endpoint(Address(None, ssh=host), origin=origin)
    raise UsageError(f"{origin}: unknown scheme {scheme!r} in {host!r} (unix://, tcp:// or ssh://)")
