"""`pycompose debug`: the tools of another image inside a service's container, which may have neither shell nor tools."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from ...errors import EngineError, OperationError
from ..flags.parser import integer
from ..session import Session

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from ...app.debugging import Request, View
    from ...client import Engine
    from ..flags.parser import Parser

INTERSPERSED = False
GRACE = 1.0
"""Seconds a command has after a SIGTERM: its container must not outlive this command."""


def add_arguments(parser: Parser) -> None:
    flag = parser.add_argument
    flag(
        "--image",
        metavar="IMAGE",
        help="Image with the tools (default: what is there of debian, ubuntu, alpine and busybox); pulled when missing",
    )
    flag(
        "--index", type=integer, default=0, metavar="N", help="index of the container if service has multiple replicas"
    )
    flag("-T", "--no-TTY", "--no-tty", action="store_true", dest="no_tty", help="Disable pseudo-TTY allocation")
    parser.add_argument("service")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")


def run(args: Namespace) -> int:
    from ...app.debugging import TARGET, VOLUMES, Modes, debugged, request, tool_image, view_of
    from ...labels import DEBUG, SERVICE
    from ...plan.observe import container
    from ..streams.interactive import Interaction, attach_and_run

    session = Session(args)
    engine = session.engine
    rows = session.containers(labels=[f"{SERVICE}={args.service}"], all=True, oneoff=True)
    found = debugged([container(row) for row in rows if DEBUG not in row["Labels"]], args.index)
    if found is None:
        session.require_declared([args.service])
        number = f" #{args.index}" if args.index > 0 else ""
        raise OperationError(f'service "{args.service}" has no container{number}: `up` or `create` makes it')
    tree = engine.containers.inspect(found.id)
    host = tree.get("HostConfig") or {}
    modes = Modes(str(host.get("IpcMode") or ""), str(host.get("PidMode") or ""), int(tree["State"].get("Pid") or 0))
    view = view_of(found, modes)
    image = args.image or tool_image([tag for row in engine.images.list() for tag in row.get("RepoTags") or ()])
    tty = not args.no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    words = args.command[1:] if args.command[:1] == ["--"] else args.command
    body = request(session.name, found, view, image, words, tty=tty)
    if tty:
        from .exec import console_size

        body["HostConfig"]["ConsoleSize"] = list(console_size() or (0, 0))
    identity = _create(engine, body, f"{found.name}-debug-{secrets.token_hex(3)}")
    with _removed_after(engine, identity), _removed_after_us(args, identity):
        _show_files(engine, found.id, view, identity)
        if view.root is None:
            volumes = f"; its volumes, read-only, in {VOLUMES}" if view.host.get("Mounts") else ""
            text = f"{found.name} does not run: a copy of its files is in {TARGET}{volumes}"
        else:
            text = f"inside {found.name}: its processes, its network, its files in {TARGET}"
        session.listener.note("\n".join([f"{text}. Tools: {image}", *view.notes]))
        start = partial(engine.containers.start, identity)
        return attach_and_run(engine, identity, Interaction(stdin=True, removes_itself=True, grace=GRACE), start)


def _create(engine: Engine, body: Request, name: str) -> str:
    """The container's id. An image that is not there is pulled."""
    from ....grammar import references
    from ...client import NotFound
    from ...credentials.lookup import registry_auth
    from ..show.transfer import show_lines

    try:
        references.parse(body["Image"].removeprefix("sha256:"))
    except ValueError as error:
        raise OperationError(f"--image {body['Image']}: {error}") from None
    try:
        return str(engine.containers.create(body, name)["Id"])
    except NotFound as error:
        if "no such image" not in str(error).lower():
            raise
    show_lines(engine.images.pull(body["Image"], auth=registry_auth(body["Image"])), quiet=False, out=sys.stderr)
    return str(engine.containers.create(body, name)["Id"])


def _show_files(engine: Engine, shown: str, view: View, identity: str) -> None:
    """Make the files of container ``shown`` visible in container ``identity``: a link into /proc, or a copy when nothing runs there."""
    import io
    import tarfile

    from ...app.debugging import TARGET

    member = tarfile.TarInfo(TARGET.lstrip("/"))
    if view.root is None:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
    else:
        member.type, member.linkname = tarfile.SYMTYPE, view.root
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(member)
    engine.containers.put_archive(identity, "/", archive.getvalue())
    if view.root is None:
        engine.containers.put_archive(identity, TARGET, engine.containers.export(shown))


@contextlib.contextmanager
def _removed_after(engine: Engine, identity: str) -> Iterator[None]:
    """Remove the container at the end of the block: it does so itself once it has run to its end, not after a detach."""
    try:
        yield
    finally:
        with contextlib.suppress(EngineError):  # gone already, or the engine is: what led here has said more
            engine.containers.remove(identity, force=True, volumes=True)


@contextlib.contextmanager
def _removed_after_us(args: Namespace, identity: str) -> Iterator[None]:
    """Should this process be killed meanwhile, another one that waits for that removes container ``identity``.

    The other reads a line that only the end of the block writes: the end of the file says that nobody is left to write it.
    """
    chosen = [*(("-H", args.host) if args.host else ()), *(("--root", args.root) if args.root else ())]
    remove = [sys.executable, "-P", "-m", "pycompose", *chosen, "container", "rm", "-f", "-v", identity]
    with subprocess.Popen(
        ["/bin/sh", "-c", 'read -r line || exec "$@"', "sh", *remove],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYCOMPOSE_WARM": "0"},
        start_new_session=True,
    ) as waiting:
        try:
            yield
        finally:
            if waiting.stdin is not None:
                waiting.stdin.write(b"end\n")
                waiting.stdin.flush()
