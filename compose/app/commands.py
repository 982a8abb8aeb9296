"""Commands in containers, and what containers have written, as values: no terminal is involved."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from .results import Completed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..client import Engine
    from .oneoff import OneOffOptions
    from .session import Session

UNKNOWN_EXIT = 255


def execute(
    engine: Engine, identity: str, command: Sequence[str], user: str, environment: Mapping[str, str], working_dir: str
) -> Completed:
    """Run ``command`` in container ``identity``, without a terminal or input, to its end."""
    from ..client.frames import demultiplex

    body = {
        "AttachStdout": True,
        "AttachStderr": True,
        "Cmd": list(command),
        "Env": [f"{key}={value}" for key, value in environment.items()],
        "User": user,
        "WorkingDir": working_dir,
    }
    ident = engine.execs.create(identity, body)
    with engine.execs.start(ident, tty=False) as response:
        out, err = _collected(demultiplex(response.blocks()))
    code = engine.execs.inspect(ident).get("ExitCode")
    return Completed(UNKNOWN_EXIT if code is None else int(code), out, err)


def run(session: Session, service: str, command: Sequence[str], options: OneOffOptions | None) -> Completed:
    """One one-off container of ``service``, from its creation to its removal."""
    from .converge import check_supported
    from .oneoff import Attachment, OneOffOptions, create, prepare_world
    from .session import require_services

    project, engine = session.project, session.engine
    require_services([service], list(project.services))
    check_supported(project, session)
    options = options or OneOffOptions()
    if command:
        options = replace(options, command=tuple(command))
    world = prepare_world(session, service, options)
    slug = secrets.token_hex(6)
    name = f"{project.name}-{service}-run-{slug}"
    identity = create(session, world, service, options, Attachment(name, slug))
    try:
        waiting = engine.containers.wait_begin(identity, "next-exit")
        engine.containers.start(identity)
        code = waiting.finish()
        return replace(output(engine, identity), exit_code=code)
    finally:
        engine.containers.remove(identity, force=True, volumes=True)


def output(
    engine: Engine, identity: str, *, tail: int | None = None, since: str | None = None, timestamps: bool = False
) -> Completed:
    """What a container has written so far; its exit code is not looked at."""
    from ..client.containers import LogWindow

    tty = bool((engine.containers.inspect(identity).get("Config") or {}).get("Tty"))
    window = LogWindow(since=since, timestamps=timestamps, tail=None if tail is None else str(tail))
    out, err = _collected(engine.containers.logs(identity, window, tty=tty))
    return Completed(0, out, err)


def _collected(pieces: Iterable[tuple[int, bytes]]) -> tuple[str, str]:
    """Standard output and standard error."""
    found = {1: bytearray(), 2: bytearray()}
    for stream, data in pieces:
        found[2 if stream == 2 else 1] += data
    return found[1].decode("utf-8", "replace"), found[2].decode("utf-8", "replace")
