"""What goes from engine to engine, shown while it goes: one line for each object."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from ...errors import UsageError
from . import legible
from .amounts import counted
from .format import size

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from ...app.moving.move import Moved
    from ...client import Engine

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")


def other_engine(host: str, option: str) -> Engine:
    """The engine at ``host``, which is somebody else's to start. Raises `UsageError`."""
    from ...client import choose, connect

    if not host:
        raise UsageError(f"{option}: want the address of an engine, such as unix:///var/run/docker.sock")
    try:
        return connect(choose(os.environ, os.geteuid(), host))
    except UsageError as error:
        raise UsageError(f"{option}{str(error).removeprefix('-H')}") from None


def default_source() -> Engine:
    """Docker's engine, else podman's. Raises `UsageError` when neither has a socket."""
    found = next((path for path in _SOCKETS if os.path.exists(path)), None)
    if found is None:
        raise UsageError(f"no engine to import from: neither {' nor '.join(_SOCKETS)} is there; --from names another")
    return other_engine(f"unix://{found}", "--from")


def bring(args: Namespace, source: Engine, target: Engine) -> int:
    """Bring everything, or what belongs to ``args.project``, from ``source`` to ``target``; the exit code."""
    from ...app.moving import inventory, move

    if source.endpoint.address == target.endpoint.address:
        raise UsageError(f"both engines are the one at {source.endpoint.address}")
    wanted = inventory.take(source, args.project)
    lines = Lines(as_json=args.format == "json")
    if args.dry_run:
        for moved in move.plan(source, target, wanted):
            lines.done(moved)
        return 0
    work = move.Move(source, target, wanted, lines)
    work.run()
    if work.failed:
        legible.complain(
            f"{work.failed} of {lines.count} could not be brought; what was is there, and a second run goes on from here"
        )
    return 1 if work.failed else 0


class Lines:
    """A watcher that prints. ``count`` is how many objects are through."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.count = 0

    def passing(self, kind: str, name: str, size: int, blocks: Iterator[bytes]) -> Iterator[bytes]:
        return counted(blocks, f"{kind} {legible.cell(name)}", "Bringing", size)

    def done(self, moved: Moved) -> None:
        self.count += 1
        if self._as_json:
            row = {
                "Kind": moved.kind,
                "Name": moved.name,
                "State": moved.state,
                "Detail": moved.detail,
                "Size": moved.size,
            }
            print(json.dumps(row), flush=True)
            return
        amount = size(moved.size) if moved.size else ""
        details = ", ".join(part for part in (amount, legible.cell(moved.detail)) if part)
        name = moved.name[:12] if _ANONYMOUS.fullmatch(moved.name) else legible.cell(moved.name)
        line = f"{moved.kind:<10} {name:<32} {moved.state}"
        print(f"{line}: {details}" if details else line, flush=True)
