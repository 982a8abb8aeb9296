"""`pycompose engine install`: have the engine start with the machine, and when somebody connects to its socket."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ....app.installing import MARK, Installation, line_for_init, unit_directory
from ....client import choose
from ....errors import OperationError, UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from ...flags.parser import Parser

RUNNING = "/run/systemd/system"
"""Its being there is how one tells that systemd runs: sd_booted(3)."""

SYSTEMCTL_SECONDS = 120


def add_arguments(parser: Parser) -> None:
    add_user_flag(parser)
    parser.add_argument("--now", action="store_true", help="Also start it; containers that run go on")
    parser.add_argument(
        "--destdir", metavar="DIR", help="Only write the units, below DIR: for packages and images of machines"
    )


def add_user_flag(parser: Parser) -> None:
    parser.add_argument(
        "--user", action="store_true", help="Units of your own systemd (default for everybody but root)"
    )


def run(args: Namespace) -> int:
    found = installation(args)
    if args.dry_run:
        for path, text in found.units().items():
            print(f"# {path}\n{text}")
        print(found.hints())
        return 0
    if not args.destdir and not os.path.isdir(RUNNING):
        init = _init()
        print(
            f"systemd does not run here, {init} does. This has it start the engine with the machine:", file=sys.stderr
        )
        print(line_for_init(found.command, init, user=found.user))
        print(found.hints())
        return 0
    for path, text in found.units().items():
        below = f"{args.destdir or ''}{path}"
        print(f"{below}: {_write(below, text)}")
    if not args.destdir:
        _enable(args, found)
    print(found.hints())
    return 0


def installation(args: Namespace) -> Installation:
    """What the command line says. Raises `UsageError` for somebody else's engine."""
    uid = os.geteuid()
    if args.user and uid == 0:
        raise UsageError("--user is for an ordinary user's engine: root's belongs to the whole machine")
    endpoint = choose(os.environ, uid, args.host, args.root)
    if not endpoint.own and endpoint.origin == "DOCKER_HOST":
        endpoint = choose({**os.environ, "DOCKER_HOST": "", "DOCKER_CONTEXT": ""}, uid)
    if not endpoint.own or endpoint.address.path is None:
        raise UsageError(f"our own engine is what starts with the machine: {endpoint.origin} names another one")
    beside = os.path.join(os.path.dirname(sys.executable), "pycompose")
    command = (beside,) if os.access(beside, os.X_OK) else (sys.executable, "-P", "-m", "pycompose")
    root = ("--root", endpoint.root) if endpoint.root is not None else ()
    directory = unit_directory(dict(os.environ), user=uid != 0)
    words = (*command, *root, "engine", "run")
    return Installation(words, endpoint.address.path, endpoint.root, uid != 0, directory)


def systemctl(found: Installation, *words: str) -> None:
    """Raises `OperationError` with what it said."""
    import subprocess

    command = ["systemctl", *(("--user",) if found.user else ()), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperationError(f"{' '.join(command)}: {error}") from None
    if done.returncode != 0:
        raise OperationError(f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def is_ours(path: str) -> bool:
    """Whether the unit at ``path`` is one that we have written; True for none. Raises `OperationError` for one of somebody else's."""
    from .... import files

    try:
        text = files.text(path)
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError) as error:
        raise OperationError(f"{path}: {error}") from None
    if not text.startswith(MARK):
        raise OperationError(f"{path} is not of `pycompose engine install`: remove it, or move it away")
    return True


def _write(path: str, text: str) -> str:
    """Put the unit at ``path``, whole or not at all; what was done, in a word."""
    import contextlib

    from .... import files

    is_ours(path)
    with contextlib.suppress(FileNotFoundError):
        if files.text(path) == text:
            return "unchanged"
    part = f"{path}.pycompose-part"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(part, path)
    except OSError as error:
        raise OperationError(f"{path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)
    return "written"


def _enable(args: Namespace, found: Installation) -> None:
    systemctl(found, "daemon-reload")
    units = [f"{found.name}.socket", f"{found.name}.service"]
    systemctl(found, "enable", *units)
    if args.now:
        from .restart import end_for_service

        end_for_service(args)
        systemctl(found, "start", *units)
    if found.user:
        print("loginctl enable-linger    # has it start with the machine and not with your first session")


def _init() -> str:
    try:
        with open("/proc/1/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip() or "init"
    except OSError:
        return "init"
