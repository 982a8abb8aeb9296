"""Carrying out what `rules` decided: copying into containers, deleting there, executing, restarting."""

from __future__ import annotations

import io
import os
import posixpath
import tarfile
from typing import TYPE_CHECKING, Any

from ..client.frames import demultiplex
from ..convert.values import pairs
from ..errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..client import Engine
    from .rules import Work


def synchronize(engine: Engine, containers: Sequence[str], work: Work) -> None:
    """Copy changed files into every container of the service, and delete those that went."""
    for identity in containers:
        if work.deleted:
            execute(engine, identity, {"command": ["rm", "-rf", "--", *work.deleted], "user": "0"})
        if work.changed:
            engine.containers.put_archive(identity, "/", archive(work.changed))


def archive(files: Sequence[tuple[str, str]]) -> bytes:
    """A tar of local paths under their places in the container. What vanished meanwhile is left out."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, target in files:
            try:
                info = tar.gettarinfo(path, arcname=posixpath.normpath(target).lstrip("/"))
                info.uid = info.gid = 0
                info.uname = info.gname = ""
                if info.isreg():
                    with open(path, "rb") as file:
                        tar.addfile(info, file)
                elif info.isdir() or info.issym():
                    tar.addfile(info)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise OperationError(f"{path}: {error.strerror}") from error
    return buffer.getvalue()


def execute(
    engine: Engine, identity: str, hook: Mapping[str, Any], output: Callable[[str], None] | None = None
) -> None:
    """Run a command in the container. Raises `OperationError` when it fails."""
    command = hook["command"]
    body = {
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": ["/bin/sh", "-c", command] if isinstance(command, str) else list(command),
        "Env": [f"{key}={value}" for key, value in pairs(hook.get("environment")).items()],
        "User": hook.get("user") or "",
        "Privileged": bool(hook.get("privileged")),
        "WorkingDir": hook.get("working_dir") or "",
    }
    ident = engine.execs.create(identity, body)
    text = b""
    with engine.execs.start(ident, tty=False) as response:
        for _, data in demultiplex(response.blocks()):
            text += data
            if output is not None:
                output(data.decode("utf-8", "replace"))
    code = engine.execs.inspect(ident).get("ExitCode")
    if code != 0:
        raise OperationError(f"exit code {code}: {text.decode('utf-8', 'replace').strip()[-400:]}")


def initial_files(root: str, matches: Callable[[str], bool]) -> list[str]:
    """Every file below ``root`` that a rule is about."""
    if not os.path.isdir(root):
        return [root] if matches(root) else []
    found = []
    for directory, _, names in os.walk(root):
        found += [path for name in names if matches(path := os.path.join(directory, name))]
    return found
