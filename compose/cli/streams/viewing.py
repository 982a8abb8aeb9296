"""What a screen is opened with: its engine, its project, and the terminal view over an attached `up`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...errors import ComposeError

if TYPE_CHECKING:
    from argparse import Namespace

    from ...client import Engine
    from ...screens.commands import Target
    from ..session import Session


def following(session: Session) -> Engine:
    """A client of the session's engine, which is started now but not again: who stops it means it."""
    from ...client import Engine

    session.engine.version  # noqa: B018  (the first call starts the engine)
    return Engine(session.engine.endpoint)


def engine_options(args: Namespace) -> list[str]:
    """The options that name the engine, for commands that a screen runs."""
    found = ["--host", args.host] if args.host else []
    return [*found, "--root", os.path.abspath(args.root)] if args.root else found


def project_of(session: Session) -> Target | None:
    """The session's project, which a screen can bring up before it has containers; None without a sound one."""
    from ...screens.commands import Target

    try:
        identity = session.identity
    except ComposeError:
        return None
    files = tuple(os.path.abspath(name) for name in identity.files if os.path.exists(name))
    if identity.name is None or not files:
        return None
    env_files = tuple(os.path.abspath(name) for name in session.choices.env_files)
    return Target(identity.name, identity.directory or "", files, env_files, session.choices.profiles)


def open_view(session: Session, args: Namespace) -> int:
    """The terminal view of the session's project, as a process of its own that has the terminal until it ends."""
    from ...screens.runner import Runner

    project = project_of(session)
    return Runner(engine_options(args)).foreground([*(project.options if project is not None else ()), "tui"])
